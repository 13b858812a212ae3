//! Days whose costs are not in the ledger, or not whole.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use usage_core::{Account, Window, WindowRange, WindowState};
use usage_store::{Coverage, StoredAccount};

/// What was read of the costs of some accounts, day by day.
pub(super) struct CostDays {
    accounts: Vec<AccountDays>,
}

struct AccountDays {
    id: i64,
    account: Account,
    /// Whether each day that was read was over by then.
    read: BTreeMap<Window, WindowState>,
    /// The days that somebody may look for.
    range: Option<WindowRange>,
}

impl CostDays {
    /// The days asked for; where an end is not named, it is the first or last day of which the ledger has anything. Days
    /// that have not begun are nobody's loss.
    pub(super) fn new(
        accounts: &[StoredAccount],
        coverage: &[Coverage],
        asked: (Option<NaiveDate>, Option<NaiveDate>),
        now: DateTime<Utc>,
    ) -> Self {
        let accounts = accounts.iter().map(|stored| {
            let mine = || {
                coverage
                    .iter()
                    .filter(|coverage| coverage.account_id == stored.id)
            };
            let mut read = BTreeMap::new();
            for coverage in mine().filter(|coverage| coverage.endpoint.is_costs()) {
                let state = read.entry(coverage.window).or_insert(coverage.state);
                if coverage.state == WindowState::Open {
                    *state = WindowState::Open;
                }
            }
            let days = || mine().map(|coverage| coverage.window.utc_day());
            let first = asked.0.or_else(|| days().min());
            let last = asked
                .1
                .or_else(|| days().max())
                .map(|last| last.min(now.date_naive()));
            AccountDays {
                id: stored.id,
                account: stored.account.clone(),
                read,
                range: first
                    .zip(last)
                    .and_then(|(first, last)| WindowRange::days(first, last).ok()),
            }
        });
        Self {
            accounts: accounts.collect(),
        }
    }

    /// Whether the costs of the account's day were read.
    pub(super) fn is_read(&self, account_id: i64, window: Window) -> bool {
        let account = self.accounts.iter().find(|account| account.id == account_id);
        account.is_some_and(|account| account.read.contains_key(&window))
    }

    /// A line for each account with days that were never read, and one for those that were not over.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for account in &self.accounts {
            let Some(range) = account.range else { continue };
            let unread = WindowRange::join(range.windows().filter(|day| !account.read.contains_key(day)));
            if let (Some(first), Some(last)) = (unread.first(), unread.last()) {
                warnings.push(format!(
                    "the costs of {} were never read for {}; read them with `usage backfill --endpoint costs --start {} \
                     --end {}`",
                    account.account,
                    listed(&unread),
                    first.start().date_naive(),
                    last_day(*last),
                ));
            }
            let is_open = |day: &Window| account.read.get(day) == Some(&WindowState::Open);
            let open = WindowRange::join(range.windows().filter(is_open));
            if !open.is_empty() {
                warnings.push(format!(
                    "the costs of {} were read before the day was over for {}; what came after is missing",
                    account.account,
                    listed(&open),
                ));
            }
        }
        warnings
    }
}

/// `2025-09-03, 2025-09-05 to 2025-09-09`.
fn listed(ranges: &[WindowRange]) -> String {
    let mut text = String::new();
    for range in ranges {
        let separator = if text.is_empty() { "" } else { ", " };
        let (first, last) = (range.start().date_naive(), last_day(*range));
        // Writing to a text cannot fail.
        let _ = if first == last {
            write!(text, "{separator}{first}")
        } else {
            write!(text, "{separator}{first} to {last}")
        };
    }
    text
}

fn last_day(range: WindowRange) -> NaiveDate {
    let last = range.windows().next_back();
    last.map_or_else(|| range.start().date_naive(), Window::utc_day)
}

#[cfg(test)]
mod tests {
    use usage_core::{DimensionSet, Endpoint, ProjectFilter, Provider, parse_day, parse_instant};

    use super::*;

    fn coverage(account_id: i64, endpoint: Endpoint, day: &str, state: WindowState) -> Coverage {
        let at = parse_instant("2025-09-10T12:00:00Z").unwrap();
        Coverage {
            account_id,
            endpoint,
            window: Window::day(parse_day(day).unwrap()),
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

    fn account(id: i64, organization: &str) -> StoredAccount {
        StoredAccount {
            id,
            account: Account::new(Provider::OpenAi, organization).unwrap(),
        }
    }

    fn warnings(asked: (Option<&str>, Option<&str>), coverage: &[Coverage]) -> Vec<String> {
        let day = |text: Option<&str>| text.map(|text| parse_day(text).unwrap());
        let now = parse_instant("2025-09-10T12:00:00Z").unwrap();
        let accounts = [account(1, "org-a"), account(2, "org-b")];
        CostDays::new(&accounts, coverage, (day(asked.0), day(asked.1)), now).warnings()
    }

    #[test]
    fn days_that_were_not_read_and_days_that_were_not_over_are_named() {
        let read = [
            coverage(1, Endpoint::Completions, "2025-09-01", WindowState::Settled),
            coverage(1, Endpoint::Costs, "2025-09-02", WindowState::Settled),
            coverage(1, Endpoint::Costs, "2025-09-04", WindowState::Provisional),
            coverage(1, Endpoint::Costs, "2025-09-10", WindowState::Open),
        ];
        assert_eq!(
            warnings((None, None), &read),
            [
                "the costs of openai/org-a were never read for 2025-09-01, 2025-09-03, 2025-09-05 to 2025-09-09; read them \
                 with `usage backfill --endpoint costs --start 2025-09-01 --end 2025-09-09`",
                "the costs of openai/org-a were read before the day was over for 2025-09-10; what came after is missing",
            ],
            "an account without anything has nothing to miss"
        );
        assert_eq!(
            warnings((Some("2025-09-02"), Some("2025-09-02")), &read[..2]),
            [
                "the costs of openai/org-b were never read for 2025-09-02; read them with `usage backfill --endpoint costs \
             --start 2025-09-02 --end 2025-09-02`"
            ]
        );
        assert_eq!(
            warnings((Some("2025-09-11"), Some("2025-09-30")), &[]),
            Vec::<String>::new(),
            "days that have not begun are nobody's loss"
        );
    }
}
