//! Which usage a page or a summary is about.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{Dimension, Endpoint, Provider};

use crate::accounts::AccountScope;
use crate::error::StoreError;
use crate::rollups::DAY;
use crate::statement::Statement;

/// Which usage to show. What is not said does not narrow: a filter that only has a scope is everything in it.
///
/// Each account, endpoint and UTC day is shown at one width, that of the view `usage_daily`, so that pages, summaries,
/// exports and views agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageFilter {
    /// Whose; no account is no usage.
    pub scope: AccountScope,
    /// Of which providers; every one if none is named.
    pub providers: Vec<Provider>,
    /// Windows that begin then or later, UTC, to the second.
    pub start: Option<DateTime<Utc>>,
    /// Windows that begin before then, UTC, to the second.
    pub end: Option<DateTime<Utc>>,
    /// Of which surfaces; every one if none is named.
    pub endpoints: Vec<Endpoint>,
    /// One of these values of each dimension named; a dimension without values does not narrow. `None` is usage without a
    /// value of the dimension, and so is an empty text; [`Dimension::Batch`] has `true` and `false`.
    pub dimensions: BTreeMap<Dimension, Vec<Option<String>>>,
}

impl UsageFilter {
    /// Everything in the scope.
    pub fn all(scope: AccountScope) -> Self {
        Self {
            scope,
            providers: Vec::new(),
            start: None,
            end: None,
            endpoints: Vec::new(),
            dimensions: BTreeMap::new(),
        }
    }

    /// Fails for a dimension that usage does not have.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.dimensions.keys().try_for_each(|dimension| check(*dimension))
    }

    /// The values of each dimension that narrows, an empty text as none.
    pub(crate) fn narrowing(&self) -> impl Iterator<Item = (Dimension, Vec<Option<&str>>)> {
        self.dimensions
            .iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(dimension, values)| {
                let values = values
                    .iter()
                    .map(|value| value.as_deref().filter(|text| !text.is_empty()));
                (*dimension, values.collect())
            })
    }

    /// Appends the conditions on rows of `usage_events`, called `e`, each with ` AND ` before it.
    pub(crate) fn conditions(&self, statement: &mut Statement) {
        self.places(statement, "e");
        if let Some(start) = self.start {
            statement.sql(" AND e.window_start >= ").integer(ceiling(start));
        }
        if let Some(end) = self.end {
            statement.sql(" AND e.window_start < ").integer(ceiling(end));
        }
        for (dimension, values) in self.narrowing() {
            narrow(statement, dimension, &values);
        }
    }

    /// Appends the conditions on the days of `table` that the filter touches, each with ` AND ` before it.
    pub(crate) fn days(&self, statement: &mut Statement, table: &str) {
        self.places(statement, table);
        if let Some(start) = self.start {
            let first = ceiling(start).div_euclid(DAY).saturating_mul(DAY);
            statement
                .sql(format!(" AND {table}.day_start >= "))
                .integer(first);
        }
        if let Some(end) = self.end {
            statement
                .sql(format!(" AND {table}.day_start < "))
                .integer(ceiling(end));
        }
    }

    /// Appends the conditions on account and endpoint of `table`, each with ` AND ` before it.
    pub(crate) fn places(&self, statement: &mut Statement, table: &str) {
        if let AccountScope::Only(ids) = &self.scope {
            within(statement, &format!("{table}.account_id"), ids);
        }
        if !self.providers.is_empty() {
            let providers = self.providers.iter().map(|provider| provider.as_str());
            statement
                .sql(format!(
                    " AND {table}.account_id IN (SELECT id FROM accounts WHERE provider IN ("
                ))
                .texts(providers)
                .sql("))");
        }
        if !self.endpoints.is_empty() {
            statement
                .sql(format!(" AND {table}.endpoint IN ("))
                .texts(self.endpoints.iter().map(|endpoint| endpoint.as_str()))
                .sql(")");
        }
    }
}

/// Fails for a dimension that usage does not have.
pub(crate) fn check(dimension: Dimension) -> Result<(), StoreError> {
    if Dimension::USAGE.contains(&dimension) {
        return Ok(());
    }
    Err(StoreError::Unsupported(format!(
        "usage has no {dimension}; leave it out"
    )))
}

/// The first whole second that is not before the instant: a window that begins in between is none of ours.
pub(crate) fn ceiling(instant: DateTime<Utc>) -> i64 {
    instant.timestamp() + i64::from(instant.timestamp_subsec_nanos() > 0)
}

/// Narrows a column to numbers of ours.
pub(crate) fn within(statement: &mut Statement, column: &str, ids: &[i64]) {
    // No database takes an empty list.
    if ids.is_empty() {
        statement.sql(" AND 1 = 0");
    } else {
        statement
            .sql(format!(" AND {column} IN ("))
            .integers(ids.iter().copied())
            .sql(")");
    }
}

fn narrow(statement: &mut Statement, dimension: Dimension, values: &[Option<&str>]) {
    let column = format!("e.{dimension}");
    let absent = values.iter().any(Option::is_none);
    let present = values.iter().copied().flatten();
    statement.sql(" AND (");
    if dimension == Dimension::Batch {
        // A column of truth values: only the two words name one.
        let words: Vec<&str> = present
            .filter_map(|value| match value {
                "true" => Some("e.batch"),
                "false" => Some("NOT e.batch"),
                _ => None,
            })
            .collect();
        statement.sql(if words.is_empty() {
            "1 = 0".to_owned()
        } else {
            words.join(" OR ")
        });
    } else {
        let present: Vec<&str> = present.collect();
        if present.is_empty() {
            statement.sql("1 = 0");
        } else {
            statement.sql(format!("{column} IN (")).texts(present).sql(")");
        }
    }
    if absent {
        statement.sql(format!(" OR {column} IS NULL"));
    }
    statement.sql(")");
}
