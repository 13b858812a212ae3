//! Which days can be reconciled, and of which projects.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use usage_core::{Dimension, Endpoint, Window, WindowState};
use usage_parity::reconcile::LeftOut;
use usage_store::Coverage;

/// The coverage of a range by days, of one account.
pub(super) struct Covered {
    /// What was read completely after the day's end.
    closed: BTreeMap<(Window, Endpoint), Vec<Coverage>>,
    surfaces: BTreeSet<Endpoint>,
}

/// What to do with a day.
pub(super) enum DayPlan {
    Compare(DayScope),
    LeftOut(LeftOut),
}

/// What of a day both sides have.
pub(super) struct DayScope {
    pub(super) is_provisional: bool,
    /// `None` for every project.
    pub(super) projects: Option<BTreeSet<String>>,
    /// Whether both sides tell projects apart; if not, they are summed over.
    pub(super) by_project: bool,
}

impl DayScope {
    pub(super) fn admits(&self, project: Option<&str>) -> bool {
        self.projects
            .as_ref()
            .is_none_or(|projects| project.is_some_and(|project| projects.contains(project)))
    }
}

impl Covered {
    pub(super) fn new(coverage: Vec<Coverage>) -> Self {
        let mut closed: BTreeMap<(Window, Endpoint), Vec<Coverage>> = BTreeMap::new();
        for covered in coverage
            .into_iter()
            .filter(|covered| covered.state != WindowState::Open)
        {
            let key = (covered.window, covered.endpoint);
            closed.entry(key).or_default().push(covered);
        }
        let surfaces = closed.keys().map(|(_, endpoint)| *endpoint).collect();
        Self { closed, surfaces }
    }

    /// Whether some day of the range was read completely after its end.
    pub(super) fn was_read(&self, endpoint: Endpoint) -> bool {
        self.surfaces.contains(&endpoint)
    }

    /// The surfaces of usage that were read; on a day that is compared, all of them were.
    pub(super) fn surfaces_of_usage(&self) -> impl Iterator<Item = Endpoint> {
        Endpoint::USAGE
            .into_iter()
            .filter(|endpoint| self.was_read(*endpoint))
    }

    /// A day is compared if it is over and every surface that was read in the range was read on it.
    pub(super) fn plan(&self, window: Window, now: DateTime<Utc>) -> DayPlan {
        if window.end() > now {
            return DayPlan::LeftOut(LeftOut::Open);
        }
        let of = |endpoint: &Endpoint| self.closed.get(&(window, *endpoint));
        let lacking: Vec<Endpoint> = self
            .surfaces
            .iter()
            .copied()
            .filter(|endpoint| of(endpoint).is_none())
            .collect();
        if !lacking.is_empty() {
            return DayPlan::LeftOut(LeftOut::NotCovered(lacking));
        }
        let covered: Vec<&Vec<Coverage>> = self.surfaces.iter().filter_map(of).collect();
        let projects = covered
            .iter()
            .map(|rows| projects_of(rows))
            .reduce(common)
            .flatten();
        if projects.as_ref().is_some_and(BTreeSet::is_empty) {
            return DayPlan::LeftOut(LeftOut::NotCovered(self.surfaces.iter().copied().collect()));
        }
        let rows = || covered.iter().flat_map(|rows| rows.iter());
        DayPlan::Compare(DayScope {
            is_provisional: rows().any(|row| row.state == WindowState::Provisional),
            projects,
            by_project: rows().all(|row| row.grouped_by.contains(Dimension::ProjectId)),
        })
    }
}

/// The projects that reads of one day saw together; `None` for every project.
fn projects_of(rows: &[Coverage]) -> Option<BTreeSet<String>> {
    if rows.iter().any(|row| row.filter.is_all()) {
        return None;
    }
    Some(
        rows.iter()
            .flat_map(|row| row.filter.ids().map(str::to_owned))
            .collect(),
    )
}

fn common(one: Option<BTreeSet<String>>, other: Option<BTreeSet<String>>) -> Option<BTreeSet<String>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.intersection(&other).cloned().collect()),
        (one, other) => one.or(other),
    }
}
