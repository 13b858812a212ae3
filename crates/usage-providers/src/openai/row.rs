//! The rows of a bucket, read straight into [`UsageRow`]s: a page may hold a hundred thousand of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use usage_core::{Dimension, DimensionSet, Dimensions, IssueCode, Metric, UsageRow};

use super::count::Count;
use super::scalar::Scalar;
use super::surface::Surface;
use super::unknown::UnknownFields;
use crate::text::is_storable;

// Each field of a row has a bit of its own, see `Found`.
const _: () = assert!(1 + Metric::ALL.len() + Dimension::USAGE.len() <= u64::BITS as usize);

/// What a row can hold, and what was asked for. A dimension or metric of other endpoints is as unknown as any.
pub(crate) struct RowShape {
    surface: &'static Surface,
    grouped_by: DimensionSet,
    fields: Vec<(&'static str, Field)>,
}

impl RowShape {
    pub(crate) fn new(surface: &'static Surface, grouped_by: DimensionSet) -> Self {
        let metrics = surface.endpoint.metrics().iter();
        let metrics = metrics.map(|metric| (metric.as_str(), Field::Metric(*metric)));
        let dimensions = surface.endpoint.dimensions();
        let dimensions = dimensions
            .iter()
            .map(|dimension| (dimension.as_str(), Field::Dimension(dimension)));
        let fields = std::iter::once(("object", Field::Object))
            .chain(metrics)
            .chain(dimensions)
            .collect();
        Self {
            surface,
            grouped_by,
            fields,
        }
    }
}

/// What is counted over all rows of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many rows there were, unusable ones among them.
    pub(crate) rows: usize,
    /// The asked dimensions that had a value in at least one of them.
    pub(crate) present: DimensionSet,
    pub(crate) unknown: UnknownFields,
}

impl Tally {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.present = union(self.present, other.present);
        self.unknown.merge(&other.unknown);
    }
}

/// Why the rows of a window cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowFault {
    pub(crate) code: IssueCode,
    /// Which row and field, and what is wrong.
    pub(crate) message: String,
}

/// All rows of a bucket, or the first fault; the rest is read past.
pub(crate) type Rows = Result<Vec<UsageRow>, RowFault>;

/// Reads the list of rows.
pub(crate) struct RowsSeed<'a> {
    pub(crate) shape: &'a RowShape,
    pub(crate) tally: &'a mut Tally,
}

impl<'de> DeserializeSeed<'de> for RowsSeed<'_> {
    type Value = Rows;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rows, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_> {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of results")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Rows, A::Error> {
        let mut rows = Ok(Vec::new());
        let mut number = 0;
        while let Some(row) = items.next_element_seed(RowSeed {
            shape: self.shape,
            tally: self.tally,
        })? {
            number += 1;
            match (&mut rows, row) {
                (Ok(rows), Ok(row)) => rows.push(row),
                (Ok(_), Err(fault)) => {
                    rows = Err(RowFault {
                        code: fault.code,
                        message: format!("row {number}: {}", fault.message),
                    });
                }
                (Err(_), _) => {}
            }
        }
        self.tally.rows += number;
        Ok(rows)
    }
}

#[derive(Clone, Copy)]
enum Field {
    Object,
    Dimension(Dimension),
    Metric(Metric),
}

struct RowSeed<'a> {
    shape: &'a RowShape,
    tally: &'a mut Tally,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Result<UsageRow, RowFault>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Result<UsageRow, RowFault>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let Self { shape, tally } = self;
        let mut row = UsageRow::default();
        let mut fault = None;
        let mut seen = 0_u64;
        while let Some(found) = entries.next_key_seed(FieldSeed {
            shape,
            unknown: &mut tally.unknown,
        })? {
            let Some(Found { name, field, bit }) = found else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let told = match field {
                Field::Object => {
                    if let Scalar::Text(kind) = entries.next_value()?
                        && kind != shape.surface.result_object
                    {
                        tally.unknown.note_kind(&kind);
                    }
                    Ok(())
                }
                Field::Dimension(dimension) if !shape.grouped_by.contains(dimension) => {
                    // Identity depends on what was asked only, whatever else comes along.
                    entries.next_value::<IgnoredAny>()?;
                    Ok(())
                }
                Field::Dimension(dimension) => {
                    set_dimension(&mut row.dimensions, dimension, entries.next_value()?)
                }
                Field::Metric(metric) => set_metric(row.metrics.get_mut(metric), entries.next_value()?),
            };
            let told = if seen & bit == 0 {
                told
            } else {
                Err((IssueCode::CountInvalid, "comes twice"))
            };
            seen |= bit;
            if let Err((code, reason)) = told {
                fault.get_or_insert(RowFault {
                    code,
                    message: format!("{name} {reason}"),
                });
            }
        }
        tally.present = union(tally.present, row.dimensions.present());
        let missing = shape.surface.endpoint.required_metrics().iter();
        if let Some(metric) = missing.copied().find(|metric| row.metrics.get(*metric).is_none()) {
            fault.get_or_insert(RowFault {
                code: IssueCode::CountInvalid,
                message: format!("{metric} is missing"),
            });
        }
        Ok(fault.map_or(Ok(row), Err))
    }
}

/// A key of the shape.
struct Found {
    name: &'static str,
    field: Field,
    /// The field's own bit, to tell whether it came before.
    bit: u64,
}

/// Finds a key in the shape; none if it is unknown.
struct FieldSeed<'a> {
    shape: &'a RowShape,
    unknown: &'a mut UnknownFields,
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_> {
    type Value = Option<Found>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldSeed<'_> {
    type Value = Option<Found>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        // At most some thirty short names: comparing them all is as fast as any map.
        let mut fields = self.shape.fields.iter().zip(0_u32..);
        let found = fields
            .find(|((name, _), _)| *name == key)
            .map(|(&(name, field), place)| Found {
                name,
                field,
                bit: 1_u64.checked_shl(place).unwrap_or(0),
            });
        if found.is_none() {
            self.unknown.note(key);
        }
        Ok(found)
    }
}

type Told = Result<(), (IssueCode, &'static str)>;

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

fn set_dimension(dimensions: &mut Dimensions, dimension: Dimension, value: Scalar) -> Told {
    let invalid = |reason| Err((IssueCode::TextInvalid, reason));
    let Some(place) = dimensions.text_mut(dimension) else {
        match value {
            Scalar::Null => {}
            Scalar::Boolean(batch) => dimensions.batch = Some(batch),
            _ => return invalid("is neither true nor false"),
        }
        return Ok(());
    };
    match value {
        Scalar::Null => Ok(()),
        Scalar::Text(text) if !is_storable(&text) => invalid("holds a control character"),
        Scalar::Text(text) => {
            // The vocabulary counts an empty text as none.
            *place = Some(text).filter(|text| !text.is_empty());
            Ok(())
        }
        _ => invalid("is not a text"),
    }
}

fn union(left: DimensionSet, right: DimensionSet) -> DimensionSet {
    DimensionSet::from_bits(left.bits() | right.bits())
}
