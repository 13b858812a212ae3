//! Walking both sides in window order.

use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use chrono::{DateTime, Utc};
use usage_core::{DimensionSet, Endpoint, Metric, Metrics, Width, Window};

use super::comparison::{Comparison, InspectedFile, Surface, SurfaceCounts};
use super::judge::{Judge, Other, chosen};
use super::ledger_windows::LedgerWindows;
use crate::export::{ExportError, ExportWindow, ExportWindows, FileCounts, UsageExport};
use crate::groups::{Symbols, WindowGroups};
use crate::ledger::{LedgerReader, LedgerSelection};
use crate::time_range::{TimeRange, first_window_from, windows_between};

/// How to compare.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// Which windows. Without ends, those from the first of the export to its last.
    pub range: TimeRange,
    /// To what the export was filtered at the provider.
    pub scope: ExportScope,
    /// By how much a number may differ and still count as equal. 0 is the only value that proves anything.
    pub tolerance: u64,
    /// What time it is: windows that are not over are never compared.
    pub now: DateTime<Utc>,
}

/// To which projects and users an export was filtered when it was downloaded. Empty lists stand for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportScope {
    /// Project ids.
    pub projects: Vec<String>,
    /// User ids.
    pub users: Vec<String>,
}

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ParityError<E> {
    /// An export cannot be used.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(E),
    /// A sum is too large.
    #[error("the sum of {metric} is beyond 64 bits, in or before the window {window}")]
    Sum {
        /// The window.
        window: Window,
        /// The metric.
        metric: Metric,
    },
    /// A temporary file failed.
    #[error("a temporary file failed: {0}")]
    Temporary(#[from] io::Error),
}

/// Compares exports with a ledger, endpoint by endpoint.
///
/// The files may be of several endpoints and widths; of one endpoint and width they count as one export, and where two
/// have the same window they must agree. Memory is bounded by the largest window and the number of distinct ids.
///
/// # Errors
///
/// A file cannot be used, the ledger cannot be read, or a temporary file fails.
pub fn compare<L: LedgerReader>(
    exports: &[UsageExport],
    ledger: &mut L,
    options: &CompareOptions,
) -> Result<Comparison, ParityError<L::Error>> {
    let mut result = Comparison {
        has_ledger: true,
        ..Comparison::default()
    };
    each_surface(exports, options, &mut result, |walk, result| {
        walk.with_ledger(ledger, result)
    })?;
    Ok(result)
}

/// Compares exports with others of the same organisation, taken at another time or made by another program.
///
/// # Errors
///
/// A file cannot be used, or a temporary file fails.
pub fn compare_exports(
    exports: &[UsageExport],
    others: &[UsageExport],
    options: &CompareOptions,
) -> Result<Comparison, ParityError<std::convert::Infallible>> {
    let mut result = Comparison {
        has_ledger: true,
        ..Comparison::default()
    };
    each_surface(exports, options, &mut result, |walk, result| {
        walk.with_exports(others, result)
    })?;
    Ok(result)
}

/// Reads exports to their end and sums them up, without a ledger.
///
/// # Errors
///
/// A file cannot be used.
pub fn summarize(
    exports: &[UsageExport],
    options: &CompareOptions,
) -> Result<Comparison, ParityError<std::convert::Infallible>> {
    let mut result = Comparison::default();
    each_surface(exports, options, &mut result, |walk: &Walk<'_>, result| {
        Walk::alone(walk, result)
    })?;
    Ok(result)
}

/// The comparison of one endpoint at one width.
struct Walk<'a> {
    exports: &'a [UsageExport],
    endpoint: Endpoint,
    width: Width,
    options: &'a CompareOptions,
    symbols: Symbols,
}

