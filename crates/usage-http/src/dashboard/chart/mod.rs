//! Daily stacked bars: what is drawn, and in which state each day is.

mod scale;
mod svg;

use chrono::NaiveDate;
use usage_core::NanoUsd;

use super::display::{Count, Day, Dollars, Escaped, Percent, compact, day_text, grouped};

/// What the bars measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Nano-dollars by the price list.
    Cost,
    /// Input and output tokens.
    Tokens,
    /// Requests to models.
    Requests,
}

impl Measure {
    /// Every measure.
    pub(crate) const ALL: [Self; 3] = [Self::Cost, Self::Tokens, Self::Requests];

    /// The name in a query.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }

    /// The name that people read.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Cost => "Estimated spend",
            Self::Tokens => "Tokens",
            Self::Requests => "Requests",
        }
    }

    fn cell(self, value: i128) -> String {
        match self {
            Self::Cost => match i64::try_from(value) {
                Ok(nanos) => Dollars::of(NanoUsd::new(nanos)).to_string(),
                Err(_) => Escaped(&grouped(value)).to_string(),
            },
            Self::Tokens | Self::Requests => Count::known(value).to_string(),
        }
    }

    /// A value as plain text.
    fn text(self, value: i128) -> String {
        match (self, i64::try_from(value)) {
            (Self::Cost, Ok(nanos)) => Dollars::of(NanoUsd::new(nanos)).short().to_owned(),
            _ => grouped(value),
        }
    }

    /// A value beside a line of the grid.
    fn tick(self, value: i128) -> String {
        match self {
            Self::Cost if value >= 1_000_000_000_000 => format!("${}", compact(value / 1_000_000_000)),
            Self::Cost => {
                let text = self.text(value);
                text.strip_suffix(".00").map_or(text.clone(), str::to_owned)
            }
            Self::Tokens | Self::Requests => compact(value),
        }
    }
}

/// What is known of a day. A day without usage, one that nobody read and one that is not over are three things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DayState {
    /// Nobody read it.
    NotRead,
    /// It was read from some accounts or surfaces and not from others, or not since it ended.
    PartlyRead,
    /// It was read before its end.
    Open,
    /// It was read after its end, and the provider may still change it.
    Provisional,
    /// It was read after the provider's settling time.
    Settled,
}

impl DayState {
    /// Every state, the most certain first.
    const ALL: [Self; 5] = [
        Self::Settled,
        Self::Provisional,
        Self::Open,
        Self::PartlyRead,
        Self::NotRead,
    ];

    /// What people read who may not know the word.
    const fn explained(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Provisional => "provisional: the provider may still change it",
            Self::Open => "still open",
            Self::PartlyRead => "partly read: the rest is unknown",
            Self::NotRead => "not read: unknown, not zero",
        }
    }

    /// The name in a stylesheet.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NotRead => "not-read",
            Self::PartlyRead => "partly-read",
            Self::Open => "open",
            Self::Provisional => "provisional",
            Self::Settled => "settled",
        }
    }

    /// What people read.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::NotRead => "not read",
            Self::PartlyRead => "partly read",
            Self::Open => "still open",
            Self::Provisional => "provisional",
            Self::Settled => "settled",
        }
    }
}

/// One part of each bar.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What people call it.
    pub(crate) label: String,
    /// Its colour, by number; `None` for everything else together.
    pub(crate) colour: Option<usize>,
    /// Its sum over all days.
    pub(crate) total: i128,
}

impl Series {
    /// The class in the stylesheet.
    pub(crate) fn class(&self) -> String {
        self.colour
            .map_or_else(|| "s-rest".to_owned(), |colour| format!("s{colour}"))
    }
}

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct ChartDay {
    /// The UTC day.
    pub(crate) day: NaiveDate,
    /// What is known of it.
    pub(crate) state: DayState,
    /// The value of each series, in their order.
    pub(crate) values: Vec<i128>,
    /// How many usage events it has.
    pub(crate) events: u64,
    /// How many of them have no price.
    pub(crate) unpriced: u64,
}

impl ChartDay {
    /// The height of the bar.
    pub(crate) fn total(&self) -> i128 {
        self.values.iter().sum()
    }

    /// The day itself.
    pub(crate) const fn shown(&self) -> Day {
        Day(self.day)
    }

