//! The rehearsal: the real schedule, on the real database and provider settings, for some days, with a verdict at the end.
//!
//! It survives restarts: everything that it knows is in its record, and the same command goes on with the rehearsal whose
//! record has no verdict.

mod checklist;
mod facts;
mod folder;
mod notes;
mod record;
mod smoke;
mod summary;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use usage_core::{Provider, format_instant};

pub use folder::unfinished_origin;
use folder::{Folder, Recorded};
pub use record::{Check, Rehearsal, Verdict};
use record::{ClockUsed, PassEntry, PassOutcome, Place};

use crate::cron::{PassOptions, PassReport, wait_until};
use crate::error::AppError;
use crate::text::hide_secrets;
use crate::wiring::{App, Exit};

/// What to rehearse.
#[derive(Clone, Debug)]
pub struct RehearsalOptions {
    /// For how many hours; the last pass is due at their end.
    pub hours: u32,
    /// How far passes are apart; the first is due at once.
    pub every: Duration,
    /// When the clock showed the real time, if it runs faster.
    pub clock_origin: Option<DateTime<Utc>>,
    /// What each pass does.
    pub pass: PassOptions,
    /// Issue codes that the operator knows the reason of, with the reason.
    pub explained: BTreeMap<String, String>,
}

/// A rehearsal that has come to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct RehearsalReport {
    rehearsal: Rehearsal,
    verdict: Verdict,
    summary: String,
}

/// Rehearses, or goes on with the rehearsal of the folder that has no verdict yet, until every pass that was due has run;
/// `pass` runs one. A pass that cannot be run is part of the verdict, not an error.
///
/// # Errors
///
/// Another process rehearses in the same folder, the rehearsal that is going on is about something else, nothing can be
/// written, there is no key, or the process is told to stop before the end.
pub async fn rehearse(
    app: &App,
    options: &RehearsalOptions,
    mut stop: watch::Receiver<bool>,
    mut pass: impl AsyncFnMut(PassOptions) -> Result<PassReport, AppError>,
) -> Result<RehearsalReport, AppError> {
    let folder = Folder::open(&options.pass.audit_dir)?;
    let mut others = folder.rehearsals()?;
    let mut recorded = take_up(app, options, &folder, &mut others)?;
    if recorded.rehearsal.smoke.is_none() {
        recorded.rehearsal.smoke = Some(smoke::call(app, &folder, &recorded.rehearsal).await?);
        recorded.save()?;
    }
    while let Some(due) = recorded.rehearsal.due(recorded.rehearsal.done()) {
        let number = recorded.rehearsal.done();
        tracing::info!(due = format_instant(due), pass = number + 1, "waiting");
        if !wait_until(app.clock.as_ref(), due, &mut stop).await {
            return Err(stopped(&recorded.rehearsal));
        }
        let result = if is_missed(app, &recorded.rehearsal, number) {
            tracing::warn!(due = format_instant(due), "the pass was missed");
            miss(&folder, &mut recorded, number, due);
            PassOutcome::Missed
        } else {
            begin(app, &folder, &mut recorded, number, due).await;
            tell(&recorded.save());
            let options = PassOptions {
                due: Some(due),
                keeps_reports: true,
                ..options.pass.clone()
            };
            let report = pass(options).await;
            if *stop.borrow() {
                return Err(stopped(&recorded.rehearsal));
            }
            outcome(app, &recorded.rehearsal, number, report).await
        };
        end(&folder, &mut recorded, number, result, &others);
    }
    for number in 0..recorded.rehearsal.passes.len() {
        make_up_for_notes(&folder, &recorded.rehearsal, number);
    }
    let verdict = checklist::evaluate(
        &recorded.rehearsal,
        &folder.missing(&recorded.rehearsal),
        &options.pass.max_variance,
        app.clock.now(),
    );
    recorded.rehearsal.verdict = Some(verdict.clone());
    recorded.save()?;
    write_summary(&folder, &recorded, &others)?;
    Ok(RehearsalReport {
        summary: folder.join(summary::FILE).display().to_string(),
        rehearsal: recorded.rehearsal,
        verdict,
    })
}

