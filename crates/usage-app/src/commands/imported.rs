//! What `usage status` says of imported windows that nobody read.

use std::fmt;

use chrono::NaiveDate;
use serde::Serialize;
use usage_core::{Account, Endpoint, Width};
use usage_store::UnreadEvents;

use super::status::noun;
use crate::text::count;

/// Imported events of windows that nobody read, of one account and endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportedStatus {
    /// Whose, as `provider/organization`.
    pub account: String,
    /// Which surface.
    pub endpoint: Endpoint,
    /// How wide the windows are.
    pub width: Width,
    /// The first UTC day with some.
    pub first_day: NaiveDate,
    /// The last UTC day with some.
    pub last_day: NaiveDate,
    /// Windows with some.
    pub windows: u64,
    /// How many events.
    pub events: u64,
}

impl ImportedStatus {
    pub(super) fn new(account: &Account, unread: &UnreadEvents) -> Self {
        Self {
            account: account.to_string(),
            endpoint: unread.endpoint,
            width: unread.first.width(),
            first_day: unread.first.utc_day(),
            last_day: unread.last.utc_day(),
            windows: unread.windows,
            events: unread.events,
        }
    }
}

/// Below the totals of its account and endpoint, which it is a part of.
impl fmt::Display for ImportedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {} imported and never read, {} to {} ({}); `usage backfill` reads them",
            count(self.windows, noun(self.width)),
            self.first_day,
            self.last_day,
            count(self.events, "event"),
        )
    }
}
