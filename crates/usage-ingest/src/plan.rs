//! Planning: from a range to the smallest number of requests.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::{
    CLOCK_TOLERANCE, DimensionSet, Endpoint, ProjectFilter, Width, Window, WindowRange, WindowState,
    format_instant,
};
use usage_store::{AccountScope, Coverage, CoverageQuery, Ledger, StoreError, StoredAccount};

use crate::reader::Reader;

/// What to read.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// The windows asked for.
    pub windows: WindowRange,
    /// The surfaces asked for.
    pub endpoints: Vec<Endpoint>,
    /// Windows a chunk has at most; the provider's page limit unless set.
    pub chunk_windows: Option<usize>,
    /// Dimensions to group by; everything the endpoint offers unless set.
    pub group_by: Option<DimensionSet>,
    /// Whether settled windows are read again.
    pub force: bool,
    /// Windows read completely since then, by whomever, are not read again: several processes share one pass.
    pub fresh_since: Option<DateTime<Utc>>,
    /// The time for which the plan is made: windows that have not begun are left out.
    pub now: DateTime<Utc>,
}

/// What a run will ask, before it asks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The readers that the chunks refer to.
    pub readers: Vec<Reader>,
    /// The chunks, account by account, in time order.
    pub chunks: Vec<PlannedChunk>,
    /// Windows left out since they are settled and read already.
    pub settled: usize,
    /// Windows left out since they were read since [`PlanRequest::fresh_since`].
    pub fresh: usize,
    /// Windows left out since they have not begun.
    pub not_begun: usize,
    /// Windows that are read although the ledger has a read of them: a clock that was wrong made it in the future.
    pub in_future: usize,
    /// Endpoints, of one reader each, that will be asked once more: the provider refused to group by one of the dimensions
    /// when they were read last, and may not do so any longer.
    pub refusals: usize,
    request: PlanRequest,
    surfaces: Vec<Surface>,
}

/// What one reader asks of one endpoint.
#[derive(Clone, Copy, Debug)]
struct Surface {
    /// Index into [`Plan::readers`].
    reader: usize,
    endpoint: Endpoint,
    group_by: DimensionSet,
}

/// One query's range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChunk {
    /// Index into [`Plan::readers`].
    pub reader: usize,
    /// The surface.
    pub endpoint: Endpoint,
    /// The windows.
    pub windows: WindowRange,
    /// The dimensions to group by.
    pub group_by: DimensionSet,
    /// Pages of the grouped read.
    pub pages: usize,
    /// Pages of the control total; none when every window of the chunk is still open.
    pub control_pages: usize,
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The endpoint cannot be grouped like that.
    #[error("{endpoint} cannot be grouped by {dimensions}; it offers {offered}, {at_once} at once")]
    Grouping {
        /// The surface.
        endpoint: Endpoint,
        /// What was asked.
        dimensions: DimensionSet,
        /// What there is.
        offered: DimensionSet,
        /// How many of them fit into one query.
        at_once: usize,
    },
    /// The endpoint has no windows of this width.
    #[error("{endpoint} has no windows of {width}; ask for it by the day, --bucket-width 1d")]
    Width {
        /// The surface.
        endpoint: Endpoint,
        /// What was asked.
        width: Width,
    },
    /// Coverage could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Plan {
    /// Requests that the plan takes if nothing has to be asked twice but what the provider is known to refuse.
    pub fn requests(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| chunk.pages + chunk.control_pages);
        chunks.sum::<usize>() + self.refusals
    }

    /// Windows that the plan reads.
    pub fn windows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.windows.len()).sum()
    }

    /// The plan as a run records it.
    pub fn summary(&self) -> PlanSummary {
        let chunks = self.chunks.iter().map(|chunk| ChunkSummary {
            account: self.readers[chunk.reader].account.account.to_string(),
            endpoint: chunk.endpoint,
            from: format_instant(chunk.windows.start()),
            to: format_instant(chunk.windows.end()),
            windows: chunk.windows.len(),
            pages: chunk.pages,
            control_pages: chunk.control_pages,
        });
        PlanSummary {
            requests: self.requests(),
            windows: self.windows(),
            settled: self.settled,
            fresh: self.fresh,
            not_begun: self.not_begun,
            refusals: self.refusals,
            chunks: chunks.collect(),
        }
    }
}