/// The rehearsal that goes on, or a new one; it is taken out of `others`.
fn take_up(
    app: &App,
    options: &RehearsalOptions,
    folder: &Folder,
    others: &mut Vec<Recorded>,
) -> Result<Recorded, AppError> {
    let begun_at = app.clock.now();
    let asked = Rehearsal {
        version: 1,
        program: concat!("usage-cron ", env!("CARGO_PKG_VERSION")).to_owned(),
        begun_at,
        hours: options.hours,
        every_seconds: options.every.as_secs(),
        clock: ClockUsed {
            scale: app.clock.scale(),
            origin: options.clock_origin,
        },
        place: place(app, &options.pass),
        explained: options.explained.clone(),
        smoke: None,
        passes: Vec::new(),
        verdict: None,
    };
    let unfinished = others
        .iter()
        .rposition(|recorded| recorded.rehearsal.verdict.is_none());
    let Some(unfinished) = unfinished else {
        let recorded = Recorded {
            file: folder.new_file(begun_at),
            rehearsal: asked,
        };
        recorded.save()?;
        tracing::info!(
            hours = options.hours,
            passes = recorded.rehearsal.planned_passes(),
            "rehearsal begins"
        );
        return Ok(recorded);
    };
    let mut recorded = others.remove(unfinished);
    if let Some(what) = difference(&recorded.rehearsal, &asked) {
        return Err(AppError::OtherRehearsal {
            file: recorded.file,
            what,
        });
    }
    recorded.rehearsal.explained = asked.explained;
    tracing::info!(
        begun = format_instant(recorded.rehearsal.begun_at),
        passes = recorded.rehearsal.planned_passes(),
        done = recorded.rehearsal.done(),
        "rehearsal goes on"
    );
    Ok(recorded)
}

/// The first thing in which the rehearsal that goes on differs from what is asked for.
fn difference(going_on: &Rehearsal, asked: &Rehearsal) -> Option<String> {
    let (is, wanted) = (&going_on.place, &asked.place);
    if (going_on.hours, going_on.every_seconds) != (asked.hours, asked.every_seconds) {
        Some(format!(
            "it takes {} hours with a pass every {} s",
            going_on.hours, going_on.every_seconds
        ))
    } else if going_on.clock != asked.clock {
        Some(format!("its clock: {}", notes::clock_in_words(going_on.clock)))
    } else if is.database != wanted.database {
        Some(format!("its ledger is {}", is.database))
    } else if is.accounts != wanted.accounts || is.endpoints != wanted.endpoints {
        Some("it reads other accounts or endpoints".to_owned())
    } else if is.horizon_days != wanted.horizon_days {
        Some(format!("its horizon is {} days", is.horizon_days))
    } else {
        // A provider's address or a folder of exports may move in the middle without changing what is rehearsed.
        None
    }
}

fn place(app: &App, pass: &PassOptions) -> Place {
    let settings = &app.settings;
    let providers = [(
        Provider::OpenAi.as_str().to_owned(),
        settings.openai_base_url.value.to_string(),
    )];
    Place {
        database: settings.database_url.value.to_string(),
        providers: providers.into(),
        accounts: pass.accounts.iter().map(ToString::to_string).collect(),
        endpoints: pass.endpoints.iter().map(ToString::to_string).collect(),
        horizon_days: pass.horizon_days,
        exports: pass.exports.as_ref().map(|folder| folder.display().to_string()),
    }
}

/// Puts the pass on record before it runs, with what it has to read. A pass that was begun by a process that died keeps
/// what it had to read then.
async fn begin(app: &App, folder: &Folder, recorded: &mut Recorded, number: usize, due: DateTime<Utc>) {
    let now = app.clock.now();
    if let Some(entry) = recorded.rehearsal.passes.get_mut(number) {
        tracing::warn!(
            due = format_instant(due),
            "the pass was interrupted and is gone on with"
        );
        entry.begun_at.push(now);
        return;
    }
    let expected = match app.ledger().await {
        Ok(ledger) => facts::expected(&ledger, &recorded.rehearsal, due).await,
        Err(error) => Err(error),
    };
    recorded.rehearsal.passes.push(PassEntry {
        due,
        begun_at: vec![now],
        // A ledger that cannot be asked now fails the pass, which says so.
        expected: expected.unwrap_or_default(),
        notes: folder.notes_name(&recorded.rehearsal, due),
        outcome: None,
    });
}

