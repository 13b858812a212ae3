//! Rows of another system, for windows that nobody read from the provider.
//!
//! An import only adds. It never touches a window that a read covers, marks no coverage, and leaves out what it finds
//! standing or once cleaned; so it can be repeated, and the first read of such a window replaces all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use usage_core::{DedupeKey, DedupeKeys, Dimensions, Endpoint, UsageRow, Width, Window, WindowRange};

use crate::accounts::{AccountScope, StoredAccount};
use crate::bucket_index::{self, WritePath};
use crate::connection::AnyConnection;
use crate::coverage::{self, CoverageQuery, parse_endpoint, parse_window};
use crate::data_version;
use crate::error::StoreError;
use crate::events::{RevisionKind, parse_key};
use crate::lease::{self, Lease};
use crate::ledger::Ledger;
use crate::pricing::{Pricing, RowPricer};
use crate::replace::WindowRows;
use crate::replace::prepare::{PreparedRow, PricedRow, Stamp};
use crate::replace::write;
use crate::rollups;
use crate::schema::{usage_events, usage_revisions};

/// The kind of a run that imports. Rows of such a run may stand in windows without coverage.
pub const IMPORT_RUN: &str = "import";

/// What became of the rows of one window, in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedWindow {
    /// The window.
    pub window: Window,
    /// How rows were looked for.
    pub path: WritePath,
    /// What became of each row; `None` if the window was read from the provider, which leaves out all of it.
    pub fates: Option<Vec<RowFate>>,
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowFate {
    /// It is in the ledger now.
    Inserted,
    /// It was there already, with the same numbers.
    Stands,
    /// The ledger has other numbers for the identity, and keeps them.
    Differs,
    /// An operator deleted it before as counted twice.
    Cleaned,
}

impl Ledger {
    /// Adds rows of another system in one transaction that checks the lease. No identity may come twice in a window.
    ///
    /// Rows that differ only in `batch` being absent or false have one identity here, as in the system they come from.
    pub async fn import_windows(
        &self,
        lease: &Lease,
        account: &StoredAccount,
        endpoint: Endpoint,
        run_id: i64,
        windows: Vec<WindowRows>,
    ) -> Result<Vec<ImportedWindow>, StoreError> {
        let import = Import {
            lease: lease.clone(),
            endpoint,
            stamp: Stamp {
                now: self.now_unix(),
                run_id,
            },
            pricer: self.pricer.clone(),
            windows: windows
                .into_iter()
                .map(|rows| Candidates::new(account, endpoint, rows))
                .collect(),
        };
        self.write(move |connection| import.apply(connection)).await
    }
}

/// Imported events of windows that nobody read, of one account, endpoint and width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadEvents {
    /// The account's number in the ledger.
    pub account_id: i64,
    /// Which surface.
    pub endpoint: Endpoint,
    /// How many events.
    pub events: u64,
    /// In how many windows.
    pub windows: u64,
    /// The first window.
    pub first: Window,
    /// The last window.
    pub last: Window,
}

impl Ledger {
    /// The imported events of windows that nobody read, by account, endpoint and width.
    pub async fn unread_events(&self, scope: AccountScope) -> Result<Vec<UnreadEvents>, StoreError> {
        self.run(move |connection| unread(connection, &scope)).await
    }
}

