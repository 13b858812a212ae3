//! Whether the ledger is what it says it is.

use std::fmt;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use usage_core::{DedupeKey, Width, format_instant};

use crate::accounts::{self, AccountScope};
use crate::bucket_index;
use crate::connection::{self, AnyConnection};
use crate::costs;
use crate::error::{MOST_DUPLICATES, StoreError, one_line};
use crate::events::{self, instant};
use crate::import;
use crate::ledger::Ledger;
use crate::rollups;

/// What an integrity check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrityReport {
    /// How many events were looked at.
    pub events: u64,
    /// How many costs were looked at.
    pub costs: u64,
    /// How many of them were imported and stand in windows that nobody read, so that no coverage vouches for them.
    pub imported: u64,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<IntegrityFinding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrityFinding {
    /// What, in words that follow a number.
    pub what: &'static str,
    /// How many.
    pub count: u64,
    /// One of them.
    pub example: String,
}

impl fmt::Display for IntegrityFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, for example {}", self.count, self.what, self.example)
    }
}

/// Windows are of these widths and no other.
const WIDTHS: [Width; 3] = [Width::Day, Width::Hour, Width::Minute];

impl Ledger {
    /// Reads the whole ledger, a page in memory at a time, and compares every event with its identity, its hash and
    /// its coverage; on SQLite also the file's own structure.
    pub async fn check_integrity(&self) -> Result<IntegrityReport, StoreError> {
        self.run(|connection| {
            let mut report = IntegrityReport::default();
            check_file(connection, &mut report)?;
            check_events(connection, &mut report)?;
            check_windows(connection, &mut report)?;
            check_coverage(connection, &mut report)?;
            check_costs(connection, &mut report)?;
            check_prices(connection, &mut report)?;
            check_sums(connection, &mut report)?;
            report.imported = import::unread(connection, &AccountScope::All)?
                .iter()
                .map(|unread| unread.events)
                .sum();
            Ok(report)
        })
        .await
    }
}

impl IntegrityReport {
    fn note(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        match self.findings.iter_mut().find(|finding| finding.what == what) {
            Some(finding) => finding.count += 1,
            None => self.findings.push(IntegrityFinding {
                what,
                count: 1,
                example: example(),
            }),
        }
    }
}

/// SQLite knows how to check its own file; PostgreSQL does so page by page as it reads.
fn check_file(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let AnyConnection::Sqlite(connection) = connection else {
        return Ok(());
    };
    let structure: Vec<Line> = sql_query("SELECT integrity_check AS line FROM pragma_integrity_check")
        .load(connection)
        .map_err(StoreError::query("checking the file"))?;
    for Line { line } in structure.iter().filter(|line| line.line != "ok") {
        report.note("faults in the structure of the file", || one_line(line));
    }
    let references: Vec<Line> =
        sql_query("SELECT \"table\" || ' row ' || coalesce(rowid, 0) AS line FROM pragma_foreign_key_check")
            .load(connection)
            .map_err(StoreError::query("checking the references"))?;
    for Line { line } in references {
        report.note("references to nothing", || line);
    }
    Ok(())
}

/// Each event's key and hash must follow from what it says.
fn check_events(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    for width in WIDTHS {
        events::each_raw(connection, width, |row| {
            report.events += 1;
            let (stored, key, content_hash) = row.into_parts(&owners)?;
            let event = &stored.event;
            let place =
                || DedupeKey::canonical(&event.account, event.endpoint, event.window, &event.dimensions);
            let expected = DedupeKey::new(&event.account, event.endpoint, event.window, &event.dimensions);
            if expected.as_bytes().as_slice() != key {
                report.note("events whose key is not that of their dimensions", place);
            }
            if event.metrics.content_hash() != content_hash {
                report.note("events whose hash is not that of their numbers", place);
            }
            Ok(())
        })?;
    }
    if let Some(twice) = bucket_index::duplicates(connection)? {
        report.findings.push(IntegrityFinding {
            what: if twice.identities < MOST_DUPLICATES {
                "identities that stand more than once"
            } else {
                "or more identities that stand more than once"
            },
            count: twice.identities,
            example: format!("{} of {}", twice.key, format_instant(twice.window_start)),
        });
    }
    Ok(())
}

fn check_windows(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    count(
        connection,
        report,
        "events of windows that are no minute, hour or day",
        "SELECT count(*) AS count, min(window_start) AS window_start FROM usage_events \
         WHERE window_end - window_start NOT IN (60, 3600, 86400) \
         OR window_start % (CASE WHEN window_end > window_start THEN window_end - window_start ELSE 1 END) <> 0",
    )
}

