//! The query of a page: what it asks for stands in its address, so that it can be shared.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use usage_core::{Dimension, Endpoint, Provider, format_instant, parse_day};
use usage_store::{AccountScope, UsageFilter};

/// How many days a page shows unless it is told.
const DAYS: u64 = 31;
/// How many days a page may show.
const MAX_DAYS: i64 = 750;
/// What stands for usage without a value of a dimension.
pub(crate) const NONE: &str = "(none)";

/// The dimensions that one can filter and divide by, with their names in queries and for people.
pub(crate) const DIMENSIONS: [(Dimension, &str, &str); 11] = [
    (Dimension::ProjectId, "projectId", "project"),
    (Dimension::ApiKeyId, "apiKeyId", "API key"),
    (Dimension::UserId, "userId", "user"),
    (Dimension::Model, "model", "model"),
    (Dimension::ServiceTier, "serviceTier", "service tier"),
    (Dimension::Batch, "batch", "batch"),
    (Dimension::ApiSource, "apiSource", "API source"),
    (Dimension::VectorStoreId, "vectorStoreId", "vector store"),
    (Dimension::Size, "size", "size"),
    (Dimension::Source, "source", "source"),
    (Dimension::ContextLevel, "contextLevel", "context level"),
];

/// Parameters, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// From the query of an address, or the body of a form.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// Whether a field of a form was left empty: the address is shorter without it.
    pub(crate) fn has_empty(&self) -> bool {
        self.0.iter().any(|(_, value)| value.is_empty())
    }

    /// Without what was left empty.
    pub(crate) fn without_empty(mut self) -> Self {
        self.0.retain(|(_, value)| !value.is_empty());
        self
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Every value of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// With one value of this name instead of those it has.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.without(&[name]);
        other.0.push((name.to_owned(), value.to_owned()));
        other
    }

    /// Without these names.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let kept = self
            .0
            .iter()
            .filter(|(known, _)| !names.contains(&known.as_str()));
        Self(kept.cloned().collect())
    }

    /// The parameters themselves.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The address of a page with this query.
    pub(crate) fn href(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(&self.0);
        format!("{path}?{}", text.finish())
    }

    /// Fails for a parameter that the page does not have.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), String> {
        let unknown = self.0.iter().find(|(name, _)| !known.contains(&name.as_str()));
        match unknown {
            Some((name, _)) => Err(format!(
                "`{name}` is no parameter of this page; known are {}",
                known.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// The days asked for, both included; the last 31 if none are. Days to come have nothing yet and are left out.
    pub(crate) fn days(&self, today: NaiveDate) -> Result<DayRange, String> {
        let day = |name| {
            self.get(name)
                .map(parse_day)
                .transpose()
                .map_err(|error| format!("{name}: {error}"))
        };
        let (from, to) = (day("from")?, day("to")?);
        let latest = from.map_or(today, |from| from.max(today));
        let last = to.map_or(latest, |to| to.min(latest));
        let first = from
            .or_else(|| last.checked_sub_days(Days::new(DAYS - 1)))
            .unwrap_or(last);
        let days = (last - first).num_days() + 1;
        if days < 1 {
            return Err(format!("the first day {first} is after the last day {last}"));
        }
        if days > MAX_DAYS {
            return Err(format!(
                "{days} days are more than the {MAX_DAYS} that a page shows; ask for fewer"
            ));
        }
        Ok(DayRange { first, last })
    }

    /// The usage asked for, of the days.
    pub(crate) fn filter(&self, scope: &AccountScope, days: DayRange) -> Result<UsageFilter, String> {
        let mut dimensions: BTreeMap<Dimension, Vec<Option<String>>> = BTreeMap::new();
        for (dimension, name, _) in DIMENSIONS {
            if self.all(name).any(|value| value.contains('\0')) {
                return Err(format!("{name}: no value has the character NUL"));
            }
            let values: Vec<_> = self
                .all(name)
                .map(|value| (value != NONE).then(|| value.to_owned()))
                .collect();
            if dimension == Dimension::Batch
                && let Some(wrong) = values
                    .iter()
                    .flatten()
                    .find(|value| !matches!(value.as_str(), "true" | "false"))
            {
                return Err(format!("batch: `{wrong}` is neither true nor false"));
            }
            if !values.is_empty() {
                dimensions.insert(dimension, values);
            }
        }
        let providers = self
            .all("provider")
            .map(|text| text.parse::<Provider>().map_err(|error| error.to_string()));
        let endpoints = self
            .all("endpoint")
            .map(|text| text.parse::<Endpoint>().map_err(|error| error.to_string()));
        Ok(UsageFilter {
            scope: self.scope(scope)?,
            providers: providers.collect::<Result<_, _>>()?,
            start: Some(days.start()),
            end: Some(days.end()),
            endpoints: endpoints.collect::<Result<_, _>>()?,
            dimensions,
        })
    }

    /// The accounts asked for, as far as the caller may see them: others are as if they were not there.
    fn scope(&self, scope: &AccountScope) -> Result<AccountScope, String> {
        let wanted: Vec<i64> = self
            .all("account")
            .map(|text| {
                text.parse()
                    .map_err(|_| format!("account: `{text}` is no number of an account"))
            })
            .collect::<Result<_, _>>()?;
        Ok(match (wanted.is_empty(), scope) {
            (true, scope) => scope.clone(),
            (false, AccountScope::All) => AccountScope::Only(wanted),
            (false, AccountScope::Only(ids)) => {
                AccountScope::Only(wanted.into_iter().filter(|id| ids.contains(id)).collect())
            }
        })
    }
}

/// UTC days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DayRange {
    pub(crate) first: NaiveDate,
    pub(crate) last: NaiveDate,
}

impl DayRange {
    /// How many.
    pub(crate) fn count(self) -> i64 {
        (self.last - self.first).num_days() + 1
    }

    /// Where the first begins.
    pub(crate) fn start(self) -> DateTime<Utc> {
        self.first.and_time(NaiveTime::MIN).and_utc()
    }

    /// Where the last ends.
    pub(crate) fn end(self) -> DateTime<Utc> {
        self.last.and_time(NaiveTime::MIN).and_utc() + chrono::TimeDelta::days(1)
    }

    /// All usage of these days that the scope lets one see.
    pub(crate) fn usage(self, scope: &AccountScope) -> UsageFilter {
        UsageFilter {
            start: Some(self.start()),
            end: Some(self.end()),
            ..UsageFilter::all(scope.clone())
        }
    }

    /// As many days right before these.
    pub(crate) fn before(self) -> Option<Self> {
        Some(Self {
            first: self
                .first
                .checked_sub_days(Days::new(self.count().unsigned_abs()))?,
            last: self.first.pred_opt()?,
        })
    }

    /// Each of them.
    pub(crate) fn each(self) -> impl Iterator<Item = NaiveDate> {
        self.first.iter_days().take_while(move |day| *day <= self.last)
    }

    /// As a half-open range of instants, for the API.
    pub(crate) fn instants(self) -> [(&'static str, String); 2] {
        [
            ("from", format_instant(self.start())),
            ("to", format_instant(self.end())),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(text: &str) -> Result<(String, String), String> {
        let today = parse_day("2025-10-10").unwrap();
        let days = Query::parse(text.as_bytes()).days(today)?;
        Ok((days.first.to_string(), days.last.to_string()))
    }

    #[test]
    fn a_page_shows_the_last_31_days_unless_it_is_told() {
        assert_eq!(days(""), Ok(("2025-09-10".to_owned(), "2025-10-10".to_owned())));
        assert_eq!(
            days("from=2025-10-01"),
            Ok(("2025-10-01".to_owned(), "2025-10-10".to_owned()))
        );
        assert_eq!(
            days("to=2025-09-01"),
            Ok(("2025-08-02".to_owned(), "2025-09-01".to_owned()))
        );
        assert_eq!(
            days("from=2025-10-01&to=2025-12-31"),
            Ok(("2025-10-01".to_owned(), "2025-10-10".to_owned()))
        );
        assert_eq!(
            days("to=2025-12-31"),
            Ok(("2025-09-10".to_owned(), "2025-10-10".to_owned()))
        );
        assert!(
            days("from=2025-10-02&to=2025-10-01")
                .unwrap_err()
                .contains("after the last day")
        );
        assert!(
            days("from=2020-01-01&to=2025-10-01")
                .unwrap_err()
                .contains("ask for fewer")
        );
        assert!(
            days("from=yesterday")
                .unwrap_err()
                .starts_with("from: `yesterday` is not a day")
        );
    }

    #[test]
    fn nobody_sees_more_by_asking() {
        let today = parse_day("2025-10-10").unwrap();
        let scope = |text: &str, scope| {
            let query = Query::parse(text.as_bytes());
            let days = query.days(today).unwrap();
            query.filter(&scope, days).map(|filter| filter.scope)
        };
        let mine = AccountScope::Only(vec![1, 2]);
        assert_eq!(
            scope("account=2&account=3", mine.clone()),
            Ok(AccountScope::Only(vec![2]))
        );
        assert_eq!(scope("account=3", mine.clone()), Ok(AccountScope::Only(vec![])));
        assert_eq!(scope("", mine.clone()), Ok(mine));
        assert_eq!(
            scope("account=3", AccountScope::All),
            Ok(AccountScope::Only(vec![3]))
        );
        assert!(scope("account=x", AccountScope::All).is_err());
    }

    #[test]
    fn filters_are_read_or_refused() {
        let today = parse_day("2025-10-10").unwrap();
        let filter = |text: &str| {
            let query = Query::parse(text.as_bytes());
            query.filter(&AccountScope::All, query.days(today).unwrap())
        };
        let read = filter("model=a&model=b&userId=(none)&batch=true&endpoint=completions").unwrap();
        assert_eq!(
            read.dimensions[&Dimension::Model],
            [Some("a".to_owned()), Some("b".to_owned())]
        );
        assert_eq!(read.dimensions[&Dimension::UserId], [None]);
        assert_eq!(read.endpoints, [Endpoint::Completions]);
        for wrong in ["batch=maybe", "endpoint=nothing", "provider=nobody", "model=%00"] {
            assert!(filter(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_holds_any_value() {
        let query = Query::parse(b"model=gpt%205&from=2025-09-01").with("projectId", "a&b=ü");
        assert_eq!(
            query.href("/explore"),
            "/explore?model=gpt+5&from=2025-09-01&projectId=a%26b%3D%C3%BC"
        );
        assert_eq!(Query::parse(b"x=&y=1").without_empty().href("/"), "/?y=1");
        assert_eq!(
            query.only(&["model", "from"]).unwrap_err().split(';').next(),
            Some("`projectId` is no parameter of this page")
        );
    }
}
