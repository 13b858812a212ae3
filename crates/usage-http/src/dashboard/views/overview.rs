//! What was spent, by whom, and whether the number can be trusted.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use usage_core::{Dimension, NanoUsd};
use usage_store::{
    AccountScope, CostQuery, Ledger, Period, StoredAccount, SummaryBy, SummaryQuery, SummaryRow, UsageFilter,
    UsageSums,
};

use super::days::DayStates;
use super::names::Names;
use super::ranges::range_choice;
use super::trust;
use crate::dashboard::chart::{ChartDay, DailyChart, Measure, Series};
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{Change, Count, Dollars, Named, Percent, grouped};
use crate::dashboard::pages::{Card, Choice, Claim, Overview, Standing, Top, TopRow, Value};
use crate::dashboard::query::{DIMENSIONS, DayRange, NONE, Query};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page};

const PATH: &str = "/";
/// How many parts a bar has before the rest is one.
const SERIES: usize = 8;
/// How many rows a list of those who used most has.
const TOP: usize = 6;

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
    let (dimension, by) = divided_by(query)?;
    let measure = measure(query)?;
    let ledger = &state.ledger;
    let filter = |days: DayRange| UsageFilter {
        start: Some(days.start()),
        end: Some(days.end()),
        ..UsageFilter::all(scope.clone())
    };
    let summary =
        |filter, by: Vec<SummaryBy>, period| ledger.usage_summary(SummaryQuery { filter, by, period });
    let of = |dimension| vec![SummaryBy::Dimension(dimension)];
    let (names, daily, totals) = tokio::try_join!(
        Names::load(ledger, scope),
        summary(filter(days), of(dimension), Some(Period::Day)),
        summary(filter(days), Vec::new(), None),
    )?;
    let states = DayStates::load(ledger, scope, days).await?;
    let before = match days.before() {
        Some(before) => Some(Before {
            sums: sum(&summary(filter(before), Vec::new(), None).await?),
            is_known: DayStates::load(ledger, scope, before).await?.are_closed(),
            days: before.count(),
        }),
        None => None,
    };
    let (projects, keys, users, models) = tokio::try_join!(
        summary(filter(days), of(Dimension::ProjectId), None),
        summary(filter(days), of(Dimension::ApiKeyId), None),
        summary(filter(days), of(Dimension::UserId), None),
        summary(filter(days), of(Dimension::Model), None),
    )?;
    let totals = sum(&totals);
    let accounts = ledger.accounts(scope.clone()).await?;
    let kept = Query::default()
        .with("from", &days.first.to_string())
        .with("to", &days.last.to_string());
    let top =
        |title, column, dimension, rows: &[SummaryRow]| top(title, column, dimension, rows, &names, &kept);
    let is_read = states.count(|state| state > crate::dashboard::chart::DayState::NotRead) > 0;
    let mut range = range_choice(query, PATH, days, today);
    range.kept.retain(|(name, _)| name != "done");
    Ok(Overview {
        chrome: visitor.chrome("Overview", Section::Overview),
        range,
        is_empty: totals.events == 0 && !is_read && !has_usage(ledger, scope).await?,
        trust: trust(state, &accounts, &states, &kept, days, now).await,
        cards: cards(&totals, before.as_ref(), charged(ledger, scope, days).await?),
        unpriced: (totals.unpriced > 0).then(|| Count::known(totals.unpriced)),
        divide: DIMENSIONS
            .iter()
            .map(|(_, value, label)| choice(value, label, *value == by))
            .collect(),
        measures: Measure::ALL
            .iter()
            .map(|known| choice(known.as_str(), &known.label().to_lowercase(), *known == measure))
            .collect(),
        chart: chart(&daily, &states, &names, dimension, measure, days),
        tops: vec![
            top("Projects", "Project", Dimension::ProjectId, &projects),
            top("API keys", "API key", Dimension::ApiKeyId, &keys),
            top("Users", "User", Dimension::UserId, &users),
            top("Models", "Model", Dimension::Model, &models),
        ],
    })
}

fn choice(value: &str, label: &str, is_chosen: bool) -> Choice {
    Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen,
    }
}

fn divided_by(query: &Query) -> Result<(Dimension, &'static str), Failed> {
    let wanted = query.get("by").unwrap_or("projectId");
    let known = DIMENSIONS.iter().find(|(_, name, _)| *name == wanted);
    known
        .map(|(dimension, name, _)| (*dimension, *name))
        .ok_or_else(|| Failed::BadRequest(format!("by: usage is not divided by `{wanted}` here")))
}

