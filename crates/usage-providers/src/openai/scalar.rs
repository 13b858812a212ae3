//! One value of a row, whatever it is.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Integers below this are exact in a JSON number that was written as a float.
const EXACT_FLOATS: f64 = 9_007_199_254_740_992.0;

/// A JSON value, as far as a usage row can use it. Reading one never fails on its type, so that a value of the wrong
/// type costs its window and not the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    Boolean(bool),
    /// A count: a whole number from 0 to [`i64::MAX`], also written as a float (`59200.0`).
    Count(i64),
    /// A number that is no count, and why.
    NoCount(&'static str),
    Text(String),
    /// An object or a list.
    Nested,
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

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(value).map_or(Scalar::NoCount("is beyond 64 bits"), Scalar::Count))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(if value < 0 {
            Scalar::NoCount("is negative")
        } else {
            Scalar::Count(value)
        })
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(if value < 0.0 {
            Scalar::NoCount("is negative")
        } else if value >= EXACT_FLOATS {
            Scalar::NoCount("is too large to be exact")
        } else if value.fract() == 0.0 {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number between 0 and 2^53, as was just checked"
            )]
            Scalar::Count(value as i64)
        } else {
            Scalar::NoCount("is not a whole number")
        })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Nested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_or_no_counts() {
        for (json, scalar) in [
            ("0", Scalar::Count(0)),
            ("-0", Scalar::Count(0)),
            ("59200.0", Scalar::Count(59_200)),
            ("1e3", Scalar::Count(1_000)),
            ("9223372036854775807", Scalar::Count(i64::MAX)),
            ("9007199254740991.0", Scalar::Count(9_007_199_254_740_991)),
            ("9007199254740992.0", Scalar::NoCount("is too large to be exact")),
            ("9223372036854775808", Scalar::NoCount("is beyond 64 bits")),
            (
                "18446744073709551616",
                Scalar::NoCount("is too large to be exact"),
            ),
            ("-1", Scalar::NoCount("is negative")),
            ("-1.5", Scalar::NoCount("is negative")),
            ("1.5", Scalar::NoCount("is not a whole number")),
            ("\"7\"", Scalar::Text("7".to_owned())),
            ("true", Scalar::Boolean(true)),
            ("null", Scalar::Null),
            ("[1,{\"a\":[]}]", Scalar::Nested),
            ("{\"a\":1}", Scalar::Nested),
        ] {
            assert_eq!(serde_json::from_str::<Scalar>(json).unwrap(), scalar, "{json}");
        }
    }
}
