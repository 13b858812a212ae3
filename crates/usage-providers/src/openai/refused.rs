//! What the provider is known to refuse to group by, so that nothing is asked twice in vain.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use usage_core::{Dimension, DimensionSet, Endpoint, WindowRange};

use super::refusal::{Reach, RefusedDimension};

/// The refusals of one client's reads.
#[derive(Debug, Default)]
pub(crate) struct RefusedGroupings(Mutex<BTreeMap<(Endpoint, Dimension), Reach>>);

impl RefusedGroupings {
    pub(crate) fn remember(&self, endpoint: Endpoint, refused: RefusedDimension) {
        self.lock()
            .entry((endpoint, refused.dimension))
            .and_modify(|reach| *reach = reach.or(refused.reach))
            .or_insert(refused.reach);
    }

    /// The dimensions that are refused for a query of these windows.
    pub(crate) fn dimensions(&self, endpoint: Endpoint, windows: WindowRange) -> DimensionSet {
        self.of_query(endpoint, windows)
            .into_iter()
            .map(|refused| refused.dimension)
            .collect()
    }

    /// The windows from the first on that can be grouped alike: those before the time from which on the provider has
    /// another of the asked dimensions, or is not known to lack it. A time inside a window counts from the next one.
    pub(crate) fn grouped_alike(
        &self,
        endpoint: Endpoint,
        windows: WindowRange,
        group_by: DimensionSet,
    ) -> WindowRange {
        let floor = self
            .of_query(endpoint, windows)
            .into_iter()
            .filter(|refused| group_by.contains(refused.dimension))
            .filter_map(|refused| refused.reach.floor())
            .min();
        let Some(floor) = floor else {
            return windows;
        };
        let before = windows.windows().take_while(|window| window.start_unix() < floor);
        WindowRange::join(before).pop().unwrap_or(windows)
    }

    fn of_query(&self, endpoint: Endpoint, windows: WindowRange) -> Vec<RefusedDimension> {
        let start = windows.start().timestamp();
        let known = self.lock();
        known
            .iter()
            .filter(|((of, _), reach)| *of == endpoint && reach.covers(start))
            .map(|((_, dimension), reach)| RefusedDimension {
                dimension: *dimension,
                reach: *reach,
            })
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Endpoint, Dimension), Reach>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use usage_core::parse_day;

    use super::*;

    /// 2025-09-03T00:00:00Z
    const THIRD: i64 = 1_756_857_600;

    fn days(first: &str, last: &str) -> WindowRange {
        WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap()
    }

    fn refusing(reach: Reach) -> RefusedGroupings {
        let refused = RefusedGroupings::default();
        refused.remember(
            Endpoint::Costs,
            RefusedDimension {
                dimension: Dimension::ApiKeyId,
                reach,
            },
        );
        refused
    }

    #[test]
    fn a_range_is_cut_where_the_provider_begins_to_have_the_dimension() {
        let asked = Endpoint::Costs.dimensions();
        let range = days("2025-09-01", "2025-09-05");
        for (reach, last) in [
            (Reach::StartsBefore(THIRD), "2025-09-02"),
            (Reach::StartsBefore(THIRD - 1), "2025-09-02"),
            (Reach::StartsBefore(THIRD + 1), "2025-09-03"),
            (Reach::StartsBefore(i64::MAX), "2025-09-05"),
            (Reach::StartsBefore(0), "2025-09-05"),
            (Reach::StartsUntil(THIRD), "2025-09-03"),
            (Reach::StartsUntil(THIRD - 1), "2025-09-02"),
            (Reach::Always, "2025-09-05"),
        ] {
            let refused = refusing(reach);
            let alike = refused.grouped_alike(Endpoint::Costs, range, asked);
            assert_eq!(alike, days("2025-09-01", last), "{reach:?}");
            let other = asked.without(Dimension::ApiKeyId);
            assert_eq!(
                refused.grouped_alike(Endpoint::Costs, range, other),
                range,
                "{reach:?}"
            );
            assert_eq!(refused.grouped_alike(Endpoint::Completions, range, asked), range);
        }
    }

    #[test]
    fn the_latest_word_on_a_dimension_counts() {
        let refused = refusing(Reach::StartsBefore(THIRD));
        let dimensions = |first| refused.dimensions(Endpoint::Costs, days(first, "2025-09-09"));
        let api_key = DimensionSet::EMPTY.with(Dimension::ApiKeyId);
        assert_eq!(
            ["2025-09-02", "2025-09-03"].map(dimensions),
            [api_key, DimensionSet::EMPTY]
        );
        refused.remember(
            Endpoint::Costs,
            RefusedDimension {
                dimension: Dimension::ApiKeyId,
                reach: Reach::Always,
            },
        );
        assert_eq!(["2025-09-02", "2025-09-03"].map(dimensions), [api_key, api_key]);
    }
}
