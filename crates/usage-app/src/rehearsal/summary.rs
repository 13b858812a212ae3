//! `summary.md`: every rehearsal of the folder, newest first, the verdict at the head.

use std::fmt::Write as _;

use usage_core::format_instant;

use super::notes::{clock_in_words, report_link};
use super::record::{PassEntry, PassOutcome, Rehearsal, Verdict};
use crate::text::count;

/// The name of the file.
pub(super) const FILE: &str = "summary.md";

/// The text, from rehearsals that are given oldest first.
pub(super) fn text(rehearsals: &[&Rehearsal]) -> String {
    let mut text = "# Cron rehearsals\n\n".to_owned();
    if let Some(latest) = rehearsals.last() {
        let _ = writeln!(
            text,
            "**Verdict: {}**\n\n{}.\n",
            judgement(latest),
            capitalized(&story(latest))
        );
    }
    text += "`usage-cron rehearse` runs the real schedule on the real database for some days and judges what it finds. It \
             writes this page, the notes of each pass, the log of the first authenticated calls (`smoke-*.log`) and the \
             record that all of it is made from (`rehearsal-*.json`); nothing is edited by hand. Newest first. Times are UTC, \
             by the rehearsal's clock.\n";
    for rehearsal in rehearsals.iter().rev() {
        of_rehearsal(&mut text, rehearsal);
    }
    text += TELEMETRY_FIELDS;
    text
}

const fn judgement(rehearsal: &Rehearsal) -> &'static str {
    match &rehearsal.verdict {
        Some(Verdict { passed: true, .. }) => "pass",
        Some(_) => "fail",
        None => "not given yet",
    }
}

/// What was rehearsed, and why it failed if it did.
fn story(rehearsal: &Rehearsal) -> String {
    let mut line = format!(
        "{} every {}, begun {}, {} of {} passes; {}",
        count(rehearsal.hours, "hour"),
        interval(rehearsal.every_seconds),
        format_instant(rehearsal.begun_at),
        rehearsal.done(),
        rehearsal.planned_passes(),
        clock_in_words(rehearsal.clock)
    );
    if let Some(verdict) = &rehearsal.verdict
        && !verdict.passed
    {
        let failed = verdict.checks.iter().filter(|check| !check.passed);
        let reasons: Vec<String> = failed
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        let _ = write!(line, ". Failed: {}", reasons.join(". "));
    }
    line
}

fn of_rehearsal(text: &mut String, rehearsal: &Rehearsal) {
    let _ = write!(
        text,
        "\n## Rehearsal of {}: {}\n\n{}.\n\n",
        format_instant(rehearsal.begun_at),
        judgement(rehearsal),
        capitalized(&story(rehearsal))
    );
    let place = &rehearsal.place;
    let providers = place
        .providers
        .iter()
        .map(|(provider, url)| format!("{provider} at {url}"));
    let _ = writeln!(text, "- Ledger: `{}`", place.database);
    let _ = writeln!(text, "- Provider: {}", providers.collect::<Vec<_>>().join(", "));
    let accounts = if place.accounts.is_empty() {
        "every one with a key".to_owned()
    } else {
        place.accounts.join(", ")
    };
    let _ = writeln!(text, "- Accounts: {accounts}");
    let _ = writeln!(text, "- Endpoints: {}", place.endpoints.join(", "));
    let _ = writeln!(text, "- Horizon: {}", count(place.horizon_days, "day"));
    let exports = place.exports.as_deref().unwrap_or("none");
    let _ = writeln!(text, "- Exports of the provider: {exports}");
    if let Some(smoke) = &rehearsal.smoke {
        let _ = writeln!(text, "- First authenticated call: [{0}]({0})", smoke.file);
    }
    text.push_str("\n### Checklist\n\n");
    match &rehearsal.verdict {
        Some(verdict) => {
            for check in &verdict.checks {
                let mark = if check.passed { "x" } else { " " };
                let _ = writeln!(text, "- [{mark}] {}: {}", check.name, check.detail);
            }
        }
        None => text.push_str("Evaluated when the last pass has ended.\n"),
    }
    text.push_str("\n### Passes\n");
    for entry in rehearsal.passes.iter().rev() {
        of_pass(text, entry);
    }
}

fn of_pass(text: &mut String, entry: &PassEntry) {
    let _ = write!(text, "\n#### Due {}\n\n", format_instant(entry.due));
    match &entry.outcome {
        None => text.push_str("At work, or interrupted.\n"),
        Some(PassOutcome::Missed) => text.push_str("Missed: no process ran.\n"),
        Some(PassOutcome::Failed { error, .. }) => {
            let _ = writeln!(text, "Could not be run: {error}. [{0}]({0})", entry.notes);
        }
        Some(PassOutcome::Ran(facts)) => {
            let mut links = vec![format!("[{0}]({0})", entry.notes)];
            let parity = facts
                .parity
                .values()
                .filter_map(|parity| parity.report.as_deref());
            links.extend(parity.map(|report| format!("parity {}", report_link(report))));
            let bills = facts
                .reconciliation
                .values()
                .filter_map(|result| result.report.as_deref());
            links.extend(bills.map(|report| format!("reconciliation {}", report_link(report))));
            let telemetry = serde_json::to_string_pretty(&facts.telemetry).unwrap_or_default();
            let _ = write!(
                text,
                "{}: {}\n\n```json\n{telemetry}\n```\n",
                if facts.success { "Clean" } else { "Not clean" },
                links.join(", ")
            );
        }
    }
}

/// `24 h`, `90 min`, or seconds.
fn interval(seconds: u64) -> String {
    if seconds.is_multiple_of(3_600) {
        format!("{} h", seconds / 3_600)
    } else if seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}

const TELEMETRY_FIELDS: &str = "
## Telemetry fields

`windowsProcessed` counts windows stored completely, quiet ones among them; `storedEvents`, `updatedEvents`,
`unchangedEvents` and `retractedEvents` what became of the rows in them; `constraintInserts` and `constraintUpdates` rows
written through the unique index, `manualFallback…` rows written without it; `throttledMs` the time spent waiting for the
provider's limits and the client's own pace; `issuesByCode` everything that went otherwise than planned. `simulatedKeys` is
always 0: usage is never made up. After a pass that was interrupted, the counters here are those of the run that went on with
it; the checklist adds those that the interrupted run had recorded, and counts windows in the ledger's coverage.
";
