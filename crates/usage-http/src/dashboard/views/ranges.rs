//! Ranges of days that are one click away.

use chrono::{Datelike as _, Days, NaiveDate};

use crate::dashboard::display::Day;
use crate::dashboard::pages::{Link, RangeChoice};
use crate::dashboard::query::{DayRange, Query};

/// The choice of days of a page that keeps its other parameters, but where in a list one is.
pub(crate) fn range_choice(query: &Query, path: &str, days: DayRange, today: NaiveDate) -> RangeChoice {
    let kept = query.without(&["from", "to", "after", "done"]);
    let back = |count: u64| today.checked_sub_days(Days::new(count - 1)).unwrap_or(today);
    let month = today.with_day(1).unwrap_or(today);
    let last_of_month = month.pred_opt().unwrap_or(month);
    let presets = [
        ("7 days", back(7), today),
        ("31 days", back(31), today),
        ("90 days", back(90), today),
        ("This month", month, today),
        (
            "Last month",
            last_of_month.with_day(1).unwrap_or(month),
            last_of_month,
        ),
    ];
    RangeChoice {
        first: Day(days.first),
        last: Day(days.last),
        presets: presets
            .into_iter()
            .map(|(label, first, last)| Link {
                label: label.to_owned(),
                href: kept
                    .with("from", &first.to_string())
                    .with("to", &last.to_string())
                    .href(path),
                is_current: (days.first, days.last) == (first, last),
            })
            .collect(),
        kept: kept.pairs().to_vec(),
    }
}
