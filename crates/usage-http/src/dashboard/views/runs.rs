//! Runs, and what their telemetry and issues say.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::Value;
use usage_store::{Run, RunStatus, TokenRole};

use super::report::text;
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{At, Count, Fact, Html, day_text, lasted};
use crate::dashboard::pages::{Badge, IssueRow, Pages, RunPage, RunRow, Runs, Standing};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page, see};
use crate::files;

/// How many runs a page of the list has.
const RUNS: usize = 100;

pub(crate) async fn runs(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = list(&state, &visitor).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn list(state: &DashboardState, visitor: &Visitor) -> Result<Runs, Failed> {
    let scope = visitor.scope()?.clone();
    visitor
        .query
        .only(&["cursor", "done"])
        .map_err(Failed::BadRequest)?;
    let before = visitor.query.get("cursor").map(str::parse).transpose();
    let before = before.map_err(|_| Failed::BadRequest("this is no page of the list of runs".to_owned()))?;
    let page = state.ledger.run_page(scope, before, RUNS).await?;
    let now = state.clock.now();
    Ok(Runs {
        chrome: visitor.chrome("Runs", Section::Runs),
        rows: page.runs.iter().map(|run| row(run, now)).collect(),
        pages: Pages {
            first: before.map(|_| "/runs".to_owned()),
            next: page.next.map(|next| format!("/runs?cursor={next}")),
        },
    })
}

pub(crate) async fn run(
    State(state): State<DashboardState>,
    Path(id): Path<String>,
    visitor: Visitor,
) -> Response {
    let made = one(&state, &visitor, &id).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn one(state: &DashboardState, visitor: &Visitor, id: &str) -> Result<RunPage, Failed> {
    let scope = visitor.scope()?.clone();
    let id: i64 = id.parse().map_err(|_| Failed::NotFound)?;
    let run = state
        .ledger
        .runs_with_ids(scope, vec![id])
        .await?
        .pop()
        .ok_or(Failed::NotFound)?;
    let telemetry: Value = serde_json::from_str(&run.telemetry).unwrap_or_default();
    let issues: Value = serde_json::from_str(&run.issues).unwrap_or_default();
    let issues = issues.as_array().map_or(&[][..], Vec::as_slice);
    Ok(RunPage {
        chrome: visitor.chrome(&format!("{} {id}", run.kind), Section::Runs),
        facts: facts(&run),
        telemetry: counters(&telemetry),
        issues: issues.iter().map(issue).collect(),
        artefacts: artefacts(&telemetry),
        run: row(&run, state.clock.now()),
    })
}

pub(crate) async fn start(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let started = start_run(&state, &visitor, &body).await;
    visitor.answer(started)
}

async fn start_run(state: &DashboardState, visitor: &Visitor, body: &Bytes) -> Result<Response, Failed> {
    visitor.must_be(TokenRole::Operator)?;
    let form = visitor.form(state, body)?;
    let days: Option<u16> = form.get("daysBack").and_then(|text| text.parse().ok());
    let days = days.filter(|days| (1..=30).contains(days));
    let days = days.ok_or_else(|| Failed::BadRequest("daysBack: write a number from 1 to 30".to_owned()))?;
    let started = state.operations.start_run(visitor.scope()?, days).await;
    let id = started?;
    tracing::info!(run = id, days, "a run was started from the dashboard");
    Ok(see("/runs?done=run"))
}

fn row(run: &Run, now: chrono::DateTime<chrono::Utc>) -> RunRow {
    let telemetry: Value = serde_json::from_str(&run.telemetry).unwrap_or_default();
    let issues: Value = serde_json::from_str(&run.issues).unwrap_or_default();
    let of = |severity: &str| {
        let issues = issues.as_array().map_or(&[][..], Vec::as_slice);
        issues
            .iter()
            .filter(|issue| text(issue, "/severity") == severity)
            .count() as u64
    };
    let counter = |name: &str| Count::metric(telemetry.get(name).and_then(Value::as_i64));
    RunRow {
        id: run.id,
        kind: run.kind.clone(),
        label: run.label.clone(),
        status: Badge::new(standing(run.status), run.status.as_str()),
        started: At(Some(run.started_at)),
        lasted: match run.finished_at {
            Some(finished) => lasted(run.started_at, finished),
            None => format!("{} so far", lasted(run.started_at, now)),
        },
        range: range(run),
        windows: counter("windowsProcessed"),
        stored: counter("storedEvents"),
        updated: counter("updatedEvents"),
        errors: of("error"),
        warnings: of("warning"),
    }
}

const fn standing(status: RunStatus) -> Standing {
    match status {
        RunStatus::Running => Standing::Unknown,
        RunStatus::Succeeded => Standing::Good,
        RunStatus::Interrupted => Standing::Warn,
        RunStatus::Incomplete | RunStatus::Failed => Standing::Bad,
    }
}

fn range(run: &Run) -> String {
    let (Some(start), Some(end)) = (run.range_start, run.range_end) else {
        return "–".to_owned();
    };
    let last = (end - chrono::TimeDelta::seconds(1)).date_naive();
    if last <= start.date_naive() {
        return day_text(start.date_naive());
    }
    format!("{} – {}", day_text(start.date_naive()), day_text(last))
}

fn facts(run: &Run) -> Vec<Fact> {
    vec![
        Fact::new("Days asked for", Html::text(&range(run))),
        Fact::new("Began", Html::of(At(Some(run.started_at)))),
        Fact::new("Ended", Html::of(At(run.finished_at))),
        Fact::new("Process", Html::code(&run.holder)),
    ]
}

/// The numbers of the telemetry, by the names that operators know.
fn counters(telemetry: &Value) -> Vec<Fact> {
    let fields = telemetry.as_object().into_iter().flatten();
    let numbers = fields.filter_map(|(name, value)| {
        let count = value.as_i64()?;
        Some(Fact::new(name, Html::of(Count::known(count))))
    });
    numbers.collect()
}

/// The files that the telemetry names.
fn artefacts(telemetry: &Value) -> Vec<Fact> {
    let mut found = Vec::new();
    files::artefacts(telemetry, &mut |name, path| {
        found.push(Fact::new(name, Html::code(files::file_name(path))));
    });
    found
}

fn issue(issue: &Value) -> IssueRow {
    let severity = text(issue, "/severity");
    IssueRow {
        severity: Badge::new(
            match severity.as_str() {
                "error" => Standing::Bad,
                "warning" => Standing::Warn,
                _ => Standing::Unknown,
            },
            severity,
        ),
        code: text(issue, "/code"),
        message: text(issue, "/message"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_and_not_where_they_lie() {
        let telemetry = serde_json::json!({
            "storedEvents": 3,
            "parity": [{ "verdict": "matched" }],
            "evidence": { "artifact": "/srv/audit/cron-dry-run/2025-10-01.json" },
        });
        let artefacts = artefacts(&telemetry);
        assert_eq!(artefacts.len(), 1);
        assert_eq!(artefacts[0].value.to_string(), "<code>2025-10-01.json</code>");
        assert_eq!(counters(&telemetry).len(), 1);
    }
}
