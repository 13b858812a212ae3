//! Coverage: which windows of which scope were read completely, when, and by which run.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use usage_core::{DimensionSet, Endpoint, ProjectFilter, Width, Window, WindowRange, WindowState};

use crate::accounts::{self, AccountScope, StoredAccount};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::schema::usage_coverage;
use crate::sql::{InsertRows, Row, Value};
use crate::statement::Statement;
use crate::usage_filter::within;

/// One window that was read completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The account's number in the ledger.
    pub account_id: i64,
    /// The surface.
    pub endpoint: Endpoint,
    /// The window.
    pub window: Window,
    /// The projects that were asked for.
    pub filter: ProjectFilter,
    /// The dimensions that the rows are grouped by.
    pub grouped_by: DimensionSet,
    /// Dimensions that the provider refused to group by.
    pub refused: DimensionSet,
    /// Dimensions that were asked for and null in every row of the read.
    pub empty: DimensionSet,
    /// How far the window had gone when it was read.
    pub state: WindowState,
    /// How many events the read found in it.
    pub event_count: i64,
    /// When the read began, UTC.
    pub read_started_at: DateTime<Utc>,
    /// When it was stored, UTC.
    pub stored_at: DateTime<Utc>,
    /// When the first complete read after the window's end began; later changes are restatements.
    pub first_closed_at: Option<DateTime<Utc>>,
    /// The run that read it last.
    pub run_id: i64,
}

/// Which coverage to look at.
#[derive(Clone, Debug)]
pub struct CoverageQuery {
    /// Whose.
    pub scope: AccountScope,
    /// Of which surface; every one if none is named.
    pub endpoint: Option<Endpoint>,
    /// In which windows; of every width and time if none are given.
    pub windows: Option<WindowRange>,
}

impl Ledger {
    /// Whether the endpoint was ever read completely for the account, at any width.
    pub async fn has_coverage(
        &self,
        account: &StoredAccount,
        endpoint: Endpoint,
    ) -> Result<bool, StoreError> {
        let account = account.id;
        self.run(move |connection| {
            let covered = usage_coverage::table
                .filter(usage_coverage::account_id.eq(account))
                .filter(usage_coverage::endpoint.eq(endpoint.as_str()));
            diesel::select(diesel::dsl::exists(covered))
                .get_result(connection)
                .map_err(StoreError::query("reading coverage"))
        })
        .await
    }

    /// Every account, by its number, with each surface of usage of which something was ever read completely, at any width.
    pub async fn read_surfaces(&self, scope: AccountScope) -> Result<BTreeSet<(i64, Endpoint)>, StoreError> {
        self.run(move |connection| read_surfaces(connection, &scope))
            .await
    }

    /// The coverage asked for, by account, endpoint, width, window and filter.
    pub async fn coverage(&self, query: CoverageQuery) -> Result<Vec<Coverage>, StoreError> {
        self.run(move |connection| load(connection, &query)).await
    }
}

fn read_surfaces(
    connection: &mut AnyConnection,
    scope: &AccountScope,
) -> Result<BTreeSet<(i64, Endpoint)>, StoreError> {
    #[derive(QueryableByName)]
    struct Surface {
        #[diesel(sql_type = BigInt)]
        account_id: i64,
        #[diesel(sql_type = Text)]
        endpoint: String,
    }
    // One look into the index for each, however much was read.
    let mut statement =
        Statement::new("SELECT a.id AS account_id, e.endpoint AS endpoint FROM accounts a CROSS JOIN (");
    let usage = Endpoint::ALL.into_iter().filter(|endpoint| !endpoint.is_costs());
    for (place, endpoint) in usage.enumerate() {
        let union = if place > 0 { " UNION ALL " } else { "" };
        statement.sql(format!("{union}SELECT '{endpoint}' AS endpoint"));
    }
    statement.sql(
        ") e WHERE EXISTS (SELECT 1 FROM usage_coverage c WHERE c.account_id = a.id AND c.endpoint = e.endpoint)",
    );
    if let AccountScope::Only(ids) = scope {
        within(&mut statement, "a.id", ids);
    }
    let surfaces: Vec<Surface> = statement
        .load(connection)
        .map_err(StoreError::query("looking what was ever read"))?;
    surfaces
        .into_iter()
        .map(|surface| Ok((surface.account_id, parse_endpoint(&surface.endpoint)?)))
        .collect()
}

pub(crate) fn load(
    connection: &mut AnyConnection,
    query: &CoverageQuery,
) -> Result<Vec<Coverage>, StoreError> {
    let mut select = usage_coverage::table
        .order((
            usage_coverage::account_id,
            usage_coverage::endpoint,
            usage_coverage::width_seconds,
            usage_coverage::window_start,
            usage_coverage::project_filter,
        ))
        .into_boxed();
    if let AccountScope::Only(ids) = &query.scope {
        select = select.filter(usage_coverage::account_id.eq_any(ids.clone()));
    }
    if let Some(endpoint) = query.endpoint {
        select = select.filter(usage_coverage::endpoint.eq(endpoint.as_str()));
    }
    if let Some(windows) = query.windows {
        // The key begins with account, endpoint and width: naming all of them, the database looks at these windows only.
        if query.scope == AccountScope::All {
            let every = accounts::load(connection, &AccountScope::All)?;
            let every: Vec<i64> = every.iter().map(|account| account.id).collect();
            select = select.filter(usage_coverage::account_id.eq_any(every));
        }
        if query.endpoint.is_none() {
            let every = Endpoint::ALL.map(Endpoint::as_str);
            select = select.filter(usage_coverage::endpoint.eq_any(every));
        }
        select = select
            .filter(usage_coverage::width_seconds.eq(windows.width().seconds()))
            .filter(usage_coverage::window_start.ge(windows.start().timestamp()))
            .filter(usage_coverage::window_start.lt(windows.end().timestamp()));
    }
    let rows: Vec<CoverageRow> = select
        .load(connection)
        .map_err(StoreError::query("reading the coverage"))?;
    rows.into_iter().map(CoverageRow::into_coverage).collect()
}