    /// Whether its numbers are unknown.
    pub(crate) fn is_unknown(&self) -> bool {
        self.state == DayState::NotRead
    }

    /// Whether it was read and nothing was in it.
    pub(crate) fn is_idle(&self) -> bool {
        self.state > DayState::PartlyRead && self.events == 0
    }

    /// What is known of it, in words.
    pub(crate) fn state_label(&self) -> String {
        if self.is_idle() {
            return format!("no usage, {}", self.state.label());
        }
        self.state.label().to_owned()
    }
}

/// Bars of days, each stacked of the same series.
#[derive(Clone, Debug)]
pub(crate) struct DailyChart {
    /// What the bars measure.
    pub(crate) measure: Measure,
    /// By what they are divided, for example `project`.
    pub(crate) by: String,
    /// The parts, the largest first, everything else last.
    pub(crate) series: Vec<Series>,
    /// The days, oldest first.
    pub(crate) days: Vec<ChartDay>,
}

impl DailyChart {
    /// The sum of all bars.
    pub(crate) fn total(&self) -> i128 {
        self.days.iter().map(ChartDay::total).sum()
    }

    /// The share of a series in the sum.
    pub(crate) fn share(&self, series: &Series) -> Percent {
        Percent::of(series.total, self.total())
    }

    /// The name of the picture.
    pub(crate) fn title(&self) -> String {
        format!("{} a day, by {}", self.measure.label(), self.by)
    }

    /// What the picture shows, for who does not see it.
    pub(crate) fn description(&self) -> String {
        let (Some(first), Some(last)) = (self.days.first(), self.days.last()) else {
            return "No days.".to_owned();
        };
        let mut text = format!(
            "{} days from {} to {}, {} in all",
            self.days.len(),
            day_text(first.day),
            day_text(last.day),
            self.measure.text(self.total())
        );
        let highest = self.days.iter().max_by_key(|day| day.total());
        if let Some(highest) = highest.filter(|day| day.total() > 0) {
            text.push_str("; the highest is ");
            text.push_str(&day_text(highest.day));
            text.push_str(" with ");
            text.push_str(&self.measure.text(highest.total()));
        }
        let count = |is: &dyn Fn(&ChartDay) -> bool| self.days.iter().filter(|day| is(day)).count();
        for (number, what) in [
            (count(&ChartDay::is_idle), "without usage"),
            (count(&|day| day.state == DayState::NotRead), "not read"),
            (count(&|day| day.state == DayState::PartlyRead), "partly read"),
            (count(&|day| day.state == DayState::Open), "still open"),
            (count(&|day| self.unseen(day) > 0), "with usage that has no price"),
        ] {
            if number > 0 {
                text = format!("{text}; {number} {what}");
            }
        }
        text.push_str(". The table below has every number.");
        text
    }

    /// The states that its days are in, for the key under it.
    pub(crate) fn key(&self) -> Vec<(String, String)> {
        let mut key = Vec::new();
        for state in DayState::ALL {
            let in_state = || self.days.iter().filter(move |day| day.state == state);
            if in_state().any(|day| !day.is_idle()) {
                key.push((state.as_str().to_owned(), state.explained().to_owned()));
            }
            if in_state().any(ChartDay::is_idle) {
                key.push((
                    format!("{} idle", state.as_str()),
                    format!("{}, no usage", state.label()),
                ));
            }
        }
        key
    }

    /// The sum of a day as HTML, with every digit at hand.
    pub(crate) fn total_cell(&self, day: &ChartDay) -> String {
        match (self.measure, i64::try_from(day.total())) {
            (Measure::Cost, Ok(nanos)) => {
                Dollars::of_priced(NanoUsd::new(nanos), day.events, day.unpriced).to_string()
            }
            _ => self.measure.cell(day.total()),
        }
    }

    /// How many events of a day its bar does not show, since they have no price.
    fn unseen(&self, day: &ChartDay) -> u64 {
        match self.measure {
            Measure::Cost => day.unpriced,
            Measure::Tokens | Measure::Requests => 0,
        }
    }

    /// A value as HTML, with every digit at hand.
    pub(crate) fn cell(&self, value: &i128) -> String {
        self.measure.cell(*value)
    }
}
