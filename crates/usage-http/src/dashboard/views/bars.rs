//! The daily bars of the overview.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use usage_store::{
    Ledger, Period, StoreError, StoredAccount, SummaryBy, SummaryQuery, SummaryRow, UsageFilter, UsageSums,
};

use super::days::DayStates;
use super::divide::Divide;
use super::names::Names;
use crate::dashboard::chart::{ChartDay, DailyChart, Measure, Series};
use crate::dashboard::query::DayRange;

/// How many parts a bar has before the rest is one.
const SERIES: usize = 8;

/// What the bars are of.
pub(super) struct Bars<'a> {
    pub(super) filter: UsageFilter,
    pub(super) days: DayRange,
    pub(super) states: &'a DayStates,
    pub(super) divide: Divide,
    pub(super) measure: Measure,
    pub(super) names: &'a Names,
    pub(super) accounts: &'a [StoredAccount],
}

impl Bars<'_> {
    /// Sums up the days, and of each day the values that have most of the whole range: however many there are, no more are
    /// asked for day by day.
    pub(super) async fn chart(self, ledger: &Ledger) -> Result<DailyChart, StoreError> {
        let by = vec![self.divide.summary_by()];
        let summary =
            |filter, by: Vec<SummaryBy>, period| ledger.usage_summary(SummaryQuery { filter, by, period });
        let (whole, days) = tokio::try_join!(
            summary(self.filter.clone(), by.clone(), None),
            summary(self.filter.clone(), Vec::new(), Some(Period::Day)),
        )?;
        let (largest, rest) = self.largest(&whole);
        let parts = if rest.is_empty() {
            self.filter.clone()
        } else {
            let keys: Vec<Option<String>> = largest.iter().map(|(key, _)| key.clone()).collect();
            self.divide.narrowed(self.filter.clone(), &keys)
        };
        let parts = summary(parts, by, Some(Period::Day)).await?;
        Ok(self.stacked(&largest, &rest, &days, &parts))
    }

    /// The values that have most, and the others.
    fn largest(&self, whole: &[SummaryRow]) -> (Vec<Total>, Vec<Total>) {
        let mut totals: BTreeMap<Option<String>, i128> = BTreeMap::new();
        for row in whole {
            *totals.entry(self.divide.key(row, self.accounts)).or_default() += value(self.measure, &row.sums);
        }
        let mut largest: Vec<Total> = totals.into_iter().filter(|(_, total)| *total > 0).collect();
        // By name where they are equal, so that colours do not change from load to load.
        largest.sort_by(|(key, total), (other, others)| others.cmp(total).then_with(|| key.cmp(other)));
        let shown = if largest.len() > SERIES + 1 {
            SERIES
        } else {
            largest.len()
        };
        let rest = largest.split_off(shown);
        (largest, rest)
    }

    fn stacked(
        &self,
        largest: &[Total],
        rest: &[Total],
        days: &[SummaryRow],
        parts: &[SummaryRow],
    ) -> DailyChart {
        let mut cells: BTreeMap<(NaiveDate, Option<String>), i128> = BTreeMap::new();
        for row in parts {
            if let Some(day) = day_of(row) {
                let key = self.divide.key(row, self.accounts);
                *cells.entry((day, key)).or_default() += value(self.measure, &row.sums);
            }
        }
        let sums: BTreeMap<NaiveDate, &UsageSums> = days
            .iter()
            .filter_map(|row| Some((day_of(row)?, &row.sums)))
            .collect();
        let mut series: Vec<Series> = largest
            .iter()
            .enumerate()
            .map(|(number, (key, total))| Series {
                label: self
                    .divide
                    .name(key.as_deref(), self.names, self.accounts)
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
        let days = self.days.each().map(|day| {
            let sums = sums.get(&day);
            let mut values: Vec<i128> = largest
                .iter()
                .map(|(key, _)| cells.get(&(day, key.clone())).copied().unwrap_or(0))
                .collect();
            if !rest.is_empty() {
                let whole = sums.map_or(0, |sums| value(self.measure, sums));
                values.push(whole - values.iter().sum::<i128>());
            }
            ChartDay {
                day,
                state: self.states.of_day(day),
                values,
                events: sums.map_or(0, |sums| sums.events),
                unpriced: sums.map_or(0, |sums| sums.unpriced),
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

/// A value and what it has over the whole range.
type Total = (Option<String>, i128);

fn day_of(row: &SummaryRow) -> Option<NaiveDate> {
    row.period_start.map(|start| start.date_naive())
}

fn value(measure: Measure, sums: &UsageSums) -> i128 {
    match measure {
        Measure::Cost => sums.cost.get().into(),
        Measure::Tokens => sums.metrics.tokens(),
        Measure::Requests => sums.metrics.num_model_requests.unwrap_or(0).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use usage_core::{Dimension, NanoUsd, parse_day};
    use usage_store::AccountScope;

    use super::*;

    fn row(day: Option<NaiveDate>, model: Option<u32>, cost: i64) -> SummaryRow {
        let model = model.map(|model| (Dimension::Model, Some(format!("model-{model:02}"))));
        SummaryRow {
            period_start: day.map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc()),
            account_id: None,
            endpoint: None,
            dimensions: model.into_iter().collect(),
            sums: UsageSums {
                events: 1,
                cost: NanoUsd::new(cost),
                ..UsageSums::default()
            },
        }
    }

    /// Eight models have parts of their own; what the rest has of a day is what the day has beside them.
    #[test]
    fn the_rest_is_what_is_beside_the_largest() {
        let first = parse_day("2025-09-01").unwrap();
        let days = DayRange {
            first,
            last: first.succ_opt().unwrap(),
        };
        let states = DayStates::of(&[], &BTreeSet::new(), days, days.last);
        let names = Names::none();
        let bars = Bars {
            filter: UsageFilter::all(AccountScope::All),
            days,
            states: &states,
            divide: Divide::named("model").unwrap(),
            measure: Measure::Cost,
            names: &names,
            accounts: &[],
        };
        let whole: Vec<SummaryRow> = (1..=12)
            .map(|model| row(None, Some(model), i64::from(model)))
            .collect();
        let (largest, rest) = bars.largest(&whole);
        assert_eq!((largest.len(), rest.len()), (8, 4));
        assert_eq!(largest[0], (Some("model-12".to_owned()), 12));
        let narrowed = bars
            .divide
            .narrowed(bars.filter.clone(), &[Some("model-12".to_owned())]);
        assert_eq!(
            narrowed.dimensions[&Dimension::Model],
            [Some("model-12".to_owned())]
        );
        // All of it was used on the second day.
        let of_days = [row(Some(days.last), None, 78)];
        let parts: Vec<SummaryRow> = (5..=12)
            .map(|model| row(Some(days.last), Some(model), i64::from(model)))
            .collect();
        let chart = bars.stacked(&largest, &rest, &of_days, &parts);
        assert_eq!(chart.series[8].label, "4 others");
        assert_eq!((chart.series[8].total, chart.total()), (1 + 2 + 3 + 4, 78));
        assert_eq!(chart.days[0].values, [0; 9]);
        assert_eq!(chart.days[1].values, [12, 11, 10, 9, 8, 7, 6, 5, 10]);
        assert_eq!((chart.days[0].events, chart.days[1].events), (0, 1));
    }
}
