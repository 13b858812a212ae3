//! What monitoring asks: sums over every run, restatements, and how far coverage reaches.
//!
//! Each question is answered by the database in a few rows, or in pages, so that neither ten thousand runs nor ten million
//! events are ever in memory; none of them looks at `usage_events`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use usage_core::{Endpoint, ProjectFilter, Width};

use crate::accounts::{self, AccountScope, StoredAccount};
use crate::connection::AnyConnection;
use crate::coverage::parse_endpoint;
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::runs::RunStatus;
use crate::schema::runs;

/// The runs of one kind that ended in one way and took about as long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunCount {
    /// For example `backfill`.
    pub kind: String,
    /// How they ended; never [`RunStatus::Running`].
    pub status: RunStatus,
    /// The first of the bounds asked for that no run of them passes, in seconds; `None` beyond the last.
    pub within_seconds: Option<i64>,
    /// How many.
    pub runs: u64,
    /// How long they took together, in seconds.
    pub seconds: u64,
    /// When the last of them ended, UTC.
    pub last_finished_at: DateTime<Utc>,
}

/// A run that has ended, with its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunTelemetry {
    /// Its number in this ledger.
    pub id: i64,
    /// For example `backfill`.
    pub kind: String,
    /// What it did, as JSON with the names operators know.
    pub telemetry: String,
}

/// How many events of an account's endpoint were restated, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestatedEvents {
    /// The account's number in the ledger.
    pub account_id: i64,
    /// The surface; `costs` among them.
    pub endpoint: Endpoint,
    /// Events that were changed, retracted or added after their window had been read completely.
    pub events: u64,
}

/// What is covered of an account's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedCoverage {
    /// Whose.
    pub account: StoredAccount,
    /// Which surface.
    pub endpoint: Endpoint,
    /// Neighbouring windows of one width and filter that were read completely after their end, from the instant asked for
    /// on, by width and time.
    pub stretches: Vec<Stretch>,
    /// The end of the latest window that was ever read completely after its end, UTC.
    pub last_end: Option<DateTime<Utc>>,
}

/// Neighbouring windows of one width that were read completely after their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The projects that were asked for.
    pub filter: ProjectFilter,
    /// How wide each window is.
    pub width: Width,
    /// Where the first begins, UTC.
    pub start: DateTime<Utc>,
    /// Where the last ends, UTC.
    pub end: DateTime<Utc>,
}

/// How many runs are in memory at once.
const PAGE: i64 = 500;

impl Ledger {
    /// How many runs ended how, and how long they took, by these bounds in seconds, which ascend.
    pub async fn run_counts(&self, bounds: &'static [i64]) -> Result<Vec<RunCount>, StoreError> {
        self.run(move |connection| run_counts(connection, bounds)).await
    }

    /// Lets every run that has ended pass, oldest first.
    ///
    /// ```no_run
    /// # async fn example(ledger: &usage_store::Ledger) -> Result<(), usage_store::StoreError> {
    /// let bytes = ledger
    ///     .fold_run_telemetry(0, |bytes, run| *bytes += run.telemetry.len())
    ///     .await?;
    /// # drop(bytes); Ok(())
    /// # }
    /// ```
    pub async fn fold_run_telemetry<S: Send + 'static>(
        &self,
        state: S,
        mut fold: impl FnMut(&mut S, RunTelemetry) + Send + 'static,
    ) -> Result<S, StoreError> {
        let mut state = state;
        let mut after = None;
        loop {
            // A read for each page: one that is done again lets no run pass twice.
            let page = self.run(move |connection| ended_runs(connection, after)).await?;
            after = page.last().map(|run| run.id);
            if page.is_empty() {
                return Ok(state);
            }
            for run in page {
                fold(&mut state, run);
            }
        }
    }

    /// How many events were restated, by account and endpoint. What an operator cleaned up or priced anew is no restatement.
    pub async fn restated_events(&self, scope: AccountScope) -> Result<Vec<RestatedEvents>, StoreError> {
        self.run(move |connection| restated_events(connection, &scope))
            .await
    }

    /// What was read completely after its end, from an instant on, of every endpoint that was ever covered.
    pub async fn closed_coverage(
        &self,
        scope: AccountScope,
        since: DateTime<Utc>,
    ) -> Result<Vec<ClosedCoverage>, StoreError> {
        self.run(move |connection| {
            let mut covered = Vec::new();
            for account in accounts::load(connection, &scope)? {
                let provider = account.account.provider();
                for endpoint in Endpoint::ALL {
                    if endpoint.provider() == provider {
                        covered.extend(closed_coverage(connection, &account, endpoint, since)?);
                    }
                }
            }
            Ok(covered)
        })
        .await
    }
}

