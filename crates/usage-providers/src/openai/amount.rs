//! Amounts and quantities of costs, read from the very text of their numbers: a float has 17 digits, they have up to 39.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use usage_core::{DecimalText, IssueCode, ParseDecimalError};

use super::scalar::Scalar;
use super::unknown::UnknownFields;

type Invalid = (IssueCode, &'static str);

/// A JSON value where a decimal is expected: a number, as the specification says, or a text, as the service sends it.
/// Reading one never fails on its type or its size, so that a value that is no decimal costs its window and not the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    Null,
    /// With the text that was sent.
    Decimal(DecimalText),
    /// Anything else, and what is wrong with it.
    Invalid(&'static str),
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

impl Amount {
    /// What the text of a JSON value says.
    fn of(json: &str) -> Self {
        match json.bytes().next() {
            Some(b'n') => Self::Null,
            Some(b'-' | b'0'..=b'9') => Self::of_text(json),
            Some(b'"') => match serde_json::from_str::<String>(json) {
                Ok(text) => Self::of_text(&text),
                Err(_) => Self::Invalid("is not a decimal number"),
            },
            _ => Self::Invalid("is neither a number nor a text"),
        }
    }

    fn of_text(text: &str) -> Self {
        match text.parse::<DecimalText>() {
            Ok(decimal) => Self::Decimal(decimal),
            Err(ParseDecimalError::NotDecimal(_)) => Self::Invalid("is not a decimal number"),
            Err(ParseDecimalError::TooLong(_)) => Self::Invalid("has too many places"),
        }
    }

    /// As an amount of money: the ledger keeps its billionths in 64 bits beside the text.
    fn of_money(self) -> Self {
        match self {
            Self::Decimal(decimal) if decimal.value().to_nanos().is_none() => {
                Self::Invalid("is beyond 9.2 billion")
            }
            amount => amount,
        }
    }

    pub(crate) fn into_decimal(self) -> Result<Option<DecimalText>, Invalid> {
        match self {
            Self::Null => Ok(None),
            Self::Decimal(decimal) => Ok(Some(decimal)),
            Self::Invalid(reason) => Err((IssueCode::AmountInvalid, reason)),
        }
    }
}

/// The object `{"value","currency"}`, or null; whatever else it is, reading it does not fail either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    /// The amount and its currency, each if it was sent, or what is wrong.
    pub(crate) read: Result<(Option<DecimalText>, Option<String>), Invalid>,
    pub(crate) unknown: UnknownFields,
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        let without_fields = |read| Self {
            read,
            unknown: UnknownFields::default(),
        };
        match json.bytes().next() {
            Some(b'n') => Ok(without_fields(Ok((None, None)))),
            Some(b'{') => serde_json::Deserializer::from_str(json)
                .deserialize_map(MoneyVisitor)
                .map_err(D::Error::custom),
            _ => Ok(without_fields(Err((
                IssueCode::AmountInvalid,
                "is not an object",
            )))),
        }
    }
}

struct MoneyVisitor;

