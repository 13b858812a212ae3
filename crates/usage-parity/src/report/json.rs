//! The report for scripts.

use std::io::{self, Write};

use serde::Serialize;
use usage_core::{Endpoint, Metric, Metrics, WindowRange, WindowState, format_instant};

use super::ReportFacts;
use crate::diff::{
    Coarsened, CompareOptions, Comparison, InspectedFile, NotCovered, OpenWindow, Spool, Surface, Verdict,
};

/// The version of the report's form. It grows when a field changes its meaning or goes, not when one comes.
const VERSION: u32 = 1;

impl Comparison {
    /// Writes the report as JSON: one object, its long lists an item a line.
    ///
    /// # Errors
    ///
    /// The output or a temporary file fails.
    pub fn write_json(
        &mut self,
        facts: &ReportFacts,
        options: &CompareOptions,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let verdict = self.verdict();
        let mut object = Object::new(out)?;
        object.field("version", &VERSION)?;
        object.field("program", &facts.program)?;
        object.field("generatedAt", &format_instant(options.now))?;
        object.field("label", &facts.label)?;
        object.field("verdict", &verdict)?;
        object.field("scope", &scope(self, facts, options))?;
        object.field("summary", &self.counts)?;
        object.field("totals", &totals(self, verdict))?;
        object.list("mismatched", &mut self.mismatched)?;
        object.list("missingInDb", &mut self.missing_in_db)?;
        object.list("missingInCsv", &mut self.missing_in_csv)?;
        object.list("restatedSince", &mut self.restated_since)?;
        object.list("notCoveredGroups", &mut self.not_covered_groups)?;
        object.list("withoutMetadata", &mut self.without_metadata)?;
        object.field("coarsened", &coarsened(&self.coarsened))?;
        let states = self.surfaces.iter().flat_map(|surface| &surface.states);
        let between = self.between_exports.iter().copied();
        let coverage = coverage(states, between, &self.not_covered, &self.open);
        object.field("coverage", &coverage)?;
        if let Some(costs) = &mut self.costs {
            object.object("costs", |object| costs.write_json(object))?;
        }
        object.field("ledger", &ledger(verdict, facts))?;
        let costs_files = self.costs.iter().flat_map(|costs| &costs.files);
        let files: Vec<&InspectedFile> = self.files.iter().chain(costs_files).collect();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        object.field("inspectedCsvFiles", &paths)?;
        object.field("csvFiles", &files)?;
        object.field("skippedFiles", &facts.skipped_files)?;
        object.finish()
    }
}

fn scope<'a>(
    comparison: &'a Comparison,
    facts: &'a ReportFacts,
    options: &'a CompareOptions,
) -> impl Serialize + 'a {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Scope<'a> {
        account: Option<String>,
        from: Option<String>,
        to: Option<String>,
        projects: &'a [String],
        users: &'a [String],
        tolerance: u64,
        allow_coarse: bool,
        endpoints: Vec<Compared>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Compared {
        endpoint: usage_core::Endpoint,
        width: usage_core::Width,
        from: Option<String>,
        to: Option<String>,
        metrics: Vec<&'static str>,
        metrics_not_exported: Vec<&'static str>,
        summed_over: usage_core::DimensionSet,
    }
    let names = |metrics: &[Metric]| metrics.iter().map(|metric| metric.as_str()).collect();
    Scope {
        account: facts.account.as_ref().map(ToString::to_string),
        from: options.range.from.map(format_instant),
        to: options.range.to.map(format_instant),
        projects: &options.scope.projects,
        users: &options.scope.users,
        tolerance: options.tolerance,
        allow_coarse: facts.allow_coarse,
        endpoints: comparison
            .surfaces
            .iter()
            .map(|surface| Compared {
                endpoint: surface.endpoint,
                width: surface.width,
                from: surface.range.map(|range| format_instant(range.start())),
                to: surface.range.map(|range| format_instant(range.end())),
                metrics: names(&surface.metrics),
                metrics_not_exported: names(&surface.not_exported),
                summed_over: surface.summed_over,
            })
            .collect(),
    }
}

/// Sums over all endpoints and of each.
fn totals(comparison: &Comparison, verdict: Verdict) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Totals {
        csv: Sums,
        #[serde(skip_serializing_if = "Option::is_none")]
        db: Option<Sums>,
        by_endpoint: Vec<OfEndpoint>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OfEndpoint {
        endpoint: usage_core::Endpoint,
        width: usage_core::Width,
        csv: Sums,
        #[serde(skip_serializing_if = "Option::is_none")]
        db: Option<Sums>,
    }
    let has_ledger = verdict != Verdict::NoLedger;
    let all = |side: Side| {
        comparison.surfaces.iter().fold(Sums::default(), |sums, surface| {
            sums.plus(&surface.metrics, side(surface))
        })
    };
    let by_endpoint = comparison.surfaces.iter().map(|surface| OfEndpoint {
        endpoint: surface.endpoint,
        width: surface.width,
        csv: Sums::default().plus(&surface.metrics, &surface.csv),
        db: has_ledger.then(|| Sums::default().plus(&surface.metrics, &surface.db)),
    });
    Totals {
        csv: all(|surface| &surface.csv),
        db: has_ledger.then(|| all(|surface| &surface.db)),
        by_endpoint: by_endpoint.collect(),
    }
}

