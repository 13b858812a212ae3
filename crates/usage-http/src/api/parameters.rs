//! The parameters of queries: one list says which there are, what they may be, and what the document tells of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use usage_core::{Dimension, Endpoint, Provider, parse_day};
use usage_parity::event_lines::camel_case;
use usage_store::{AccountScope, Ledger, UsageFilter, UsageOrder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::error::ApiError;
use crate::access::Caller;
use crate::dashboard::query::NONE;

/// How many rows a page has at most.
const MOST_ROWS: i64 = 1_000;
/// How many rows a page has unless it is told.
const ROWS: usize = 100;

/// A parameter of a query.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    name: String,
    kind: Kind,
    is_repeatable: bool,
    meaning: String,
}

/// What the values of a parameter may be.
#[derive(Clone, Debug)]
enum Kind {
    Text,
    /// The value of a dimension.
    Value,
    /// A day or an instant, which is read later.
    Time,
    Number {
        least: i64,
        most: i64,
    },
    OneOf(Vec<String>),
}

impl Known {
    fn once(name: &str, kind: Kind, meaning: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            is_repeatable: false,
            meaning: meaning.to_owned(),
        }
    }

    fn repeatable(name: &str, kind: Kind, meaning: &str) -> Self {
        Self {
            is_repeatable: true,
            ..Self::once(name, kind, meaning)
        }
    }

    /// One of these words, once.
    pub(crate) fn word(name: &str, words: &[&str], meaning: &str) -> Self {
        Self::once(name, one_of(words), meaning)
    }

    /// One of these words, and again for others.
    pub(crate) fn words(name: &str, words: &[&str], meaning: &str) -> Self {
        Self::repeatable(name, one_of(words), meaning)
    }

    /// Any text, once.
    pub(crate) fn text(name: &str, meaning: &str) -> Self {
        Self::once(name, Kind::Text, meaning)
    }

    /// As the document has it.
    pub(crate) fn document(&self) -> Parameter {
        let value = match &self.kind {
            Kind::Text | Kind::Time => ObjectBuilder::new().schema_type(Type::String),
            Kind::Value => ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)),
            Kind::Number { least, most } => ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(*least))
                .maximum(Some(*most)),
            Kind::OneOf(words) => ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some(words.clone())),
        };
        let value: RefOr<Schema> = value.into();
        let schema = if self.is_repeatable {
            ArrayBuilder::new()
                .schema_type(SchemaType::new(Type::Array))
                .items(value)
                .into()
        } else {
            value
        };
        ParameterBuilder::new()
            .name(&self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(&self.meaning))
            .schema(Some(schema))
            .build()
    }

    fn check(&self, value: &str) -> Result<(), String> {
        let name = &self.name;
        match &self.kind {
            Kind::Text | Kind::Value | Kind::Time if value.contains('\0') => {
                Err(format!("{name}: it has a character of no text"))
            }
            // Mostly a variable of a script that is not set.
            Kind::Value if value.is_empty() => Err(format!(
                "{name}: it is empty; leave it out, or write `{NONE}` for usage without one"
            )),
            Kind::Text | Kind::Value | Kind::Time => Ok(()),
            Kind::Number { least, most } => {
                // Only digits: neither ` 5` nor `+5` is what a program means to write.
                let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse::<i64>().ok().filter(|_| is_plain);
                match number {
                    Some(number) if (*least..=*most).contains(&number) => Ok(()),
                    _ => Err(format!("{name}: write a whole number from {least} to {most}")),
                }
            }
            Kind::OneOf(words) if words.iter().any(|word| word == value) => Ok(()),
            Kind::OneOf(words) => Err(format!("{name}: use one of {}", words.join(", "))),
        }
    }
}

fn one_of(words: &[&str]) -> Kind {
    Kind::OneOf(words.iter().map(|word| (*word).to_owned()).collect())
}

/// `limit` and `cursor`, which pages have.
pub(crate) fn page_parameters() -> Vec<Known> {
    vec![
        Known::once(
            "limit",
            Kind::Number {
                least: 1,
                most: MOST_ROWS,
            },
            "How many rows at most; 100 unless given.",
        ),
        Known::text("cursor", "`nextCursor` of the page before this one; opaque."),
    ]
}

/// `account`, which narrows to accounts.
pub(crate) fn account_parameter() -> Known {
    let number = Kind::Number {
        least: 1,
        most: i64::MAX,
    };
    Known::repeatable(
        "account",
        number,
        "Number of an account, as `/api/accounts` has it.",
    )
}

