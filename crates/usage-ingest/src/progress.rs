//! Progress: what a run tells while it works.

use chrono::{DateTime, Utc};
use usage_core::{Endpoint, Issue, WindowRange};

/// Hears what a run does while it does it.
pub trait Progress: Send + Sync {
    /// Called on the run's own task: return quickly.
    fn step(&self, step: Step<'_>);
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Step<'a> {
    /// The run begins.
    Planned {
        /// Requests it will send.
        requests: usize,
        /// Windows it will read.
        windows: usize,
    },
    /// The run is on record.
    Begun {
        /// Its number in the ledger.
        run_id: i64,
    },
    /// Another process reads the account; the run waits for it.
    WaitingForLease {
        /// Whose lease.
        account: &'a str,
        /// Who holds it.
        holder: &'a str,
        /// Until when the run waits at most, by the machine's clock.
        seconds: u64,
    },
    /// Another run settled windows of the plan before this one held the account's lease; they are not read again.
    SettledMeanwhile {
        /// Whose usage.
        account: &'a str,
        /// How many windows.
        windows: usize,
    },
    /// A chunk is done, well or not.
    ChunkDone {
        /// The surface.
        endpoint: Endpoint,
        /// The windows.
        windows: WindowRange,
        /// How many events the ledger has of them now.
        events: u64,
        /// When the read began.
        read_started_at: Option<DateTime<Utc>>,
    },
    /// Something went otherwise than planned.
    Issue(&'a Issue),
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _step: Step<'_>) {}
}
