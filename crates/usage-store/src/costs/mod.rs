//! Costs: what the provider says it charged, and what it said before.

mod compare;
mod replace;
mod rows;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable};
use usage_core::{
    Account, CostGroup, CostRow, DecimalText, DedupeKey, Endpoint, NanoUsd, Window, WindowRange,
};

pub use self::replace::{CostReplacement, CostWindowRows};
use crate::accounts::{self, AccountScope};
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::events::{RevisionKind, instant, parse_key};
use crate::ledger::Ledger;
use crate::schema::{cost_events, cost_revisions};
use crate::statement::Statement;
use crate::usage_filter::within;
use rows::{CostColumns, RevisedCost};

/// One cost of the ledger with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCost {
    /// Who was charged.
    pub account: Account,
    /// The account's number in the ledger.
    pub account_id: i64,
    /// The identity under which it stands.
    pub key: DedupeKey,
    /// Which surface said so.
    pub endpoint: Endpoint,
    /// When; a UTC day.
    pub window: Window,
    /// What for, and how much. Numbers keep the provider's own text.
    pub row: CostRow,
    /// 1 as first stored; grows with every change.
    pub revision: i64,
    /// When it was first stored, UTC.
    pub first_stored_at: DateTime<Utc>,
    /// When its amount or quantity last changed, UTC.
    pub changed_at: DateTime<Utc>,
    /// The run that last changed it.
    pub run_id: i64,
}

/// A cost that was restated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRevision {
    /// What happened to it: changed, retracted, or added (then `before` has no amount).
    pub kind: RevisionKind,
    /// As it stood.
    pub before: StoredCost,
    /// When it was replaced, UTC.
    pub replaced_at: DateTime<Utc>,
    /// The run that replaced it.
    pub replaced_by_run: i64,
}

/// What one restatement did to one cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostChange {
    /// The number of the account that was charged.
    pub account_id: i64,
    /// When it was charged for; a UTC day.
    pub window: Window,
    /// Which cost of the window.
    pub group: CostGroup,
    /// As it stood before; `None` if there was no such cost.
    pub before: Option<CostRow>,
    /// As it stood after; `None` if it was taken away.
    pub after: Option<CostRow>,
    /// When, UTC.
    pub changed_at: DateTime<Utc>,
    /// By which run.
    pub run_id: i64,
}

/// Which costs to read.
#[derive(Clone, Debug)]
pub struct CostQuery {
    /// Whose.
    pub scope: AccountScope,
    /// On which days; all of them if none are given.
    pub windows: Option<WindowRange>,
}

/// A page of costs in the order of window and key.
#[derive(Clone, Debug)]
pub struct CostPage {
    /// The costs.
    pub costs: Vec<StoredCost>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<(i64, DedupeKey)>,
}

/// How many costs are in memory at once when many are read.
const PAGE: usize = 5_000;

impl Ledger {
    /// One page of costs; `after` is the `next` of the page before.
    pub async fn costs(
        &self,
        query: CostQuery,
        after: Option<(i64, DedupeKey)>,
        limit: usize,
    ) -> Result<CostPage, StoreError> {
        self.run(move |connection| page(connection, &query, after, limit))
            .await
    }

    /// Every cost of the query at once: a day has a few for each project, key and model.
    pub async fn all_costs(&self, query: CostQuery) -> Result<Vec<StoredCost>, StoreError> {
        self.run(move |connection| {
            let mut costs = Vec::new();
            let mut after = None;
            loop {
                let page = page(connection, &query, after, PAGE)?;
                costs.extend(page.costs);
                match page.next {
                    Some(next) => after = Some(next),
                    None => return Ok(costs),
                }
            }
        })
        .await
    }

    /// What was charged in US dollars, to the billionth of a dollar for each cost; `None` if nothing was, or nothing was read.
    /// Amounts of other currencies are not in it.
    pub async fn charged(&self, query: CostQuery) -> Result<Option<NanoUsd>, StoreError> {
        self.run(move |connection| charged(connection, &query)).await
    }

    /// What was restated, oldest first.
    pub async fn cost_revisions(&self, query: CostQuery) -> Result<Vec<CostRevision>, StoreError> {
        self.run(move |connection| load_revisions(connection, &query, None))
            .await
    }

    /// What restatements did to the costs of a window, oldest first.
    pub async fn cost_changes(
        &self,
        scope: AccountScope,
        window: Window,
    ) -> Result<Vec<CostChange>, StoreError> {
        let query = CostQuery {
            scope,
            windows: Some(WindowRange::of(window)),
        };
        self.run(move |connection| {
            let revisions = load_revisions(connection, &query, None)?;
            if revisions.is_empty() {
                return Ok(Vec::new());
            }
            let standing = page(connection, &query, None, usize::MAX)?.costs;
            Ok(changes(revisions, standing))
        })
        .await
    }