/// `from` and `to`.
pub(crate) fn time_parameters() -> Vec<Known> {
    vec![
        Known::once(
            "from",
            Kind::Time,
            "Windows that begin then or later: a UTC day (`2025-09-01`) or an instant to the second (`2025-09-01T00:00:00Z`).",
        ),
        Known::once(
            "to",
            Kind::Time,
            "Windows that begin before then: an instant, or a UTC day, which is included.",
        ),
    ]
}

/// Everything that usage can be filtered by.
pub(crate) fn filter_parameters() -> Vec<Known> {
    let mut known = vec![
        account_parameter(),
        Known::words(
            "provider",
            &Provider::ALL.map(Provider::as_str),
            "Usage of one of these providers.",
        ),
        Known::words(
            "endpoint",
            &Endpoint::USAGE.map(Endpoint::as_str),
            "Usage of one of these surfaces.",
        ),
    ];
    known.extend(time_parameters());
    for dimension in Dimension::USAGE {
        let name = dimension_name(dimension);
        let meaning = format!("Usage with one of these values; `{NONE}` is usage without one.");
        known.push(if dimension == Dimension::Batch {
            Known::words(&name, &["true", "false", NONE], &meaning)
        } else {
            Known::repeatable(&name, Kind::Value, &meaning)
        });
    }
    known
}

/// A dimension as the API names it.
pub(crate) fn dimension_name(dimension: Dimension) -> String {
    camel_case(dimension.as_str())
}

/// Where a half-open range begins and ends, as far as it does.
type Bounds = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// The parameters of one call, each known and fit for what it names.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Fails for a parameter that is not known, is not fit, or comes twice though it may not.
    pub(crate) fn parse(query: Option<&str>, known: &[Known]) -> Result<Self, ApiError> {
        let given: Vec<(String, String)> = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
        for (index, (name, value)) in given.iter().enumerate() {
            let Some(parameter) = known.iter().find(|known| known.name == *name) else {
                return Err(ApiError::bad_request(unknown(name, known)));
            };
            if !parameter.is_repeatable && given[..index].iter().any(|(before, _)| before == name) {
                return Err(ApiError::bad_request(format!("{name}: give it once")));
            }
            parameter.check(value).map_err(ApiError::bad_request)?;
        }
        Ok(Self(given))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// How many rows are asked for.
    pub(crate) fn limit(&self) -> usize {
        self.get("limit")
            .and_then(|text| text.parse().ok())
            .unwrap_or(ROWS)
    }

    /// Where the page begins.
    pub(crate) fn cursor<T: std::str::FromStr>(&self) -> Result<Option<T>, ApiError> {
        let cursor = self.get("cursor").map(str::parse).transpose();
        cursor.map_err(|_| ApiError::bad_request("cursor: this is none that a page of this list came with"))
    }

    /// The order of usage events asked for; it was checked against the names of orders.
    pub(crate) fn order(&self) -> Option<UsageOrder> {
        self.get("order").and_then(|text| text.parse().ok())
    }

    /// `from` and `to`, half-open.
    pub(crate) fn range(&self) -> Result<Bounds, ApiError> {
        let from = self.time("from", TimeDelta::zero())?;
        let to = self.time("to", TimeDelta::days(1))?;
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(ApiError::bad_request("from: it must be before `to`"));
        }
        Ok((from, to))
    }

    /// A day, so much after its begin, or an instant.
    fn time(&self, name: &str, after_begin: TimeDelta) -> Result<Option<DateTime<Utc>>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let instant = match parse_day(text) {
            Ok(day) => day
                .and_time(NaiveTime::MIN)
                .and_utc()
                .checked_add_signed(after_begin),
            Err(_) => whole_second(text),
        };
        let wrong = || {
            let detail = "write a day such as 2025-09-01, or a whole second such as 2025-09-01T00:00:00Z";
            ApiError::bad_request(format!("{name}: {detail}"))
        };
        instant.map(Some).ok_or_else(wrong)
    }

    /// The accounts asked for; one that the caller does not see is as if it was not there.
    pub(crate) async fn scope(&self, ledger: &Ledger, caller: &Caller) -> Result<AccountScope, ApiError> {
        let wanted: Vec<i64> = self.all("account").filter_map(|text| text.parse().ok()).collect();
        if wanted.is_empty() {
            return Ok(caller.scope().clone());
        }
        let seen = ledger.accounts(caller.scope().clone()).await?;
        let is_seen = |id: &i64| seen.iter().any(|account| account.id == *id);
        if wanted.iter().all(is_seen) {
            Ok(AccountScope::Only(wanted))
        } else {
            Err(ApiError::not_found("account"))
        }
    }

    /// The usage asked for.
    pub(crate) async fn filter(&self, ledger: &Ledger, caller: &Caller) -> Result<UsageFilter, ApiError> {
        let (start, end) = self.range()?;
        let mut dimensions: BTreeMap<Dimension, Vec<Option<String>>> = BTreeMap::new();
        for dimension in Dimension::USAGE {
            let name = dimension_name(dimension);
            let values: Vec<_> = self
                .all(&name)
                .map(|value| (value != NONE).then(|| value.to_owned()))
                .collect();
            if !values.is_empty() {
                dimensions.insert(dimension, values);
            }
        }
        // Both were checked against their names.
        let providers = self.all("provider").filter_map(|text| text.parse().ok());
        let endpoints = self.all("endpoint").filter_map(|text| text.parse().ok());
        Ok(UsageFilter {
            providers: providers.collect(),
            start,
            end,
            endpoints: endpoints.collect(),
            dimensions,
            scope: self.scope(ledger, caller).await?,
        })
    }
}

