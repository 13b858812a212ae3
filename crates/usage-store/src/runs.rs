//! Runs: one backfill, cron pass or manual sync, with what it planned and did.

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use crate::accounts::AccountScope;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::run_accounts::Seen;
use crate::schema::runs;

/// A run about to start.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// For example `backfill`.
    pub kind: &'static str,
    /// The operator's name for it.
    pub label: Option<String>,
    /// First instant asked for.
    pub range_start: DateTime<Utc>,
    /// First instant after the range.
    pub range_end: DateTime<Utc>,
    /// The process that runs it; the holder of its leases.
    pub holder: String,
    /// The plan, as JSON. Whose usage the run is about stands in it, as the `account` of the plan or of each of its `chunks`.
    pub plan: String,
    /// What its telemetry says from the start, as a JSON object.
    pub notes: String,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Still at work.
    Running,
    /// Everything planned was stored.
    Succeeded,
    /// Finished, but with errors.
    Incomplete,
    /// Could not do its work.
    Failed,
    /// Its process died before it could say so.
    Interrupted,
}

impl RunStatus {
    /// The status in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        [
            Self::Running,
            Self::Succeeded,
            Self::Incomplete,
            Self::Failed,
            Self::Interrupted,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or_else(|| StoreError::corrupt("run status", text))
    }
}

/// A recorded run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number in this ledger.
    pub id: i64,
    /// For example `backfill`.
    pub kind: String,
    /// The operator's name for it.
    pub label: Option<String>,
    /// How it stands.
    pub status: RunStatus,
    /// First instant asked for, UTC.
    pub range_start: Option<DateTime<Utc>>,
    /// First instant after the range, UTC.
    pub range_end: Option<DateTime<Utc>>,
    /// The process that runs it.
    pub holder: String,
    /// When it began, UTC.
    pub started_at: DateTime<Utc>,
    /// When it ended, UTC.
    pub finished_at: Option<DateTime<Utc>>,
    /// What it did, as JSON with the names operators know.
    pub telemetry: String,
    /// What went otherwise than planned, as JSON.
    pub issues: String,
}

/// Some runs, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPage {
    /// The runs, newest first.
    pub runs: Vec<Run>,
    /// What the next page is `before`; `None` if there are no more runs.
    pub next: Option<i64>,
}

/// How many runs a page looks at, at most, of a scope that may see only some of them: a page with fewer runs than asked for,
/// or none, may have a next one.
const LOOKED_AT: usize = 5_000;
/// How many of them are in memory at once, with their plans.
const AT_ONCE: usize = 50;

impl Ledger {
    /// Records that a run begins and returns its number.
    pub async fn start_run(&self, run: NewRun) -> Result<i64, StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            diesel::insert_into(runs::table)
                .values((
                    runs::kind.eq(run.kind),
                    runs::label.eq(run.label.as_deref()),
                    runs::range_start.eq(Some(run.range_start.timestamp())),
                    runs::range_end.eq(Some(run.range_end.timestamp())),
                    runs::holder.eq(run.holder.as_str()),
                    runs::status.eq(RunStatus::Running.as_str()),
                    runs::started_at.eq(now),
                    runs::finished_at.eq(None::<i64>),
                    runs::plan.eq(run.plan.as_str()),
                    runs::telemetry.eq(run.notes.as_str()),
                    runs::issues.eq("[]"),
                ))
                .returning(runs::id)
                .get_result(connection)
                .map_err(StoreError::query("recording a run"))
        })
        .await
    }

    /// The runs that have not said how they ended, oldest first.
    pub async fn unfinished_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.run(|connection| {
            let unfinished = runs::table
                .filter(runs::status.eq(RunStatus::Running.as_str()))
                .order(runs::id.asc());
            load(connection, unfinished.into_boxed())
        })
        .await
    }

    /// Records that a run's process died before it could say how it ended. One that has said so since is left alone.
    pub async fn mark_interrupted(&self, id: i64) -> Result<(), StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            diesel::update(
                runs::table
                    .find(id)
                    .filter(runs::status.eq(RunStatus::Running.as_str())),
            )
            .set((
                runs::status.eq(RunStatus::Interrupted.as_str()),
                runs::finished_at.eq(Some(now)),
            ))
            .execute(connection)
            .map_err(StoreError::query("marking an interrupted run"))
            .map(drop)
        })
        .await
    }

    /// Records what a run has done so far, so that its counters outlive its process. A run that has ended is left alone.
    pub async fn record_progress(
        &self,
        id: i64,
        telemetry: String,
        issues: String,
    ) -> Result<(), StoreError> {
        self.write(move |connection| {
            let running = runs::table
                .find(id)
                .filter(runs::status.eq(RunStatus::Running.as_str()));
            diesel::update(running)
                .set((
                    runs::telemetry.eq(telemetry.as_str()),
                    runs::issues.eq(issues.as_str()),
                ))
                .execute(connection)
                .map_err(StoreError::query("recording what a run has done so far"))
                .map(drop)
        })
        .await
    }

    /// Records how a run ended.
    pub async fn finish_run(
        &self,
        id: i64,
        status: RunStatus,
        telemetry: String,
        issues: String,
    ) -> Result<(), StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            let changed = diesel::update(runs::table.find(id))
                .set((
                    runs::status.eq(status.as_str()),
                    runs::finished_at.eq(Some(now)),
                    runs::telemetry.eq(telemetry.as_str()),
                    runs::issues.eq(issues.as_str()),
                ))
                .execute(connection)
                .map_err(StoreError::query("recording the end of a run"))?;
            if changed == 1 {
                Ok(())
            } else {
                Err(StoreError::NotFound {
                    what: "run",
                    id: id.to_string(),
                })
            }
        })
        .await
    }

    /// The runs with these numbers that the scope may see, oldest first: those that name accounts, all of which are in it.
    pub async fn runs_with_ids(&self, scope: AccountScope, ids: Vec<i64>) -> Result<Vec<Run>, StoreError> {
        self.run(move |connection| {
            let seen = Seen::load(connection, &scope)?;
            let chosen = runs::table
                .filter(runs::id.eq_any(ids.clone()))
                .order(runs::id.asc());
            load_seen(connection, chosen.into_boxed(), &seen)
        })
        .await
    }

    /// Whether there was ever a run of the kind.
    pub async fn has_run(&self, kind: &'static str) -> Result<bool, StoreError> {
        self.run(move |connection| {
            let of_kind = runs::table.filter(runs::kind.eq(kind)).select(runs::id).limit(1);
            let found: Vec<i64> = of_kind
                .load(connection)
                .map_err(StoreError::query("reading the runs"))?;
            Ok(!found.is_empty())
        })
        .await
    }

    /// The runs of a kind that began at that time or later, oldest first.
    pub async fn runs_started_since(
        &self,
        kind: &'static str,
        since: DateTime<Utc>,
    ) -> Result<Vec<Run>, StoreError> {
        self.run(move |connection| {
            let chosen = runs::table
                .filter(runs::kind.eq(kind))
                .filter(runs::started_at.ge(since.timestamp()))
                .order(runs::id.asc());
            load(connection, chosen.into_boxed())
        })
        .await
    }

    /// A page of the runs that the scope may see, the latest of them or those before a number: runs that name accounts, all of
    /// which are in it.
    pub async fn run_page(
        &self,
        scope: AccountScope,
        before: Option<i64>,
        limit: usize,
    ) -> Result<RunPage, StoreError> {
        self.run(move |connection| page(connection, &scope, before, limit))
            .await
    }

    /// The latest runs of every account, newest first: for whoever has the ledger itself.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.run(move |connection| {
            let latest = runs::table.order(runs::id.desc()).limit(i64::from(limit));
            load(connection, latest.into_boxed())
        })
        .await
    }
}

