//! What was spent, by whom, and whether the number can be trusted.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use usage_store::{
    AccountScope, Ledger, Period, StoredAccount, SummaryBy, SummaryQuery, SummaryRow, UsageFilter, UsageSums,
};

use super::cards::{Compared, cards, charged, dollars, share, sum};
use super::days::DayStates;
use super::divide::Divide;
use super::names::Names;
use super::ranges::range_choice;
use super::trust;
use crate::dashboard::chart::{ChartDay, DailyChart, DayState, Measure, Series};
use crate::dashboard::chrome::Section;
use crate::dashboard::display::Count;
use crate::dashboard::pages::{Choice, Claim, Overview, Standing, Top, TopRow};
use crate::dashboard::query::{DayRange, Query};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page};

const PATH: &str = "/";
/// How many parts a bar has before the rest is one.
const SERIES: usize = 8;
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
    let filter = |days: DayRange| UsageFilter {
        start: Some(days.start()),
        end: Some(days.end()),
        ..UsageFilter::all(scope.clone())
    };
    let summary =
        |filter, by: Vec<SummaryBy>, period| ledger.usage_summary(SummaryQuery { filter, by, period });
    let (names, accounts, daily, totals) = tokio::try_join!(
        Names::load(ledger, scope),
        ledger.accounts(scope.clone()),
        summary(filter(days), vec![divide.summary_by()], Some(Period::Day)),
        summary(filter(days), Vec::new(), None),
    )?;
    let states = DayStates::load(ledger, &filter(days), days, today).await?;
    let kept = Query::default()
        .with("from", &days.first.to_string())
        .with("to", &days.last.to_string());
    let mut tops = Vec::new();
    for (title, column, name) in TOPS {
        let Some(divide) = Divide::named(name) else {
            continue;
        };
        let rows = summary(filter(days), vec![divide.summary_by()], None).await?;
        tops.push(top(title, column, divide, &rows, &names, &accounts, &kept));
    }
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
        chart: Bars::of(&daily, divide, measure, &accounts).chart(&states, &names, &accounts, days),
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

fn value(measure: Measure, sums: &UsageSums) -> i128 {
    match measure {
        Measure::Cost => sums.cost.get().into(),
        Measure::Tokens => sums.metrics.tokens(),
        Measure::Requests => sums.metrics.num_model_requests.unwrap_or(0).into(),
    }
}

/// What was used on each day, by the values that it is divided by.
struct Bars {
    divide: Divide,
    measure: Measure,
    totals: BTreeMap<Option<String>, i128>,
    cells: BTreeMap<(NaiveDate, Option<String>), i128>,
    /// The events of each day, and those without a price.
    events: BTreeMap<NaiveDate, (u64, u64)>,
}

impl Bars {
    fn of(rows: &[SummaryRow], divide: Divide, measure: Measure, accounts: &[StoredAccount]) -> Self {
        let mut bars = Self {
            divide,
            measure,
            totals: BTreeMap::new(),
            cells: BTreeMap::new(),
            events: BTreeMap::new(),
        };
        for row in rows {
            let Some(day) = row.period_start.map(|start| start.date_naive()) else {
                continue;
            };
            let key = divide.key(row, accounts);
            let value = value(measure, &row.sums);
            *bars.totals.entry(key.clone()).or_default() += value;
            *bars.cells.entry((day, key)).or_default() += value;
            let events = bars.events.entry(day).or_default();
            events.0 += row.sums.events;
            events.1 += row.sums.unpriced;
        }
        bars
    }

    fn chart(
        mut self,
        states: &DayStates,
        names: &Names,
        accounts: &[StoredAccount],
        days: DayRange,
    ) -> DailyChart {
        let mut largest: Vec<(Option<String>, i128)> = std::mem::take(&mut self.totals)
            .into_iter()
            .filter(|(_, total)| *total > 0)
            .collect();
        // By name where they are equal, so that colours do not change from load to load.
        largest.sort_by(|(key, total), (other, others)| others.cmp(total).then_with(|| key.cmp(other)));
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
                label: self
                    .divide
                    .name(key.as_deref(), names, accounts)
                    .label()
                    .to_owned(),
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
        let cell = |day, key: &Option<String>| self.cells.get(&(day, key.clone())).copied().unwrap_or(0);
        let days = days.each().map(|day| {
            let mut values: Vec<i128> = largest.iter().map(|(key, _)| cell(day, key)).collect();
            if !rest.is_empty() {
                values.push(rest.iter().map(|(key, _)| cell(day, key)).sum());
            }
            let (events, unpriced) = self.events.get(&day).copied().unwrap_or_default();
            ChartDay {
                day,
                state: states.of_day(day),
                values,
                events,
                unpriced,
            }
        });
        DailyChart {
            measure: self.measure,
            by: self.divide.label.to_owned(),
            days: days.collect(),
            series,
        }
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