/// A plan in the shape of the artefact and of `--format json`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanSummary {
    /// See [`Plan::requests`].
    pub requests: usize,
    /// See [`Plan::windows`].
    pub windows: usize,
    /// See [`Plan::settled`].
    pub settled: usize,
    /// See [`Plan::fresh`]; left out where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub fresh: usize,
    /// See [`Plan::not_begun`].
    pub not_begun: usize,
    /// See [`Plan::refusals`]; left out where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub refusals: usize,
    /// The chunks.
    pub chunks: Vec<ChunkSummary>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A chunk of a [`PlanSummary`].
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChunkSummary {
    /// Whose usage, as `provider/organization`.
    pub account: String,
    /// The surface.
    pub endpoint: Endpoint,
    /// First instant, RFC 3339 in UTC.
    pub from: String,
    /// First instant after, RFC 3339 in UTC.
    pub to: String,
    /// How many windows.
    pub windows: usize,
    /// Requests of the grouped read.
    pub pages: usize,
    /// Requests of the control total.
    pub control_pages: usize,
}

/// Plans what the readers must ask, given what the ledger covers already.
///
/// What others read between the plan and the run is left out by [`run`](crate::run), which plans an account again once
/// it holds the account's lease.
pub async fn plan(ledger: &Ledger, readers: Vec<Reader>, request: &PlanRequest) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        surfaces: surfaces(&readers, request)?,
        readers,
        chunks: Vec::new(),
        settled: 0,
        fresh: 0,
        not_begun: 0,
        in_future: 0,
        refusals: 0,
        request: request.clone(),
    };
    plan.make(ledger, |_| true).await?;
    Ok(plan)
}

impl Plan {
    /// The plan of one account, made again for the same time from what the ledger covers now.
    pub(crate) async fn again(&self, ledger: &Ledger, account: &StoredAccount) -> Result<Self, StoreError> {
        let mut again = Self {
            readers: self.readers.clone(),
            chunks: Vec::new(),
            settled: 0,
            fresh: 0,
            not_begun: 0,
            in_future: 0,
            refusals: 0,
            request: self.request.clone(),
            surfaces: self.surfaces.clone(),
        };
        again.make(ledger, |reader| reader.account == *account).await?;
        Ok(again)
    }

    /// Windows that the plan reads of an account.
    pub(crate) fn windows_of(&self, account: &StoredAccount) -> usize {
        self.chunks
            .iter()
            .filter(|chunk| self.readers[chunk.reader].account == *account)
            .map(|chunk| chunk.windows.len())
            .sum()
    }

    async fn make(&mut self, ledger: &Ledger, is_asked: impl Fn(&Reader) -> bool) -> Result<(), StoreError> {
        for surface in &self.surfaces {
            let reader = &self.readers[surface.reader];
            if !is_asked(reader) {
                continue;
            }
            let query = CoverageQuery {
                scope: AccountScope::one(&reader.account),
                endpoint: Some(surface.endpoint),
                windows: Some(self.request.windows),
            };
            let coverage = ledger.coverage(query).await?;
            let needed = needed(&self.request, &reader.filter, surface.group_by, &coverage);
            self.settled += needed.settled;
            self.fresh += needed.fresh;
            self.not_begun += needed.not_begun;
            self.in_future += needed.in_future;
            let was_refused = |read: &Coverage| {
                let refused = surface
                    .group_by
                    .difference(surface.group_by.difference(read.refused));
                read.filter == reader.filter && !refused.is_empty()
            };
            let asks = !needed.windows.is_empty();
            self.refusals += usize::from(asks && coverage.iter().any(was_refused));
            self.chunks
                .extend(surface.chunks(reader, &self.request, &needed.windows));
        }
        Ok(())
    }
}

impl Surface {
    fn chunks(self, reader: &Reader, request: &PlanRequest, needed: &[Window]) -> Vec<PlannedChunk> {
        let source = &reader.key.source;
        let page = source
            .windows_per_page(self.endpoint, request.windows.width())
            .max(1);
        let chunk = request.chunk_windows.unwrap_or(page).max(1);
        let ranges = chunks(needed, chunk, page).into_iter();
        ranges
            .map(|windows| {
                let pages = windows.len().div_ceil(page);
                let has_closed = windows
                    .windows()
                    .next()
                    .is_some_and(|first| first.end() <= request.now);
                PlannedChunk {
                    reader: self.reader,
                    endpoint: self.endpoint,
                    windows,
                    group_by: self.group_by,
                    pages,
                    control_pages: if has_closed { pages } else { 0 },
                }
            })
            .collect()
    }
}

/// What the readers ask of which endpoints, reader by reader.
fn surfaces(readers: &[Reader], request: &PlanRequest) -> Result<Vec<Surface>, PlanError> {
    let mut surfaces = Vec::new();
    for (index, reader) in readers.iter().enumerate() {
        for endpoint in request.endpoints.iter().copied() {
            let width = request.windows.width();
            if !endpoint.has_width(width) {
                return Err(PlanError::Width { endpoint, width });
            }
            if reader.key.source.endpoints().contains(&endpoint) {
                surfaces.push(Surface {
                    reader: index,
                    endpoint,
                    group_by: grouping(reader, endpoint, request)?,
                });
            }
        }
    }
    Ok(surfaces)
}