type Side = fn(&Surface) -> &Metrics;

/// Sums by metric, in the order in which they came; null where nothing was reported. Several sums of 64 bits may add up
/// to more.
#[derive(Default)]
struct Sums(Vec<(Metric, Option<i128>)>);

impl Sums {
    fn plus(mut self, names: &[Metric], metrics: &Metrics) -> Self {
        for name in names {
            let value = metrics.get(*name).map(i128::from);
            match self.0.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.map_or(value, |sum| Some(sum + value.unwrap_or(0))),
                None => self.0.push((*name, value)),
            }
        }
        self
    }
}

impl Serialize for Sums {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, sum)| (name.as_str(), sum)))
    }
}

pub(super) fn coarsened(list: &[Coarsened]) -> impl Serialize + use<> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        endpoint: usage_core::Endpoint,
        dimension: usage_core::Dimension,
        windows: u64,
        first_window_start: String,
        last_window_start: String,
    }
    let lines = list.iter().map(|coarsened| Line {
        endpoint: coarsened.endpoint,
        dimension: coarsened.dimension,
        windows: coarsened.windows,
        first_window_start: format_instant(coarsened.first.start()),
        last_window_start: format_instant(coarsened.last.start()),
    });
    lines.collect::<Vec<_>>()
}

pub(super) fn coverage<'a>(
    states: impl Iterator<Item = (&'a WindowState, &'a u64)>,
    between_exports: impl Iterator<Item = (Endpoint, WindowRange)>,
    not_covered: &[NotCovered],
    open: &[OpenWindow],
) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Coverage {
        compared: std::collections::BTreeMap<String, u64>,
        not_covered: Vec<Line>,
        open: Vec<Line>,
        between_exports: Vec<Span>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Span {
        endpoint: usage_core::Endpoint,
        window_start_iso: String,
        window_end_iso: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Line {
        endpoint: usage_core::Endpoint,
        window_start_iso: String,
        window_end_iso: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<crate::diff::NotCoveredReason>,
        csv_groups: u64,
        db_groups: u64,
    }
    let mut compared = std::collections::BTreeMap::new();
    for (state, windows) in states {
        *compared.entry(state.to_string()).or_default() += windows;
    }
    Coverage {
        compared,
        not_covered: not_covered
            .iter()
            .map(|found| Line {
                endpoint: found.endpoint,
                window_start_iso: format_instant(found.windows.start()),
                window_end_iso: format_instant(found.windows.end()),
                reason: Some(found.reason),
                csv_groups: found.csv_groups,
                db_groups: found.db_groups,
            })
            .collect(),
        open: open
            .iter()
            .map(|open| Line {
                endpoint: open.endpoint,
                window_start_iso: format_instant(open.window.start()),
                window_end_iso: format_instant(open.window.end()),
                reason: None,
                csv_groups: open.csv_groups,
                db_groups: open.db_groups,
            })
            .collect(),
        between_exports: between_exports
            .map(|(endpoint, windows)| Span {
                endpoint,
                window_start_iso: format_instant(windows.start()),
                window_end_iso: format_instant(windows.end()),
            })
            .collect(),
    }
}

fn ledger(verdict: Verdict, facts: &ReportFacts) -> Option<&super::LedgerFacts> {
    (verdict != Verdict::NoLedger).then_some(&facts.ledger)
}

/// A JSON object, written field by field.
pub(crate) struct Object<'a> {
    out: &'a mut dyn Write,
    indent: String,
    is_first: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        Self::indented(out, String::new())
    }

    fn indented(out: &'a mut dyn Write, indent: String) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self {
            out,
            indent,
            is_first: true,
        })
    }

    pub(crate) fn field(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.name(name)?;
        let text = serde_json::to_string_pretty(value)?;
        let line_break = format!("\n{}  ", self.indent);
        self.out.write_all(text.replace('\n', &line_break).as_bytes())
    }

    pub(crate) fn list(&mut self, name: &str, list: &mut Spool) -> io::Result<()> {
        self.name(name)?;
        let indent = format!("{}  ", self.indent);
        list.write(self.out, &indent)
    }

    fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>) -> io::Result<()>) -> io::Result<()> {
        self.name(name)?;
        let indent = format!("{}  ", self.indent);
        let mut object = Object::indented(self.out, indent)?;
        fill(&mut object)?;
        object.close()
    }

    fn name(&mut self, name: &str) -> io::Result<()> {
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        write!(self.out, "{comma}\n{}  \"{name}\": ", self.indent)
    }

    fn close(&mut self) -> io::Result<()> {
        write!(self.out, "\n{}}}", self.indent)
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.close()?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}