/// Puts a pass on record that nobody was there to run.
fn miss(folder: &Folder, recorded: &mut Recorded, number: usize, due: DateTime<Utc>) {
    if recorded.rehearsal.passes.get(number).is_none() {
        recorded.rehearsal.passes.push(PassEntry {
            due,
            begun_at: Vec::new(),
            expected: Vec::new(),
            notes: folder.notes_name(&recorded.rehearsal, due),
            outcome: None,
        });
    }
}

/// Whether the next pass is due already: then it stands for this one, which nobody was there to run.
fn is_missed(app: &App, rehearsal: &Rehearsal, number: usize) -> bool {
    let next = rehearsal.due(number + 1);
    next.is_some_and(|next| next <= app.clock.now())
}

async fn outcome(
    app: &App,
    rehearsal: &Rehearsal,
    number: usize,
    report: Result<PassReport, AppError>,
) -> PassOutcome {
    let at = app.clock.now();
    let found = match (report, rehearsal.passes.get(number)) {
        (Ok(report), Some(entry)) => match app.ledger().await {
            Ok(ledger) => facts::of_pass(&ledger, rehearsal, entry, &report, at).await,
            Err(error) => Err(error),
        },
        (Err(error), _) => Err(error),
        (Ok(_), None) => return PassOutcome::Missed,
    };
    match found {
        Ok(facts) => PassOutcome::Ran(Box::new(facts)),
        Err(error) => {
            let error = hide_secrets(&error.to_string());
            tracing::error!("the pass could not be run: {error}");
            PassOutcome::Failed { at, error }
        }
    }
}

/// Puts what came of a pass on record, for people as well.
fn end(folder: &Folder, recorded: &mut Recorded, number: usize, result: PassOutcome, others: &[Recorded]) {
    let Some(entry) = recorded.rehearsal.passes.get_mut(number) else {
        return;
    };
    let has_notes = !matches!(result, PassOutcome::Missed);
    entry.outcome = Some(result);
    tell(&recorded.save());
    let is_appended = tell(&write_summary(folder, recorded, others));
    if has_notes {
        tell(&folder.write_notes(&recorded.rehearsal, number, is_appended));
    }
}

/// Writes the notes of a pass that could not be written when it ended.
fn make_up_for_notes(folder: &Folder, rehearsal: &Rehearsal, number: usize) {
    let Some(entry) = rehearsal.passes.get(number) else {
        return;
    };
    if entry.has_notes() && !folder.has(&entry.notes) {
        tell(&folder.write_notes(rehearsal, number, folder.has(summary::FILE)));
    }
}

/// A record that cannot be written now does not end the rehearsal: the ledger has what the pass did, and the verdict says
/// which file is missing in the end.
fn tell(written: &Result<(), AppError>) -> bool {
    if let Err(error) = written {
        tracing::error!("{error}");
    }
    written.is_ok()
}

fn write_summary(folder: &Folder, recorded: &Recorded, others: &[Recorded]) -> Result<(), AppError> {
    let mut all: Vec<&Rehearsal> = others.iter().map(|other| &other.rehearsal).collect();
    all.push(&recorded.rehearsal);
    folder.write(summary::FILE, &summary::text(&all))
}

fn stopped(rehearsal: &Rehearsal) -> AppError {
    AppError::RehearsalStopped {
        done: rehearsal.done(),
        planned: rehearsal.planned_passes(),
    }
}

impl RehearsalReport {
    /// 0 if the verdict is pass, 1 if it is fail.
    pub fn exit(&self) -> Exit {
        if self.verdict.passed {
            Exit::Clean
        } else {
            Exit::Findings
        }
    }

    /// The record.
    pub fn rehearsal(&self) -> &Rehearsal {
        &self.rehearsal
    }
}

impl serde::Serialize for RehearsalReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rehearsal.serialize(serializer)
    }
}

impl fmt::Display for RehearsalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = if self.verdict.passed { "pass" } else { "FAIL" };
        writeln!(
            f,
            "rehearsal: {judged}, {} of {} passes",
            self.rehearsal.done(),
            self.rehearsal.planned_passes()
        )?;
        for check in &self.verdict.checks {
            let mark = if check.passed { "ok  " } else { "FAIL" };
            writeln!(f, "  {mark} {}: {}", check.name, check.detail)?;
        }
        writeln!(f, "summary: {}", self.summary)
    }
}

#[cfg(test)]
mod tests;