fn measure(query: &Query) -> Result<Measure, Failed> {
    let wanted = query.get("measure").unwrap_or(Measure::Cost.as_str());
    let known = Measure::ALL
        .into_iter()
        .find(|measure| measure.as_str() == wanted);
    known.ok_or_else(|| Failed::BadRequest(format!("measure: `{wanted}` is none of cost, tokens, requests")))
}

/// The one row of a sum that is told apart by nothing.
fn sum(rows: &[SummaryRow]) -> UsageSums {
    rows.first().map(|row| row.sums).unwrap_or_default()
}

async fn has_usage(ledger: &Ledger, scope: &AccountScope) -> Result<bool, Failed> {
    Ok(!ledger.used_projects(scope.clone()).await?.is_empty())
}

/// What the provider charged in dollars, as far as the days are read; `None` if it said nothing.
async fn charged(ledger: &Ledger, scope: &AccountScope, days: DayRange) -> Result<Option<NanoUsd>, Failed> {
    let windows = usage_core::WindowRange::days(days.first, days.last)
        .map_err(|error| Failed::BadRequest(error.to_string()))?;
    let query = CostQuery {
        scope: scope.clone(),
        windows: Some(windows),
    };
    Ok(ledger.charged(query).await?)
}

/// The same days before, to compare with.
struct Before {
    sums: UsageSums,
    is_known: bool,
    days: i64,
}

fn cards(now: &UsageSums, before: Option<&Before>, charged: Option<NanoUsd>) -> Vec<Card> {
    let known = before.filter(|before| before.is_known);
    let change = |of: &dyn Fn(&UsageSums) -> i128| {
        known.map_or(Change::Unknown, |before| {
            Change::between(of(&before.sums), of(now))
        })
    };
    let from = |text: &dyn Fn(&UsageSums) -> String| match (known, before) {
        (Some(before), _) => format!("from {} in the {} days before", text(&before.sums), before.days),
        (None, Some(before)) => format!("since the {} days before were not all read", before.days),
        (None, None) => String::new(),
    };
    let input =
        |sums: &UsageSums| sums.metrics.tokens() - i128::from(sums.metrics.output_tokens.unwrap_or(0));
    let cached = |sums: &UsageSums| i128::from(sums.split.cached_read.unwrap_or(0));
    let share = |sums: &UsageSums| Percent::of(cached(sums), input(sums));
    let points = match (
        known.map(|before| share(&before.sums).tenths()),
        share(now).tenths(),
    ) {
        (Some(Some(before)), Some(now)) => Change::Points(now - before),
        _ => Change::Unknown,
    };
    let requests = |sums: &UsageSums| i128::from(sums.metrics.num_model_requests.unwrap_or(0));
    let cost = |sums: &UsageSums| i128::from(sums.cost.get());
    vec![
        Card {
            label: "Estimated spend",
            value: Value::Dollars(Dollars::of(now.cost)),
            change: change(&cost),
            before: from(&|sums| Dollars::of(sums.cost).short().to_owned()),
            note: match charged {
                Some(charged) => format!(
                    "by the price list; charged so far: {}",
                    Dollars::of(charged).short()
                ),
                None => "by the price list; what was charged was not read".to_owned(),
            },
        },
        Card {
            label: "Tokens",
            value: Value::Count(Count::known(now.metrics.tokens())),
            change: change(&|sums| sums.metrics.tokens()),
            before: from(&|sums| grouped(sums.metrics.tokens())),
            note: format!(
                "{} in, {} out",
                grouped(input(now)),
                grouped(now.metrics.output_tokens.unwrap_or(0).into())
            ),
        },
        Card {
            label: "Requests",
            value: Value::Count(Count::known(requests(now))),
            change: change(&requests),
            before: from(&|sums| grouped(requests(sums))),
            note: "to models".to_owned(),
        },
        Card {
            label: "Cached share",
            value: Value::Percent(share(now)),
            change: points,
            before: known.map_or_else(String::new, |before| {
                share(&before.sums)
                    .tenths()
                    .map_or_else(String::new, |_| format!("from {}", share(&before.sums)))
            }),
            note: format!("of input: {} tokens read from the cache", grouped(cached(now))),
        },
    ]
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
    use crate::dashboard::chart::DayState;
    let all = states.count(|_| true);
    let covered = states.count(|state| state >= DayState::Open);
    let open = states.count(|state| state == DayState::Open);
    let mut text = format!("{covered} of {all} days covered");
    if open > 0 {
        text = format!("{text}, {open} still open");
    }
    let mut claims = vec![Claim {
        standing: if covered == all {
            Standing::Good
        } else {
            Standing::Warn
        },
        text,
        href: kept.href("/explore"),
    }];
    claims.extend(trust::claims(state, accounts, days, now).await);
    claims
}

