//! The numbers at the head of the overview, and how they changed.

use chrono::NaiveDate;
use usage_core::{Endpoint, NanoUsd};
use usage_store::{AccountScope, CostQuery, CoverageQuery, Ledger, SummaryQuery, SummaryRow, UsageSums};

use super::days::DayStates;
use crate::dashboard::display::{Change, Count, Dollars, Percent, grouped};
use crate::dashboard::pages::{Card, Value};
use crate::dashboard::query::DayRange;
use crate::dashboard::visitor::Failed;

/// What the provider charged in dollars, as far as the days are read; `None` if they are not.
pub(super) async fn charged(
    ledger: &Ledger,
    scope: &AccountScope,
    days: DayRange,
) -> Result<Option<NanoUsd>, Failed> {
    let windows = usage_core::WindowRange::days(days.first, days.last)
        .map_err(|error| Failed::BadRequest(error.to_string()))?;
    let query = CostQuery {
        scope: scope.clone(),
        windows: Some(windows),
    };
    let charged = ledger.charged(query).await?;
    if charged.is_some() {
        return Ok(charged);
    }
    let read = CoverageQuery {
        scope: scope.clone(),
        endpoint: Some(Endpoint::Costs),
        windows: Some(windows),
    };
    let is_read = !ledger.coverage(read).await?.is_empty();
    Ok(is_read.then_some(NanoUsd::ZERO))
}

/// The days of the range that are over, and as many before them.
pub(super) enum Compared {
    Known {
        now: Box<UsageSums>,
        before: Box<UsageSums>,
        days: i64,
        /// Whether the range has more days, which are not over yet.
        are_some: bool,
    },
    /// Why nobody knows.
    Unknown(String),
}

impl Compared {
    /// Sums up both.
    pub(super) async fn load(
        ledger: &Ledger,
        scope: &AccountScope,
        states: &DayStates,
        days: DayRange,
        today: NaiveDate,
    ) -> Result<Self, Failed> {
        let Some(closed) = states.closed() else {
            return Ok(Self::Unknown(
                "since not every day of the range was read after its end".to_owned(),
            ));
        };
        let Some(before) = closed.before() else {
            return Ok(Self::Unknown(String::new()));
        };
        let summary = async |days: DayRange| {
            let query = SummaryQuery {
                filter: days.usage(scope),
                by: Vec::new(),
                period: None,
            };
            ledger.usage_summary(query).await
        };
        if !DayStates::load(ledger, &before.usage(scope), before, today)
            .await?
            .are_closed()
        {
            let days = days_text(before.count());
            return Ok(Self::Unknown(format!(
                "since the {days} before were not all read"
            )));
        }
        Ok(Self::Known {
            now: Box::new(sum(&summary(closed).await?)),
            before: Box::new(sum(&summary(before).await?)),
            days: closed.count(),
            are_some: closed.count() < days.count(),
        })
    }
}

fn days_text(count: i64) -> String {
    if count == 1 {
        "day".to_owned()
    } else {
        format!("{count} days")
    }
}

/// The numbers of the range, each with how it changed.
pub(super) fn cards(all: &UsageSums, compared: &Compared, charged: Option<NanoUsd>) -> Vec<Card> {
    let change = |of: &dyn Fn(&UsageSums) -> i128| match compared {
        Compared::Known { now, before, .. } => Change::between(of(before), of(now)),
        Compared::Unknown(_) => Change::Unknown,
    };
    let from = |text: &dyn Fn(&UsageSums) -> String| match compared {
        Compared::Known {
            now,
            before,
            days,
            are_some: true,
        } => format!(
            "from {} to {} in the {} that {} over",
            text(before),
            text(now),
            days_text(*days),
            if *days == 1 { "is" } else { "are" }
        ),
        Compared::Known { before, days, .. } => {
            format!("from {} in the {} before", text(before), days_text(*days))
        }
        Compared::Unknown(why) => why.clone(),
    };
    let input =
        |sums: &UsageSums| sums.metrics.tokens() - i128::from(sums.metrics.output_tokens.unwrap_or(0));
    let cached = |sums: &UsageSums| i128::from(sums.split.cached_read.unwrap_or(0));
    let share = |sums: &UsageSums| Percent::of(cached(sums), input(sums));
    let points = match compared {
        Compared::Known { now, before, .. } => match (share(before).tenths(), share(now).tenths()) {
            (Some(before), Some(now)) => Change::Points(now - before),
            _ => Change::Unknown,
        },
        Compared::Unknown(_) => Change::Unknown,
    };
    let requests = |sums: &UsageSums| i128::from(sums.metrics.num_model_requests.unwrap_or(0));
    let cost = |sums: &UsageSums| i128::from(sums.cost.get());
    vec![
        Card {
            label: "Estimated spend",
            value: Value::Dollars(dollars(all)),
            change: change(&cost),
            before: from(&|sums| dollars(sums).short().to_owned()),
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
            value: Value::Count(Count::known(all.metrics.tokens())),
            change: change(&|sums| sums.metrics.tokens()),
            before: from(&|sums| grouped(sums.metrics.tokens())),
            note: format!(
                "{} in, {} out",
                grouped(input(all)),
                grouped(all.metrics.output_tokens.unwrap_or(0).into())
            ),
        },
        Card {
            label: "Requests",
            value: Value::Count(Count::known(requests(all))),
            change: change(&requests),
            before: from(&|sums| grouped(requests(sums))),
            note: "to models".to_owned(),
        },
        Card {
            label: "Cached share",
            value: Value::Percent(share(all)),
            change: points,
            before: from(&|sums| share(sums).text()),
            note: format!("of input: {} tokens read from the cache", grouped(cached(all))),
        },
    ]
}

/// What usage cost; at least so much, if some of it has no price.
pub(super) fn dollars(sums: &UsageSums) -> Dollars {
    Dollars::of_priced(sums.cost, sums.events, sums.unpriced)
}

/// The share in what everything cost; of what has no price, nobody knows it.
pub(super) fn share(sums: &UsageSums, whole: i128) -> Percent {
    if sums.unpriced > 0 && sums.unpriced == sums.events {
        return Percent::unknown();
    }
    Percent::of(sums.cost.get().into(), whole)
}

/// The one row of a sum that is told apart by nothing.
pub(super) fn sum(rows: &[SummaryRow]) -> UsageSums {
    rows.first().map(|row| row.sums).unwrap_or_default()
}