pub(crate) fn unread(
    connection: &mut AnyConnection,
    scope: &AccountScope,
) -> Result<Vec<UnreadEvents>, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        account_id: i64,
        #[diesel(sql_type = Text)]
        endpoint: String,
        #[diesel(sql_type = BigInt)]
        width_seconds: i64,
        #[diesel(sql_type = BigInt)]
        events: i64,
        #[diesel(sql_type = BigInt)]
        windows: i64,
        #[diesel(sql_type = BigInt)]
        first: i64,
        #[diesel(sql_type = BigInt)]
        last: i64,
    }
    // The first condition does not depend on the row: a ledger without imports is not searched.
    let found: Vec<Found> = sql_query(format!(
        "SELECT e.account_id, e.endpoint, e.window_end - e.window_start AS width_seconds, count(*) AS events, \
         count(DISTINCT e.window_start) AS windows, min(e.window_start) AS first, max(e.window_start) AS last \
         FROM usage_events e WHERE EXISTS (SELECT 1 FROM runs r WHERE r.kind = '{IMPORT_RUN}') AND NOT EXISTS \
         (SELECT 1 FROM usage_coverage c WHERE c.account_id = e.account_id AND c.endpoint = e.endpoint \
         AND c.width_seconds = e.window_end - e.window_start AND c.window_start = e.window_start) \
         GROUP BY e.account_id, e.endpoint, e.window_end - e.window_start ORDER BY 1, 2, 3"
    ))
    .load(connection)
    .map_err(StoreError::query("looking for imported events"))?;
    found
        .into_iter()
        .filter(|found| match scope {
            AccountScope::All => true,
            AccountScope::Only(ids) => ids.contains(&found.account_id),
        })
        .map(|found| {
            Ok(UnreadEvents {
                account_id: found.account_id,
                endpoint: parse_endpoint(&found.endpoint)?,
                events: u64::try_from(found.events).unwrap_or_default(),
                windows: u64::try_from(found.windows).unwrap_or_default(),
                first: parse_window(found.first, found.width_seconds)?,
                last: parse_window(found.last, found.width_seconds)?,
            })
        })
        .collect()
}

/// The windows of one transaction.
struct Import {
    lease: Lease,
    endpoint: Endpoint,
    stamp: Stamp,
    pricer: Option<Arc<dyn RowPricer>>,
    windows: Vec<Candidates>,
}

/// The rows of one window that may be added.
struct Candidates {
    window: Window,
    rows: Vec<Candidate>,
}

struct Candidate {
    row: PreparedRow,
    /// The key under which the same usage may stand.
    twin: Option<DedupeKey>,
}

impl Candidates {
    fn new(account: &StoredAccount, endpoint: Endpoint, rows: WindowRows) -> Self {
        let window = rows.window;
        let mut keys = DedupeKeys::of(&account.account, endpoint, window);
        let rows = rows
            .rows
            .into_iter()
            .map(|row| Candidate::new(&mut keys, account.id, endpoint, window, row))
            .collect();
        Self { window, rows }
    }
}

impl Candidate {
    fn new(
        keys: &mut DedupeKeys,
        account_id: i64,
        endpoint: Endpoint,
        window: Window,
        row: UsageRow,
    ) -> Self {
        let other_batch = match row.dimensions.batch {
            Some(true) => None,
            Some(false) => Some(None),
            None => Some(Some(false)),
        };
        let twin = other_batch.map(|batch| {
            keys.key(&Dimensions {
                batch,
                ..row.dimensions.clone()
            })
        });
        Self {
            row: PreparedRow::new(keys, account_id, endpoint, window, row),
            twin,
        }
    }
}

/// What the ledger knows of a range of windows.
#[derive(Default)]
struct Known {
    read: BTreeSet<Window>,
    /// Content hashes of the rows that stand.
    standing: BTreeMap<(i64, DedupeKey), i64>,
    cleaned: BTreeSet<(i64, DedupeKey)>,
}

impl Import {
    fn apply(&self, connection: &mut AnyConnection) -> Result<Vec<ImportedWindow>, StoreError> {
        lease::check(connection, &self.lease)?;
        let path = bucket_index::write_path(connection)?;
        if path == WritePath::Manual {
            bucket_index::exclude_writers(connection)?;
        }
        let mut by_width: BTreeMap<Width, Known> = BTreeMap::new();
        for width in Width::ALL {
            let windows = self
                .windows
                .iter()
                .map(|window| window.window)
                .filter(|window| window.width() == width);
            let mut known = Known::default();
            for range in WindowRange::join(windows) {
                self.look(connection, range, &mut known)?;
            }
            by_width.insert(width, known);
        }

        let mut imported = Vec::with_capacity(self.windows.len());
        let mut new: Vec<&PreparedRow> = Vec::new();
        for Candidates { window, rows } in &self.windows {
            let known = &by_width[&window.width()];
            let fates: Option<Vec<RowFate>> = (!known.read.contains(window))
                .then(|| rows.iter().map(|row| known.fate(*window, row)).collect());
            let inserted = rows
                .iter()
                .zip(fates.iter().flatten())
                .filter(|(_, fate)| **fate == RowFate::Inserted);
            new.extend(inserted.map(|(candidate, _)| &candidate.row));
            imported.push(ImportedWindow {
                window: *window,
                path,
                fates,
            });
        }
        new.sort_by_key(|row| (row.window_start, row.key));
        let priced = self.priced(connection, new)?;
        write::insert(connection, self.stamp, &priced)?;
        rollups::settle(connection)?;
        data_version::bump(connection, self.lease.account_id)?;
        lease::extend(connection, &self.lease)?;
        Ok(imported)
    }