fn grouping(reader: &Reader, endpoint: Endpoint, request: &PlanRequest) -> Result<DimensionSet, PlanError> {
    let limit = reader.key.source.grouping_limit(endpoint);
    let dimensions = request.group_by.unwrap_or(limit.dimensions);
    if dimensions.is_subset(limit.dimensions) && dimensions.len() <= limit.at_once {
        return Ok(dimensions);
    }
    Err(PlanError::Grouping {
        endpoint,
        dimensions,
        offered: limit.dimensions,
        at_once: limit.at_once,
    })
}

/// The windows that must be read, and why the others need not be.
struct Needed {
    windows: Vec<Window>,
    settled: usize,
    fresh: usize,
    not_begun: usize,
    in_future: usize,
}

/// Why a window need not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Settled,
    Fresh,
}

fn needed(
    request: &PlanRequest,
    filter: &ProjectFilter,
    group_by: DimensionSet,
    coverage: &[Coverage],
) -> Needed {
    let mut known: BTreeMap<Window, Known> = BTreeMap::new();
    let mut in_future: BTreeSet<Window> = BTreeSet::new();
    for read in coverage.iter().filter(|read| read.filter.includes(filter)) {
        // Made by a clock that was wrong: how far the window had gone, nobody knows.
        if read.read_started_at > request.now + CLOCK_TOLERANCE {
            in_future.insert(read.window);
            continue;
        }
        // A dimension that the provider refused is as good as read: asking again would not bring it.
        let fine_enough = group_by.difference(read.refused).is_subset(read.grouped_by);
        if !fine_enough {
            continue;
        }
        if read.state == WindowState::Settled {
            known.insert(read.window, Known::Settled);
        } else if request
            .fresh_since
            .is_some_and(|since| read.read_started_at >= since)
        {
            known.entry(read.window).or_insert(Known::Fresh);
        }
    }
    let mut needed = Needed {
        windows: Vec::new(),
        settled: 0,
        fresh: 0,
        not_begun: 0,
        in_future: 0,
    };
    for window in request.windows.windows() {
        if window.start() > request.now {
            needed.not_begun += 1;
            continue;
        }
        match known.get(&window) {
            Some(Known::Settled) if !request.force => needed.settled += 1,
            Some(Known::Fresh) if !request.force => needed.fresh += 1,
            _ => {
                needed.in_future += usize::from(in_future.contains(&window));
                needed.windows.push(window);
            }
        }
    }
    needed
}

/// Cuts sorted windows into ranges of at most `chunk` windows.
///
/// A gap is read along where that costs no further page: one request over 31 days is cheaper than two over 5.
fn chunks(windows: &[Window], chunk: usize, page: usize) -> Vec<WindowRange> {
    let mut ranges: Vec<(Window, Window)> = Vec::new();
    for window in windows {
        let fits = |first: &Window, last: &Window| {
            let span = (window.end_unix() - first.start_unix()) / window.width().seconds();
            let span = usize::try_from(span).unwrap_or(usize::MAX);
            span <= chunk && (last.end_unix() == window.start_unix() || span <= page)
        };
        match ranges.last_mut() {
            Some((first, last)) if fits(first, last) => *last = *window,
            _ => ranges.push((*window, *window)),
        }
    }
    ranges
        .into_iter()
        .filter_map(|(first, last)| WindowRange::new(first.start(), last.end(), first.width()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use usage_core::parse_day;

    use super::*;

    /// The windows of September 2025 with these days of the month.
    fn september(days: impl IntoIterator<Item = u32>) -> Vec<Window> {
        days.into_iter()
            .map(|day| Window::day(parse_day(&format!("2025-09-{day:02}")).unwrap()))
            .collect()
    }

    fn check(days: impl IntoIterator<Item = u32>, chunk: usize, page: usize, expected: &str) {
        let found: Vec<String> = chunks(&september(days), chunk, page)
            .into_iter()
            .map(|range| format!("{}+{}", range.start().format("%d"), range.len()))
            .collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn a_month_is_one_chunk_of_the_page_limit() {
        check(1..=30, 31, 31, "01+30");
    }

    #[test]
    fn chunks_of_a_week_are_weeks() {
        check(1..=30, 7, 31, "01+7 08+7 15+7 22+7 29+2");
    }

    #[test]
    fn gaps_within_a_page_are_read_along() {
        check([1, 5, 30], 31, 31, "01+30");
        check([1, 5, 30], 7, 31, "01+5 30+1");
    }

    #[test]
    fn gaps_beyond_a_page_are_not() {
        check([1, 2, 3, 9], 31, 4, "01+3 09+1");
        check([1, 2, 3, 4, 5, 6, 7], 31, 4, "01+7");
    }

    #[test]
    fn nothing_needed_is_no_chunk() {
        check([], 31, 31, "");
    }
}
