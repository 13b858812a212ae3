//! What is known of each day: read or not, over or not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::NaiveDate;
use usage_core::{Endpoint, ProjectFilter, Width, WindowRange, WindowState};
use usage_store::{Coverage, CoverageQuery, Ledger, StoredAccount, UsageFilter};

use crate::dashboard::chart::DayState;
use crate::dashboard::display::day_text;
use crate::dashboard::query::DayRange;
use crate::dashboard::visitor::Failed;

/// An account, by its number, and a surface of it.
type Surface = (i64, Endpoint);

/// The states of days.
pub(crate) struct DayStates {
    days: BTreeMap<NaiveDate, DayState>,
    /// The days of each surface that were not read, or not completely.
    gaps: BTreeMap<Surface, Vec<NaiveDate>>,
    /// The accounts of which nothing was ever read.
    never_read: Vec<StoredAccount>,
    accounts: Vec<StoredAccount>,
}

impl DayStates {
    /// Looks at the coverage of what the filter's scope and endpoints name, in these days. A surface that was ever read is
    /// expected on every day.
    pub(crate) async fn load(
        ledger: &Ledger,
        filter: &UsageFilter,
        days: DayRange,
        today: NaiveDate,
    ) -> Result<Self, Failed> {
        let mut coverage = Vec::new();
        for width in [Width::Day, Width::Hour, Width::Minute] {
            let windows = WindowRange::covering(days.start(), days.end(), width)
                .map_err(|error| Failed::BadRequest(error.to_string()))?;
            let query = CoverageQuery {
                scope: filter.scope.clone(),
                endpoint: None,
                windows: Some(windows),
            };
            coverage.extend(ledger.coverage(query).await?);
        }
        let mut accounts = ledger.accounts(filter.scope.clone()).await?;
        if !filter.providers.is_empty() {
            accounts.retain(|account| filter.providers.contains(&account.account.provider()));
        }
        let ever_read = ledger.read_surfaces(filter.scope.clone()).await?;
        let never_read: Vec<StoredAccount> = accounts
            .iter()
            .filter(|account| ever_read.iter().all(|(id, _)| *id != account.id))
            .cloned()
            .collect();
        let is_asked_for = |(id, endpoint): &Surface| {
            accounts.iter().any(|account| account.id == *id)
                && (filter.endpoints.is_empty() || filter.endpoints.contains(endpoint))
        };
        let surfaces = ever_read.into_iter().filter(is_asked_for).collect();
        Ok(Self {
            never_read,
            accounts,
            ..Self::of(&coverage, &surfaces, days, today)
        })
    }

    /// The states of these surfaces as far as coverage says.
    pub(super) fn of(
        coverage: &[Coverage],
        surfaces: &BTreeSet<Surface>,
        days: DayRange,
        today: NaiveDate,
    ) -> Self {
        let surface = |covered: &Coverage| (covered.account_id, covered.endpoint);
        let expected = || {
            coverage
                .iter()
                .filter(|covered| surfaces.contains(&surface(covered)))
        };
        // Who is only ever asked for some projects is read completely when these are; elsewhere some are not all.
        let asked_for_all: BTreeSet<Surface> = expected()
            .filter(|covered| covered.filter == ProjectFilter::ALL)
            .map(surface)
            .collect();
        let mut read: BTreeMap<_, BTreeMap<Width, Read>> = BTreeMap::new();
        for covered in expected() {
            let place = surface(covered);
            let widths = read.entry((covered.window.utc_day(), place)).or_default();
            let read = widths.entry(covered.window.width()).or_default();
            if covered.filter == ProjectFilter::ALL || !asked_for_all.contains(&place) {
                read.add(covered);
            }
        }
        let mut gaps: BTreeMap<Surface, Vec<NaiveDate>> = BTreeMap::new();
        let mut state = |day: NaiveDate| {
            let mut states = BTreeSet::new();
            for place in surfaces {
                let widths = read.get(&(day, *place)).into_iter().flatten();
                let state = widths.map(|(width, read)| read.state(*width, day < today)).max();
                let state = state.unwrap_or(DayState::NotRead);
                if state <= DayState::PartlyRead {
                    gaps.entry(*place).or_default().push(day);
                }
                states.insert(state);
            }
            match (states.first().copied(), states.last().copied()) {
                (Some(DayState::NotRead), Some(DayState::NotRead)) | (None, _) | (_, None) => {
                    DayState::NotRead
                }
                (Some(DayState::NotRead), Some(_)) => DayState::PartlyRead,
                (Some(least), Some(_)) => least,
            }
        };
        let days = days.each().map(|day| (day, state(day))).collect();
        Self {
            days,
            gaps,
            never_read: Vec::new(),
            accounts: Vec::new(),
        }
    }

