//! What is known of each day: read or not, over or not.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use usage_core::{Width, WindowRange, WindowState};
use usage_store::{AccountScope, Coverage, CoverageQuery, Ledger};

use crate::dashboard::chart::DayState;
use crate::dashboard::query::DayRange;
use crate::dashboard::visitor::Failed;

/// The states of days.
pub(crate) struct DayStates(BTreeMap<NaiveDate, DayState>);

impl DayStates {
    /// Looks at the coverage of usage in these days.
    pub(crate) async fn load(ledger: &Ledger, scope: &AccountScope, days: DayRange) -> Result<Self, Failed> {
        let mut coverage = Vec::new();
        for width in [Width::Day, Width::Hour, Width::Minute] {
            let windows = WindowRange::covering(days.start(), days.end(), width)
                .map_err(|error| Failed::BadRequest(error.to_string()))?;
            let query = CoverageQuery {
                scope: scope.clone(),
                endpoint: None,
                windows: Some(windows),
            };
            coverage.extend(ledger.coverage(query).await?);
        }
        Ok(Self::of(&coverage, days))
    }

    fn of(coverage: &[Coverage], days: DayRange) -> Self {
        let usage = || coverage.iter().filter(|covered| !covered.endpoint.is_costs());
        let place = |covered: &Coverage| (covered.account_id, covered.endpoint);
        let places: BTreeSet<_> = usage().map(place).collect();
        let mut read: BTreeMap<_, BTreeMap<Width, Read>> = BTreeMap::new();
        for covered in usage() {
            let day = (covered.window.utc_day(), place(covered));
            let widths = read.entry(day).or_default();
            widths
                .entry(covered.window.width())
                .or_insert_with(Read::nothing)
                .add(covered);
        }
        let state = |day| {
            let states: Vec<_> = places
                .iter()
                .map(|place| {
                    let widths = read.get(&(day, *place));
                    let states = widths
                        .into_iter()
                        .flatten()
                        .map(|(width, read)| read.state(*width));
                    states.max().unwrap_or(DayState::NotRead)
                })
                .collect();
            let (least, most) = (states.iter().min(), states.iter().max());
            match (least.copied(), most.copied()) {
                (Some(DayState::NotRead), Some(DayState::NotRead)) | (None, _) | (_, None) => {
                    DayState::NotRead
                }
                (Some(DayState::NotRead), Some(_)) => DayState::PartlyRead,
                (Some(least), Some(_)) => least,
            }
        };
        Self(days.each().map(|day| (day, state(day))).collect())
    }

    /// The state of a day.
    pub(crate) fn of_day(&self, day: NaiveDate) -> DayState {
        self.0.get(&day).copied().unwrap_or(DayState::NotRead)
    }

    /// How many days are in such a state.
    pub(crate) fn count(&self, is: impl Fn(DayState) -> bool) -> usize {
        self.0.values().filter(|state| is(**state)).count()
    }

    /// Whether each day was read completely after its end.
    pub(crate) fn are_closed(&self) -> bool {
        self.count(|state| state >= DayState::Provisional) == self.0.len()
    }

    /// Of how many of the days there is something to wait for or to read, in a sentence; `None` if of none.
    pub(crate) fn unread(&self) -> Option<String> {
        let all = self.0.len();
        let not_read = self.count(|state| state == DayState::NotRead);
        let partly = self.count(|state| state == DayState::PartlyRead);
        let parts: Vec<String> = [(not_read, "not read"), (partly, "read in part only")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, how)| format!("{count} {} {how}", if count == 1 { "was" } else { "were" }))
            .collect();
        (!parts.is_empty()).then(|| {
            format!(
                "Of the {all} days of this range, {}: what they hold is unknown, not zero.",
                parts.join(" and ")
            )
        })
    }
}

/// The windows of one width that were read of a day.
struct Read {
    windows: BTreeSet<i64>,
    least: WindowState,
}

impl Read {
    fn nothing() -> Self {
        Self {
            windows: BTreeSet::new(),
            least: WindowState::Settled,
        }
    }

    fn add(&mut self, covered: &Coverage) {
        self.windows.insert(covered.window.start_unix());
        self.least = self.least.min(covered.state);
    }

    fn state(&self, width: Width) -> DayState {
        let of_a_day = Width::Day.seconds() / width.seconds();
        if i64::try_from(self.windows.len()).is_ok_and(|windows| windows < of_a_day) {
            return DayState::PartlyRead;
        }
        match self.least {
            WindowState::Open => DayState::Open,
            WindowState::Provisional => DayState::Provisional,
            WindowState::Settled => DayState::Settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{DimensionSet, Endpoint, ProjectFilter, Window, parse_day, parse_instant};

    use super::*;

    fn covered(endpoint: Endpoint, start: &str, width: Width, state: WindowState) -> Coverage {
        let at = parse_instant(start).unwrap();
        Coverage {
            account_id: 1,
            endpoint,
            window: Window::new(at, width).unwrap(),
            filter: ProjectFilter::ALL,
            grouped_by: DimensionSet::EMPTY,
            refused: DimensionSet::EMPTY,
            empty: DimensionSet::EMPTY,
            state,
            event_count: 0,
            read_started_at: at,
            stored_at: at,
            first_closed_at: None,
            run_id: 1,
        }
    }

    #[test]
    fn a_day_is_as_certain_as_its_least_certain_surface() {
        use Endpoint::{Completions, Costs, Embeddings};
        use WindowState::{Open, Provisional, Settled};
        let days = DayRange {
            first: parse_day("2025-09-01").unwrap(),
            last: parse_day("2025-09-06").unwrap(),
        };
        let day = |endpoint, number, state| {
            covered(
                endpoint,
                &format!("2025-09-0{number}T00:00:00Z"),
                Width::Day,
                state,
            )
        };
        let coverage = [
            day(Completions, 1, Settled),
            day(Embeddings, 1, Settled),
            day(Completions, 2, Settled),
            day(Embeddings, 2, Provisional),
            day(Completions, 3, Settled),
            day(Completions, 5, Open),
            day(Embeddings, 5, Provisional),
            // An hour of a day is not the day; what was charged is no usage.
            covered(Completions, "2025-09-06T05:00:00Z", Width::Hour, Settled),
            day(Embeddings, 6, Settled),
            day(Costs, 4, Settled),
        ];
        let states = DayStates::of(&coverage, days);
        let found: Vec<&str> = days.each().map(|day| states.of_day(day).as_str()).collect();
        assert_eq!(
            found,
            [
                "settled",
                "provisional",
                "partly-read",
                "not-read",
                "open",
                "partly-read"
            ]
        );
        assert!(!states.are_closed());
        assert_eq!(
            states.unread().unwrap(),
            "Of the 6 days of this range, 1 was not read and 2 were read in part only: what they hold is unknown, not zero."
        );
    }

    #[test]
    fn every_hour_makes_a_day() {
        let day = parse_day("2025-09-01").unwrap();
        let hours = (0..24).map(|hour| {
            covered(
                Endpoint::Completions,
                &format!("2025-09-01T{hour:02}:00:00Z"),
                Width::Hour,
                WindowState::Settled,
            )
        });
        let states = DayStates::of(
            &hours.collect::<Vec<_>>(),
            DayRange {
                first: day,
                last: day,
            },
        );
        assert_eq!(states.of_day(day), DayState::Settled);
        assert!(states.are_closed());
    }
}
