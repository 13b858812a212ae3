//! Prometheus' text format, version 0.0.4: what both its scraper and the textfile collector of `node_exporter` read.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder as _, TextEncoder};

use crate::error::AppError;

/// Labels of a sample, name and value.
pub(super) type Labels<'a> = &'a [(&'static str, &'a str)];

/// A metric with its samples.
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<&'static str>,
    kind: MetricType,
    samples: Vec<Metric>,
}

impl Family {
    /// A number that only grows.
    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::COUNTER)
    }

    /// A number that goes up and down.
    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::GAUGE)
    }

    /// How many of something were how large.
    pub(super) fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, help, MetricType::HISTOGRAM)
    }

    fn new(name: &'static str, help: &'static str, kind: MetricType) -> Self {
        Self {
            name,
            help,
            unit: None,
            kind,
            samples: Vec::new(),
        }
    }

    /// What it is measured in.
    pub(super) fn in_unit(self, unit: &'static str) -> Self {
        Self {
            unit: Some(unit),
            ..self
        }
    }

    /// Adds a sample of a counter or gauge.
    pub(super) fn add(&mut self, labels: Labels<'_>, value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.samples.push(metric);
    }

    /// Adds a histogram: how many there are within each bound, which ascend, how many in all, and their sum.
    pub(super) fn add_histogram(&mut self, labels: Labels<'_>, within: &[(f64, u64)], count: u64, sum: f64) {
        let buckets = within.iter().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(*count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.samples.push(metric);
    }
}

/// Writes the metrics down. One without samples is left out: the format has no way to say that nothing is known.
pub(super) fn render(families: impl IntoIterator<Item = Family>) -> Result<String, AppError> {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    for family in families {
        if family.samples.is_empty() {
            continue;
        }
        if let Some(unit) = family.unit {
            // A comment in this version of the format, and what OpenMetrics made of it.
            text.extend_from_slice(format!("# UNIT {} {unit}\n", family.name).as_bytes());
        }
        let mut encodable = MetricFamily::default();
        encodable.set_name(family.name.to_owned());
        encodable.set_help(family.help.to_owned());
        encodable.set_field_type(family.kind);
        encodable.set_metric(family.samples);
        encoder
            .encode(&[encodable], &mut text)
            .map_err(|error| AppError::Metrics(error.to_string()))?;
    }
    String::from_utf8(text).map_err(|error| AppError::Metrics(error.to_string()))
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&'static str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_format_to_the_letter() {
        let mut runs = Family::counter("runs_total", "Runs.");
        runs.add(
            &[("kind", "backfill"), ("label", "a \"b\"\\\nc")],
            1_700_000_000.0,
        );
        let mut duration = Family::histogram("duration_seconds", "How long.").in_unit("seconds");
        duration.add_histogram(&[("kind", "cron")], &[(1.0, 2), (60.0, 3)], 4, 700.0);
        let none = Family::gauge("unknown", "Nothing is known.");
        let mut ratio = Family::gauge("variance_ratio", "A share.").in_unit("ratio");
        ratio.add(&[], -0.0123);
        assert_eq!(
            render([runs, duration, none, ratio]).unwrap(),
            "# HELP runs_total Runs.\n\
             # TYPE runs_total counter\n\
             runs_total{kind=\"backfill\",label=\"a \\\"b\\\"\\\\\\nc\"} 1700000000\n\
             # UNIT duration_seconds seconds\n\
             # HELP duration_seconds How long.\n\
             # TYPE duration_seconds histogram\n\
             duration_seconds_bucket{kind=\"cron\",le=\"1\"} 2\n\
             duration_seconds_bucket{kind=\"cron\",le=\"60\"} 3\n\
             duration_seconds_bucket{kind=\"cron\",le=\"+Inf\"} 4\n\
             duration_seconds_sum{kind=\"cron\"} 700\n\
             duration_seconds_count{kind=\"cron\"} 4\n\
             # UNIT variance_ratio ratio\n\
             # HELP variance_ratio A share.\n\
             # TYPE variance_ratio gauge\n\
             variance_ratio -0.0123\n"
        );
    }
}
