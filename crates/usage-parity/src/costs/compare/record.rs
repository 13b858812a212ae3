//! Groups of costs as the report for scripts shows them.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use usage_core::{Endpoint, Window, format_instant};

use super::groups::{CostKey, CostSum, group_of};
use super::outcome::{CostDifference, CostGroupKey, CostRecord};
use crate::groups::Symbols;

/// The record of a group. The source is the file of an export's.
pub(super) fn record_of(
    window: Window,
    group: (&CostKey, &CostSum),
    source: Option<&str>,
    symbols: &Symbols,
) -> CostRecord {
    let (key, sum) = group;
    CostRecord {
        key: CostGroupKey {
            window,
            group: group_of(key, symbols),
        },
        amount: sum.amount(),
        rows_without_amount: sum.rows_without_amount(),
        quantity: sum.quantity(),
        quantity_unit: sum.unit(symbols),
        csv_source: source.map(str::to_owned),
        record_count: sum.rows(),
    }
}

impl Serialize for CostGroupKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_key(self, &mut map)?;
        map.end()
    }
}

impl Serialize for CostRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_key(&self.key, &mut map)?;
        map.serialize_entry("amount", &self.amount)?;
        if self.rows_without_amount > 0 {
            map.serialize_entry("rowsWithoutAmount", &self.rows_without_amount)?;
        }
        map.serialize_entry("quantity", &self.quantity)?;
        map.serialize_entry("quantityUnit", &self.quantity_unit)?;
        if let Some(source) = &self.csv_source {
            map.serialize_entry("csvSource", source)?;
        }
        map.serialize_entry("recordCount", &self.record_count)?;
        map.end()
    }
}

fn serialize_key<M: SerializeMap>(key: &CostGroupKey, map: &mut M) -> Result<(), M::Error> {
    map.serialize_entry("endpoint", &Endpoint::Costs)?;
    map.serialize_entry("windowStartIso", &format_instant(key.window.start()))?;
    map.serialize_entry("windowEndIso", &format_instant(key.window.end()))?;
    map.serialize_entry("projectId", &key.group.project_id)?;
    map.serialize_entry("apiKeyId", &key.group.api_key_id)?;
    map.serialize_entry("lineItem", &key.group.line_item)?;
    map.serialize_entry("currency", &key.group.currency)
}

/// A difference with both sides. Amounts are decimal texts, since a script's numbers would round them.
pub(super) struct CostDifferenceLine<'a>(pub(super) &'a CostDifference);

impl Serialize for CostDifferenceLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(difference) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("key", &difference.key())?;
        map.serialize_entry("amountDelta", &difference.amount_delta())?;
        map.serialize_entry("quantityDelta", &difference.quantity_delta())?;
        map.serialize_entry("csv", &difference.csv)?;
        map.serialize_entry("db", &difference.db)?;
        if let Some(cause) = &difference.cause {
            map.serialize_entry("probableCause", cause)?;
        }
        map.end()
    }
}

/// A group of one side.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MissingCostLine<'a> {
    #[serde(flatten)]
    record: Option<&'a CostRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probable_cause: Option<&'a crate::diff::Cause>,
}

impl<'a> MissingCostLine<'a> {
    pub(super) fn of(difference: &'a CostDifference) -> Self {
        Self {
            record: difference.csv.as_ref().or(difference.db.as_ref()),
            probable_cause: difference.cause.as_ref(),
        }
    }
}