/// Stores coverage, replacing that of the same window and filter.
pub(crate) fn save(connection: &mut AnyConnection, coverage: &[Coverage]) -> Result<(), StoreError> {
    const ROWS_A_STATEMENT: usize = 200;
    let rows: Vec<CoverageRow> = coverage.iter().map(CoverageRow::from_coverage).collect();
    for rows in rows.chunks(ROWS_A_STATEMENT) {
        InsertRows {
            head: HEAD,
            rows,
            tail: TAIL,
        }
        .execute(connection)
        .map_err(StoreError::query("storing coverage"))?;
    }
    Ok(())
}

const HEAD: &str = "INSERT INTO usage_coverage (account_id, endpoint, width_seconds, window_start, project_filter, \
    grouped_by, refused_dimensions, empty_dimensions, state, event_count, read_started_at, stored_at, \
    first_closed_at, run_id) VALUES ";
const TAIL: &str = " ON CONFLICT (account_id, endpoint, width_seconds, window_start, project_filter) DO UPDATE SET \
    grouped_by = excluded.grouped_by, refused_dimensions = excluded.refused_dimensions, \
    empty_dimensions = excluded.empty_dimensions, state = excluded.state, event_count = excluded.event_count, \
    read_started_at = excluded.read_started_at, stored_at = excluded.stored_at, \
    first_closed_at = excluded.first_closed_at, run_id = excluded.run_id";

#[derive(Queryable)]
struct CoverageRow {
    account_id: i64,
    endpoint: String,
    width_seconds: i64,
    window_start: i64,
    project_filter: String,
    grouped_by: i64,
    refused_dimensions: i64,
    empty_dimensions: i64,
    state: String,
    event_count: i64,
    read_started_at: i64,
    stored_at: i64,
    first_closed_at: Option<i64>,
    run_id: i64,
}

impl CoverageRow {
    fn from_coverage(coverage: &Coverage) -> Self {
        Self {
            account_id: coverage.account_id,
            endpoint: coverage.endpoint.as_str().to_owned(),
            width_seconds: coverage.window.width().seconds(),
            window_start: coverage.window.start_unix(),
            project_filter: coverage.filter.canonical(),
            grouped_by: coverage.grouped_by.bits().into(),
            refused_dimensions: coverage.refused.bits().into(),
            empty_dimensions: coverage.empty.bits().into(),
            state: coverage.state.as_str().to_owned(),
            event_count: coverage.event_count,
            read_started_at: coverage.read_started_at.timestamp(),
            stored_at: coverage.stored_at.timestamp(),
            first_closed_at: coverage.first_closed_at.map(|at| at.timestamp()),
            run_id: coverage.run_id,
        }
    }

    fn into_coverage(self) -> Result<Coverage, StoreError> {
        let dimensions = |bits: i64| {
            u32::try_from(bits)
                .map(DimensionSet::from_bits)
                .map_err(|_| StoreError::corrupt("dimension set", bits))
        };
        Ok(Coverage {
            account_id: self.account_id,
            endpoint: parse_endpoint(&self.endpoint)?,
            window: parse_window(self.window_start, self.width_seconds)?,
            filter: ProjectFilter::from_canonical(&self.project_filter),
            grouped_by: dimensions(self.grouped_by)?,
            refused: dimensions(self.refused_dimensions)?,
            empty: dimensions(self.empty_dimensions)?,
            state: self
                .state
                .parse()
                .map_err(|_| StoreError::corrupt("window state", &self.state))?,
            event_count: self.event_count,
            read_started_at: instant(self.read_started_at)?,
            stored_at: instant(self.stored_at)?,
            first_closed_at: self.first_closed_at.map(instant).transpose()?,
            run_id: self.run_id,
        })
    }
}

impl Row for CoverageRow {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        each(Value::Integer(&self.account_id))?;
        each(Value::Text(&self.endpoint))?;
        each(Value::Integer(&self.width_seconds))?;
        each(Value::Integer(&self.window_start))?;
        each(Value::Text(&self.project_filter))?;
        each(Value::Integer(&self.grouped_by))?;
        each(Value::Integer(&self.refused_dimensions))?;
        each(Value::Integer(&self.empty_dimensions))?;
        each(Value::Text(&self.state))?;
        each(Value::Integer(&self.event_count))?;
        each(Value::Integer(&self.read_started_at))?;
        each(Value::Integer(&self.stored_at))?;
        each(Value::OptionalInteger(&self.first_closed_at))?;
        each(Value::Integer(&self.run_id))
    }
}

pub(crate) fn parse_endpoint(text: &str) -> Result<Endpoint, StoreError> {
    text.parse().map_err(|_| StoreError::corrupt("endpoint", text))
}

pub(crate) fn parse_window(start: i64, width_seconds: i64) -> Result<Window, StoreError> {
    Width::from_seconds(width_seconds)
        .and_then(|width| Window::from_unix(start, width).ok())
        .ok_or_else(|| StoreError::corrupt("window", format!("{start}+{width_seconds}")))
}