    /// The rows with their prices. What the old system's row does not name, it was not grouped by.
    fn priced<'a>(
        &self,
        connection: &mut AnyConnection,
        rows: Vec<&'a PreparedRow>,
    ) -> Result<Vec<PricedRow<'a>>, StoreError> {
        let mut pricing = Pricing::default();
        for row in &rows {
            let width = Width::from_seconds(row.window_end - row.window_start);
            let window = width.and_then(|width| Window::from_unix(row.window_start, width).ok());
            let price = self.pricer.as_ref().zip(window).map(|(pricer, window)| {
                pricer.price(&row.to_price(self.endpoint, window, row.dimensions.present()))
            });
            pricing.push(price.as_ref());
        }
        let columns = pricing.columns(connection)?;
        let priced = rows.into_iter().zip(columns);
        Ok(priced.map(|(row, price)| PricedRow { row, price }).collect())
    }

    fn look(
        &self,
        connection: &mut AnyConnection,
        range: WindowRange,
        known: &mut Known,
    ) -> Result<(), StoreError> {
        let covered = coverage::load(
            connection,
            &CoverageQuery {
                scope: AccountScope::Only(vec![self.lease.account_id]),
                endpoint: Some(self.endpoint),
                windows: Some(range),
            },
        )?;
        known.read.extend(covered.iter().map(|coverage| coverage.window));
        let (start, end) = (range.start().timestamp(), range.end().timestamp());
        let standing: Vec<(i64, Vec<u8>, i64)> = usage_events::table
            .filter(usage_events::window_start.ge(start))
            .filter(usage_events::window_start.lt(end))
            .filter(usage_events::account_id.eq(self.lease.account_id))
            .filter(usage_events::endpoint.eq(self.endpoint.as_str()))
            .filter(usage_events::window_end.eq(usage_events::window_start + range.width().seconds()))
            .select((
                usage_events::window_start,
                usage_events::dedupe_key,
                usage_events::content_hash,
            ))
            .load(connection)
            .map_err(StoreError::query("reading the rows of a window"))?;
        for (window_start, key, content_hash) in standing {
            known
                .standing
                .insert((window_start, parse_key(&key)?), content_hash);
        }
        let cleaned: Vec<(i64, Vec<u8>)> = usage_revisions::table
            .filter(usage_revisions::window_start.ge(start))
            .filter(usage_revisions::window_start.lt(end))
            .filter(usage_revisions::account_id.eq(self.lease.account_id))
            .filter(usage_revisions::kind.eq(RevisionKind::Cleaned.as_str()))
            .select((usage_revisions::window_start, usage_revisions::dedupe_key))
            .load(connection)
            .map_err(StoreError::query("reading the revisions"))?;
        for (window_start, key) in cleaned {
            known.cleaned.insert((window_start, parse_key(&key)?));
        }
        Ok(())
    }
}

impl Known {
    fn fate(&self, window: Window, candidate: &Candidate) -> RowFate {
        let start = window.start_unix();
        let mut places = std::iter::once(candidate.row.key)
            .chain(candidate.twin)
            .map(|key| (start, key));
        let standing = places.clone().find_map(|place| self.standing.get(&place));
        match standing {
            Some(hash) if *hash == candidate.row.content_hash => RowFate::Stands,
            Some(_) => RowFate::Differs,
            None if places.any(|place| self.cleaned.contains(&place)) => RowFate::Cleaned,
            None => RowFate::Inserted,
        }
    }
}
