//! The ledger, read page by page from a thread that may block.

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use usage_core::{DedupeKey, Width, Window, WindowRange};
use usage_parity::{LedgerChange, LedgerCoverage, LedgerReader, LedgerRow, LedgerSelection};
use usage_store::{AccountScope, Coverage, CoverageQuery, EventQuery, Ledger, StoreError, StoredAccount};

/// Events in one page.
const PAGE: usize = 5_000;
/// Pages that are read ahead.
const AHEAD: usize = 2;

/// One account of a ledger, as parity reads it.
pub(super) struct LedgerBridge {
    ledger: Ledger,
    account: StoredAccount,
    selection: Option<LedgerSelection>,
    pages: Option<mpsc::Receiver<Result<Vec<LedgerRow>, StoreError>>>,
    reading: Option<JoinHandle<()>>,
    runtime: Handle,
}

impl LedgerBridge {
    /// Must be made inside the runtime and used outside of its own threads.
    pub(super) fn new(ledger: Ledger, account: StoredAccount) -> Self {
        Self {
            ledger,
            account,
            selection: None,
            pages: None,
            reading: None,
            runtime: Handle::current(),
        }
    }
}

impl LedgerReader for LedgerBridge {
    type Error = StoreError;

    fn begin(&mut self, selection: &LedgerSelection) -> Result<Vec<LedgerCoverage>, StoreError> {
        let (send, receive) = mpsc::channel(AHEAD);
        self.pages = Some(receive);
        self.selection = Some(*selection);
        let scope = AccountScope::one(&self.account);
        let windows = windows_of(selection);
        let events = EventQuery {
            scope: scope.clone(),
            endpoint: Some(selection.endpoint),
            windows,
            width: selection.width,
        };
        let covered = self.runtime.block_on(self.ledger.coverage(CoverageQuery {
            scope,
            endpoint: Some(selection.endpoint),
            windows,
        }))?;
        self.reading = Some(self.runtime.spawn(read_ahead(self.ledger.clone(), events, send)));
        Ok(covered_windows(covered, selection.width))
    }

    fn rows(&mut self) -> Result<Vec<LedgerRow>, StoreError> {
        let next = self.pages.as_mut().and_then(mpsc::Receiver::blocking_recv);
        if next.is_none()
            && let Some(reading) = self.reading.take()
            && let Err(failed) = self.runtime.block_on(reading)
            && failed.is_panic()
        {
            // A ledger that only seems to end must not look like a shorter one.
            std::panic::resume_unwind(failed.into_panic());
        }
        next.unwrap_or_else(|| Ok(Vec::new()))
    }

    fn changes(&mut self, window: Window) -> Result<Vec<LedgerChange>, StoreError> {
        let Some(selection) = self.selection else {
            return Ok(Vec::new());
        };
        let reading = self
            .ledger
            .window_changes(&self.account, selection.endpoint, window);
        let changes = self.runtime.block_on(reading)?;
        Ok(changes
            .into_iter()
            .map(|change| LedgerChange {
                dimensions: change.dimensions,
                before: change.before,
                after: change.after,
                changed_at: change.changed_at,
                run_id: change.run_id,
            })
            .collect())
    }
}

/// Coverage of one width as parity reads it.
pub(super) fn covered_windows(covered: Vec<Coverage>, width: Width) -> Vec<LedgerCoverage> {
    covered
        .into_iter()
        .filter(|covered| covered.window.width() == width)
        .map(|covered| LedgerCoverage {
            window: covered.window,
            filter: covered.filter,
            grouped_by: covered.grouped_by,
            empty: covered.empty,
            state: covered.state,
            run_id: covered.run_id,
        })
        .collect()
}

/// The range as whole windows; `None` where it is open at an end, for everything from there on is read in order, and
/// reading stops with the export.
pub(super) fn windows_of(selection: &LedgerSelection) -> Option<WindowRange> {
    let start = selection.range.from?;
    let end = selection.range.to.unwrap_or(LAST);
    WindowRange::covering(start, end, selection.width).ok()
}

/// Far beyond any ledger.
const LAST: chrono::DateTime<chrono::Utc> = chrono::DateTime::from_timestamp(253_370_764_800, 0).unwrap();

/// Sends page after page, the last one empty, until nobody listens.
async fn read_ahead(
    ledger: Ledger,
    query: EventQuery,
    pages: mpsc::Sender<Result<Vec<LedgerRow>, StoreError>>,
) {
    let mut after: Option<(i64, DedupeKey)> = None;
    loop {
        let page = ledger.events(query.clone(), after, PAGE).await;
        let (page, next) = match page {
            Ok(page) => (Ok(page.events), page.next),
            Err(error) => (Err(error), None),
        };
        let rows = page.map(|events| {
            let rows = events.into_iter().map(|stored| LedgerRow {
                window: stored.event.window,
                dimensions: stored.event.dimensions,
                metrics: stored.event.metrics,
                run_id: stored.run_id,
            });
            rows.collect::<Vec<_>>()
        });
        if pages.send(rows).await.is_err() || next.is_none() {
            return;
        }
        after = next;
    }
}
