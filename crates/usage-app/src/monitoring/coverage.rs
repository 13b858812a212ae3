//! How far an endpoint is covered, and which days it lacks.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use usage_core::ProjectFilter;
use usage_ingest::choose_keys;
use usage_store::{AccountScope, ClosedCoverage, Ledger, ProviderKey, Stretch};

use crate::error::AppError;

/// How far the endpoint is behind that lags most, looking back to the horizon; `None` where nothing was ever read.
pub(crate) async fn greatest_lag(
    ledger: &Ledger,
    now: DateTime<Utc>,
    horizon_days: u32,
) -> Result<Option<TimeDelta>, AppError> {
    let first_day = horizon(now, horizon_days);
    let read_with = filters_of_accounts(&ledger.keys().await?);
    let nothing = BTreeSet::new();
    let coverage = closed_coverage(ledger, first_day).await?;
    let lags = coverage.iter().map(|coverage| {
        let filters = read_with.get(&coverage.account.id).unwrap_or(&nothing);
        reach(coverage, filters, first_day, now).lag
    });
    Ok(lags.max())
}

/// What was read since the first day.
pub(super) async fn closed_coverage(
    ledger: &Ledger,
    first_day: NaiveDate,
) -> Result<Vec<ClosedCoverage>, AppError> {
    let start = first_day.and_time(NaiveTime::MIN).and_utc();
    Ok(ledger.closed_coverage(AccountScope::All, start).await?)
}

/// The filters that each account is read with, by the account's number.
pub(super) fn filters_of_accounts(keys: &[ProviderKey]) -> BTreeMap<i64, BTreeSet<ProjectFilter>> {
    let mut read_with: BTreeMap<i64, BTreeSet<ProjectFilter>> = BTreeMap::new();
    for chosen in choose_keys(keys) {
        let filters = read_with.entry(chosen.key.account.id).or_default();
        filters.insert(chosen.key.filter.clone());
    }
    read_with
}

/// What monitoring tells of an account's endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// UTC days from the horizon to yesterday that were not read completely after their end.
    pub(super) missing_days: u64,
    /// How long ago the first unbroken stretch ends.
    pub(super) lag: TimeDelta,
}

/// The first day that is looked at.
pub(super) fn horizon(now: DateTime<Utc>, days: u32) -> NaiveDate {
    let today = now.date_naive();
    today.checked_sub_days(Days::new(days.into())).unwrap_or(today)
}

/// How far it reaches. Each of the filters that the account is read with must be covered; without any, those that were.
pub(super) fn reach(
    coverage: &ClosedCoverage,
    read_with: &BTreeSet<ProjectFilter>,
    first_day: NaiveDate,
    now: DateTime<Utc>,
) -> Reach {
    let once_read_with: BTreeSet<ProjectFilter> = coverage
        .stretches
        .iter()
        .map(|stretch| stretch.filter.clone())
        .collect();
    let filters = if read_with.is_empty() {
        &once_read_with
    } else {
        read_with
    };
    let by_filter: Vec<Vec<&Stretch>> = filters
        .iter()
        .map(|filter| {
            let includes = |stretch: &&Stretch| stretch.filter.includes(filter);
            coverage.stretches.iter().filter(includes).collect()
        })
        .collect();
    let days = first_day.iter_days().take_while(|day| *day < now.date_naive());
    let is_missing = |day: &NaiveDate| {
        by_filter.is_empty()
            || by_filter
                .iter()
                .any(|stretches| !stretches.iter().any(|stretch| holds_day(stretch, *day)))
    };
    let end = by_filter
        .iter()
        .map(|stretches| first_end(stretches))
        .min()
        .flatten()
        .or(coverage.last_end);
    let never = first_day.and_time(chrono::NaiveTime::MIN).and_utc();
    Reach {
        missing_days: days.filter(is_missing).count() as u64,
        lag: now - end.unwrap_or(never),
    }
}

