//! The checklist of operators, evaluated by the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use usage_core::{Decimal, Endpoint, IssueCode, format_instant};

use super::record::{Check, CodeCount, PassEntry, PassFacts, PassOutcome, Rehearsal, Verdict, WindowTally};
use crate::text::{count, thousands};

/// What a warning means that is no reason to doubt the ledger. Errors are never explained by the program.
const EXPLANATIONS: &[(IssueCode, &str)] = &[
    (
        IssueCode::EndpointUnavailable,
        "the organisation does not have this endpoint; it never answered",
    ),
    (
        IssueCode::DimensionRefused,
        "the provider does not group by this dimension; it is absent from coverage",
    ),
    (
        IssueCode::DimensionEmpty,
        "no usage of the range names this dimension",
    ),
    (
        IssueCode::StaleRead,
        "another process had read the window later; its read stands",
    ),
    (IssueCode::ManualFallback, "checked on a line of its own"),
    (IssueCode::NoExports, "checked on a line of its own"),
    (
        IssueCode::Unpriced,
        "the usage is stored; its cost stays unknown until it has a price",
    ),
    (
        IssueCode::PricingFallback,
        "priced by the default of the operator's own price file",
    ),
    (
        IssueCode::TokenSplitDrift,
        "the provider's total is not the sum of its parts; both are stored as sent",
    ),
    (
        IssueCode::UnknownField,
        "the provider sends more than this version reads",
    ),
];

/// Evaluates the checklist. `missing` names the files that should be there and are not.
pub(super) fn evaluate(
    rehearsal: &Rehearsal,
    missing: &[String],
    max_variance: &Decimal,
    at: DateTime<Utc>,
) -> Verdict {
    let checks = vec![
        smoke(rehearsal),
        passes(rehearsal),
        windows(rehearsal),
        issues(rehearsal),
        throttling(rehearsal),
        manual_fallback(rehearsal),
        parity(rehearsal),
        reconciliation(rehearsal, max_variance),
        restatements(rehearsal),
        evidence(missing),
    ];
    Verdict {
        at,
        passed: checks.iter().all(|check| check.passed),
        checks,
    }
}

/// Why an issue is no reason to doubt the ledger, if it is none.
pub(super) fn explanation<'a>(rehearsal: &'a Rehearsal, issue: &CodeCount) -> Option<&'a str> {
    if let Some(reason) = rehearsal.explained.get(&issue.code) {
        return Some(reason);
    }
    let known = EXPLANATIONS.iter().find(|(code, _)| code.as_str() == issue.code);
    known
        .filter(|_| issue.severity != "error")
        .map(|(_, reason)| *reason)
}

/// `180 of 180 (36 days × 1 account × 5 endpoints)`, or the sum without the product if it is none.
pub(super) fn windows_in_words(tallies: &[WindowTally]) -> String {
    let (read, expected) = sums(tallies);
    let mut text = format!("{} of {}", thousands(read), thousands(expected));
    let mut by_account: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for tally in tallies {
        by_account.entry(&tally.account).or_default().push(tally.expected);
    }
    let first = by_account.values().next().cloned().unwrap_or_default();
    let is_product = first.iter().all(|days| Some(days) == first.first())
        && by_account.values().all(|endpoints| *endpoints == first);
    if is_product && let Some(days) = first.first() {
        let _ = write!(
            text,
            " ({} × {} × {})",
            count(*days, "day"),
            count(by_account.len() as u64, "account"),
            count(first.len() as u64, "endpoint")
        );
    }
    text
}

fn check(name: &str, faults: &[String], detail: String) -> Check {
    Check {
        name: name.to_owned(),
        passed: faults.is_empty(),
        detail: if faults.is_empty() {
            detail
        } else {
            faults.join("; ")
        },
    }
}

fn due(entry: &PassEntry) -> String {
    format_instant(entry.due)
}

fn ran(rehearsal: &Rehearsal) -> impl Iterator<Item = (&PassEntry, &PassFacts)> {
    rehearsal
        .passes
        .iter()
        .filter_map(|entry| Some((entry, entry.facts()?)))
}

fn smoke(rehearsal: &Rehearsal) -> Check {
    let name = "The first authenticated call is answered, for every account";
    let Some(smoke) = &rehearsal.smoke else {
        return check(name, &["it was not made".to_owned()], String::new());
    };
    let faults = smoke.accounts.iter().filter_map(|answers| {
        let why = match &answers.error {
            Some(error) => error.clone(),
            None if answers.available.is_empty() => format!("no endpoint answered; see {}", smoke.file),
            None => return None,
        };
        Some(format!("{}: {why}", answers.account))
    });
    let unclear: Vec<String> = smoke
        .accounts
        .iter()
        .flat_map(|answers| {
            let of_account = move |endpoint| format!("{} {endpoint}", answers.account);
            answers.unclear.iter().map(of_account)
        })
        .collect();
    let available: usize = smoke.accounts.iter().map(|answers| answers.available.len()).sum();
    let mut detail = format!(
        "{}, {} that answer in all; {}",
        count(smoke.accounts.len() as u64, "account"),
        count(available as u64, "endpoint"),
        smoke.file
    );
    if !unclear.is_empty() {
        let _ = write!(
            detail,
            "; no usable answer, to be read all the same: {}",
            unclear.join(", ")
        );
    }
    check(name, &faults.collect::<Vec<_>>(), detail)
}