    /// How many restatements of costs there are, and what the latest of them did, the latest first.
    pub async fn latest_cost_changes(
        &self,
        query: CostQuery,
        limit: usize,
    ) -> Result<(u64, Vec<CostChange>), StoreError> {
        self.run(move |connection| latest_changes(connection, &query, limit))
            .await
    }
}

/// Each revision with what came after it: what the next one of the same cost found, or what stands now.
fn changes(revisions: Vec<CostRevision>, standing: Vec<StoredCost>) -> Vec<CostChange> {
    let mut after: BTreeMap<DedupeKey, CostRow> =
        standing.into_iter().map(|cost| (cost.key, cost.row)).collect();
    let mut changes: Vec<CostChange> = revisions
        .into_iter()
        .rev()
        .map(|revision| {
            let key = revision.before.key;
            let row = revision.before.row;
            let group = row.group.clone();
            let (account_id, window) = (revision.before.account_id, revision.before.window);
            let before = (revision.kind != RevisionKind::Added).then_some(row);
            let came = match &before {
                Some(before) => after.insert(key, before.clone()),
                None => after.remove(&key),
            };
            CostChange {
                account_id,
                window,
                group,
                before,
                after: came,
                changed_at: revision.replaced_at,
                run_id: revision.replaced_by_run,
            }
        })
        .collect();
    changes.reverse();
    changes
}

fn latest_changes(
    connection: &mut AnyConnection,
    query: &CostQuery,
    limit: usize,
) -> Result<(u64, Vec<CostChange>), StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    #[derive(QueryableByName)]
    struct Key {
        #[diesel(sql_type = Binary)]
        dedupe_key: Vec<u8>,
    }
    let mut counted = Statement::new("SELECT count(*) AS count FROM cost_revisions WHERE 1 = 1");
    narrow(&mut counted, query);
    let counted: Vec<Count> = counted
        .load(connection)
        .map_err(StoreError::query("counting revisions of costs"))?;
    let mut newest = Statement::new("SELECT dedupe_key FROM cost_revisions WHERE 1 = 1");
    narrow(&mut newest, query);
    newest
        .sql(
            " ORDER BY replaced_at DESC, replaced_by_run DESC, window_start DESC, dedupe_key DESC, revision DESC LIMIT ",
        )
        .integer(i64::try_from(limit).unwrap_or(i64::MAX));
    let newest: Vec<Key> = newest
        .load(connection)
        .map_err(StoreError::query("reading the latest revisions of costs"))?;
    let keys: Vec<Vec<u8>> = newest.into_iter().map(|key| key.dedupe_key).collect();
    // What came after one of them stands in a later one of the same cost, or in the cost itself.
    let revisions = load_revisions(connection, query, Some(&keys))?;
    let owners = accounts::load(connection, &AccountScope::All)?;
    let rows: Vec<CostColumns> = cost_events::table
        .filter(cost_events::dedupe_key.eq_any(keys))
        .select(CostColumns::as_select())
        .load(connection)
        .map_err(StoreError::query("reading costs that were restated"))?;
    let standing = rows.into_iter().map(|row| row.into_cost(&owners));
    let mut latest = changes(revisions, standing.collect::<Result<_, _>>()?);
    latest.reverse();
    latest.truncate(limit);
    let count = counted.first().map_or(0, |row| row.count);
    Ok((u64::try_from(count).unwrap_or(0), latest))
}

/// Appends what the query says, each condition with ` AND ` before it.
fn narrow(statement: &mut Statement, query: &CostQuery) {
    if let AccountScope::Only(ids) = &query.scope {
        within(statement, "account_id", ids);
    }
    if let Some(windows) = query.windows {
        statement
            .sql(" AND window_start >= ")
            .integer(windows.start().timestamp())
            .sql(" AND window_start < ")
            .integer(windows.end().timestamp());
    }
}

fn charged(connection: &mut AnyConnection, query: &CostQuery) -> Result<Option<NanoUsd>, StoreError> {
    #[derive(QueryableByName)]
    struct Charged {
        #[diesel(sql_type = Nullable<BigInt>)]
        nanos: Option<i64>,
    }
    let mut statement = Statement::new(
        "SELECT CAST(sum(amount_nano) AS BIGINT) AS nanos FROM cost_events WHERE lower(currency) = 'usd'",
    );
    narrow(&mut statement, query);
    let rows: Vec<Charged> = statement
        .load(connection)
        .map_err(StoreError::query("summing up what was charged"))?;
    Ok(rows.first().and_then(|row| row.nanos).map(NanoUsd::new))
}

