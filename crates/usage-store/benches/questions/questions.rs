//! What is asked.

use chrono::{DateTime, Utc};
use usage_core::Dimension;
use usage_store::{
    AccountScope, Ledger, Period, StoreError, SummaryBy, SummaryQuery, UsageFilter, UsageOrder,
    UsagePageQuery,
};

use crate::database::{DAY, DAYS, FIRST_DAY};

/// What a page of a dashboard asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    /// The sums of 30 days and of the 30 before, each day by model, and the projects, keys, users and models.
    Overview,
    /// 90 days by project and model.
    TwoDimensions,
    /// 90 days by user and model, of which nearly every event is a group of its own.
    ManyGroups,
    /// The newest 100 events of 90 days.
    Page,
    /// The newest 100 events of a project.
    PageOfProject,
}

/// How many events a page has.
const PAGE: usize = 100;

impl Question {
    pub(crate) const ALL: [Self; 5] = [
        Self::Overview,
        Self::TwoDimensions,
        Self::ManyGroups,
        Self::Page,
        Self::PageOfProject,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview, 7 sums of 30 days",
            Self::TwoDimensions => "90 days by project and model",
            Self::ManyGroups => "90 days by user and model",
            Self::Page => "page of events",
            Self::PageOfProject => "page of a project's events",
        }
    }

    /// Whether the ledger keeps the answer for the next who asks.
    pub(crate) const fn is_kept(self) -> bool {
        !matches!(self, Self::Page | Self::PageOfProject)
    }

    pub(crate) async fn ask(self, ledger: &Ledger) -> Result<(), StoreError> {
        match self {
            Self::Overview => {
                for (days, by, period) in overview() {
                    summary(ledger, days, by, period).await?;
                }
                Ok(())
            }
            Self::TwoDimensions => {
                summary(ledger, (90, 0), &[Dimension::ProjectId, Dimension::Model], None).await
            }
            Self::ManyGroups => summary(ledger, (90, 0), &[Dimension::UserId, Dimension::Model], None).await,
            Self::Page => page(ledger, filter((90, 0))).await,
            Self::PageOfProject => {
                let mut filter = filter((90, 0));
                filter
                    .dimensions
                    .insert(Dimension::ProjectId, vec![Some(PROJECT.to_owned())]);
                page(ledger, filter).await
            }
        }
    }

    /// The same as anybody would ask the table of events.
    pub(crate) fn bare(self) -> Vec<String> {
        match self {
            Self::Overview => overview()
                .into_iter()
                .map(|(days, by, period)| bare(days, by, period.is_some()))
                .collect(),
            Self::TwoDimensions => vec![bare((90, 0), &[Dimension::ProjectId, Dimension::Model], false)],
            Self::ManyGroups => vec![bare((90, 0), &[Dimension::UserId, Dimension::Model], false)],
            Self::Page => vec![bare_page("")],
            Self::PageOfProject => vec![bare_page(&format!(" AND project_id = '{PROJECT}'"))],
        }
    }
}

const PROJECT: &str = "proj_abcdefghijklmnop7";

/// From so many days before the end until so many.
type DaysBefore = (i64, i64);

fn overview() -> [(DaysBefore, &'static [Dimension], Option<Period>); 7] {
    [
        ((30, 0), &[], None),
        ((60, 30), &[], None),
        ((30, 0), &[Dimension::Model], Some(Period::Day)),
        ((30, 0), &[Dimension::ProjectId], None),
        ((30, 0), &[Dimension::ApiKeyId], None),
        ((30, 0), &[Dimension::UserId], None),
        ((30, 0), &[Dimension::Model], None),
    ]
}

fn bounds((from, to): DaysBefore) -> (i64, i64) {
    let end = FIRST_DAY + DAYS * DAY;
    (end - from * DAY, end - to * DAY)
}

fn filter(days: DaysBefore) -> UsageFilter {
    let (start, end) = bounds(days);
    let at = |seconds| DateTime::<Utc>::from_timestamp(seconds, 0);
    UsageFilter {
        start: at(start),
        end: at(end),
        ..UsageFilter::all(AccountScope::All)
    }
}

async fn summary(
    ledger: &Ledger,
    days: DaysBefore,
    by: &[Dimension],
    period: Option<Period>,
) -> Result<(), StoreError> {
    let query = SummaryQuery {
        filter: filter(days),
        by: by.iter().copied().map(SummaryBy::Dimension).collect(),
        period,
    };
    ledger.usage_summary(query).await.map(drop)
}

async fn page(ledger: &Ledger, filter: UsageFilter) -> Result<(), StoreError> {
    let query = UsagePageQuery {
        filter,
        order: UsageOrder::Newest,
        after: None,
        limit: PAGE,
    };
    ledger.usage_page(query).await.map(drop)
}

/// Without the choice of a width, which these events do not need, and with the metrics that they have.
fn bare(days: DaysBefore, by: &[Dimension], daily: bool) -> String {
    let (start, end) = bounds(days);
    let mut groups: Vec<String> = by.iter().map(ToString::to_string).collect();
    if daily {
        groups.push("window_start - window_start % 86400".to_owned());
    }
    let (columns, grouped) = if groups.is_empty() {
        (String::new(), String::new())
    } else {
        let list = groups.join(", ");
        (format!("{list}, "), format!(" GROUP BY {list}"))
    };
    format!(
        "SELECT {columns}count(*), count(cost_nano_usd), sum(cost_nano_usd), sum(input_tokens), sum(output_tokens), \
         sum(input_cached_tokens), sum(input_uncached_tokens), sum(input_text_tokens), sum(output_text_tokens), \
         sum(num_model_requests) FROM usage_events WHERE window_start >= {start} AND window_start < {end}{grouped}"
    )
}

fn bare_page(condition: &str) -> String {
    let (start, end) = bounds((90, 0));
    format!(
        "SELECT * FROM usage_events WHERE window_start >= {start} AND window_start < {end}{condition} \
         ORDER BY window_start DESC, dedupe_key DESC LIMIT {PAGE}"
    )
}