impl<'de> Visitor<'de> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Money, A::Error> {
        let mut value = None;
        let mut currency = None;
        let mut comes_twice = false;
        let mut unknown = UnknownFields::default();
        while let Some(name) = entries.next_key::<String>()? {
            match name.as_str() {
                "value" => comes_twice |= value.replace(entries.next_value::<Amount>()?).is_some(),
                "currency" => comes_twice |= currency.replace(entries.next_value::<Scalar>()?).is_some(),
                _ => {
                    unknown.note(&format!("amount.{name}"));
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Money {
            read: if comes_twice {
                Err((IssueCode::AmountInvalid, "has a field that comes twice"))
            } else {
                read_money(value.unwrap_or(Amount::Null), currency.unwrap_or(Scalar::Null))
            },
            unknown,
        })
    }
}

fn read_money(value: Amount, currency: Scalar) -> Result<(Option<DecimalText>, Option<String>), Invalid> {
    let amount = value.of_money().into_decimal()?;
    let currency = currency.into_text().map_err(|_| {
        (
            IssueCode::TextInvalid,
            "has a currency that is not a text without control characters",
        )
    })?;
    Ok((amount, currency))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_DECIMAL: Amount = Amount::Invalid("is not a decimal number");
    const BEYOND: Amount = Amount::Invalid("is beyond 9.2 billion");
    const TOO_LONG: Amount = Amount::Invalid("has too many places");
    const OTHER: Amount = Amount::Invalid("is neither a number nor a text");

    fn read(json: &str) -> Amount {
        serde_json::from_str(json).unwrap()
    }

    fn decimal(text: &str) -> Amount {
        Amount::Decimal(text.parse().unwrap())
    }

    #[test]
    fn decimals_keep_the_text_they_came_in() {
        for text in [
            "0",
            "0.06",
            "0.0600",
            "-0",
            "-12.50",
            "1e3",
            "1E+3",
            "5e-9",
            "0E-6176",
            "0.060000000000000000000000000000000000001",
            "123456789.012345678901234567890123456789",
            "9007199254740993.0e-9",
            "9223372036.854775807",
            "-9223372036.854775808",
        ] {
            assert_eq!(read(text), decimal(text), "a number");
            assert_eq!(read(&format!("\"{text}\"")), decimal(text), "a text");
        }
        assert_eq!(read("null"), Amount::Null);
        assert_eq!(read(r#""\u0030.5""#), decimal("0.5"));
    }

    #[test]
    fn what_is_no_decimal_is_told() {
        for (json, amount) in [
            ("\"\"", NO_DECIMAL),
            ("\" 1\"", NO_DECIMAL),
            ("\"1,5\"", NO_DECIMAL),
            ("\"$1\"", NO_DECIMAL),
            ("\"NaN\"", NO_DECIMAL),
            ("\"-Infinity\"", NO_DECIMAL),
            ("\"0x10\"", NO_DECIMAL),
            ("\"null\"", NO_DECIMAL),
            ("\"\\ud800\"", NO_DECIMAL),
            ("1e999999999", TOO_LONG),
            ("\"1e-999999999999999999999\"", TOO_LONG),
            ("true", OTHER),
            ("[1]", OTHER),
            ("{\"value\":1}", OTHER),
        ] {
            assert_eq!(read(json), amount, "{json}");
        }
    }

    #[test]
    fn money_has_a_limit_that_quantities_have_not() {
        for json in ["9223372036.8547758075", "9223372037", "-9223372037", "1e400"] {
            assert_eq!(read(json), decimal(json), "{json}");
            assert_eq!(read(json).of_money(), BEYOND, "{json}");
        }
        assert_eq!(
            read("9223372036.854775807").of_money(),
            decimal("9223372036.854775807")
        );
    }

    #[test]
    fn an_amount_may_lack_its_value_its_currency_or_both() {
        let usd = || Some("usd".to_owned());
        for (json, amount, currency) in [
            ("null", None, None),
            ("{}", None, None),
            (r#"{"value":null,"currency":null}"#, None, None),
            (r#"{"value":null,"currency":"usd"}"#, None, usd()),
            (r#"{"currency":"usd"}"#, None, usd()),
            (r#"{"value":"0.10"}"#, Some("0.10"), None),
            (r#"{"currency":"usd","value": 0.10 }"#, Some("0.10"), usd()),
        ] {
            let amount = amount.map(|text| text.parse().unwrap());
            let money: Money = serde_json::from_str(json).unwrap();
            assert_eq!(money.read, Ok((amount, currency)), "{json}");
            assert!(money.unknown.is_empty(), "{json}");
        }
    }

    #[test]
    fn an_amount_that_is_none_is_told() {
        for (json, code, reason) in [
            ("0.06", IssueCode::AmountInvalid, "is not an object"),
            (r#""0.06""#, IssueCode::AmountInvalid, "is not an object"),
            ("[]", IssueCode::AmountInvalid, "is not an object"),
            (
                r#"{"value":"a lot","currency":"usd"}"#,
                IssueCode::AmountInvalid,
                "is not a decimal number",
            ),
            (
                r#"{"value":1,"value":2}"#,
                IssueCode::AmountInvalid,
                "has a field that comes twice",
            ),
            (
                r#"{"value":1,"currency":7}"#,
                IssueCode::TextInvalid,
                "has a currency that is not a text without control characters",
            ),
            (
                r#"{"value":1,"currency":"u\u0000sd"}"#,
                IssueCode::TextInvalid,
                "has a currency that is not a text without control characters",
            ),
        ] {
            let money: Money = serde_json::from_str(json).unwrap();
            assert_eq!(money.read, Err((code, reason)), "{json}");
        }
    }

    #[test]
    fn unknown_fields_of_an_amount_are_counted() {
        let money: Money = serde_json::from_str(r#"{"value":1,"tax":{"value":2}}"#).unwrap();
        assert_eq!(money.unknown.to_string(), "amount.tax (1×)");
        assert!(money.read.is_ok());
    }

    proptest! {
        #[test]
        fn any_decimal_survives_to_the_letter(
            text in "-?(0|[1-9][0-9]{0,6})(\\.[0-9]{1,45})?([eE](-[0-9]{1,3}|\\+?[0-2]))?"
        ) {
            for json in [text.clone(), format!("\"{text}\""), format!(" {text}\n")] {
                let decimal = read(&json).into_decimal().unwrap().unwrap();
                prop_assert_eq!(decimal.text(), &text, "{}", json);
            }
        }

        #[test]
        fn whatever_a_text_holds_it_is_a_decimal_or_told(text in ".{0,40}") {
            let amount = read(&serde_json::to_string(&text).unwrap());
            prop_assert_ne!(&amount, &Amount::Null);
            if let Amount::Decimal(decimal) = amount {
                prop_assert_eq!(decimal.text(), &text);
            }
        }
    }
}