fn page(
    connection: &mut AnyConnection,
    query: &CostQuery,
    after: Option<(i64, DedupeKey)>,
    limit: usize,
) -> Result<CostPage, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let (rows, next) = raw_page(connection, query, after, limit)?;
    let costs = rows.into_iter().map(|row| row.into_cost(&owners));
    Ok(CostPage {
        costs: costs.collect::<Result<_, _>>()?,
        next,
    })
}

/// Rows as they stand, and where the next page begins.
type RawPage = (Vec<CostColumns>, Option<(i64, DedupeKey)>);

fn raw_page(
    connection: &mut AnyConnection,
    query: &CostQuery,
    after: Option<(i64, DedupeKey)>,
    limit: usize,
) -> Result<RawPage, StoreError> {
    let mut select = cost_events::table
        .select(CostColumns::as_select())
        .order((cost_events::window_start, cost_events::dedupe_key))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .into_boxed();
    if let AccountScope::Only(ids) = &query.scope {
        select = select.filter(cost_events::account_id.eq_any(ids.clone()));
    }
    if let Some(windows) = query.windows {
        select = select.filter(cost_events::window_start.lt(windows.end().timestamp()));
        if after.is_none() {
            select = select.filter(cost_events::window_start.ge(windows.start().timestamp()));
        }
    }
    if let Some((window_start, key)) = after {
        let key = key.as_bytes().to_vec();
        select = select.filter(cost_events::window_start.ge(window_start)).filter(
            cost_events::window_start
                .gt(window_start)
                .or(cost_events::window_start
                    .eq(window_start)
                    .and(cost_events::dedupe_key.gt(key))),
        );
    }
    let mut rows: Vec<CostColumns> = select
        .load(connection)
        .map_err(StoreError::query("reading costs"))?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some(last) if more => Some((last.window_start, parse_key(&last.dedupe_key)?)),
        _ => None,
    };
    Ok((rows, next))
}

/// Every cost with the hash and the billionths that stand beside it, in bounded memory.
pub(crate) fn each(
    connection: &mut AnyConnection,
    mut each: impl FnMut(&StoredCost, i64, Option<i64>),
) -> Result<(), StoreError> {
    let query = CostQuery {
        scope: AccountScope::All,
        windows: None,
    };
    let owners = accounts::load(connection, &AccountScope::All)?;
    let mut after = None;
    loop {
        let (rows, next) = raw_page(connection, &query, after, PAGE)?;
        for row in rows {
            let (content_hash, amount_nano) = (row.content_hash, row.amount_nano);
            each(&row.into_cost(&owners)?, content_hash, amount_nano);
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// The revisions, oldest first; those of some costs only, if any are named.
fn load_revisions(
    connection: &mut AnyConnection,
    query: &CostQuery,
    of: Option<&[Vec<u8>]>,
) -> Result<Vec<CostRevision>, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let mut select = cost_revisions::table
        .select((
            cost_revisions::kind,
            cost_revisions::replaced_at,
            cost_revisions::replaced_by_run,
            RevisedCost::as_select(),
        ))
        .order((
            cost_revisions::replaced_at,
            cost_revisions::replaced_by_run,
            cost_revisions::window_start,
            cost_revisions::dedupe_key,
            cost_revisions::revision,
        ))
        .into_boxed();
    if let AccountScope::Only(ids) = &query.scope {
        select = select.filter(cost_revisions::account_id.eq_any(ids.clone()));
    }
    if let Some(windows) = query.windows {
        select = select
            .filter(cost_revisions::window_start.ge(windows.start().timestamp()))
            .filter(cost_revisions::window_start.lt(windows.end().timestamp()));
    }
    if let Some(keys) = of {
        select = select.filter(cost_revisions::dedupe_key.eq_any(keys.to_vec()));
    }
    let rows: Vec<(String, i64, i64, RevisedCost)> = select
        .load(connection)
        .map_err(StoreError::query("reading the revisions of costs"))?;
    rows.into_iter()
        .map(|(kind, replaced_at, replaced_by_run, before)| {
            Ok(CostRevision {
                kind: RevisionKind::parse(&kind)?,
                before: before.into_cost(&owners)?,
                replaced_at: instant(replaced_at)?,
                replaced_by_run,
            })
        })
        .collect()
}

/// A number as it was stored.
fn parse_decimal(text: Option<String>) -> Result<Option<DecimalText>, StoreError> {
    text.map(|text| text.parse().map_err(|error| StoreError::corrupt("amount", error)))
        .transpose()
}