fn check_coverage(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    count(
        connection,
        report,
        "events of windows that nothing covers",
        "SELECT count(*) AS count, min(e.window_start) AS window_start FROM usage_events e WHERE NOT EXISTS \
         (SELECT 1 FROM usage_coverage c WHERE c.account_id = e.account_id AND c.endpoint = e.endpoint \
         AND c.width_seconds = e.window_end - e.window_start AND c.window_start = e.window_start) \
         AND e.run_id NOT IN (SELECT id FROM runs WHERE kind = 'import')",
    )?;
    // Where a window was read with several filters, the count of an older read may have been overtaken by a newer one;
    // where it was read of some projects, imported rows of the others stand beside what the read found.
    count(
        connection,
        report,
        "windows with another number of events than their read found",
        "SELECT count(*) AS count, min(window_start) AS window_start FROM \
         (SELECT c.window_start, c.event_count, (SELECT count(*) FROM usage_events e \
         WHERE e.window_start = c.window_start AND e.window_end = c.window_start + c.width_seconds \
         AND e.account_id = c.account_id AND e.endpoint = c.endpoint) \
         + (SELECT count(*) FROM cost_events e WHERE e.window_start = c.window_start \
         AND e.account_id = c.account_id AND e.endpoint = c.endpoint) AS found FROM usage_coverage c \
         WHERE NOT EXISTS (SELECT 1 FROM usage_coverage o WHERE o.account_id = c.account_id \
         AND o.endpoint = c.endpoint AND o.width_seconds = c.width_seconds AND o.window_start = c.window_start \
         AND o.project_filter <> c.project_filter) \
         AND NOT (c.project_filter <> '' AND EXISTS (SELECT 1 FROM usage_events i JOIN runs r ON r.id = i.run_id \
         WHERE r.kind = 'import' AND i.window_start = c.window_start AND i.account_id = c.account_id \
         AND i.endpoint = c.endpoint AND i.window_end = c.window_start + c.width_seconds))) AS counted \
         WHERE event_count <> found",
    )
}

/// Each cost's key and hash must follow from what it says, and its window must be covered.
fn check_costs(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    costs::each(connection, |cost, content_hash, amount_nano| {
        report.costs += 1;
        let expected = DedupeKey::of_cost(&cost.account, cost.endpoint, cost.window, &cost.row.group);
        let place = || {
            let item = cost.row.group.line_item().unwrap_or("no line item");
            format!("{} {} {item}", cost.account, cost.window)
        };
        if expected != cost.key {
            report.note("costs whose key is not that of their group", place);
        }
        if cost.row.content_hash() != content_hash {
            report.note("costs whose hash is not that of their amount", place);
        }
        let nanos = cost.row.amount.as_ref().map(|amount| amount.value().to_nanos());
        if nanos != amount_nano.map(Some) {
            report.note("costs whose billionths are not those of their amount", place);
        }
    })?;
    count(
        connection,
        report,
        "costs of windows that nothing covers",
        "SELECT count(*) AS count, min(e.window_start) AS window_start FROM cost_events e WHERE NOT EXISTS \
         (SELECT 1 FROM usage_coverage c WHERE c.account_id = e.account_id AND c.endpoint = e.endpoint \
         AND c.width_seconds = e.window_end - e.window_start AND c.window_start = e.window_start)",
    )
}

fn check_prices(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    count(
        connection,
        report,
        "events whose price the ledger does not have",
        "SELECT count(*) AS count, min(e.window_start) AS window_start FROM usage_events e \
         WHERE (e.price_ref IS NOT NULL AND NOT EXISTS (SELECT 1 FROM prices p WHERE p.id = e.price_ref)) \
         OR (e.cost_nano_usd IS NOT NULL AND e.price_ref IS NULL)",
    )
}

/// The sums that are kept of each day must be those of its events, unless they are marked as not made yet.
fn check_sums(connection: &mut AnyConnection, report: &mut IntegrityReport) -> Result<(), StoreError> {
    connection::read_transaction(connection, |connection| {
        rollups::differing(connection, |day| {
            report.note("days whose sums are not those of their events", || {
                let date = instant(day.day_start).map_or_else(|_| day.day_start.to_string(), format_instant);
                format!("{date} of account {} and {}", day.account_id, day.endpoint)
            });
        })
    })
}

fn count(
    connection: &mut AnyConnection,
    report: &mut IntegrityReport,
    what: &'static str,
    statement: &str,
) -> Result<(), StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        count: i64,
        #[diesel(sql_type = Nullable<BigInt>)]
        window_start: Option<i64>,
    }
    let found: Found = sql_query(statement)
        .get_result(connection)
        .map_err(StoreError::query("comparing events and coverage"))?;
    if let Some(start) = found.window_start {
        report.findings.push(IntegrityFinding {
            what,
            count: u64::try_from(found.count).unwrap_or_default(),
            example: instant(start).map_or_else(|_| start.to_string(), format_instant),
        });
    }
    Ok(())
}
