//! What changed after it had been read completely.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use usage_core::{Dimension, Metric, Metrics, NanoUsd};
use usage_store::{RevisionKind, StoredEvent, StoredRevision};

use super::names::Names;
use super::ranges::range_choice;
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{At, Count, Dollars, Fact, Html, Named, grouped};
use crate::dashboard::pages::{Badge, Link, MetricChange, Pages, RestatementRow, Restatements, Standing};
use crate::dashboard::query::DayRange;
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page};

const PATH: &str = "/restatements";
/// How many changes a page has.
const ROWS: usize = 50;
/// What is told at once of a change that is of more metrics, as most are: a class of tokens has its sum.
const MAIN: [Metric; 3] = [
    Metric::InputTokens,
    Metric::OutputTokens,
    Metric::NumModelRequests,
];
/// How many numbers of a change are told at once, the cost among them.
const AT_ONCE: usize = MAIN.len() + 1;
/// What each kind is called, and whether the provider did it.
const KINDS: [(RevisionKind, Standing); 5] = [
    (RevisionKind::Changed, Standing::Warn),
    (RevisionKind::Retracted, Standing::Bad),
    (RevisionKind::Added, Standing::Warn),
    (RevisionKind::Cleaned, Standing::Unknown),
    (RevisionKind::Repriced, Standing::Unknown),
];

pub(crate) async fn restatements(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = make(&state, &visitor).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn make(state: &DashboardState, visitor: &Visitor) -> Result<Restatements, Failed> {
    let scope = visitor.scope()?;
    let query = &visitor.query;
    query
        .only(&["from", "to", "kind", "page"])
        .map_err(Failed::BadRequest)?;
    let today = state.clock.now().date_naive();
    let days = query.days(today).map_err(Failed::BadRequest)?;
    let kind = match query.get("kind") {
        None => None,
        Some(text) => {
            let known = KINDS.iter().find(|(kind, _)| kind.as_str() == text);
            let unknown = || Failed::BadRequest(format!("kind: `{text}` is no kind of restatement"));
            Some(known.ok_or_else(unknown)?.0)
        }
    };
    let number = match query.get("page") {
        None => 0,
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Failed::BadRequest(format!("page: `{text}` is no number of a page")))?,
    };
    let names = Names::load(&state.ledger, scope).await?;
    let revisions = state.ledger.revisions(scope.clone()).await?;
    let afters = afters(state, &revisions, days).await?;
    let mut chosen: Vec<&StoredRevision> = revisions
        .iter()
        .filter(|revision| is_in(days, revision))
        .filter(|revision| match kind {
            Some(kind) => revision.kind == kind,
            // A new price is no restatement.
            None => revision.kind != RevisionKind::Repriced,
        })
        .collect();
    chosen.reverse();
    let link = |label: &str, wanted: Option<RevisionKind>| {
        let other = query.without(&["kind", "page"]);
        Link {
            label: label.to_owned(),
            href: wanted
                .map_or(other.clone(), |kind| other.with("kind", kind.as_str()))
                .href(PATH),
            is_current: wanted == kind,
        }
    };
    let mut kinds = vec![link("all", None)];
    kinds.extend(KINDS.iter().map(|(kind, _)| link(kind.as_str(), Some(*kind))));
    let first = number.saturating_mul(ROWS);
    let rows = chosen
        .iter()
        .skip(first)
        .take(ROWS)
        .map(|revision| row(revision, &names, &afters));
    Ok(Restatements {
        chrome: visitor.chrome("Restatements", Section::Restatements),
        range: range_choice(&query.without(&["page"]), PATH, days, today),
        kinds,
        totals: vec![Fact::new(
            "In this range",
            Html::of(Count::known(chosen.len() as u64)),
        )],
        rows: rows.collect(),
        pages: Pages {
            first: (number > 0).then(|| query.without(&["page"]).href(PATH)),
            next: (chosen.len() > first.saturating_add(ROWS))
                .then(|| query.with("page", &(number + 1).to_string()).href(PATH)),
        },
    })
}

fn is_in(days: DayRange, revision: &StoredRevision) -> bool {
    let start = revision.before.event.window.start();
    days.start() <= start && start < days.end()
}

