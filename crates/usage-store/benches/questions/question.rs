//! What is asked.

use chrono::{DateTime, TimeDelta, Utc};
use usage_core::Dimension;
use usage_store::{
    AccountScope, Ledger, Period, SummaryBy, SummaryQuery, UsageFilter, UsageOrder, UsagePageQuery,
};

use crate::Outcome;

/// One question that a person asks with one click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Thirty days and the thirty before: totals, each day by model, and the top projects, keys, users and models.
    Overview,
    /// Ninety days by two dimensions.
    Summary,
    /// A hundred events, the newest of some stretch of time first.
    Page,
}

/// Pairs of dimensions, one for each time that a summary is asked.
const PAIRS: [[Dimension; 2]; 4] = [
    [Dimension::ProjectId, Dimension::Model],
    [Dimension::UserId, Dimension::Model],
    [Dimension::ApiKeyId, Dimension::Model],
    [Dimension::Model, Dimension::ServiceTier],
];
const EVENTS_A_PAGE: usize = 100;

/// A summary that is part of a question.
pub(crate) struct Part {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    pub(crate) by: Vec<Dimension>,
    pub(crate) by_day: bool,
}

/// A page that is asked for.
pub(crate) struct Page {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
    /// Of one model, or of all.
    pub(crate) model: Option<&'static str>,
    pub(crate) limit: usize,
}

/// What an answer holds; two ways of answering must agree on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) rows: usize,
    pub(crate) events: u64,
    pub(crate) input_tokens: i64,
}

impl Question {
    pub(crate) const ALL: [Self; 3] = [Self::Overview, Self::Summary, Self::Page];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Summary => "90 days by two dimensions",
            Self::Page => "one page of events",
        }
    }

    /// The summaries of the question when it is asked for the `time`-th time, on a ledger whose last day ends at `last`.
    pub(crate) fn parts(self, time: usize, last: DateTime<Utc>) -> Vec<Part> {
        let end = ends(time, last);
        let part = |from: i64, to: i64, by: &[Dimension], by_day| Part {
            start: end - TimeDelta::days(from),
            end: end - TimeDelta::days(to),
            by: by.to_vec(),
            by_day,
        };
        match self {
            Self::Overview => vec![
                part(30, 0, &[], false),
                part(60, 30, &[], false),
                part(30, 0, &[Dimension::Model], true),
                part(30, 0, &[Dimension::ProjectId], false),
                part(30, 0, &[Dimension::ApiKeyId], false),
                part(30, 0, &[Dimension::UserId], false),
                part(30, 0, &[Dimension::Model], false),
            ],
            Self::Summary => vec![part(90, 0, &PAIRS[time % PAIRS.len()], false)],
            Self::Page => Vec::new(),
        }
    }

    /// The page of the question, if it is one.
    pub(crate) fn page(self, time: usize, last: DateTime<Utc>) -> Option<Page> {
        let end = ends(time, last);
        (self == Self::Page).then(|| Page {
            start: end - TimeDelta::days(30),
            end,
            model: (time % 2 == 1).then_some("gpt-4.1-mini-2025-04-14"),
            limit: EVENTS_A_PAGE,
        })
    }

    /// Asks the ledger.
    pub(crate) async fn ask(self, ledger: &Ledger, time: usize, last: DateTime<Utc>) -> Outcome<Answer> {
        let mut answer = Answer::default();
        for part in self.parts(time, last) {
            let query = SummaryQuery {
                filter: filter(part.start, part.end),
                by: part.by.into_iter().map(SummaryBy::Dimension).collect(),
                period: part.by_day.then_some(Period::Day),
            };
            for row in ledger.usage_summary(query).await? {
                answer.rows += 1;
                answer.events += row.sums.events;
                answer.input_tokens += row.sums.metrics.input_tokens.unwrap_or(0);
            }
        }
        if let Some(page) = self.page(time, last) {
            let mut filter = filter(page.start, page.end);
            if let Some(model) = page.model {
                let values = vec![Some(model.to_owned())];
                filter.dimensions.insert(Dimension::Model, values);
            }
            let query = UsagePageQuery {
                filter,
                order: UsageOrder::Newest,
                after: None,
                limit: page.limit,
            };
            for event in ledger.usage_page(query).await?.events {
                answer.rows += 1;
                answer.events += 1;
                answer.input_tokens += event.event.metrics.input_tokens.unwrap_or(0);
            }
        }
        Ok(answer)
    }
}

/// Each time another stretch of time, within the ledger's last year where it has so much.
fn ends(time: usize, last: DateTime<Utc>) -> DateTime<Utc> {
    const STRETCHES: usize = 30;
    let days = i64::try_from(time % STRETCHES).unwrap_or(0);
    last - TimeDelta::days(days)
}

fn filter(start: DateTime<Utc>, end: DateTime<Utc>) -> UsageFilter {
    UsageFilter {
        start: Some(start),
        end: Some(end),
        ..UsageFilter::all(AccountScope::All)
    }
}
