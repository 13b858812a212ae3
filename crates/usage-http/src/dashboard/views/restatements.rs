//! What changed after it had been read completely.

use axum::extract::State;
use axum::response::Response;
use usage_core::{CostRow, Dimension, Metric, Metrics, WindowRange};
use usage_store::{CostChange, CostQuery, RevisionKind, RevisionPageQuery, StoredEvent, StoredRevision};

use super::names::Names;
use super::ranges::range_choice;
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{At, Count, Day, Dollars, Fact, Html, Named, grouped};
use crate::dashboard::pages::{
    Badge, ChargeRow, Link, MetricChange, Pages, RestatementRow, Restatements, Standing,
};
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
        .only(&["from", "to", "kind", "after"])
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
    let after = query.get("after").map(str::parse).transpose();
    let after = after.map_err(|error| Failed::BadRequest(format!("after: {error}")))?;
    let kinds = match kind {
        Some(kind) => vec![kind],
        // A new price is no restatement.
        None => KINDS
            .map(|(kind, _)| kind)
            .into_iter()
            .filter(|kind| *kind != RevisionKind::Repriced)
            .collect(),
    };
    let wanted = RevisionPageQuery {
        scope: scope.clone(),
        start: Some(days.start()),
        end: Some(days.end()),
        kinds,
        after,
        limit: ROWS,
    };
    let ledger = &state.ledger;
    let (names, count, found) = tokio::try_join!(
        Names::load(ledger, scope),
        ledger.revision_count(wanted.clone()),
        ledger.revision_page(wanted),
    )?;
    // Charges have a list of their own, on the first page.
    let (charges_count, charges) = if kind.is_none() && after.is_none() {
        let windows = WindowRange::days(days.first, days.last);
        let query = CostQuery {
            scope: scope.clone(),
            windows: Some(windows.map_err(|error| Failed::BadRequest(error.to_string()))?),
        };
        ledger.latest_cost_changes(query, ROWS).await?
    } else {
        (0, Vec::new())
    };
    let afters = ledger.after_revisions(found.revisions.clone()).await?;
    let link = |label: &str, wanted: Option<RevisionKind>| {
        let other = query.without(&["kind", "after"]);
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
    let rows = found
        .revisions
        .iter()
        .zip(&afters)
        .map(|(revision, after)| row(revision, &names, after.as_ref()));
    Ok(Restatements {
        chrome: visitor.chrome("Restatements", Section::Restatements),
        range: range_choice(&query.without(&["after"]), PATH, days, today),
        kinds,
        is_one_kind: kind.is_some(),
        totals: vec![Fact::new("In this range", Html::of(Count::known(count)))],
        rows: rows.collect(),
        charges: charges.iter().map(|change| charge(change, &names)).collect(),
        more_charges: charges_count.saturating_sub(charges.len() as u64),
        pages: Pages {
            first: after.map(|_| query.without(&["after"]).href(PATH)),
            next: found
                .next
                .map(|next| query.with("after", &next.to_string()).href(PATH)),
        },
    })
}

fn row(revision: &StoredRevision, names: &Names, after: Option<&StoredEvent>) -> RestatementRow {
    let before = &revision.before;
    let event = &before.event;
    let standing = KINDS.iter().find(|(kind, _)| *kind == revision.kind);
    let after = match revision.kind {
        RevisionKind::Retracted | RevisionKind::Cleaned => None,
        _ => after,
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
        key: names.of(Dimension::ApiKeyId, event.dimensions.get(Dimension::ApiKeyId)),
        user: names.of(Dimension::UserId, event.dimensions.get(Dimension::UserId)),
        model: Named {
            id: None,
            name: event.dimensions.model.clone(),
        },
        changes,
        others,
        run: Html::link(&format!("/runs/{run}"), &run.to_string()),
    }
}

fn charge(change: &CostChange, names: &Names) -> ChargeRow {
    let currency = change.group.currency();
    let is_dollars = currency.as_deref() == Some("usd");
    let amount = |row: &Option<CostRow>| match row {
        None => Html::text("gone"),
        Some(row) => match &row.amount {
            None => Html::of(Count(None)),
            Some(amount) if is_dollars => Html::of(Dollars::of_text(amount.text())),
            Some(amount) => Html::text(amount.text()),
        },
    };
    let run = change.run_id;
    ChargeRow {
        at: At(Some(change.changed_at)),
        day: Day(change.window.utc_day()),
        item: change.group.line_item().unwrap_or("not said").to_owned(),
        project: names.of(Dimension::ProjectId, change.group.project_id()),
        currency: currency.filter(|_| !is_dollars),
        before: match change.before {
            None => Html::text("nothing"),
            Some(_) => amount(&change.before),
        },
        after: amount(&change.after),
        run: Html::link(&format!("/runs/{run}"), &run.to_string()),
    }
}

/// Every number that changed, those first that say most.
fn changes(revision: &StoredRevision, after: Option<&StoredEvent>) -> Vec<MetricChange> {
    let before = &revision.before;
    let mut changes = metric_changes(&MAIN, before, after);
    let old = before.price.and_then(|price| price.cost);
    let new = after.and_then(|after| after.price).and_then(|price| price.cost);
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
fn metric_changes(of: &[Metric], before: &StoredEvent, after: Option<&StoredEvent>) -> Vec<MetricChange> {
    let nothing = Metrics::default();
    let metrics = after.map_or(&nothing, |after| &after.event.metrics);
    let mut changes = Vec::new();
    for metric in of.iter().copied() {
        let (old, new) = (before.event.metrics.get(metric), metrics.get(metric));
        if old != new {
            let difference = i128::from(new.unwrap_or(0)) - i128::from(old.unwrap_or(0));
            changes.push(MetricChange {
                label: metric.as_str().replace('_', " "),
                before: Html::of(Count::metric(old)),
                after: match after {
                    Some(_) => Html::of(Count::metric(new)),
                    None => Html::text("gone"),
                },
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