fn passes(rehearsal: &Rehearsal) -> Check {
    let mut faults = Vec::new();
    let mut interrupted = 0;
    for entry in &rehearsal.passes {
        interrupted += entry.begun_at.len().saturating_sub(1);
        match &entry.outcome {
            Some(PassOutcome::Ran(_)) => {}
            Some(PassOutcome::Missed) => faults.push(format!("the pass due {} was missed", due(entry))),
            Some(PassOutcome::Failed { error, .. }) => {
                faults.push(format!("the pass due {} could not be run: {error}", due(entry)));
            }
            None => faults.push(format!("the pass due {} did not end", due(entry))),
        }
    }
    let planned = rehearsal.planned_passes();
    if (rehearsal.passes.len() as u64) < planned {
        faults.push(format!("{} of {planned} were due", rehearsal.passes.len()));
    }
    let mut detail = format!("{} of {planned}", ran(rehearsal).count());
    if interrupted > 0 {
        let _ = write!(
            detail,
            ", {} of an interrupted pass that was gone on with",
            count(interrupted as u64, "restart")
        );
    }
    check("Every pass that was due ran", &faults, detail)
}

fn windows(rehearsal: &Rehearsal) -> Check {
    let mut faults = Vec::new();
    let mut details = Vec::new();
    for (entry, facts) in ran(rehearsal) {
        let (read, expected) = sums(&facts.windows);
        let words = windows_in_words(&facts.windows);
        if read == expected && expected > 0 {
            details.push(words);
            continue;
        }
        let unread = facts.windows.iter().find_map(|tally| {
            let day = tally.first_unread?;
            Some(format!(
                ", the first unread one {} {} {day}",
                tally.account, tally.endpoint
            ))
        });
        faults.push(format!(
            "pass due {}: {words}{}",
            due(entry),
            unread.unwrap_or_default()
        ));
    }
    if details.is_empty() && faults.is_empty() {
        faults.push("no pass ran".to_owned());
    }
    check(
        "Windows processed equal days × accounts × available endpoints, in every pass",
        &faults,
        details.join("; "),
    )
}

fn sums(tallies: &[WindowTally]) -> (u64, u64) {
    let read = tallies.iter().map(|tally| tally.read).sum();
    let expected = tallies.iter().map(|tally| tally.expected).sum();
    (read, expected)
}

fn issues(rehearsal: &Rehearsal) -> Check {
    let mut faults: BTreeMap<(&str, &str), (u64, String)> = BTreeMap::new();
    let mut explained: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (entry, facts) in ran(rehearsal) {
        for issue in &facts.issues {
            if let Some(reason) = explanation(rehearsal, issue) {
                *explained.entry((&issue.code, reason)).or_default() += issue.count;
                continue;
            }
            let fault = faults.entry((&issue.code, &issue.severity)).or_insert_with(|| {
                (
                    0,
                    format!("first in the pass due {}: {}", due(entry), issue.message),
                )
            });
            fault.0 += issue.count;
        }
    }
    let faults = faults
        .into_iter()
        .map(|((code, severity), (number, first))| format!("{} of {code}, {first}", count(number, severity)));
    let details = explained
        .into_iter()
        .map(|((code, reason), number)| format!("{} of {code} ({reason})", thousands(number)));
    let detail = details.collect::<Vec<_>>().join("; ");
    let detail = if detail.is_empty() {
        "none came".to_owned()
    } else {
        detail
    };
    check("No unexplained issue codes", &faults.collect::<Vec<_>>(), detail)
}

/// Throttling is no fault: it has to be known, and heeded.
fn throttling(rehearsal: &Rehearsal) -> Check {
    let mut faults = Vec::new();
    let mut details = Vec::new();
    for (entry, facts) in ran(rehearsal) {
        let counters = facts.counters;
        let words = format!(
            "{}: {} with 429, {} ms waited",
            due(entry),
            count(counters.throttled_requests, "answer"),
            thousands(counters.throttled_ms)
        );
        if counters.throttled_requests > 0 && counters.throttled_ms == 0 {
            faults.push(words);
        } else {
            details.push(words);
        }
    }
    check("Throttling is noted and waited for", &faults, details.join("; "))
}

fn manual_fallback(rehearsal: &Rehearsal) -> Check {
    let mut faults = Vec::new();
    let mut before = 0;
    let mut total = 0;
    for (entry, facts) in ran(rehearsal) {
        let windows = facts.counters.manual_fallback_windows;
        if windows > 0 && before > 0 {
            faults.push(format!(
                "the passes until {} wrote {} and {} without the unique index; see `usage doctor`",
                due(entry),
                count(before, "window"),
                count(windows, "window")
            ));
        }
        before = windows;
        total += windows;
    }
    let detail = format!("{} in all", count(total, "window"));
    check("Manual fallback is zero in consecutive passes", &faults, detail)
}