fn each_surface<E>(
    exports: &[UsageExport],
    options: &CompareOptions,
    result: &mut Comparison,
    mut each: impl FnMut(&Walk<'_>, &mut Comparison) -> Result<Vec<(String, FileCounts)>, ParityError<E>>,
) -> Result<(), ParityError<E>> {
    let mut surfaces: Vec<(Endpoint, Width)> = exports
        .iter()
        .filter_map(|export| {
            // A file without a row says nothing of its width; where a range is asked for, it is held against days.
            let asked = options.range.from.and(options.range.to).map(|_| Width::Day);
            Some((export.endpoint(), export.width().or(asked)?))
        })
        .collect();
    surfaces.sort_unstable();
    surfaces.dedup();
    let mut counted = Vec::new();
    for (endpoint, width) in surfaces {
        let walk = Walk {
            exports,
            endpoint,
            width,
            options,
            symbols: Symbols::default(),
        };
        counted.extend(each(&walk, result)?);
    }
    for export in exports {
        let counts = counted
            .iter()
            .position(|(name, _)| name == export.name())
            .map(|place| counted.swap_remove(place).1);
        let counts = match counts {
            Some(counts) => counts,
            None => export.hash()?,
        };
        result.files.push(InspectedFile {
            path: export.name().to_owned(),
            sha256: counts.sha256,
            endpoint: export.endpoint(),
            width: export.width(),
            rows: counts.rows,
            idle_rows: counts.idle_rows,
            rows_outside_range: counts.rows_outside,
            was_sorted: counts.was_sorted,
            unknown_columns: export.unknown_columns().to_vec(),
        });
    }
    Ok(())
}

/// What a thread returns; a panic in it stays one, since its export only seemed to end.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(returned) => returned,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// What one side sends ahead while the other is read.
type Sent = Result<ExportWindow, ExportError>;

impl Walk<'_> {
    fn with_ledger<L: LedgerReader>(
        &self,
        ledger: &mut L,
        result: &mut Comparison,
    ) -> Result<Vec<(String, FileCounts)>, ParityError<L::Error>> {
        thread::scope(|scope| {
            let (reading, windows) = self.read_ahead(self.exports, scope);
            let mut windows = Ahead::new(windows)?;
            // Without a window of the export, only a range with both ends says what to look at.
            let asked = self.options.range;
            let begins = match (asked.from, windows.start()) {
                (Some(from), Some(_)) => Some(first_window_from(from.timestamp(), self.width)),
                (Some(from), None) if asked.to.is_some() => {
                    Some(first_window_from(from.timestamp(), self.width))
                }
                (_, first) => first,
            };
            let Some(mut position) = begins else {
                drop(windows);
                return Ok(joined(reading));
            };
            let range = TimeRange {
                from: DateTime::from_timestamp(position, 0),
                to: self.options.range.to,
            };
            let coverage = ledger
                .begin(&LedgerSelection {
                    endpoint: self.endpoint,
                    width: self.width,
                    range,
                })
                .map_err(ParityError::Ledger)?;
            let mut ledger = LedgerWindows::new(ledger, coverage, self.endpoint, &self.symbols);
            let mut judge = self.judge(result);
            loop {
                let next = windows.start();
                let until = next.or(self.options.range.to.map(|to| to.timestamp()));
                let Some(until) = until else { break };
                // Between its first window and its last, an export that mentions no usage says that there was none.
                // So does the range that was asked for, around and between exports.
                let is_asked = match next {
                    Some(_) => windows.follows_on() || asked.from.is_some() || asked.to.is_some(),
                    None => asked.to.is_some(),
                };
                if is_asked {
                    while position < until {
                        let Some(window) = self.window(position) else {
                            break;
                        };
                        Self::judge_one(&mut judge, &mut ledger, window, None)?;
                        position += self.width.seconds();
                    }
                } else if let Some(between) = windows_between(position, until, self.width) {
                    judge.passes_over(between);
                }
                let Some(csv) = windows.take()? else { break };
                let window = csv.groups.window();
                Self::judge_one(&mut judge, &mut ledger, window, Some(csv))?;
                position = window.end_unix();
            }
            let surface = judge.finish();
            let runs = std::mem::take(&mut ledger.runs);
            result.surfaces.push(surface);
            result.runs.extend(runs);
            drop(windows);
            Ok(joined(reading))
        })
    }

    fn judge_one<L: LedgerReader>(
        judge: &mut Judge<'_>,
        ledger: &mut LedgerWindows<'_, L>,
        window: Window,
        csv: Option<ExportWindow>,
    ) -> Result<(), ParityError<L::Error>> {
        let coverage = ledger.coverage(window);
        let groups = ledger.groups(window)?;
        judge.window(window, csv, groups, &Other::Ledger(&coverage), || {
            ledger.reader.changes(window)
        })
    }

    fn with_exports<E>(
        &self,
        others: &[UsageExport],
        result: &mut Comparison,
    ) -> Result<Vec<(String, FileCounts)>, ParityError<E>> {
        thread::scope(|scope| {
            let (reading, windows) = self.read_ahead(self.exports, scope);
            let (reading_others, other_windows) = self.read_ahead(others, scope);
            let (mut windows, mut other_windows) = (Ahead::new(windows)?, Ahead::new(other_windows)?);
            let mut judge = self.judge(result);
            while let Some(start) = windows.start().into_iter().chain(other_windows.start()).min() {
                let Some(window) = self.window(start) else { break };
                let csv = windows.take_at(start)?;
                let other = other_windows.take_at(start)?;
                let (groups, dimensions, metrics) = match other {
                    Some(other) => (other.groups, other.dimensions, other.metrics),
                    None => (
                        WindowGroups::new(window, self.endpoint),
                        self.endpoint.dimensions(),
                        u32::MAX,
                    ),
                };
                let other = Other::Export { dimensions, metrics };
                judge.window(window, csv, groups, &other, || Ok(Vec::new()))?;
            }
            let surface = judge.finish();
            result.surfaces.push(surface);
            drop((windows, other_windows));
            joined(reading_others);
            Ok(joined(reading))
        })
    }

    fn alone<E>(&self, result: &mut Comparison) -> Result<Vec<(String, FileCounts)>, ParityError<E>> {
        let mut windows = ExportWindows::open(
            self.exports,
            self.endpoint,
            self.width,
            self.options.range,
            &self.symbols,
        )?;
        let mut judge = self.judge(result);
        while let Some(csv) = windows.next()? {
            judge.count(csv)?;
        }
        let surface = judge.finish();
        result.surfaces.push(surface);
        Ok(windows.counts())
    }

    fn judge<'j>(&'j self, result: &'j mut Comparison) -> Judge<'j> {
        Judge::new(self.endpoint, self.surface(), self.options, &self.symbols, result)
    }

    fn surface(&self) -> Surface {
        let mine = || {
            self.exports
                .iter()
                .filter(|export| export.endpoint() == self.endpoint && export.width() == Some(self.width))
        };
        let has = |metric: &Metric| mine().any(|export| export.metrics().any(|known| known == *metric));
        let (metrics, not_exported) = chosen(self.endpoint, u32::MAX).into_iter().partition(has);
        Surface {
            endpoint: self.endpoint,
            width: self.width,
            range: None,
            metrics,
            not_exported,
            summed_over: DimensionSet::EMPTY,
            csv: Metrics::default(),
            db: Metrics::default(),
            states: std::collections::BTreeMap::new(),
            counts: SurfaceCounts::default(),
        }
    }

    /// Parses the exports on a thread of its own, at most one window ahead.
    fn read_ahead<'scope, 'env>(
        &'env self,
        exports: &'env [UsageExport],
        scope: &'scope thread::Scope<'scope, 'env>,
    ) -> (
        thread::ScopedJoinHandle<'scope, Vec<(String, FileCounts)>>,
        Receiver<Sent>,
    ) {
        let (send, receive) = sync_channel(1);
        let reading = scope.spawn(move || {
            let (endpoint, width, range) = (self.endpoint, self.width, self.options.range);
            let mut windows = match ExportWindows::open(exports, endpoint, width, range, &self.symbols) {
                Ok(windows) => windows,
                Err(error) => {
                    // Nobody listens any more when the other side has failed.
                    let _ = send.send(Err(error));
                    return Vec::new();
                }
            };
            while let Some(next) = windows.next().transpose() {
                let is_last = next.is_err();
                if send.send(next).is_err() || is_last {
                    break;
                }
            }
            windows.counts()
        });
        (reading, receive)
    }

    fn window(&self, start: i64) -> Option<Window> {
        Window::from_unix(start, self.width).ok()
    }
}

/// The windows that a thread reads ahead, with a look at the next.
struct Ahead {
    windows: Receiver<Sent>,
    next: Option<ExportWindow>,
}

impl Ahead {
    fn new(windows: Receiver<Sent>) -> Result<Self, ExportError> {
        let mut ahead = Self { windows, next: None };
        ahead.advance()?;
        Ok(ahead)
    }

    fn start(&self) -> Option<i64> {
        self.next
            .as_ref()
            .map(|window| window.groups.window().start_unix())
    }

    fn follows_on(&self) -> bool {
        self.next.as_ref().is_some_and(|window| window.follows_on)
    }

    fn take(&mut self) -> Result<Option<ExportWindow>, ExportError> {
        let taken = self.next.take();
        self.advance()?;
        Ok(taken)
    }

    fn take_at(&mut self, start: i64) -> Result<Option<ExportWindow>, ExportError> {
        if self.start() == Some(start) {
            self.take()
        } else {
            Ok(None)
        }
    }

    fn advance(&mut self) -> Result<(), ExportError> {
        // The thread ends the channel after its last window or its error.
        self.next = self.windows.recv().ok().transpose()?;
        Ok(())
    }
}