#[derive(QueryableByName)]
struct RunCountRow {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    within_seconds: Option<i64>,
    #[diesel(sql_type = BigInt)]
    runs: i64,
    #[diesel(sql_type = BigInt)]
    seconds: i64,
    #[diesel(sql_type = BigInt)]
    last_finished_at: i64,
}

fn run_counts(connection: &mut AnyConnection, bounds: &[i64]) -> Result<Vec<RunCount>, StoreError> {
    // The machine's clock may have been set back during a run.
    let seconds = "CASE WHEN finished_at > started_at THEN finished_at - started_at ELSE 0 END";
    let within: Vec<String> = bounds
        .iter()
        .map(|bound| format!("WHEN seconds <= {bound} THEN {bound}"))
        .collect();
    let within = match within.as_slice() {
        [] => "NULL".to_owned(),
        within => format!("CASE {} END", within.join(" ")),
    };
    let rows: Vec<RunCountRow> = sql_query(format!(
        "SELECT kind, status, CAST(within_seconds AS BIGINT) AS within_seconds, count(*) AS runs, \
             CAST(sum(seconds) AS BIGINT) AS seconds, max(finished_at) AS last_finished_at \
         FROM (SELECT kind, status, seconds, finished_at, {within} AS within_seconds \
             FROM (SELECT kind, status, finished_at, {seconds} AS seconds \
                 FROM runs WHERE finished_at IS NOT NULL AND status <> 'running') AS ended) AS placed \
         GROUP BY kind, status, within_seconds ORDER BY kind, status, within_seconds"
    ))
    .load(connection)
    .map_err(StoreError::query("counting the runs"))?;
    rows.into_iter()
        .map(|row| {
            Ok(RunCount {
                kind: row.kind,
                status: RunStatus::parse(&row.status)?,
                within_seconds: row.within_seconds,
                runs: row.runs.unsigned_abs(),
                seconds: row.seconds.unsigned_abs(),
                last_finished_at: instant(row.last_finished_at)?,
            })
        })
        .collect()
}

fn ended_runs(connection: &mut AnyConnection, after: Option<i64>) -> Result<Vec<RunTelemetry>, StoreError> {
    let rows: Vec<(i64, String, String)> = runs::table
        .filter(runs::id.gt(after.unwrap_or(i64::MIN)))
        .filter(runs::status.ne(RunStatus::Running.as_str()))
        .select((runs::id, runs::kind, runs::telemetry))
        .order(runs::id.asc())
        .limit(PAGE)
        .load(connection)
        .map_err(StoreError::query("reading what the runs did"))?;
    let runs = rows
        .into_iter()
        .map(|(id, kind, telemetry)| RunTelemetry { id, kind, telemetry });
    Ok(runs.collect())
}

#[derive(QueryableByName)]
struct RestatedRow {
    #[diesel(sql_type = BigInt)]
    account_id: i64,
    #[diesel(sql_type = Text)]
    endpoint: String,
    #[diesel(sql_type = BigInt)]
    events: i64,
}

/// The conditions are those of `usage_restatements_idx` and `cost_restatements_idx`, which answer this alone.
const RESTATED: &str = "\
    SELECT account_id, endpoint, count(*) AS events FROM usage_revisions \
    WHERE kind IN ('added', 'changed', 'retracted') GROUP BY account_id, endpoint \
    UNION ALL \
    SELECT account_id, endpoint, count(*) AS events FROM cost_revisions \
    WHERE kind IN ('added', 'changed', 'retracted') GROUP BY account_id, endpoint";

fn restated_events(
    connection: &mut AnyConnection,
    scope: &AccountScope,
) -> Result<Vec<RestatedEvents>, StoreError> {
    let rows: Vec<RestatedRow> = sql_query(RESTATED)
        .load(connection)
        .map_err(StoreError::query("counting the restatements"))?;
    rows.into_iter()
        .filter(|row| match scope {
            AccountScope::All => true,
            AccountScope::Only(ids) => ids.contains(&row.account_id),
        })
        .map(|row| {
            Ok(RestatedEvents {
                account_id: row.account_id,
                endpoint: parse_endpoint(&row.endpoint)?,
                events: row.events.unsigned_abs(),
            })
        })
        .collect()
}

