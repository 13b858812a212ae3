//! What a ledger has read of a window.

use usage_core::{DimensionSet, Endpoint, WindowState};

use super::comparison::NotCoveredReason;
use crate::groups::{Symbol, Symbols};
use crate::ledger::LedgerCoverage;

/// Which groups of a window the ledger has read.
pub(crate) enum Covered {
    /// All of them.
    Everything,
    /// Those of these projects.
    Projects(Vec<Symbol>),
}

/// What of a window the ledger has read completely, and how far the window had gone. An export that was filtered to
/// values of some dimensions can only be compared with reads that were grouped by them.
pub(crate) fn covered(
    endpoint: Endpoint,
    coverage: &[LedgerCoverage],
    filtered_by: DimensionSet,
    symbols: &Symbols,
) -> Result<(Covered, WindowState), NotCoveredReason> {
    let Some(state) = closed(coverage).map(|covered| covered.state).min() else {
        return Err(if coverage.is_empty() {
            NotCoveredReason::NeverRead
        } else {
            NotCoveredReason::ReadBeforeEnd
        });
    };
    if !filtered_by.is_subset(told_apart(endpoint, coverage)) {
        return Err(NotCoveredReason::ScopeNotGrouped);
    }
    if closed(coverage).any(|covered| covered.filter.is_all()) {
        return Ok((Covered::Everything, state));
    }
    let projects = closed(coverage)
        .flat_map(|covered| covered.filter.ids())
        .map(|id| symbols.of(id))
        .collect();
    Ok((Covered::Projects(projects), state))
}

/// The dimensions that the complete reads of the window told apart: every one was grouped by them, and not for every one
/// they were empty throughout.
pub(crate) fn told_apart(endpoint: Endpoint, coverage: &[LedgerCoverage]) -> DimensionSet {
    let grouped = closed(coverage).fold(endpoint.dimensions(), |all, covered| {
        all.intersection(covered.grouped_by)
    });
    let empty = closed(coverage)
        .map(|covered| covered.empty)
        .reduce(DimensionSet::intersection)
        .unwrap_or(DimensionSet::EMPTY);
    grouped.difference(empty)
}

fn closed(coverage: &[LedgerCoverage]) -> impl Iterator<Item = &LedgerCoverage> {
    coverage
        .iter()
        .filter(|covered| covered.state != WindowState::Open)
}