/// What a row became: its numbers and its cost.
type After = (Metrics, Option<NanoUsd>);

/// What stood after each revision: the next revision of the same row, or the row as it is now.
async fn afters(
    state: &DashboardState,
    revisions: &[StoredRevision],
    days: DayRange,
) -> Result<HashMap<([u8; 16], i64), After>, Failed> {
    let mut afters = HashMap::new();
    let mut windows = Vec::new();
    for revision in revisions.iter().filter(|revision| is_in(days, revision)) {
        let before = &revision.before;
        let price = before.price.and_then(|price| price.cost);
        let key = *before.event.key().as_bytes();
        afters.insert((key, before.revision - 1), (before.event.metrics, price));
        windows.push((before.account_id, before.event.window));
    }
    windows.sort_unstable();
    windows.dedup();
    for (account, window) in windows {
        let scope = usage_store::AccountScope::Only(vec![account]);
        for stored in state
            .ledger
            .all_events(usage_store::EventQuery::window(scope, window))
            .await?
        {
            let price = stored.price.and_then(|price| price.cost);
            let key = *stored.event.key().as_bytes();
            afters.insert((key, stored.revision - 1), (stored.event.metrics, price));
        }
    }
    Ok(afters)
}

fn row(revision: &StoredRevision, names: &Names, afters: &HashMap<([u8; 16], i64), After>) -> RestatementRow {
    let before = &revision.before;
    let event = &before.event;
    let standing = KINDS.iter().find(|(kind, _)| *kind == revision.kind);
    let after = match revision.kind {
        RevisionKind::Retracted | RevisionKind::Cleaned => None,
        _ => afters.get(&(*event.key().as_bytes(), before.revision)),
    };
    let run = revision.replaced_by_run;
    let mut changes = changes(revision, after);
    let others = changes.split_off(changes.len().min(AT_ONCE));
    RestatementRow {
        at: At(Some(revision.replaced_at)),
        kind: Badge::new(
            standing.map_or(Standing::Unknown, |(_, standing)| *standing),
            revision.kind.as_str(),
        ),
        window: At(Some(event.window.start())),
        endpoint: event.endpoint.to_string(),
        project: names.of(Dimension::ProjectId, event.dimensions.get(Dimension::ProjectId)),
        model: Named {
            id: None,
            name: event.dimensions.model.clone(),
        },
        changes,
        others,
        run: Html::link(&format!("/runs/{run}"), &run.to_string()),
    }
}

/// Every number that changed, those first that say most.
fn changes(revision: &StoredRevision, after: Option<&After>) -> Vec<MetricChange> {
    let before = &revision.before;
    let mut changes = metric_changes(&MAIN, before, after);
    let old = before.price.and_then(|price| price.cost);
    let new = after.and_then(|(_, cost)| *cost);
    if old != new {
        changes.push(MetricChange {
            label: "est. cost".to_owned(),
            before: Html::of(Dollars::fine_or_unpriced(old)),
            after: match after {
                Some(_) => Html::of(Dollars::fine_or_unpriced(new)),
                None => Html::text("gone"),
            },
            difference: String::new(),
        });
    }
    let others: Vec<Metric> = Metric::ALL
        .into_iter()
        .filter(|metric| !MAIN.contains(metric))
        .collect();
    changes.extend(metric_changes(&others, before, after));
    changes
}

/// Those of these metrics that changed.
fn metric_changes(of: &[Metric], before: &StoredEvent, after: Option<&After>) -> Vec<MetricChange> {
    let nothing = Metrics::default();
    let metrics = after.map_or(&nothing, |(metrics, _)| metrics);
    let mut changes = Vec::new();
    for metric in of.iter().copied() {
        let (old, new) = (before.event.metrics.get(metric), metrics.get(metric));
        if old != new {
            let difference = i128::from(new.unwrap_or(0)) - i128::from(old.unwrap_or(0));
            changes.push(MetricChange {
                label: metric.as_str().replace('_', " "),
                before: Html::of(Count::metric(old)),
                after: Html::of(Count::metric(new)),
                difference: signed(difference),
            });
        }
    }
    changes
}

fn signed(difference: i128) -> String {
    let sign = if difference > 0 { "+" } else { "" };
    format!("{sign}{}", grouped(difference))
}