/// An instant with its zone. Windows begin at whole seconds, so a part of one would be cut off and nobody told.
fn whole_second(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (instant.timestamp_subsec_nanos() == 0).then_some(instant)
}

fn unknown(name: &str, known: &[Known]) -> String {
    let mut names = String::new();
    for known in known {
        let comma = if names.is_empty() { "" } else { ", " };
        let _ = write!(names, "{comma}{}", known.name);
    }
    let name: String = name
        .chars()
        .take(50)
        .filter(|character| !character.is_control())
        .collect();
    if names.is_empty() {
        return format!("`{name}` is no parameter of this resource, which has none");
    }
    format!("`{name}` is no parameter of this resource; it has {names}")
}

/// Makes a type whose parameters are those of a list, for the document.
macro_rules! documented_parameters {
    ($($name:ident: $list:path,)+) => {
        $(
            pub(crate) struct $name;

            impl utoipa::IntoParams for $name {
                fn into_params(
                    _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
                ) -> Vec<utoipa::openapi::path::Parameter> {
                    $list().iter().map($crate::api::parameters::Known::document).collect()
                }
            }
        )+
    };
}
pub(crate) use documented_parameters;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Parameters, String> {
        let mut known = filter_parameters();
        known.extend(page_parameters());
        Parameters::parse(Some(query), &known).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn what_is_not_known_or_not_fit_is_refused() {
        for (query, wrong) in [
            ("colour=red", "`colour` is no parameter"),
            ("limit=abc", "limit: write a whole number from 1 to 1000"),
            ("limit=0", "limit: write a whole number"),
            ("limit=1001", "limit: write a whole number"),
            ("limit=-1", "limit: write a whole number"),
            ("limit=99999999999999999999", "limit: write a whole number"),
            ("limit=+5", "limit: write a whole number"),
            ("limit=", "limit: write a whole number"),
            ("limit=5&limit=5", "limit: give it once"),
            ("batch=maybe", "batch: use one of true, false, (none)"),
            ("endpoint=costs", "endpoint: use one of"),
            ("provider=acme", "provider: use one of"),
            ("account=x", "account: write a whole number"),
            ("model=%00", "model: it has a character of no text"),
            ("model=", "model: it is empty"),
            ("model=a&projectId=", "projectId: it is empty"),
        ] {
            let error = parse(query).unwrap_err();
            assert!(error.contains(wrong), "{query}: {error}");
        }
        assert!(parse("model=a&model=b&userId=(none)&batch=true&account=1&limit=1000").is_ok());
    }

    #[test]
    fn a_range_takes_days_and_instants() {
        let range = |query: &str| {
            let range = parse(query).unwrap().range();
            range.map(|(from, to)| [from, to].map(|at| at.map(usage_core::format_instant)))
        };
        assert_eq!(range("").unwrap(), [None, None]);
        assert_eq!(
            range("from=2025-09-01&to=2025-09-30").unwrap(),
            [
                Some("2025-09-01T00:00:00Z".to_owned()),
                Some("2025-10-01T00:00:00Z".to_owned())
            ],
            "a day at the end is included"
        );
        assert_eq!(
            range("to=2025-10-01T00:00:00Z").unwrap(),
            [None, Some("2025-10-01T00:00:00Z".to_owned())]
        );
        for wrong in [
            "from=yesterday",
            "to=2025-9-1",
            "from=2025-10-01&to=2025-09-30",
            "from=2025-10-01T00:00:00Z&to=2025-10-01T00:00:00Z",
            "from=",
            "from=2025-10-01T00:00:00.5Z",
            "to=2025-10-01T00:00:00",
        ] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
