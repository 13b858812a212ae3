//! Groups as reports show them.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use usage_core::{Dimension, Dimensions, Endpoint, Metric, Metrics, Window, format_instant};

use crate::groups::{Group, Symbols};

/// What a group is, with the names that operators' scripts know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKey {
    /// Which surface.
    pub endpoint: Endpoint,
    /// Which window.
    pub window: Window,
    /// Who and what it belongs to.
    pub dimensions: Dimensions,
}

/// A group of one side.
#[derive(Clone, Debug)]
pub struct GroupRecord {
    /// What it is.
    pub key: GroupKey,
    /// How much it is.
    pub metrics: Metrics,
    /// The metrics that are compared, in the endpoint's order.
    pub compared: Vec<Metric>,
    /// The file that it stands in; none for a group of the ledger.
    pub csv_source: Option<String>,
    /// How many rows were summed.
    pub record_count: u32,
}

impl GroupKey {
    pub(crate) fn new(endpoint: Endpoint, window: Window, group: Group<'_>, symbols: &Symbols) -> Self {
        let mut dimensions = Dimensions::default();
        for dimension in Dimension::USAGE {
            let text = symbols.text(group.symbol(dimension));
            match dimensions.text_mut(dimension) {
                Some(place) => *place = text,
                None => dimensions.batch = text.map(|text| text == "true"),
            }
        }
        Self {
            endpoint,
            window,
            dimensions,
        }
    }
}

/// The numbers of a group.
pub(crate) fn metrics_of(endpoint: Endpoint, group: Group<'_>) -> Metrics {
    let mut metrics = Metrics::default();
    for (place, metric) in endpoint.metrics().iter().enumerate() {
        if group.present & (1 << place) != 0 {
            *metrics.get_mut(*metric) = Some(group.sums[place]);
        }
    }
    metrics
}

impl Serialize for GroupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_key(self, &mut map)?;
        map.end()
    }
}

impl Serialize for GroupRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_key(&self.key, &mut map)?;
        map.serialize_entry("metrics", &MetricMap(&self.compared, &self.metrics))?;
        if let Some(source) = &self.csv_source {
            map.serialize_entry("csvSource", source)?;
        }
        map.serialize_entry("recordCount", &self.record_count)?;
        map.end()
    }
}

/// Every dimension that the endpoint has, null where the group has no value.
fn serialize_key<M: SerializeMap>(key: &GroupKey, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("endpoint", &key.endpoint)?;
    map.serialize_entry("windowStartIso", &format_instant(key.window.start()))?;
    map.serialize_entry("windowEndIso", &format_instant(key.window.end()))?;
    let dimensions = &key.dimensions;
    for dimension in key.endpoint.dimensions().iter() {
        match dimension {
            Dimension::Batch => map.serialize_entry(&dimension, &dimensions.batch)?,
            dimension => map.serialize_entry(&dimension, &dimensions.get(dimension))?,
        }
    }
    Ok(())
}

/// Metrics by the names of the provider's columns, null where none was reported.
pub(crate) struct MetricMap<'a>(pub(crate) &'a [Metric], pub(crate) &'a Metrics);

impl Serialize for MetricMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(names, metrics) = self;
        serializer.collect_map(names.iter().map(|name| (name.as_str(), metrics.get(*name))))
    }
}

/// Export less ledger, for the metrics that differ.
pub(crate) struct Deltas<'a>(
    pub(crate) &'a [Metric],
    pub(crate) &'a Metrics,
    pub(crate) &'a Metrics,
);

impl Deltas<'_> {
    /// The differences that are not zero. Sums of 64 bits may be further apart than 64 bits hold.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Metric, i128)> {
        let Self(names, csv, db) = self;
        names.iter().filter_map(|name| {
            let wide = |metrics: &Metrics| i128::from(metrics.get(*name).unwrap_or(0));
            let delta = wide(csv) - wide(db);
            (delta != 0).then_some((*name, delta))
        })
    }
}

impl Serialize for Deltas<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(metric, delta)| (metric.as_str(), delta)))
    }
}