/// Whether the whole day was read at this one width: widths never mix.
fn holds_day(stretch: &Stretch, day: NaiveDate) -> bool {
    let start = day.and_time(chrono::NaiveTime::MIN).and_utc();
    stretch.start <= start && start + TimeDelta::days(1) <= stretch.end
}

/// Where the first gap begins.
fn first_end(stretches: &[&Stretch]) -> Option<DateTime<Utc>> {
    let mut in_time_order = stretches.to_vec();
    in_time_order.sort_by_key(|stretch| stretch.start);
    let mut end = in_time_order.first()?.end;
    for stretch in in_time_order {
        if stretch.start > end {
            break;
        }
        end = end.max(stretch.end);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use usage_core::{Account, Endpoint, Provider, Width, parse_instant};
    use usage_store::StoredAccount;

    use super::*;

    fn projects(ids: &[&str]) -> ProjectFilter {
        ProjectFilter::projects(ids.iter().map(|id| (*id).to_owned()))
    }

    fn stretch(ids: &[&str], width: Width, start: &str, end: &str) -> Stretch {
        let instant = |text: &str| parse_instant(&format!("2025-10-{text}:00:00Z")).unwrap();
        Stretch {
            filter: projects(ids),
            width,
            start: instant(start),
            end: instant(end),
        }
    }

    fn days(start: &str, end: &str) -> Stretch {
        stretch(&[], Width::Day, &format!("{start}T00"), &format!("{end}T00"))
    }

    /// Ten days before noon of 20 October, read with these filters.
    fn reach_of(stretches: Vec<Stretch>, read_with: &[ProjectFilter]) -> (u64, i64) {
        let now = parse_instant("2025-10-20T12:00:00Z").unwrap();
        let coverage = ClosedCoverage {
            account: StoredAccount {
                id: 1,
                account: Account::new(Provider::OpenAi, "org-anon").unwrap(),
            },
            endpoint: Endpoint::Completions,
            stretches,
            last_end: None,
        };
        let read_with = read_with.iter().cloned().collect();
        let reach = reach(&coverage, &read_with, horizon(now, 10), now);
        (reach.missing_days, reach.lag.num_hours())
    }

    #[test]
    fn days_that_no_read_closed_are_missing_and_the_lag_ends_at_the_first() {
        let all = [ProjectFilter::ALL];
        for (stretches, expected) in [
            (vec![days("10", "20")], (0, 12)),
            (vec![days("10", "19")], (1, 36)),
            (vec![days("10", "13"), days("14", "20")], (1, 7 * 24 + 12)),
            // A ledger that begins within the horizon lacks what is before, and is not behind.
            (vec![days("17", "20")], (7, 12)),
            (vec![], (10, 10 * 24 + 12)),
            // Widths are no patchwork for a day, but what is there is there.
            (
                vec![
                    days("10", "18"),
                    stretch(&[], Width::Hour, "18T00", "19T12"),
                    stretch(&[], Width::Minute, "19T12", "20T11"),
                ],
                (1, 1),
            ),
            (
                vec![days("10", "18"), stretch(&[], Width::Hour, "18T00", "20T03")],
                (0, 9),
            ),
        ] {
            assert_eq!(reach_of(stretches.clone(), &all), expected, "{stretches:#?}");
            assert_eq!(reach_of(stretches, &[]), expected);
        }
    }

    #[test]
    fn every_part_that_a_key_reads_must_be_covered() {
        let part = |id, end| stretch(&[id], Width::Day, "10T00", end);
        let (a, b) = (projects(&["a"]), projects(&["b"]));
        let both = vec![part("a", "20T00"), part("b", "18T00")];
        assert_eq!(reach_of(both.clone(), &[a.clone(), b.clone()]), (2, 60));
        assert_eq!(reach_of(both.clone(), std::slice::from_ref(&a)), (0, 12));
        assert_eq!(reach_of(both.clone(), &[]), (2, 60));
        assert_eq!(
            reach_of(both, &[ProjectFilter::ALL]).0,
            10,
            "no part is the whole"
        );
        assert_eq!(reach_of(vec![days("10", "20")], &[a, b]), (0, 12));
    }
}
