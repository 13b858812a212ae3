//! The notes of one pass, in the template that operators know, every field filled by the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use usage_core::format_instant;

use super::checklist::{explanation, windows_in_words};
use super::folder::Folder;
use super::record::{ClockUsed, CodeCount, PassEntry, PassFacts, PassOutcome, Rehearsal};
use crate::error::AppError;
use crate::text::{count, thousands};

/// The notes of the pass of this number, counted from 0; `is_appended` says whether its telemetry is in the summary.
pub(super) fn text(rehearsal: &Rehearsal, number: usize, entry: &PassEntry, is_appended: bool) -> String {
    let mut text = format!("# Notes of the pass due {}\n\n", format_instant(entry.due));
    let _ = writeln!(
        text,
        "Pass {} of {} of the rehearsal that began {}; {}. Written by {}.\n",
        number + 1,
        rehearsal.planned_passes(),
        format_instant(rehearsal.begun_at),
        clock_in_words(rehearsal.clock),
        rehearsal.program
    );
    match &entry.outcome {
        Some(PassOutcome::Ran(facts)) => fields_of(&mut text, rehearsal, entry, facts),
        Some(PassOutcome::Failed { at, error }) => {
            field(&mut text, "Run timestamp (UTC)", &begun(entry));
            field(&mut text, "Trigger mode", TRIGGER);
            field(
                &mut text,
                "Notable logs",
                &format!("could not be run: {error} ({})", format_instant(*at)),
            );
            field(
                &mut text,
                "Follow-ups",
                "mend what the line above names; the next pass reads what this one did not",
            );
        }
        Some(PassOutcome::Missed) | None => {}
    }
    text.push('\n');
    let smoke = match &rehearsal.smoke {
        Some(smoke) => format!("[{0}]({0})", smoke.file),
        None => "none".to_owned(),
    };
    tick(
        &mut text,
        rehearsal.smoke.is_some(),
        &format!("Smoke log stored: {smoke}"),
    );
    tick(
        &mut text,
        is_appended,
        "Telemetry appended to [summary.md](summary.md)",
    );
    let runs: Vec<String> = entry
        .facts()
        .iter()
        .flat_map(|facts| &facts.revisions)
        .map(|run| format!("{} ({})", run.run, run.status))
        .collect();
    tick(
        &mut text,
        !runs.is_empty(),
        &format!(
            "Progress file updated: in the ledger's own record of runs, {}",
            or_none(&runs, "no run of this pass")
        ),
    );
    text
}

fn tick(text: &mut String, is_done: bool, what: &str) {
    let _ = writeln!(text, "- [{}] {what}", if is_done { "x" } else { " " });
}

/// `by real time`, or by which clock.
pub(super) fn clock_in_words(clock: ClockUsed) -> String {
    match clock.origin {
        Some(origin) if clock.scale > 1 => format!(
            "the clock was scaled, {} times as fast as real time from {} on",
            thousands(clock.scale),
            format_instant(origin)
        ),
        _ => "by real time".to_owned(),
    }
}

/// A link to a report from the folder of rehearsals, whatever the folder for evidence is called.
pub(super) fn report_link(report: &str) -> String {
    let path = Path::new(report);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    format!("[{name}](../{}/{name})", folder.to_string_lossy())
}

const TRIGGER: &str = "scheduled (`usage-cron rehearse`)";

fn fields_of(text: &mut String, rehearsal: &Rehearsal, entry: &PassEntry, facts: &PassFacts) {
    let counters = &facts.counters;
    field(
        text,
        "Run timestamp (UTC)",
        &format!("{}, ended {}", begun(entry), format_instant(facts.ended_at)),
    );
    field(text, "Trigger mode", TRIGGER);
    field(
        text,
        "Feature flag state",
        "there is none: daily windows are the only way usage is stored",
    );
    field(
        text,
        "Windows processed",
        &format!(
            "{}; its runs stored {} and kept {} as they were",
            windows_in_words(&facts.windows),
            thousands(counters.windows_processed),
            thousands(counters.windows_failed)
        ),
    );
    field(text, "Updated events", &events(facts));
    field(text, "Issues by code", &issues_json(&facts.issues));
    field(
        text,
        "Retry-After headers",
        &format!(
            "{} with 429, {}; {} ms waited for the provider's limits and the client's own pace",
            count(counters.throttled_requests, "answer"),
            count(counters.retries, "request") + " sent again",
            thousands(counters.throttled_ms)
        ),
    );
    field(
        text,
        "Manual fallback usage",
        &format!(
            "{}, {}",
            count(counters.manual_fallback_windows, "window"),
            count(counters.manual_fallback_keys, "key")
        ),
    );
    field(text, "Notable logs", &remarks(entry, facts));
    field(text, "Parity diff result", &parity(facts));
    field(text, "Reconciliation", &reconciliation(facts));
    field(text, "Restatements", &restatements(facts));
    field(text, "Follow-ups", &follow_ups(rehearsal, facts));
}

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "- **{name}:** {value}");
}

