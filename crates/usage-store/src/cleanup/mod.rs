//! Rows without project, API key and user that say again what other rows of their window say.
//!
//! A read that is grouped by none of the three returns totals. Where such totals stand beside rows that name all three, as
//! in what the old system left, their sum counts usage twice. A blank row that a grouped read returned is another thing:
//! usage that belongs to no project, key or user.

mod find;

use std::collections::BTreeSet;

use diesel::prelude::*;
use usage_core::{Account, DedupeKey, Endpoint, Metrics, Width, Window};

use crate::accounts::{AccountScope, StoredAccount};
use crate::bucket_index::{self, WritePath};
use crate::connection::AnyConnection;
use crate::data_version;
use crate::error::StoreError;
use crate::events::{EventTotals, RevisionKind, StoredEvent};
use crate::lease::{self, Lease};
use crate::ledger::Ledger;
use crate::replace::prepare::Stamp;
use crate::replace::write;
use crate::rollups;
use crate::schema::usage_coverage;
use find::{find, sums};

/// The rows of a scope that have neither project nor API key nor user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlankRows {
    /// What counts usage twice, by account, endpoint and window.
    pub doubled: Vec<DoubledWindow>,
    /// What stays, and why.
    pub staying: Vec<StayingRows>,
    /// The sums of every account, endpoint and width in which something is doubled.
    pub sums: Vec<CleanupSums>,
}

/// A window in which blank rows stand beside rows with project, API key and user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubledWindow {
    /// Whose.
    pub account: StoredAccount,
    /// Which surface.
    pub endpoint: Endpoint,
    /// The window.
    pub window: Window,
    /// Where the blank rows came from.
    pub origin: BlankOrigin,
    /// The blank rows.
    pub rows: Vec<StoredEvent>,
    /// How many rows name project, API key and user.
    pub detailed_rows: u64,
    /// The sums of those.
    pub detailed: Metrics,
}

/// Where a blank row came from that no grouped read returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlankOrigin {
    /// Nobody read its window of every project: it was imported.
    NeverRead,
    /// A read that was grouped by none of project, API key and user.
    ReadUngrouped,
}

/// Blank rows that stay, of one account, endpoint and width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StayingRows {
    /// Whose.
    pub account: Account,
    /// Which surface.
    pub endpoint: Endpoint,
    /// How wide their windows are.
    pub width: Width,
    /// Why they stay.
    pub reason: StayReason,
    /// How many rows.
    pub rows: u64,
    /// In how many windows.
    pub windows: u64,
    /// The first window.
    pub first: Window,
    /// The last window.
    pub last: Window,
}

/// Why a blank row stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StayReason {
    /// A grouped read returned it: it is usage that belongs to none.
    GroupedRead,
    /// No other row of its window says whose the usage is.
    NothingElse,
    /// Other rows of its window name some of project, API key and user, but none names all three.
    OnlyPartly,
}

/// The sums of one account, endpoint and width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanupSums {
    /// Whose.
    pub account: StoredAccount,
    /// Which surface.
    pub endpoint: Endpoint,
    /// Of which windows.
    pub width: Width,
    /// As the ledger stands.
    pub before: EventTotals,
    /// Without what is doubled.
    pub after: EventTotals,
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Rows.
    pub deleted: u64,
    /// Revisions that keep them.
    pub revisions: u64,
    /// Windows that count as never read now, since what the ungrouped read returned is gone.
    pub uncovered: u64,
}

impl DoubledWindow {
    /// Whether a blank row holds more tokens than all rows with project, API key and user together: then it was no
    /// second count of them alone.
    pub fn holds_more(&self) -> bool {
        self.rows
            .iter()
            .any(|row| row.event.metrics.tokens() > self.detailed.tokens())
    }
}

impl Ledger {
    /// Looks for blank rows, and changes nothing.
    pub async fn blank_rows(&self, scope: AccountScope) -> Result<BlankRows, StoreError> {
        self.run(move |connection| {
            let mut blank = find(connection, &scope)?;
            blank.sums = sums(connection, &blank.doubled)?;
            Ok(blank)
        })
        .await
    }

    /// Deletes what `expected` says is doubled, in one transaction that checks every lease, and keeps it in the revisions.
    ///
    /// Fails, and deletes nothing, if the ledger is no longer as it was when it was looked at.
    pub async fn delete_doubled_rows(
        &self,
        leases: &[Lease],
        run_id: i64,
        expected: &BlankRows,
    ) -> Result<Cleaned, StoreError> {
        let (leases, expected) = (leases.to_vec(), expected.doubled.clone());
        let stamp = Stamp {
            now: self.now_unix(),
            run_id,
        };
        self.write(move |connection| delete(connection, &leases, stamp, &expected))
            .await
    }
}

fn delete(
    connection: &mut AnyConnection,
    leases: &[Lease],
    stamp: Stamp,
    expected: &[DoubledWindow],
) -> Result<Cleaned, StoreError> {
    for lease in leases {
        lease::check(connection, lease)?;
    }
    if bucket_index::write_path(connection)? == WritePath::Manual {
        bucket_index::exclude_writers(connection)?;
    }
    let accounts: Vec<i64> = leases.iter().map(|lease| lease.account_id).collect();
    let changed = || {
        StoreError::Unsupported(
            "the ledger changed while it was looked at, and nothing was deleted; run the command again"
                .to_owned(),
        )
    };
    if find(connection, &AccountScope::Only(accounts))?.doubled != expected {
        return Err(changed());
    }
    let mut cleaned = Cleaned::default();
    for doubled in expected {
        let start = doubled.window.start_unix();
        let keys: BTreeSet<DedupeKey> = doubled.rows.iter().map(|row| row.event.key()).collect();
        let keys: Vec<DedupeKey> = keys.into_iter().collect();
        let kept = write::keep(connection, RevisionKind::Cleaned, stamp, start, &keys)?;
        let deleted = write::delete(connection, start, &keys)?;
        if kept != deleted || deleted != doubled.rows.len() as u64 {
            return Err(changed());
        }
        cleaned.revisions += kept;
        cleaned.deleted += deleted;
        if doubled.origin == BlankOrigin::ReadUngrouped {
            cleaned.uncovered += uncover(connection, doubled)?;
        }
    }
    rollups::settle(connection)?;
    for lease in leases {
        data_version::bump(connection, lease.account_id)?;
        lease::extend(connection, lease)?;
    }
    Ok(cleaned)
}

/// Takes back that a window was read of every project, since what that read returned is deleted.
fn uncover(connection: &mut AnyConnection, doubled: &DoubledWindow) -> Result<u64, StoreError> {
    let uncovered = diesel::delete(
        usage_coverage::table
            .filter(usage_coverage::account_id.eq(doubled.account.id))
            .filter(usage_coverage::endpoint.eq(doubled.endpoint.as_str()))
            .filter(usage_coverage::width_seconds.eq(doubled.window.width().seconds()))
            .filter(usage_coverage::window_start.eq(doubled.window.start_unix()))
            .filter(usage_coverage::project_filter.eq("")),
    )
    .execute(connection)
    .map_err(StoreError::query("deleting the coverage of a window"))?;
    Ok(uncovered as u64)
}
