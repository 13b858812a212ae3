//! What a process that serves does while nobody asks for anything.

use std::convert::Infallible;
use std::time::Duration;

use usage_store::Ledger;

/// Connections that nobody needed for so long are closed: each holds a cache of SQLite, or a session that a PostgreSQL
/// server counts. Opening one again takes a few milliseconds.
const REST: Duration = Duration::from_mins(1);

/// Does the work, and meanwhile closes the ledger's connections that rest.
pub(super) async fn closing_rested<T>(ledger: &Ledger, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        never = close_rested(ledger) => match never {},
    }
}

async fn close_rested(ledger: &Ledger) -> Infallible {
    loop {
        tokio::time::sleep(REST).await;
        match ledger.close_rested(REST).await {
            Ok(0) => {}
            Ok(closed) => tracing::debug!(closed, "connections that rested were closed"),
            Err(error) => tracing::warn!(%error, "connections that rest could not be closed"),
        }
    }
}