fn value(measure: Measure, sums: &UsageSums) -> i128 {
    match measure {
        Measure::Cost => sums.cost.get().into(),
        Measure::Tokens => sums.metrics.tokens(),
        Measure::Requests => sums.metrics.num_model_requests.unwrap_or(0).into(),
    }
}

fn chart(
    rows: &[SummaryRow],
    states: &DayStates,
    names: &Names,
    dimension: Dimension,
    measure: Measure,
    days: DayRange,
) -> DailyChart {
    let mut totals: BTreeMap<Option<&str>, i128> = BTreeMap::new();
    let mut cells: BTreeMap<(NaiveDate, Option<&str>), i128> = BTreeMap::new();
    for row in rows {
        let Some(day) = row.period_start.map(|start| start.date_naive()) else {
            continue;
        };
        let key = row.dimensions.get(&dimension).and_then(Option::as_deref);
        let value = value(measure, &row.sums);
        *totals.entry(key).or_default() += value;
        *cells.entry((day, key)).or_default() += value;
    }
    let mut largest: Vec<(Option<&str>, i128)> = totals.into_iter().filter(|(_, total)| *total > 0).collect();
    // By name where they are equal, so that colours do not change from load to load.
    largest.sort_by_key(|(key, total)| (std::cmp::Reverse(*total), *key));
    let shown = if largest.len() > SERIES + 1 {
        SERIES
    } else {
        largest.len()
    };
    let rest = largest.split_off(shown);
    let mut series: Vec<Series> = largest
        .iter()
        .enumerate()
        .map(|(number, (key, total))| Series {
            label: label(names, dimension, *key),
            colour: (number < SERIES).then_some(number),
            total: *total,
        })
        .collect();
    if !rest.is_empty() {
        series.push(Series {
            label: format!("{} others", rest.len()),
            colour: None,
            total: rest.iter().map(|(_, total)| total).sum(),
        });
    }
    let cell = |day, key: Option<&str>| cells.get(&(day, key)).copied().unwrap_or(0);
    let days = days.each().map(|day| {
        let mut values: Vec<i128> = largest.iter().map(|(key, _)| cell(day, *key)).collect();
        if !rest.is_empty() {
            values.push(rest.iter().map(|(key, _)| cell(day, *key)).sum());
        }
        ChartDay {
            day,
            state: states.of_day(day),
            values,
        }
    });
    DailyChart {
        measure,
        by: DIMENSIONS
            .iter()
            .find(|(known, _, _)| *known == dimension)
            .map_or_else(String::new, |(_, _, label)| (*label).to_owned()),
        series,
        days: days.collect(),
    }
}

/// What a value is called.
pub(super) fn label(names: &Names, dimension: Dimension, value: Option<&str>) -> String {
    match (dimension, value) {
        (Dimension::Batch, Some("true")) => "batch".to_owned(),
        (Dimension::Batch, Some("false")) => "not batch".to_owned(),
        (_, None) => "none".to_owned(),
        _ => names.of(dimension, value).label().to_owned(),
    }
}

fn top(
    title: &'static str,
    column: &'static str,
    dimension: Dimension,
    rows: &[SummaryRow],
    names: &Names,
    kept: &Query,
) -> Top {
    let mut rows: Vec<&SummaryRow> = rows.iter().collect();
    rows.sort_by_key(|row| {
        (
            std::cmp::Reverse(row.sums.cost),
            std::cmp::Reverse(row.sums.metrics.tokens()),
        )
    });
    let whole: i128 = rows.iter().map(|row| i128::from(row.sums.cost.get())).sum();
    let parameter = DIMENSIONS
        .iter()
        .find(|(known, _, _)| *known == dimension)
        .map_or("", |(_, name, _)| name);
    let shown = rows.iter().take(TOP).map(|row| {
        let value = row.dimensions.get(&dimension).and_then(Option::as_deref);
        let name = match value {
            Some(_) => names.of(dimension, value),
            None => Named { id: None, name: None },
        };
        TopRow {
            name,
            href: kept.with(parameter, value.unwrap_or(NONE)).href("/explore"),
            cost: Dollars::of(row.sums.cost),
            share: Percent::of(row.sums.cost.get().into(), whole),
            tokens: Count::known(row.sums.metrics.tokens()),
            requests: Count::metric(row.sums.metrics.num_model_requests),
        }
    });
    Top {
        title,
        column,
        rows: shown.collect(),
        more: rows.len().saturating_sub(TOP),
        href: kept.href("/explore"),
    }
}
