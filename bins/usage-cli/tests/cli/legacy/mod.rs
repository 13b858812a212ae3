//! From the old system's database to a clean ledger: `usage import cognitrack`, then `usage cleanup blank-metadata`.

mod cleaning;
mod importing;
mod old_database;
mod replacing;

pub(crate) use cleaning::{
    a_cleanup_deletes_exactly_what_counts_twice, a_record_that_cannot_be_written_deletes_nothing,
    blank_rows_of_a_grouped_read_stay,
};
pub(crate) use importing::{
    an_import_accounts_for_every_row, an_import_in_parts_is_the_whole_and_a_later_one_keeps_what_stands,
    tables_of_other_shapes_are_read_as_far_as_they_go,
};
pub(crate) use replacing::a_read_replaces_what_was_imported;

use serde_json::Value;

use crate::fixture::{Finished, ORGANIZATION, Place};
use old_database::{OldDatabase, PASSWORD};

/// An old database with a row of every sort: 15 rows of August 2025.
fn every_sort() -> OldDatabase {
    let old = OldDatabase::new();
    old.add(&[
        // Detailed rows, the totals of the same day from before the grouping, and one whose response named no model.
        "(1, 'gpt-4-1-mini', 100, 10, '2025-08-01', '2025-08-01', '2025-08-02', 'proj_a', 'key_a', 'user-1', NULL)",
        "(1, 'gpt-4-1-mini', 200, 20, '2025-08-01', '2025-08-01', '2025-08-02', 'proj_b', 'key_b', 'user-2', NULL)",
        "(1, 'gpt-4-1-mini', 300, 30, '2025-08-01', '2025-08-01', '2025-08-02', '', '', '', NULL)",
        "(1, 'unknown', 300, 30, '2025-08-01', '2025-08-01', '2025-08-02', NULL, NULL, NULL, NULL)",
        // The same usage again, under another key of the organisation.
        "(2, 'gpt-4-1-mini', 100, 10, '2025-08-01', '2025-08-01', '2025-08-02', 'proj_a', 'key_a', 'user-1', NULL)",
        "(2, 'gpt-4-1-mini', 200, 20, '2025-08-01', '2025-08-01', '2025-08-02', 'proj_b', 'key_b', 'user-2', false)",
        // The largest numbers that the old columns hold; two of them are more than one could.
        "(1, 'o1', 2147483647, 2147483647, '2025-08-02', '2025-08-02', '2025-08-03', 'proj_a', 'key_a', 'user-1', NULL)",
        "(1, 'o1', 2147483647, 2147483647, '2025-08-02', '2025-08-02', '2025-08-03', 'proj_b', 'key_b', 'user-2', NULL)",
        // Two keys that do not agree.
        "(1, 'gpt-4o', 50, 5, '2025-08-02', '2025-08-02', '2025-08-03', 'proj_a', 'key_a', 'user-1', NULL)",
        "(2, 'gpt-4o', 60, 5, '2025-08-02', '2025-08-02', '2025-08-03', 'proj_a', 'key_a', 'user-1', NULL)",
        "(1, 'gpt-4o', 10, 1, '2025-08-02', '2025-08-02', '2025-08-03', NULL, NULL, NULL, NULL)",
        // The only word on its day; the number of output tokens is unknown.
        "(1, 'gpt-4o', 70, NULL, '2025-08-03', '2025-08-03', '2025-08-04', NULL, NULL, NULL, NULL)",
        // No window, no window's end, and a window that is no day.
        "(1, 'gpt-4o', 5, 1, '2025-08-04 13:14:15', NULL, NULL, NULL, NULL, NULL, NULL)",
        "(1, 'gpt-4o', 6, 1, '2025-08-05', '2025-08-05', NULL, 'proj_a', 'key_a', 'user-1', NULL)",
        "(1, 'gpt-4o', 7, 1, '2025-08-06 07:00', '2025-08-06 07:00', '2025-08-07 07:00', 'proj_a', 'key_a', 'user-1', NULL)",
    ]);
    old
}

/// Runs an import into the account of the tests; no output may hold the password.
#[track_caller]
fn import(place: &Place<'_>, old: &OldDatabase, more: &[&str]) -> Finished {
    let url = old.url();
    let command = [
        &["import", "cognitrack", url.as_str(), "--account", ORGANIZATION],
        more,
    ]
    .concat();
    let finished = place.run(&command);
    for text in [&finished.stdout, &finished.stderr] {
        assert!(!text.contains(PASSWORD), "{text}");
    }
    finished
}

#[track_caller]
fn cleanup(place: &Place<'_>, more: &[&str]) -> Finished {
    place.run(&[&["cleanup", "blank-metadata", "--format", "json"], more].concat())
}

/// The sums of the ledger's daily events: how many, input and output tokens.
#[track_caller]
fn sums(place: &Place<'_>) -> (usize, i64, i64) {
    let events: Vec<Value> = place
        .events()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let sum = |name: &str| events.iter().filter_map(|event| event[name].as_i64()).sum();
    (events.len(), sum("inputTokens"), sum("outputTokens"))
}
