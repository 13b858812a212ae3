//! The rows of a bucket, read straight into what they are kept as: a page may hold a hundred thousand of them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use usage_core::{DimensionSet, Endpoint, IssueCode};

use super::scalar::Scalar;
use super::surface::Surface;
use super::unknown::UnknownFields;

/// What the results of an endpoint are read into: usage or costs.
pub(crate) trait Row: Default + Send + 'static {
    /// A field that is kept.
    type Field: Copy;

    /// What such rows report, in a word.
    const SUBJECT: &'static str;

    /// What it is called that a field comes twice or is missing.
    const FIELD_FAULT: IssueCode;

    /// Whether the results of the endpoint are such rows.
    fn comes_from(endpoint: Endpoint) -> bool;

    /// Every field that a result may have besides `object`. A field of other endpoints is as unknown as any.
    fn fields(endpoint: Endpoint, grouped_by: DimensionSet) -> Vec<(&'static str, Known<Self::Field>)>;

    /// Reads the value of a field and keeps it.
    fn read_field<'de, A: MapAccess<'de>>(
        &mut self,
        field: Self::Field,
        entries: &mut A,
        unknown: &mut UnknownFields,
    ) -> Result<Told, A::Error>;

    /// The field that a complete row must have and this one lacks.
    fn missing_field(&self, endpoint: Endpoint) -> Option<&'static str>;

    /// The dimensions that have a value.
    fn present(&self) -> DimensionSet;
}

/// What becomes of a field that is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<F> {
    /// It is kept.
    Kept(F),
    /// It was not asked for, or the ledger has no place for it. Identity depends on what was asked only, whatever else
    /// comes along.
    ReadPast,
}

/// What was wrong with the value of a field, if anything.
pub(crate) type Told = Result<(), (IssueCode, &'static str)>;

/// What a row can hold, and what was asked for.
pub(crate) struct RowShape<R: Row> {
    surface: &'static Surface,
    fields: Vec<(&'static str, Field<R::Field>)>,
}

#[derive(Clone, Copy)]
enum Field<F> {
    Object,
    Known(Known<F>),
}

impl<R: Row> RowShape<R> {
    pub(crate) fn new(surface: &'static Surface, grouped_by: DimensionSet) -> Self {
        let known = R::fields(surface.endpoint, grouped_by).into_iter();
        let known = known.map(|(name, known)| (name, Field::Known(known)));
        Self {
            surface,
            fields: std::iter::once(("object", Field::Object)).chain(known).collect(),
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
        self.present = self.present.union(other.present);
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
pub(crate) type Rows<R> = Result<Vec<R>, RowFault>;

/// Reads the list of rows.
pub(crate) struct RowsSeed<'a, R: Row> {
    pub(crate) shape: &'a RowShape<R>,
    pub(crate) tally: &'a mut Tally,
}

impl<'de, R: Row> DeserializeSeed<'de> for RowsSeed<'_, R> {
    type Value = Rows<R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, R: Row> Visitor<'de> for RowsSeed<'_, R> {
    type Value = Rows<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of results")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
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

struct RowSeed<'a, R: Row> {
    shape: &'a RowShape<R>,
    tally: &'a mut Tally,
}

impl<'de, R: Row> DeserializeSeed<'de> for RowSeed<'_, R> {
    type Value = Result<R, RowFault>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Row> Visitor<'de> for RowSeed<'_, R> {
    type Value = Result<R, RowFault>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a result")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let Self { shape, tally } = self;
        let mut row = R::default();
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
                Field::Known(Known::ReadPast) => {
                    entries.next_value::<IgnoredAny>()?;
                    Ok(())
                }
                Field::Known(Known::Kept(field)) => {
                    row.read_field(field, &mut entries, &mut tally.unknown)?
                }
            };
            let told = if seen & bit == 0 {
                told
            } else {
                Err((R::FIELD_FAULT, "comes twice"))
            };
            seen |= bit;
            if let Err((code, reason)) = told {
                fault.get_or_insert(RowFault {
                    code,
                    message: format!("{name} {reason}"),
                });
            }
        }
        tally.present = tally.present.union(row.present());
        if let Some(name) = row.missing_field(shape.surface.endpoint) {
            fault.get_or_insert(RowFault {
                code: R::FIELD_FAULT,
                message: format!("{name} is missing"),
            });
        }
        Ok(fault.map_or(Ok(row), Err))
    }
}

/// A key of the shape.
struct Found<F> {
    name: &'static str,
    field: Field<F>,
    /// The field's own bit, to tell whether it came before.
    bit: u64,
}

/// Finds a key in the shape; none if it is unknown.
struct FieldSeed<'a, R: Row> {
    shape: &'a RowShape<R>,
    unknown: &'a mut UnknownFields,
}

impl<'de, R: Row> DeserializeSeed<'de> for FieldSeed<'_, R> {
    type Value = Option<Found<R::Field>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<R: Row> Visitor<'_> for FieldSeed<'_, R> {
    type Value = Option<Found<R::Field>>;

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
