//! The first page: what was spent, by whom, and whether the number can be trusted.

use askama::Template;

use super::parts::{Choice, RangeChoice, Standing};
use crate::dashboard::chart::{DailyChart, Measure};
use crate::dashboard::chrome::Chrome;
use crate::dashboard::display::{Change, Count, Dollars, Named, Percent};

/// The first page.
#[derive(Template)]
#[template(path = "overview.html")]
pub(crate) struct Overview {
    pub(crate) chrome: Chrome,
    pub(crate) range: RangeChoice,
    /// Whether anything was ever read; if not, the page says what to do first.
    pub(crate) is_empty: bool,
    pub(crate) trust: Vec<Claim>,
    pub(crate) cards: Vec<Card>,
    /// Usage events in the range whose cost is not known, if there are any.
    pub(crate) unpriced: Option<Count>,
    pub(crate) divide: Vec<Choice>,
    pub(crate) measures: Vec<Choice>,
    pub(crate) chart: DailyChart,
    pub(crate) tops: Vec<Top>,
}

/// One thing that the numbers were held against.
pub(crate) struct Claim {
    pub(crate) standing: Standing,
    pub(crate) text: String,
    pub(crate) href: String,
}

/// One number of the range.
pub(crate) struct Card {
    pub(crate) label: &'static str,
    pub(crate) value: Value,
    pub(crate) change: Change,
    /// What it was before, and when that was.
    pub(crate) before: String,
    /// What else is to be known about it.
    pub(crate) note: String,
}

/// What a card shows.
pub(crate) enum Value {
    Dollars(Dollars),
    Count(Count),
    Percent(Percent),
}

/// Who used most.
pub(crate) struct Top {
    /// For example `Projects`.
    pub(crate) title: &'static str,
    /// For example `Project`.
    pub(crate) column: &'static str,
    pub(crate) rows: Vec<TopRow>,
    /// How many there are beyond those shown.
    pub(crate) more: usize,
    /// How many of these have usage without a price, so that nobody knows whether they belong among those shown.
    pub(crate) more_unpriced: usize,
    /// Where all are.
    pub(crate) href: String,
}

/// One of them.
pub(crate) struct TopRow {
    pub(crate) name: Named,
    pub(crate) href: String,
    pub(crate) cost: Dollars,
    pub(crate) share: Percent,
    pub(crate) tokens: Count,
    pub(crate) requests: Count,
}

impl TopRow {
    /// The width of its bar, in per cent.
    pub(crate) fn width(&self) -> String {
        let tenths = self.share.tenths().unwrap_or(0).clamp(0, 1_000);
        format!("{}.{}%", tenths / 10, tenths % 10)
    }
}

impl Overview {
    /// Whether the chart is of money, which is an estimate.
    pub(crate) fn is_estimate(&self) -> bool {
        self.chart.measure == Measure::Cost
    }
}
