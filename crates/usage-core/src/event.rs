//! Usage rows as read, usage events as stored, and the state of a window.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::account::{Account, Provider};
use crate::dimension::Dimensions;
use crate::endpoint::Endpoint;
use crate::key::DedupeKey;
use crate::metric::Metrics;
use crate::window::Window;

/// One group of a window as a provider reported it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// Who and what the usage belongs to.
    pub dimensions: Dimensions,
    /// How much it was.
    pub metrics: Metrics,
}

/// One row of the ledger: account × endpoint × group, with its metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    /// Whose usage.
    pub account: Account,
    /// Which surface reported it.
    pub endpoint: Endpoint,
    /// When it happened.
    pub window: Window,
    /// Who and what it belongs to.
    pub dimensions: Dimensions,
    /// How much it was.
    pub metrics: Metrics,
}

impl UsageEvent {
    /// The identity of the event; two events with one key are the same row.
    pub fn key(&self) -> DedupeKey {
        DedupeKey::new(&self.account, self.endpoint, self.window, &self.dimensions)
    }
}

/// How far a window had gone when it was last read completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum WindowState {
    /// Read before the window's end: more usage will come.
    Open,
    /// Read after the end, but within the time in which the provider still changes numbers as a matter of course.
    Provisional,
    /// Read after that time.
    Settled,
}

impl WindowState {
    /// The state of a window whose read began at `read_started_at`.
    ///
    /// ```
    /// use usage_core::{Provider, Window, WindowState, parse_day, parse_instant};
    ///
    /// let day = Window::day(parse_day("2025-09-01")?);
    /// let at = |text| parse_instant(text).map(|read| WindowState::of(day, read, Provider::OpenAi));
    /// assert_eq!(at("2025-09-01T23:59:59Z")?, WindowState::Open);
    /// assert_eq!(at("2025-09-02T00:00:00Z")?, WindowState::Provisional);
    /// assert_eq!(at("2025-09-05T00:00:00Z")?, WindowState::Settled);
    /// # Ok::<(), usage_core::ParseInstantError>(())
    /// ```
    pub fn of(window: Window, read_started_at: DateTime<Utc>, provider: Provider) -> Self {
        if read_started_at < window.end() {
            Self::Open
        } else if read_started_at < window.end() + provider.settling_time() {
            Self::Provisional
        } else {
            Self::Settled
        }
    }

    /// The text a database stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Provisional => "provisional",
            Self::Settled => "settled",
        }
    }
}

impl fmt::Display for WindowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for WindowState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Open, Self::Provisional, Self::Settled]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("unknown window state `{text}`"))
    }
}