    /// The state of a day.
    pub(crate) fn of_day(&self, day: NaiveDate) -> DayState {
        self.days.get(&day).copied().unwrap_or(DayState::NotRead)
    }

    /// How many days are in such a state.
    pub(crate) fn count(&self, is: impl Fn(DayState) -> bool) -> usize {
        self.days.values().filter(|state| is(**state)).count()
    }

    /// Of how many of how many accounts something was ever read.
    pub(crate) fn accounts_read(&self) -> (usize, usize) {
        (self.accounts.len() - self.never_read.len(), self.accounts.len())
    }

    /// Whether each day was read completely after its end.
    pub(crate) fn are_closed(&self) -> bool {
        self.count(is_closed) == self.days.len()
    }

    /// The days from the first on that were read completely after their end, if there are any and none comes after one that
    /// was not: what can be compared with other days.
    pub(crate) fn closed(&self) -> Option<DayRange> {
        let mut leading = self.days.iter().take_while(|(_, state)| is_closed(**state));
        let first = *leading.next()?.0;
        let last = leading.last().map_or(first, |(day, _)| *day);
        let closed = DayRange { first, last };
        let are_all = usize::try_from(closed.count()).ok() == Some(self.count(is_closed));
        are_all.then_some(closed)
    }

    /// Of how many of the days there is something to wait for or to read, in sentences; `None` if of none.
    pub(crate) fn unread(&self) -> Option<String> {
        let all = self.days.len();
        let parts: Vec<String> = [
            (DayState::NotRead, "not read"),
            (DayState::PartlyRead, "read in part only"),
        ]
        .into_iter()
        .map(|(wanted, how)| (self.count(|state| state == wanted), how))
        .filter(|(count, _)| *count > 0)
        .map(|(count, how)| format!("{count} {} {how}", if count == 1 { "was" } else { "were" }))
        .collect();
        let mut sentences = Vec::new();
        if !parts.is_empty() {
            sentences.push(format!(
                "Of the {all} days of this range, {}: what they hold is unknown, not zero.",
                parts.join(" and ")
            ));
        }
        // Where nothing was read of any account, the days say so.
        if self.never_read.len() < self.accounts.len() {
            for account in &self.never_read {
                sentences.push(format!("Of {}, nothing was ever read.", account.account));
            }
        }
        let open = self.count(|state| state == DayState::Open);
        if open > 0 {
            let (days, are) = if open == 1 { ("day", "is") } else { ("days", "are") };
            sentences.push(format!("{open} {days} {are} still open and will have more."));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// Which days of which account and surface were not read, or not completely.
    pub(crate) fn gaps(&self) -> Vec<(String, String)> {
        let name = |id: i64| {
            let account = self.accounts.iter().find(|account| account.id == id);
            account.map_or_else(|| id.to_string(), |account| account.account.to_string())
        };
        let told = self
            .gaps
            .iter()
            .map(|((id, endpoint), days)| (format!("{}, {endpoint}", name(*id)), stretches(days)));
        told.collect()
    }
}

fn is_closed(state: DayState) -> bool {
    state >= DayState::Provisional
}

/// Days in words, those that follow each other as one stretch.
fn stretches(days: &[NaiveDate]) -> String {
    let mut text = String::new();
    for stretch in days.chunk_by(|day, next| day.succ_opt() == Some(*next)) {
        let comma = if text.is_empty() { "" } else { ", " };
        if let [first, .., last] = stretch {
            let _ = write!(text, "{comma}{} – {}", day_text(*first), day_text(*last));
        } else if let [day] = stretch {
            let _ = write!(text, "{comma}{}", day_text(*day));
        }
    }
    text
}

/// The windows of one width that were read of a day.
struct Read {
    windows: BTreeSet<i64>,
    least: WindowState,
}

impl Default for Read {
    fn default() -> Self {
        Self {
            windows: BTreeSet::new(),
            least: WindowState::Settled,
        }
    }
}

impl Read {
    fn add(&mut self, covered: &Coverage) {
        self.windows.insert(covered.window.start_unix());
        self.least = self.least.min(covered.state);
    }

    fn state(&self, width: Width, is_over: bool) -> DayState {
        if self.windows.is_empty() {
            return DayState::PartlyRead;
        }
        if !is_over {
            return DayState::Open;
        }
        let of_a_day = Width::Day.seconds() / width.seconds();
        if i64::try_from(self.windows.len()).is_ok_and(|windows| windows < of_a_day) {
            return DayState::PartlyRead;
        }
        match self.least {
            // What was used after that reading is not known.
            WindowState::Open => DayState::PartlyRead,
            WindowState::Provisional => DayState::Provisional,
            WindowState::Settled => DayState::Settled,
        }
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{DimensionSet, Window, parse_day, parse_instant};

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
            last: parse_day("2025-09-07").unwrap(),
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
            // One project is not the day, where others were read whole.
            Coverage {
                filter: ProjectFilter::projects(["proj_a".to_owned()]),
                ..day(Completions, 4, Settled)
            },
            day(Embeddings, 4, Settled),
            day(Costs, 5, Settled),
            // An hour of a day is not the day.
            covered(Completions, "2025-09-06T05:00:00Z", Width::Hour, Settled),
            day(Embeddings, 6, Settled),
            day(Completions, 7, Open),
            day(Embeddings, 7, Open),
        ];
        let surfaces = BTreeSet::from([(1, Completions), (1, Embeddings)]);
        let states = |today| DayStates::of(&coverage, &surfaces, days, parse_day(today).unwrap());
        let found = |states: &DayStates| {
            days.each()
                .map(|day| states.of_day(day).as_str())
                .collect::<Vec<_>>()
        };
        let before = [
            "settled",
            "provisional",
            "partly-read",
            "partly-read",
            "not-read",
            "partly-read",
        ];
        let open = states("2025-09-07");
        assert_eq!(found(&open), [&before[..], &["open"]].concat());
        // Once it is over, nobody waits for the rest any more: somebody has to read it.
        let over = states("2025-09-08");
        assert_eq!(found(&over), [&before[..], &["partly-read"]].concat());
        assert!(!over.are_closed());
        let closed = over.closed().unwrap();
        assert_eq!((closed.first, closed.count()), (days.first, 2));
        assert_eq!(
            open.unread().unwrap(),
            "Of the 7 days of this range, 1 was not read and 3 were read in part only: what they hold is unknown, not zero. \
             1 day is still open and will have more."
        );
        assert_eq!(
            over.gaps(),
            [
                ("1, completions".to_owned(), "4 Sep 2025 – 7 Sep 2025".to_owned()),
                (
                    "1, embeddings".to_owned(),
                    "3 Sep 2025, 5 Sep 2025, 7 Sep 2025".to_owned()
                ),
            ]
        );
    }

    /// A surface that was read at other times is missed; who is only ever asked for some projects is read completely by these.
    #[test]
    fn what_was_ever_read_is_expected_every_day() {
        let day = DayRange {
            first: parse_day("2025-09-01").unwrap(),
            last: parse_day("2025-09-01").unwrap(),
        };
        let some = Coverage {
            filter: ProjectFilter::projects(["proj_a".to_owned()]),
            ..covered(
                Endpoint::Completions,
                "2025-09-01T00:00:00Z",
                Width::Day,
                WindowState::Settled,
            )
        };
        let state = |surfaces: &[Surface]| {
            let surfaces = surfaces.iter().copied().collect();
            let today = parse_day("2025-09-20").unwrap();
            DayStates::of(std::slice::from_ref(&some), &surfaces, day, today).of_day(day.first)
        };
        let completions = (1, Endpoint::Completions);
        assert_eq!(state(&[completions]), DayState::Settled);
        assert_eq!(state(&[completions, (1, Endpoint::Images)]), DayState::PartlyRead);
        assert_eq!(
            state(&[completions, (2, Endpoint::Completions)]),
            DayState::PartlyRead
        );
        assert_eq!(state(&[(2, Endpoint::Completions)]), DayState::NotRead);
        assert_eq!(state(&[]), DayState::NotRead);
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
            &BTreeSet::from([(1, Endpoint::Completions)]),
            DayRange {
                first: day,
                last: day,
            },
            parse_day("2025-09-20").unwrap(),
        );
        assert_eq!(states.of_day(day), DayState::Settled);
        assert!(states.are_closed());
    }
}