fn closed_coverage(
    connection: &mut AnyConnection,
    account: &StoredAccount,
    endpoint: Endpoint,
    since: DateTime<Utc>,
) -> Result<Option<ClosedCoverage>, StoreError> {
    let mut was_covered = false;
    let mut coverage = ClosedCoverage {
        account: account.clone(),
        endpoint,
        stretches: Vec::new(),
        last_end: None,
    };
    for width in Width::ALL {
        let place = Place {
            account_id: account.id,
            endpoint,
            width,
        };
        if !place.was_covered(connection)? {
            continue;
        }
        was_covered = true;
        coverage.stretches.extend(place.stretches(connection, since)?);
        coverage.last_end = coverage.last_end.max(place.last_end(connection)?);
    }
    Ok(was_covered.then_some(coverage))
}

/// Where the primary key of coverage begins: what it is asked for is neighbours in its index.
struct Place {
    account_id: i64,
    endpoint: Endpoint,
    width: Width,
}

#[derive(QueryableByName)]
struct StretchRow {
    #[diesel(sql_type = Text)]
    project_filter: String,
    #[diesel(sql_type = BigInt)]
    first_start: i64,
    #[diesel(sql_type = BigInt)]
    last_start: i64,
}

#[derive(QueryableByName)]
struct StartRow {
    #[diesel(sql_type = BigInt)]
    window_start: i64,
}

impl Place {
    fn condition(&self) -> String {
        let Self {
            account_id,
            endpoint,
            width,
        } = self;
        let seconds = width.seconds();
        format!("account_id = {account_id} AND endpoint = '{endpoint}' AND width_seconds = {seconds}")
    }

    fn was_covered(&self, connection: &mut AnyConnection) -> Result<bool, StoreError> {
        let condition = self.condition();
        first_start(
            connection,
            &format!("SELECT window_start FROM usage_coverage WHERE {condition} LIMIT 1"),
        )
        .map(|found| found.is_some())
    }

    fn last_end(&self, connection: &mut AnyConnection) -> Result<Option<DateTime<Utc>>, StoreError> {
        let condition = self.condition();
        let last = first_start(
            connection,
            &format!(
                "SELECT window_start FROM usage_coverage WHERE {condition} AND first_closed_at IS NOT NULL \
                 ORDER BY window_start DESC LIMIT 1"
            ),
        )?;
        last.map(|start| instant(start + self.width.seconds()))
            .transpose()
    }

    /// Windows that follow one another have the same distance from their number.
    fn stretches(
        &self,
        connection: &mut AnyConnection,
        since: DateTime<Utc>,
    ) -> Result<Vec<Stretch>, StoreError> {
        let (condition, since, width) = (self.condition(), since.timestamp(), self.width.seconds());
        let rows: Vec<StretchRow> = sql_query(format!(
            "SELECT project_filter, min(window_start) AS first_start, max(window_start) AS last_start \
             FROM (SELECT project_filter, window_start, window_start - {width} * \
                     row_number() OVER (PARTITION BY project_filter ORDER BY window_start) AS distance \
                 FROM usage_coverage \
                 WHERE {condition} AND window_start >= {since} AND first_closed_at IS NOT NULL) AS closed \
             GROUP BY project_filter, distance ORDER BY first_start, project_filter"
        ))
        .load(connection)
        .map_err(StoreError::query("looking what is covered"))?;
        rows.into_iter()
            .map(|row| {
                Ok(Stretch {
                    filter: ProjectFilter::from_canonical(&row.project_filter),
                    width: self.width,
                    start: instant(row.first_start)?,
                    end: instant(row.last_start + width)?,
                })
            })
            .collect()
    }
}

/// The start of the window that a query asks for, if there is one.
fn first_start(connection: &mut AnyConnection, sql: &str) -> Result<Option<i64>, StoreError> {
    let found: Vec<StartRow> = sql_query(sql)
        .load(connection)
        .map_err(StoreError::query("looking how far coverage reaches"))?;
    Ok(found.first().map(|row| row.window_start))
}
