//! One writer an account: processes that are stopped, interrupted, or just in the way.

use std::process::Child;

use usage_simulator::LoggedRequest;

use crate::fixture::{Contents, DatabaseKind, MONTH, Place, Provider, signal};

const WEEKLY: [&str; 2] = ["--chunk-days", "7"];

const STOPPED: &str = "windows to go; what was stored stays, and the same command goes on";

/// The recorded month in a ledger where nothing ever went wrong.
fn undisturbed(kind: DatabaseKind, provider: &Provider) -> Contents {
    let place = Place::with_key(kind, provider);
    place.backfill_month(&[]).succeeds();
    place.contents()
}

/// A backfill that holds the lease and waits for the provider, which has asked it to come back after so many seconds.
pub(crate) fn waiting_backfill(place: &Place<'_>, seconds: &str) -> Child {
    let provider = place.provider;
    provider.simulator.clear_requests();
    provider.simulator.fail_next(1, 429, Some(seconds));
    let child = place
        .command(&[&["backfill", "--endpoint", "completions"], &MONTH[..], &WEEKLY].concat())
        .spawn()
        .unwrap();
    provider.wait_for(|requests| requests.iter().any(is_throttled));
    child
}

fn is_throttled(request: &LoggedRequest) -> bool {
    request.status == 429
}

pub(crate) fn an_interrupted_backfill_gives_the_lease_back(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let truth = undisturbed(kind, &provider);
    for name in ["INT", "TERM"] {
        let place = Place::with_key(kind, &provider);
        let child = waiting_backfill(&place, "500");
        signal(&child, name);
        let interrupted = place.finished(&place.command(&["backfill"]), child);
        interrupted.refuses_with(&format!("STOPPED: told to stop with 31 {STOPPED}"));
        assert_eq!(provider.simulator.requests().len(), 1, "it did not ask again");
        assert_eq!(place.events(), "");

        let resumed = place.backfill_month(&WEEKLY).succeeds();
        assert!(!resumed.stderr.contains("waiting"), "{resumed:#?}");
        assert_eq!(place.contents(), truth);
    }
}

pub(crate) fn an_interrupted_backfill_keeps_what_it_stored(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let truth = undisturbed(kind, &provider);
    let place = Place::with_key(kind, &provider);
    provider.simulator.clear_requests();
    let mut command = place.command(
        &[
            &["backfill", "--endpoint", "completions"],
            &MONTH[..],
            &["--chunk-days", "1"],
        ]
        .concat(),
    );
    let child = command.spawn().unwrap();
    // Some chunks are stored by then, and the provider keeps the next one waiting.
    provider.wait_for(|requests| requests.len() >= 8);
    provider.simulator.fail_next(1, 429, Some("500"));
    provider.wait_for(|requests| requests.iter().any(is_throttled));
    signal(&child, "INT");
    let interrupted = place.finished(&command, child).ends_with(1);
    let last_line = interrupted.stderr.lines().next_back().unwrap();
    assert!(
        last_line.starts_with("error: STOPPED: told to stop with ") && last_line.ends_with(STOPPED),
        "{last_line}"
    );
    let left = place.events();
    assert!(!left.is_empty() && truth.events.starts_with(&left), "left {left}");

    let resumed = place.backfill_month(&[]).succeeds();
    assert!(!resumed.stderr.contains("waiting"), "{resumed:#?}");
    assert_eq!(place.contents(), truth);
}

pub(crate) fn a_killed_run_is_remembered_as_interrupted(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let mut child = waiting_backfill(&place, "500");
    child.kill().unwrap();
    child.wait().unwrap();
    let statuses = || -> Vec<String> {
        let status = place.run(&["status", "--format", "json"]).succeeds().json();
        let runs = status["runs"].as_array().unwrap();
        runs.iter()
            .filter_map(|run| run["status"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(statuses(), ["interrupted"], "seen at once");
    place.backfill_month(&[]).succeeds();
    assert_eq!(statuses(), ["succeeded", "interrupted"]);
}

pub(crate) fn a_stopped_process_loses_its_lease_and_writes_nothing(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let truth = undisturbed(kind, &provider);
    let place = Place::with_key(kind, &provider);
    // While it waits for the provider it is in no transaction, which on SQLite would keep everybody else out.
    let stopped = waiting_backfill(&place, "3");
    signal(&stopped, "STOP");

    let second = place.backfill_month(&WEEKLY).succeeds();
    let waiting = second.stderr.lines().next().unwrap();
    let holder = format!("pid={} ", stopped.id());
    assert!(
        waiting.contains("waiting up to 20 s") && waiting.contains(&holder),
        "{waiting}"
    );
    assert_eq!(place.contents(), truth);

    signal(&stopped, "CONT");
    let first = place
        .finished(&place.command(&["backfill"]), stopped)
        .ends_with(2);
    assert_eq!(
        first.stderr.lines().next().unwrap(),
        "error: LEASE_LOST: openai/org-anon 2025-09-01T00:00:00Z..2025-09-08T00:00:00Z/1d: another process took the \
         account's lease; what was written before stands, and coverage says what it is"
    );
    assert_eq!(first.stdout, "");
    assert_eq!(place.contents(), truth);
    assert_eq!(place.count("usage_revisions"), 0);
}
