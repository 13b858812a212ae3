//! The fields of one table of a price file, each with its place.

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::error::{CatalogueError, Problem};

/// The file that a table stands in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    pub(super) content: &'a str,
}

impl Place<'_> {
    /// The line, counted from one, that holds the byte.
    fn line(&self, offset: usize) -> usize {
        let before = self.content.get(..offset).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    pub(super) fn fault(&self, offset: usize, problem: &Problem) -> CatalogueError {
        CatalogueError::new(self.file, Some(self.line(offset)), problem)
    }
}

type Field<'a> = (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>);

/// A table whose fields are all known.
pub(super) struct Fields<'a> {
    place: Place<'a>,
    what: &'static str,
    at: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        place: Place<'a>,
        what: &'static str,
        at: usize,
        table: &'a DeTable<'a>,
        known: &'static [&'static str],
    ) -> Result<Self, CatalogueError> {
        let unknown = in_order(table).into_iter().map(|(key, _)| key);
        if let Some(key) = unknown
            .into_iter()
            .find(|key| !known.contains(&key.get_ref().as_ref()))
        {
            let problem = Problem::UnknownField {
                field: key.get_ref().to_string(),
                place: what,
                known,
            };
            return Err(place.fault(key.span().start, &problem));
        }
        Ok(Self {
            place,
            what,
            at,
            table,
        })
    }

    /// Where the table begins.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn line(&self) -> usize {
        self.place.line(self.at)
    }

    pub(super) fn fault(&self, offset: usize, problem: &Problem) -> CatalogueError {
        self.place.fault(offset, problem)
    }

    pub(super) fn fault_at(&self, field: &str, problem: &Problem) -> CatalogueError {
        let at = self.value(field).map_or(self.at, |value| value.span().start);
        self.fault(at, problem)
    }

    pub(super) fn require(&self, field: &'static str) -> Result<(), CatalogueError> {
        if self.value(field).is_some() {
            return Ok(());
        }
        let problem = Problem::Missing {
            place: self.what,
            field,
        };
        Err(self.fault(self.at, &problem))
    }

    pub(super) fn text(&self, field: &'static str) -> Result<Option<String>, CatalogueError> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let DeValue::String(text) = value.get_ref() else {
            return Err(self.wrong_type(field, "text in quotes", value));
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(self.fault(value.span().start, &Problem::Empty { field }));
        }
        Ok(Some(text.to_owned()))
    }

    pub(super) fn required_text(&self, field: &'static str) -> Result<String, CatalogueError> {
        self.require(field)?;
        Ok(self.text(field)?.unwrap_or_default())
    }

    pub(super) fn texts(&self, field: &'static str) -> Result<Vec<String>, CatalogueError> {
        let Some(value) = self.value(field) else {
            return Ok(Vec::new());
        };
        let expected = "a list of texts in quotes";
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.wrong_type(field, expected, value));
        };
        let texts = items.iter().map(|item| match item.get_ref() {
            DeValue::String(text) if text.trim().is_empty() => {
                Err(self.fault(item.span().start, &Problem::Empty { field }))
            }
            DeValue::String(text) => Ok(text.trim().to_owned()),
            _ => Err(self.wrong_type(field, expected, item)),
        });
        texts.collect()
    }

    pub(super) fn switch(&self, field: &'static str) -> Result<bool, CatalogueError> {
        match self.value(field) {
            None => Ok(false),
            Some(value) => match value.get_ref() {
                DeValue::Boolean(on) => Ok(*on),
                _ => Err(self.wrong_type(field, "true or false", value)),
            },
        }
    }

    /// A day, as TOML writes it or in quotes.
    pub(super) fn day(&self, field: &'static str) -> Result<Option<NaiveDate>, CatalogueError> {
        let Some(value) = self.value(field) else {
            return Ok(None);
        };
        let text = match value.get_ref() {
            DeValue::String(text) => text.trim().to_owned(),
            DeValue::Datetime(time) => time.to_string(),
            _ => return Err(self.wrong_type(field, "a day such as 2025-08-07", value)),
        };
        usage_core::parse_day(&text)
            .map(Some)
            .map_err(|_| self.wrong_type(field, "a day such as 2025-08-07", value))
    }

    /// The tables of a list, each with its place.
    pub(super) fn tables(
        &self,
        field: &'static str,
    ) -> Result<Vec<(usize, &'a DeTable<'a>)>, CatalogueError> {
        let Some(value) = self.value(field) else {
            return Ok(Vec::new());
        };
        let expected = "tables, each headed by its name in double brackets";
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.wrong_type(field, expected, value));
        };
        let tables = items.iter().map(|item| match item.get_ref() {
            DeValue::Table(table) => Ok((item.span().start, table)),
            _ => Err(self.wrong_type(field, expected, item)),
        });
        tables.collect()
    }

    /// The amounts of a table, as they stand in the file.
    pub(super) fn amounts(&self, field: &'static str) -> Result<Vec<Field<'a>>, CatalogueError> {
        let Some(value) = self.value(field) else {
            return Ok(Vec::new());
        };
        match value.get_ref() {
            DeValue::Table(table) => Ok(in_order(table)),
            _ => Err(self.wrong_type(field, "a table of amounts", value)),
        }
    }

    fn value(&self, field: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(field)
    }

    pub(super) fn wrong_type(
        &self,
        field: &str,
        expected: &'static str,
        value: &Spanned<DeValue<'_>>,
    ) -> CatalogueError {
        let problem = Problem::WrongType {
            field: field.to_owned(),
            expected,
            found: match value.get_ref() {
                DeValue::String(_) | DeValue::Datetime(_) => "this text",
                DeValue::Integer(_) | DeValue::Float(_) => "a number",
                DeValue::Boolean(_) => "true or false",
                DeValue::Array(_) => "a list",
                DeValue::Table(_) => "a table",
            },
        };
        self.fault(value.span().start, &problem)
    }
}

/// The fields in the order of the file, so that of several faults the first is shown.
fn in_order<'a>(table: &'a DeTable<'a>) -> Vec<Field<'a>> {
    let mut fields: Vec<Field<'a>> = table.iter().collect();
    fields.sort_by_key(|(key, _)| key.span().start);
    fields
}
