//! The query of a request, taken apart strictly.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::api_error::ApiError;
use super::builder::ArrayEncoding;

/// The decoded pairs of a query, in order.
pub(super) fn decode_query(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect()
}

/// The parameters of one request. What is taken is known; what is left over is an error.
pub(super) struct Parameters<'a> {
    pairs: Vec<(String, String)>,
    known: BTreeSet<String>,
    encodings: &'a [ArrayEncoding],
}

/// What a comma in an array means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comma {
    /// It joins two items.
    Joins,
    /// It is part of an item.
    IsText,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(query: Option<&str>, encodings: &'a [ArrayEncoding]) -> Self {
        Self {
            pairs: decode_query(query),
            known: BTreeSet::new(),
            encodings,
        }
    }

    /// A parameter that may be given once.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        self.known.insert(name.to_owned());
        let mut values = self.values(name);
        let value = values.next().map(str::to_owned);
        if values.next().is_some() {
            return Err(ApiError::invalid(
                name,
                "invalid_type",
                format!("Invalid type for '{name}': it was given more than once."),
            ));
        }
        Ok(value)
    }

    /// A whole number.
    pub(super) fn integer(&mut self, name: &'static str) -> Result<Option<i64>, ApiError> {
        self.parsed(name, "an integer")
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, "a boolean")
    }

    /// An array in any encoding that is understood; one in another encoding counts as not given.
    pub(super) fn array(&mut self, name: &'static str) -> Result<Vec<String>, ApiError> {
        self.items(name, Comma::Joins)
    }

    /// As [`Self::array`], of items that have commas of their own and so are never joined by them.
    pub(super) fn array_of_phrases(&mut self, name: &'static str) -> Result<Vec<String>, ApiError> {
        self.items(name, Comma::IsText)
    }

    fn items(&mut self, name: &'static str, comma: Comma) -> Result<Vec<String>, ApiError> {
        let bracketed = format!("{name}[]");
        let mut items: Vec<String> = Vec::new();
        if self.understands(ArrayEncoding::Bracketed) {
            items.extend(self.values(&bracketed).map(str::to_owned));
        }
        self.known.extend([name.to_owned(), bracketed]);
        let plain: Vec<&str> = self.values(name).collect();
        match plain.as_slice() {
            // One value without a comma is the same text in both plain encodings.
            [only] if comma == Comma::IsText || !only.contains(',') => {
                if self.understands(ArrayEncoding::Repeated) || self.understands(ArrayEncoding::CommaJoined) {
                    items.push((*only).to_owned());
                }
            }
            [joined] => {
                if self.understands(ArrayEncoding::CommaJoined) {
                    items.extend(joined.split(',').map(str::to_owned));
                }
            }
            repeated => {
                if self.understands(ArrayEncoding::Repeated) {
                    items.extend(repeated.iter().map(|value| (*value).to_owned()));
                }
            }
        }
        if items.iter().any(String::is_empty) {
            return Err(ApiError::invalid(
                name,
                "invalid_value",
                format!("Invalid value for '{name}': an item is empty."),
            ));
        }
        Ok(items)
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        let unknown = self.pairs.iter().find(|(name, _)| !self.known.contains(name));
        match unknown {
            Some((name, _)) => Err(ApiError::invalid(
                name,
                "unknown_parameter",
                format!("Unknown parameter: '{name}'."),
            )),
            None => Ok(()),
        }
    }

    fn parsed<T: FromStr>(&mut self, name: &'static str, what: &str) -> Result<Option<T>, ApiError> {
        self.text(name)?
            .map(|text| {
                text.parse().map_err(|_| {
                    let message =
                        format!("Invalid type for '{name}': expected {what}, but got '{text}' instead.");
                    ApiError::invalid(name, "invalid_type", message)
                })
            })
            .transpose()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn understands(&self, encoding: ArrayEncoding) -> bool {
        self.encodings.contains(&encoding)
    }
}
