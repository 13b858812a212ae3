//! What was spent, by whom, and whether the number can be trusted.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use usage_store::{AccountScope, Ledger, StoredAccount, SummaryQuery, SummaryRow};

use super::bars::Bars;
use super::cards::{Compared, cards, charged, dollars, share, sum};
use super::days::DayStates;
use super::divide::Divide;
use super::names::Names;
use super::ranges::range_choice;
use super::trust;
use crate::dashboard::chart::{DayState, Measure};
use crate::dashboard::chrome::Section;
use crate::dashboard::display::Count;
use crate::dashboard::pages::{Choice, Claim, Overview, Standing, Top, TopRow};
use crate::dashboard::query::{DayRange, Query};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page};

const PATH: &str = "/";
/// How many rows a list of those who used most has.
const TOP: usize = 6;
/// The lists of those who used most: title, column, and by what they are told apart.
const TOPS: [(&str, &str, &str); 4] = [
    ("Projects", "Project", "projectId"),
    ("API keys", "API key", "apiKeyId"),
    ("Users", "User", "userId"),
    ("Models", "Model", "model"),
];

pub(crate) async fn overview(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = make(&state, &visitor).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn make(state: &DashboardState, visitor: &Visitor) -> Result<Overview, Failed> {
    let scope = visitor.scope()?;
    let query = &visitor.query;
    query
        .only(&["from", "to", "by", "measure", "done"])
        .map_err(Failed::BadRequest)?;
    let now = state.clock.now();
    let today = now.date_naive();
    let days = query.days(today).map_err(Failed::BadRequest)?;
    let divide = divided_by(query)?;
    let measure = measure(query)?;
    let ledger = &state.ledger;
    let shown = days.usage(scope);
    let summary = |filter, by| {
        ledger.usage_summary(SummaryQuery {
            filter,
            by,
            period: None,
        })
    };
    let (names, accounts, totals) = tokio::try_join!(
        Names::load(ledger, scope),
        ledger.accounts(scope.clone()),
        summary(shown.clone(), Vec::new()),
    )?;
    let states = DayStates::load(ledger, &shown, days, today).await?;
    let kept = Query::default()
        .with("from", &days.first.to_string())
        .with("to", &days.last.to_string());
    let mut tops = Vec::new();
    for (title, column, name) in TOPS {
        let Some(divide) = Divide::named(name) else {
            continue;
        };
        let rows = summary(shown.clone(), vec![divide.summary_by()]).await?;
        tops.push(top(title, column, divide, &rows, &names, &accounts, &kept));
    }
    let chart = Bars {
        filter: shown.clone(),
        days,
        states: &states,
        divide,
        measure,
        names: &names,
        accounts: &accounts,
    };
    let chart = chart.chart(ledger).await?;
    let totals = sum(&totals);
    let compared = Compared::load(ledger, scope, &states, days, today).await?;
    let is_read = states.count(|state| state > DayState::NotRead) > 0;
    let mut range = range_choice(query, PATH, days, today);
    range.kept.retain(|(name, _)| name != "done");
    Ok(Overview {
        chrome: visitor.chrome("Overview", Section::Overview),
        range,
        is_empty: totals.events == 0 && !is_read && !has_usage(ledger, scope).await?,
        trust: trust(state, &accounts, &states, &kept, days, now).await,
        cards: cards(&totals, &compared, charged(ledger, scope, days).await?),
        unpriced: (totals.unpriced > 0).then(|| Count::known(totals.unpriced)),
        divide: Divide::all()
            .map(|known| choice(known.name, known.label, known == divide))
            .collect(),
        measures: Measure::ALL
            .iter()
            .map(|known| choice(known.as_str(), &known.label().to_lowercase(), *known == measure))
            .collect(),
        chart,
        tops,
    })
}

fn choice(value: &str, label: &str, is_chosen: bool) -> Choice {
    Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen,
    }
}

fn divided_by(query: &Query) -> Result<Divide, Failed> {
    let wanted = query.get("by").unwrap_or("projectId");
    Divide::named(wanted)
        .ok_or_else(|| Failed::BadRequest(format!("by: usage is not divided by `{wanted}` here")))
}

fn measure(query: &Query) -> Result<Measure, Failed> {
    let wanted = query.get("measure").unwrap_or(Measure::Cost.as_str());
    let known = Measure::ALL
        .into_iter()
        .find(|measure| measure.as_str() == wanted);
    known.ok_or_else(|| Failed::BadRequest(format!("measure: `{wanted}` is none of cost, tokens, requests")))
}

async fn has_usage(ledger: &Ledger, scope: &AccountScope) -> Result<bool, Failed> {
    Ok(!ledger.used_projects(scope.clone()).await?.is_empty())
}

/// What the numbers were held against.
async fn trust(
    state: &DashboardState,
    accounts: &[StoredAccount],
    states: &DayStates,
    kept: &Query,
    days: DayRange,
    now: DateTime<Utc>,
) -> Vec<Claim> {
    let all = states.count(|_| true);
    let covered = states.count(|state| state >= DayState::Open);
    let open = states.count(|state| state == DayState::Open);
    let mut text = format!("{covered} of {all} days covered");
    if open > 0 {
        text = format!("{text}, {open} still open");
    }
    let standing = if covered == all {
        Standing::Good
    } else {
        Standing::Warn
    };
    let (read, known) = states.accounts_read();
    let href = format!("{}#unread", kept.href("/explore"));
    let mut claims = vec![limited(standing, text, read, known, &href)];
    claims.extend(trust::claims(state, accounts, days, now).await);
    claims
}

/// A claim that says so if it is one of some of the accounts only, and is no better than a warning then.
fn limited(standing: Standing, mut text: String, known: usize, all: usize, href: &str) -> Claim {
    let mut standing = standing;
    if (1..all).contains(&known) {
        text = format!("{text} (of {known} of {all} accounts)");
        if standing == Standing::Good {
            standing = Standing::Warn;
        }
    }
    Claim {
        standing,
        text,
        href: href.to_owned(),
    }
}

fn top(
    title: &'static str,
    column: &'static str,
    divide: Divide,
    rows: &[SummaryRow],
    names: &Names,
    accounts: &[StoredAccount],
    kept: &Query,
) -> Top {
    let mut rows: Vec<&SummaryRow> = rows.iter().collect();
    by_cost(&mut rows);
    let whole: i128 = rows.iter().map(|row| i128::from(row.sums.cost.get())).sum();
    let shown = rows.iter().take(TOP).map(|row| {
        let key = divide.key(row, accounts);
        let href = kept.with(divide.name, Divide::filter_value(key.as_deref()));
        TopRow {
            name: divide.name(key.as_deref(), names, accounts),
            href: href.href("/explore"),
            cost: dollars(&row.sums),
            share: share(&row.sums, whole),
            tokens: Count::known(row.sums.metrics.tokens()),
            requests: Count::metric(row.sums.metrics.num_model_requests),
        }
    });
    let unseen = || rows.iter().skip(TOP);
    Top {
        title,
        column,
        rows: shown.collect(),
        more: unseen().count(),
        more_unpriced: unseen().filter(|row| row.sums.unpriced > 0).count(),
        href: kept.with("group", divide.name).href("/explore"),
    }
}

/// Those that cost most first, and of those that cost the same, those with most tokens.
fn by_cost(rows: &mut [&SummaryRow]) {
    rows.sort_by_key(|row| {
        (
            std::cmp::Reverse(row.sums.cost),
            std::cmp::Reverse(row.sums.metrics.tokens()),
        )
    });
}
