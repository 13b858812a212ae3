//! A result of usage.

use serde::de::MapAccess;
use usage_core::{Dimension, DimensionSet, Endpoint, IssueCode, Metric, UsageRow};

use super::count::Count;
use super::row::{Known, Row, Told};
use super::scalar::Scalar;
use super::unknown::UnknownFields;

// Each field of a row has a bit of its own.
const _: () = assert!(1 + Metric::ALL.len() + Dimension::USAGE.len() <= u64::BITS as usize);

#[derive(Clone, Copy, Debug)]
pub(crate) enum UsageField {
    Dimension(Dimension),
    Metric(Metric),
}

impl Row for UsageRow {
    type Field = UsageField;

    const SUBJECT: &'static str = "usage";

    const FIELD_FAULT: IssueCode = IssueCode::CountInvalid;

    fn comes_from(endpoint: Endpoint) -> bool {
        !endpoint.is_costs()
    }

    fn fields(endpoint: Endpoint, grouped_by: DimensionSet) -> Vec<(&'static str, Known<UsageField>)> {
        let metrics = endpoint.metrics().iter();
        let metrics = metrics.map(|metric| (metric.as_str(), Known::Kept(UsageField::Metric(*metric))));
        let dimensions = endpoint.dimensions();
        let dimensions = dimensions.iter().map(|dimension| {
            let known = if grouped_by.contains(dimension) {
                Known::Kept(UsageField::Dimension(dimension))
            } else {
                Known::ReadPast
            };
            (dimension.as_str(), known)
        });
        metrics.chain(dimensions).collect()
    }

    fn read_field<'de, A: MapAccess<'de>>(
        &mut self,
        field: UsageField,
        entries: &mut A,
        _: &mut UnknownFields,
    ) -> Result<Told, A::Error> {
        Ok(match field {
            UsageField::Dimension(dimension) => set_dimension(self, dimension, entries.next_value()?),
            UsageField::Metric(metric) => set_metric(self.metrics.get_mut(metric), entries.next_value()?),
        })
    }

    fn missing_field(&self, endpoint: Endpoint) -> Option<&'static str> {
        let mut required = endpoint.required_metrics().iter();
        required
            .find(|metric| self.metrics.get(**metric).is_none())
            .map(|metric| metric.as_str())
    }

    fn present(&self) -> DimensionSet {
        self.dimensions.present()
    }
}

fn set_metric(place: &mut Option<i64>, count: Count) -> Told {
    match count {
        Count::Null => Ok(()),
        Count::Whole(number) => {
            *place = Some(number);
            Ok(())
        }
        Count::Invalid(reason) => Err((IssueCode::CountInvalid, reason)),
    }
}

fn set_dimension(row: &mut UsageRow, dimension: Dimension, value: Scalar) -> Told {
    let invalid = |reason| (IssueCode::TextInvalid, reason);
    match (row.dimensions.text_mut(dimension), value) {
        (Some(place), value) => *place = value.into_text().map_err(invalid)?,
        (None, Scalar::Null) => {}
        (None, Scalar::Boolean(batch)) => row.dimensions.batch = Some(batch),
        (None, _) => return Err(invalid("is neither true nor false")),
    }
    Ok(())
}