fn parity(rehearsal: &Rehearsal) -> Check {
    let name = "Parity with the provider's exports of every account and endpoint, 0 missing and 0 mismatched";
    let mut faults = Vec::new();
    let (mut compared, mut windows) = (0_u64, 0);
    for (entry, facts) in ran(rehearsal) {
        for (account, parity) in &facts.parity {
            compared += 1;
            windows += parity.windows_compared;
            if !parity.clean {
                faults.push(format!(
                    "pass due {}, {account}: {}",
                    due(entry),
                    parity.in_words()
                ));
            }
        }
    }
    let explained = rehearsal.explained.get(IssueCode::NoExports.as_str());
    let mut detail = format!(
        "{} over {}",
        count(compared, "comparison"),
        count(windows, "window")
    );
    match (&rehearsal.place.exports, explained) {
        (None, _) => faults.push("not checked: no folder with exports was named (--exports)".to_owned()),
        (Some(_), Some(reason)) => {
            let _ = write!(detail, "; endpoints without an export: {reason}");
        }
        (Some(folder), None) => faults.extend(not_compared(rehearsal, folder)),
    }
    check(name, &faults, detail)
}

/// The endpoints that the last pass had to read and of which it compared no window.
fn not_compared(rehearsal: &Rehearsal, folder: &str) -> Option<String> {
    let Some((_, facts)) = ran(rehearsal).last() else {
        return Some("no pass ran".to_owned());
    };
    let is_compared = |tally: &&WindowTally| {
        let parity = facts.parity.get(&tally.account);
        parity.is_some_and(|parity| parity.windows_by_endpoint.get(&tally.endpoint) > Some(&0))
    };
    let lacking: Vec<String> = facts
        .windows
        .iter()
        .filter(|tally| !is_compared(tally))
        .map(|tally| format!("{} {}", tally.account, tally.endpoint))
        .collect();
    let lacking = (!lacking.is_empty()).then(|| lacking.join(", "))?;
    Some(format!(
        "not checked in the last pass, no export of a day that is over lies in {folder}: {lacking}"
    ))
}

fn reconciliation(rehearsal: &Rehearsal, max_variance: &Decimal) -> Check {
    let explains = |code: IssueCode| rehearsal.explained.contains_key(code.as_str());
    let mut faults = Vec::new();
    let mut details = Vec::new();
    for (entry, facts) in ran(rehearsal) {
        for (account, result) in &facts.reconciliation {
            let words = format!("pass due {}, {account}: {}", due(entry), result.in_words());
            let other_complaints =
                result.complaints.len() - usize::from(result.passes_limit).min(result.complaints.len());
            let is_known = (!result.passes_limit || explains(IssueCode::CostVariance))
                && (other_complaints == 0 || explains(IssueCode::NotReconciled));
            if result.clean || is_known {
                details.push(words);
            } else {
                faults.push(words);
            }
        }
    }
    if let Some((_, facts)) = ran(rehearsal).last() {
        let costs = facts
            .windows
            .iter()
            .filter(|tally| tally.endpoint == Endpoint::Costs.as_str());
        for tally in costs.filter(|tally| !facts.reconciliation.contains_key(&tally.account)) {
            faults.push(format!("{}: not reconciled in the last pass", tally.account));
        }
    }
    if details.is_empty() {
        details.push("costs are not read".to_owned());
    }
    check(
        &format!(
            "The bill is reconciled: charges and priced usage at most {max_variance} % apart, nothing unexplained"
        ),
        &faults,
        details.join("; "),
    )
}

fn restatements(rehearsal: &Rehearsal) -> Check {
    let mut faults = Vec::new();
    let (mut kept, mut of_dead) = (0, 0);
    for (entry, facts) in ran(rehearsal) {
        for run in &facts.revisions {
            kept += run.kept;
            match run.counted {
                Some(counted) if counted != run.kept => faults.push(format!(
                    "pass due {}: run {} counted {} and the ledger keeps {}",
                    due(entry),
                    run.run,
                    count(counted, "revision"),
                    thousands(run.kept)
                )),
                Some(_) => {}
                None => of_dead += run.kept,
            }
        }
    }
    if let Some((_, facts)) = ran(rehearsal).last() {
        let foreign = facts.foreign_revisions.iter();
        faults.extend(
            foreign.map(|(run, left)| format!("run {run} of no pass left {}", count(*left, "revision"))),
        );
    }
    let mut detail = format!("{}, each by a run of a pass", count(kept, "revision"));
    if of_dead > 0 {
        let _ = write!(
            detail,
            "; {} of them by runs whose process died, counted in the ledger only",
            thousands(of_dead)
        );
    }
    check("Every restatement is accounted for", &faults, detail)
}

fn evidence(missing: &[String]) -> Check {
    let faults: Vec<String> = missing.iter().map(|file| format!("{file} is missing")).collect();
    check(
        "Everything is on record: the smoke log, notes of each pass, telemetry, reports",
        &faults,
        "every file is there".to_owned(),
    )
}
