//! The table, put to the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Child;
use std::sync::Mutex;

use serde_json::Value;
use usage_core::{Endpoint, Window, parse_day};
use usage_simulator::faults::{Fault, Injection, When};
use usage_simulator::{AdminKey, Generate, Organization};

use super::table::{Keeps, Outcome, Row, TABLE};
use crate::fixture::{
    ADD_KEY, BACKFILL, DAYS, DatabaseKind, FIRST_DAY, Finished, KEY, ORGANIZATION, Place, Provider, finished,
};

/// A backfill makes two requests for each of its three chunks of two days; from this one on, the last chunk's.
const HIT: usize = 5;
/// The days of the chunks that are done by then.
const DAYS_BEFORE: usize = 4;
/// Seconds that a request may take from a provider that says nothing, or nearly so.
const SHORT_TIMEOUT: &str = "3";
/// Seconds that a request may take otherwise, however busy the machine is.
const LONG_TIMEOUT: &str = "300";
/// Rows that are tried at once: most of the time they wait for the provider.
const WORKERS: usize = 24;
/// Places in which faults that last are tried at once.
const PLACES: usize = 4;
/// What a run may take of memory, whatever a provider sends.
const MEMORY_KIB: u64 = 300 * 1024;

#[test]
fn every_fault_does_what_the_table_says() {
    let jobs = TABLE.iter().enumerate().flat_map(|(index, row)| {
        let on_postgres = index % 2 == 0;
        std::iter::once((row, DatabaseKind::Sqlite))
            .chain(on_postgres.then_some((row, DatabaseKind::Postgres)))
    });
    let mut jobs: Vec<_> = jobs.collect();
    // Those whose requests are sent again take longest: they are popped first.
    jobs.sort_by_key(|(row, _)| (row.once != row.lasting, is_slow(row.fault)));
    let jobs = Mutex::new(jobs);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().unwrap().pop();
                    let Some((row, kind)) = job else { return };
                    for failure in try_row(row, kind) {
                        failures
                            .lock()
                            .unwrap()
                            .push(format!("{} on {kind:?}, {failure}", row.fault));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_fault_is_missing_from_the_table() {
    let names: Vec<String> = TABLE.iter().map(|row| row.fault.name()).collect();
    let listed: BTreeSet<&String> = names.iter().collect();
    assert_eq!(listed.len(), names.len(), "a fault is listed twice");
    let missing: Vec<Fault> = Fault::examples()
        .filter(|fault| !listed.contains(&fault.name()))
        .collect();
    assert_eq!(missing, []);
}

/// Where nothing at all can be read, the exit status is 2 and the ledger is as it was.
#[test]
fn a_fault_at_every_request_leaves_everything_as_it_was() {
    // Those that would be asked for again after a wait are left out, as their place in the table says.
    let rows: Vec<&Row> = TABLE
        .iter()
        .filter(|row| row.once.keeps == Keeps::Chunk && row.once == row.lasting)
        .collect();
    std::thread::scope(|scope| {
        for rows in rows.chunks(rows.len().div_ceil(PLACES)) {
            scope.spawn(|| try_at_every_request(rows));
        }
    });
}

/// Tries one after the other in one place.
fn try_at_every_request(rows: &[&Row]) {
    let provider = Provider::with_groups(8);
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.run(&BACKFILL).succeeds();
    let before = provider.truth().csv;
    restate(&provider);
    for row in rows {
        provider.simulator.inject(Injection::new(row.fault));
        let observed = Observed::of(&under_fault(row.fault, &place));
        provider.simulator.clear_faults();
        assert_eq!(
            (observed.exit, observed.issues),
            (2, issues_of(row.lasting)),
            "{}",
            row.fault
        );
        assert!(place.provider_csv() == before, "{} changed the ledger", row.fault);
    }
    place.run(&[&BACKFILL[..], &["--force"]].concat()).succeeds();
    place.holds(&provider.truth());
}

/// 40 days take two pages. What the provider restates between them is asked for again, and is right in the end.
#[test]
fn a_restatement_between_two_pages_is_read_again() {
    let provider = Provider::of(
        Organization::generate(&Generate {
            organization: ORGANIZATION.to_owned(),
            first_day: parse_day(FIRST_DAY).unwrap(),
            days: 40,
            groups_per_day: 4,
            bursts: 1,
            idle_days_percent: 0,
            ..Generate::default()
        }),
        KEY,
    );
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let before = provider.truth_until("2025-10-10");
    let restatement = Injection::new(Fault::Restatement(150)).when(When::Once(1));
    provider.simulator.inject(restatement);
    let backfill = [
        "backfill",
        "--endpoint",
        "completions",
        "--start",
        FIRST_DAY,
        "--end",
        "2025-10-10",
        "--chunk-days",
        "40",
    ];
    place.run(&backfill).succeeds();
    let truth = provider.truth_until("2025-10-10");
    assert!(truth.csv != before.csv, "nothing was restated");
    assert!(
        place.provider_csv() == truth.csv,
        "the ledger differs from the truth"
    );
    assert_eq!(place.count("usage_events"), truth.rows);
}

/// Stores a clean state; has everything restated and reads it under the fault, then without: first with the fault
/// happening once, then lasting.
fn try_row(row: &Row, kind: DatabaseKind) -> Vec<String> {
    let provider = Provider::with_groups(8);
    let place = Place::new(kind, &provider);
    add_key(row.fault, &provider, &place);
    place.run(&BACKFILL).succeeds();
    place.holds(&provider.truth());

    let mut failures = Vec::new();
    for (when, expected) in [(When::Once(HIT), row.once), (When::From(HIT), row.lasting)] {
        let before = provider.truth().csv;
        restate(&provider);
        let asked = provider.truth().csv;
        provider.simulator.inject(
            Injection::new(row.fault)
                .when(when)
                .endpoint(Endpoint::Completions),
        );
        let run = under_fault(row.fault, &place);
        provider.simulator.clear_faults();
        let truth = provider.truth();

        let observed = Observed::of(&run);
        if (observed.exit, &observed.issues) != (expected.exit, &issues_of(expected)) {
            failures.push(format!(
                "{when:?}: {observed:?} instead of {expected:?}: {}",
                run.finished.stderr
            ));
        }
        let held = mix(&before, &asked, &truth.csv, expected.keeps);
        if sorted(&place.provider_csv()) != sorted(&held) {
            failures.push(format!(
                "{when:?}: the ledger does not hold {:?}: {}",
                expected.keeps, run.finished.stderr
            ));
        }
        if observed.memory_kib > MEMORY_KIB {
            failures.push(format!("{when:?}: it took {} KiB of memory", observed.memory_kib));
        }
        place.run(&[&BACKFILL[..], &["--force"]].concat()).succeeds();
        place.holds(&truth);
    }
    failures
}

/// The key that reads everything; where the filter is at stake, one that is restricted to every project there is.
fn add_key(fault: Fault, provider: &Provider, place: &Place) {
    if fault != Fault::RowsOutsideFilter {
        place.add_key().succeeds();
        return;
    }
    let secret = "sk-admin-test-restricted";
    let projects: Vec<String> = provider.simulator.inspect(|organization| {
        let projects = organization.projects().iter();
        projects.map(|project| project.id.clone()).collect()
    });
    provider
        .simulator
        .add_key(AdminKey::restricted(secret, projects.clone()));
    let flags: Vec<&str> = projects
        .iter()
        .flat_map(|project| ["--project", project])
        .collect();
    place
        .run_with(&[&ADD_KEY[..], &flags].concat(), secret)
        .succeeds();
}

/// The provider changes the numbers of every day.
fn restate(provider: &Provider) {
    provider.simulator.update(|organization| {
        for day in parse_day(FIRST_DAY).unwrap().iter_days().take(DAYS as usize) {
            assert!(
                organization
                    .usage_mut(Endpoint::Completions)
                    .scale(Window::day(day), 110)
                    > 0
            );
        }
    });
}

/// Whether the fault is that nothing comes, or too little.
fn is_slow(fault: Fault) -> bool {
    matches!(fault, Fault::Silence | Fault::SlowBytes)
}

/// A run that reads everything again, and the most memory it ever had.
struct UnderFault {
    finished: Finished,
    memory_kib: u64,
}

fn under_fault(fault: Fault, place: &Place) -> UnderFault {
    let mut command = place.command(&[&BACKFILL[..], &["--force", "--format", "json"]].concat());
    // Its answer goes through a pipe that nobody empties until it ends, and is far smaller than that holds.
    let timeout = if is_slow(fault) {
        SHORT_TIMEOUT
    } else {
        LONG_TIMEOUT
    };
    let mut child = command.env("USAGE_REQUEST_TIMEOUT", timeout).spawn().unwrap();
    let mut memory_kib = 0;
    while child.try_wait().unwrap().is_none() {
        memory_kib = memory_kib.max(high_water_kib(&child).unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(memory_kib > 0, "nothing was measured");
    UnderFault {
        finished: finished(child),
        memory_kib,
    }
}

/// The most memory that a process has had so far; none if it has ended.
fn high_water_kib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// What a run told.
#[derive(Debug)]
struct Observed {
    exit: i32,
    /// Codes and severities, each once.
    issues: BTreeSet<(String, String)>,
    memory_kib: u64,
}

impl Observed {
    fn of(run: &UnderFault) -> Self {
        let report = run.finished.json();
        let text = |issue: &Value, name: &str| issue[name].as_str().unwrap().to_owned();
        let issues = report["run"]["issues"].as_array().unwrap().iter();
        Self {
            exit: run.finished.code.unwrap(),
            issues: issues
                .map(|issue| (text(issue, "code"), text(issue, "severity")))
                .collect(),
            memory_kib: run.memory_kib,
        }
    }
}

fn issues_of(outcome: Outcome) -> BTreeSet<(String, String)> {
    let issues = outcome.issues.iter();
    issues
        .map(|(code, severity)| (code.to_string(), super::page::name(*severity)))
        .collect()
}

/// The provider's export as the ledger should have it: the first chunks as they were when they were asked for, and of
/// the last one some as before the run, the others as the provider has them now.
fn mix(before: &str, asked: &str, now: &str, keeps: Keeps) -> String {
    let kept = match keeps {
        Keeps::Nothing | Keeps::NothingButADimension => 0,
        Keeps::Window => 1,
        Keeps::Chunk => DAYS as usize - DAYS_BEFORE,
    };
    let mut text = format!("{}\n", before.lines().next().unwrap());
    for (index, day) in days_of(before).into_iter().enumerate() {
        let from = match index {
            _ if index < DAYS_BEFORE => asked,
            _ if index < DAYS_BEFORE + kept => before,
            _ => now,
        };
        let lines = from.lines().filter(|line| line.starts_with(&day));
        let lines: Vec<String> = if keeps == Keeps::NothingButADimension && index >= DAYS_BEFORE {
            without_service_tier(lines)
        } else {
            lines.map(str::to_owned).collect()
        };
        for line in lines {
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}

/// Lines of an export with the service tier left out, and those that are then alike summed into one.
fn without_service_tier<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    const REQUESTS: usize = 5;
    const SERVICE_TIER: usize = 10;
    let is_number = |column: usize| column == REQUESTS || column > SERVICE_TIER;
    let mut sums: BTreeMap<Vec<String>, Vec<i64>> = BTreeMap::new();
    for line in lines {
        let mut columns: Vec<String> = line.split(',').map(str::to_owned).collect();
        columns[SERVICE_TIER].clear();
        let numbers = columns
            .iter_mut()
            .enumerate()
            .filter(|(column, _)| is_number(*column));
        let numbers: Vec<i64> = numbers
            .map(|(_, text)| std::mem::take(text).parse().unwrap())
            .collect();
        let sum = sums.entry(columns).or_insert_with(|| vec![0; numbers.len()]);
        for (sum, number) in sum.iter_mut().zip(numbers) {
            *sum += number;
        }
    }
    let lines = sums.into_iter().map(|(mut columns, sum)| {
        let mut sum = sum.into_iter();
        for (column, text) in columns.iter_mut().enumerate() {
            if is_number(column) {
                *text = sum.next().unwrap().to_string();
            }
        }
        columns.join(",")
    });
    lines.collect()
}

/// The lines of a text, sorted: within a day, their order says nothing.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// The first column of an export, which is the day, each once.
fn days_of(csv: &str) -> Vec<String> {
    let mut days: Vec<String> = csv
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .map(|(day, _)| format!("{day},"))
        .collect();
    days.dedup();
    assert_eq!(days.len(), DAYS as usize);
    days
}