fn begun(entry: &PassEntry) -> String {
    let times: Vec<String> = entry.begun_at.iter().map(|at| format_instant(*at)).collect();
    match times.as_slice() {
        [] => "never begun".to_owned(),
        [once] => format!("begun {once}"),
        [first, again @ ..] => format!("begun {first}, interrupted, gone on with {}", again.join(", ")),
    }
}

fn events(facts: &PassFacts) -> String {
    let of = |what: &str, [inserted, updated, unchanged, retracted]: [u64; 4]| {
        format!(
            "{what}: {} updated, {} inserted, {} unchanged, {} retracted",
            thousands(updated),
            thousands(inserted),
            thousands(unchanged),
            thousands(retracted)
        )
    };
    format!(
        "{}; {}",
        of("usage", facts.counters.events),
        of("costs", facts.counters.costs)
    )
}

fn issues_json(issues: &[CodeCount]) -> String {
    let mut by_code: BTreeMap<&str, u64> = BTreeMap::new();
    for issue in issues {
        *by_code.entry(&issue.code).or_default() += issue.count;
    }
    // Text and numbers are always JSON.
    format!("`{}`", serde_json::to_string(&by_code).unwrap_or_default())
}

fn remarks(entry: &PassEntry, facts: &PassFacts) -> String {
    let mut remarks = facts.remarks.clone();
    if entry.begun_at.len() > 1 {
        remarks.push(format!(
            "its process ended in the middle {}; the windows stored until then were not read again",
            match entry.begun_at.len() - 1 {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            }
        ));
    }
    let issues = facts
        .issues
        .iter()
        .map(|issue| format!("{}: {}", issue.code, issue.message));
    remarks.extend(issues);
    if remarks.is_empty() {
        "nothing beyond the lines of every pass".to_owned()
    } else {
        remarks.join("; ")
    }
}

fn parity(facts: &PassFacts) -> String {
    let results = facts.parity.iter().map(|(account, parity)| {
        let report = parity.report.as_deref().map(report_link);
        format!(
            "{account}: {}, over {}; {}",
            parity.in_words(),
            count(parity.windows_compared, "window"),
            report.unwrap_or_else(|| "no report".to_owned())
        )
    });
    or_none(&results.collect::<Vec<_>>(), "no exports lay in the folder")
}

fn reconciliation(facts: &PassFacts) -> String {
    let results = facts.reconciliation.iter().map(|(account, result)| {
        let report = result.report.as_deref().map(report_link);
        format!(
            "{account}: {}; {}",
            result.in_words(),
            report.unwrap_or_else(|| "no report".to_owned())
        )
    });
    or_none(
        &results.collect::<Vec<_>>(),
        "no day has both costs and usage yet",
    )
}

fn restatements(facts: &PassFacts) -> String {
    let runs = facts.revisions.iter().filter(|run| run.kept > 0).map(|run| {
        let counted = match run.counted {
            Some(counted) => format!("counted {}", thousands(counted)),
            None => "its process died before it could count them".to_owned(),
        };
        format!("run {}: {} kept, {counted}", run.run, count(run.kept, "revision"))
    });
    or_none(&runs.collect::<Vec<_>>(), "none")
}

fn follow_ups(rehearsal: &Rehearsal, facts: &PassFacts) -> String {
    let mut todo: Vec<String> = Vec::new();
    for issue in &facts.issues {
        if explanation(rehearsal, issue).is_none() {
            todo.push(format!("{} ({})", issue.code, issue.severity));
        }
    }
    let unread: u64 = facts
        .windows
        .iter()
        .map(|tally| tally.expected - tally.read)
        .sum();
    if unread > 0 {
        todo.push(format!("{} not read", count(unread, "window")));
    }
    if facts.counters.manual_fallback_windows > 0 {
        todo.push("the unique index is missing; see `usage doctor`".to_owned());
    }
    or_none(&todo, "none")
}

fn or_none(parts: &[String], none: &str) -> String {
    if parts.is_empty() {
        none.to_owned()
    } else {
        parts.join("; ")
    }
}

impl Folder {
    /// Writes the notes of the pass of this number.
    pub(super) fn write_notes(
        &self,
        rehearsal: &Rehearsal,
        number: usize,
        is_appended: bool,
    ) -> Result<(), AppError> {
        let Some(entry) = rehearsal.passes.get(number) else {
            return Ok(());
        };
        self.write(&entry.notes, &text(rehearsal, number, entry, is_appended))
    }
}
