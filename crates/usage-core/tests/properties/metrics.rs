use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use usage_core::{Metric, MetricOverflow, Metrics};

fn metrics_of(values: impl Strategy<Value = i64>) -> impl Strategy<Value = Metrics> {
    vec(weighted(0.6, values), Metric::ALL.len()).prop_map(|values| {
        let mut metrics = Metrics::default();
        for (metric, value) in Metric::ALL.into_iter().zip(values) {
            *metrics.get_mut(metric) = value;
        }
        metrics
    })
}

/// Counts as they come, three of which never overflow.
fn counts() -> impl Strategy<Value = Metrics> {
    metrics_of(prop_oneof![Just(0), 0..i64::MAX / 4])
}

/// Two groups that agree in most metrics, and quite often in all.
fn pairs() -> impl Strategy<Value = (Metrics, Metrics)> {
    let few = || prop_oneof![Just(0), Just(1), Just(256), Just(i64::MAX)];
    (
        metrics_of(few()),
        metrics_of(few()),
        vec(prop::bool::weighted(0.05), Metric::ALL.len()),
    )
        .prop_map(|(first, other, differs)| {
            let mut second = first;
            for (metric, _) in Metric::ALL
                .into_iter()
                .zip(differs)
                .filter(|(_, differs)| *differs)
            {
                *second.get_mut(metric) = other.get(metric);
            }
            (first, second)
        })
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_order(first in counts(), second in counts(), third in counts()) {
        let sum = |left: Metrics, right: Metrics| left.checked_add(&right).unwrap();
        prop_assert_eq!(sum(first, second), sum(second, first));
        prop_assert_eq!(sum(sum(first, second), third), sum(first, sum(second, third)));
        prop_assert_eq!(sum(first, second).units(), first.units() + second.units());
    }

    #[test]
    fn absent_is_neutral_and_stays_absent(metrics in counts()) {
        prop_assert_eq!(metrics.checked_add(&Metrics::default()), Ok(metrics));
        prop_assert_eq!(Metrics::default().checked_add(&metrics), Ok(metrics));
    }

    #[test]
    fn a_sum_is_present_where_either_is_and_fails_where_64_bits_do(
        first in metrics_of(any::<i64>()),
        second in metrics_of(any::<i64>()),
    ) {
        let wide = |metric| match (first.get(metric), second.get(metric)) {
            (None, None) => None,
            (left, right) => Some(i128::from(left.unwrap_or(0)) + i128::from(right.unwrap_or(0))),
        };
        let overflow = Metric::ALL.into_iter().find(|metric| wide(*metric).is_some_and(|sum| i64::try_from(sum).is_err()));
        match first.checked_add(&second) {
            Err(MetricOverflow(metric)) => prop_assert_eq!(Some(metric), overflow),
            Ok(sum) => {
                prop_assert_eq!(overflow, None);
                for metric in Metric::ALL {
                    prop_assert_eq!(sum.get(metric).map(i128::from), wide(metric));
                }
            }
        }
    }

    #[test]
    fn content_hashes_are_equal_exactly_when_metrics_are((first, second) in pairs()) {
        prop_assert_eq!(first.content_hash() == second.content_hash(), first == second);
    }

    #[test]
    fn differing_names_exactly_the_metrics_that_differ_with_absent_as_zero((first, second) in pairs()) {
        let differing = first.differing(&second);
        for metric in Metric::ALL {
            let same = first.get(metric).unwrap_or(0) == second.get(metric).unwrap_or(0);
            prop_assert_eq!(differing.contains(&metric), !same);
        }
    }
}
