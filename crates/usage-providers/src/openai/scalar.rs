//! One value of a row, whatever it is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::text::is_storable;

/// A JSON value, as far as a row can use it where neither a count nor an amount is expected. Reading one never fails on its type, so that
/// a value of the wrong type costs its window and not the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    Boolean(bool),
    Text(String),
    /// A number, an object or a list.
    Other,
}

impl Scalar {
    /// The text that a database can store; what is wrong with it if there is another value. The vocabulary counts an
    /// empty text as none.
    pub(crate) fn into_text(self) -> Result<Option<String>, &'static str> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) if !is_storable(&text) => Err("holds a control character"),
            Self::Text(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Self::Boolean(_) | Self::Other => Err("is not a text"),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Boolean(value))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_read() {
        for (json, scalar) in [
            ("null", Scalar::Null),
            ("true", Scalar::Boolean(true)),
            ("\"7\"", Scalar::Text("7".to_owned())),
            ("7", Scalar::Other),
            ("-7", Scalar::Other),
            ("7.5", Scalar::Other),
            ("[1,{\"a\":[]}]", Scalar::Other),
            ("{\"a\":1}", Scalar::Other),
        ] {
            assert_eq!(serde_json::from_str::<Scalar>(json).unwrap(), scalar, "{json}");
        }
    }
}