type RunsQuery = runs::BoxedQuery<'static, <AnyConnection as diesel::Connection>::Backend>;

fn page(
    connection: &mut AnyConnection,
    scope: &AccountScope,
    before: Option<i64>,
    limit: usize,
) -> Result<RunPage, StoreError> {
    let seen = Seen::load(connection, scope)?;
    let mut found: Vec<Run> = Vec::new();
    let mut before = before.unwrap_or(i64::MAX);
    let mut looked_at = 0;
    while looked_at < LOOKED_AT {
        // Who sees every run is read no more than they asked for, and one to know whether there are more.
        let at_once = if seen.is_all() { limit + 1 } else { AT_ONCE };
        let earlier = runs::table
            .filter(runs::id.lt(before))
            .order(runs::id.desc())
            .limit(i64::try_from(at_once).unwrap_or(i64::MAX))
            .into_boxed();
        let earlier = load_marked(connection, earlier, &seen)?;
        let is_last = earlier.len() < at_once;
        looked_at += earlier.len();
        for (id, run) in earlier {
            if found.len() == limit && run.is_some() {
                return Ok(RunPage {
                    next: found.last().map(|run| run.id),
                    runs: found,
                });
            }
            before = id;
            found.extend(run);
        }
        if is_last {
            return Ok(RunPage {
                runs: found,
                next: None,
            });
        }
    }
    Ok(RunPage {
        runs: found,
        next: Some(before),
    })
}

/// The runs, and of those that may not be seen the number alone.
fn load_marked(
    connection: &mut AnyConnection,
    query: RunsQuery,
    seen: &Seen,
) -> Result<Vec<(i64, Option<Run>)>, StoreError> {
    if seen.is_all() {
        let runs = load(connection, query)?;
        return Ok(runs.into_iter().map(|run| (run.id, Some(run))).collect());
    }
    let rows: Vec<(RunRow, String)> = query
        .select((RunRow::as_select(), runs::plan))
        .load(connection)
        .map_err(StoreError::query("reading the runs"))?;
    rows.into_iter()
        .map(|(row, plan)| {
            let id = row.id;
            let run = seen.has(&plan, &row.telemetry).then(|| row.into_run());
            Ok((id, run.transpose()?))
        })
        .collect()
}

fn load_seen(connection: &mut AnyConnection, query: RunsQuery, seen: &Seen) -> Result<Vec<Run>, StoreError> {
    let runs = load_marked(connection, query, seen)?;
    Ok(runs.into_iter().filter_map(|(_, run)| run).collect())
}

fn load(connection: &mut AnyConnection, query: RunsQuery) -> Result<Vec<Run>, StoreError> {
    let rows: Vec<RunRow> = query
        .select(RunRow::as_select())
        .load(connection)
        .map_err(StoreError::query("reading the runs"))?;
    rows.into_iter().map(RunRow::into_run).collect()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = runs)]
struct RunRow {
    id: i64,
    kind: String,
    label: Option<String>,
    status: String,
    range_start: Option<i64>,
    range_end: Option<i64>,
    holder: String,
    started_at: i64,
    finished_at: Option<i64>,
    telemetry: String,
    issues: String,
}

impl RunRow {
    fn into_run(self) -> Result<Run, StoreError> {
        Ok(Run {
            id: self.id,
            kind: self.kind,
            label: self.label,
            status: RunStatus::parse(&self.status)?,
            range_start: self.range_start.map(instant).transpose()?,
            range_end: self.range_end.map(instant).transpose()?,
            holder: self.holder,
            started_at: instant(self.started_at)?,
            finished_at: self.finished_at.map(instant).transpose()?,
            telemetry: self.telemetry,
            issues: self.issues,
        })
    }
}
