//! Usage events page by page, by any filter.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::DedupeKey;

use crate::accounts::{self, AccountScope};
use crate::connection::{self, AnyConnection};
use crate::error::StoreError;
use crate::events::{EventRow, StoredEvent, instant, parse_key};
use crate::ledger::Ledger;
use crate::rollups::stale;
use crate::statement::Statement;
use crate::usage_filter::UsageFilter;

/// In which order pages go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UsageOrder {
    /// The last window first, then by descending dedupe key.
    #[default]
    Newest,
    /// The first window first, then by ascending dedupe key.
    Oldest,
}

/// Where a page ends: the window and key of its last event. Events that come or go meanwhile move nothing: the next page
/// begins behind it. As text, a cursor for others, who should take it for opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UsagePosition {
    /// The start of the event's window, UTC.
    pub window_start: DateTime<Utc>,
    /// The event's key.
    pub key: DedupeKey,
}

impl fmt::Display for UsagePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.window_start.timestamp())?;
        self.key
            .as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for UsagePosition {
    type Err = UnknownPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_position(text).ok_or(UnknownPosition)
    }
}

/// The text is no position that a page ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor that a page came with")]
pub struct UnknownPosition;

fn parse_position(text: &str) -> Option<UsagePosition> {
    let (start, key) = text.rsplit_once('-')?;
    let mut bytes = [0_u8; 16];
    if key.len() != 2 * bytes.len() || !key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(key.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(UsagePosition {
        window_start: DateTime::from_timestamp(start.parse().ok()?, 0)?,
        key: DedupeKey::from_bytes(bytes),
    })
}

/// Which page.
#[derive(Clone, Debug)]
pub struct UsagePageQuery {
    /// Of which usage.
    pub filter: UsageFilter,
    /// In which order.
    pub order: UsageOrder,
    /// Behind which event; the first page if none is named.
    pub after: Option<UsagePosition>,
    /// How many events at most.
    pub limit: usize,
}

/// One page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePage {
    /// The events, in the order asked for.
    pub events: Vec<StoredEvent>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<UsagePosition>,
}

impl Ledger {
    /// One page of the usage that the filter names.
    ///
    /// Fails with [`StoreError::Unsupported`] for a dimension that usage does not have.
    pub async fn usage_page(&self, query: UsagePageQuery) -> Result<UsagePage, StoreError> {
        query.filter.check()?;
        self.run(move |connection| {
            connection::read_transaction(connection, |connection| page(connection, &query))
        })
        .await
    }
}

fn page(connection: &mut AnyConnection, query: &UsagePageQuery) -> Result<UsagePage, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let (beyond, direction) = match query.order {
        UsageOrder::Newest => ("<", "DESC"),
        UsageOrder::Oldest => (">", "ASC"),
    };
    let widths = stale::widths_for(connection, &query.filter)?;
    let mut statement = Statement::new(format!(
        "SELECT e.* FROM usage_events e JOIN {widths} best \
         ON best.account_id = e.account_id AND best.endpoint = e.endpoint \
         AND best.day_start = e.window_start - e.window_start % 86400 \
         AND best.width_seconds = e.window_end - e.window_start WHERE 1 = 1"
    ));
    query.filter.conditions(&mut statement);
    if let Some(after) = query.after {
        let start = after.window_start.timestamp();
        // The first condition is implied by the second, but it is the one an index can use.
        statement
            .sql(format!(" AND e.window_start {beyond}= "))
            .integer(start)
            .sql(format!(" AND (e.window_start {beyond} "))
            .integer(start)
            .sql(" OR (e.window_start = ")
            .integer(start)
            .sql(format!(" AND e.dedupe_key {beyond} "))
            .bytes(after.key.as_bytes().as_slice())
            .sql("))");
    }
    statement
        .sql(format!(
            " ORDER BY e.window_start {direction}, e.dedupe_key {direction} LIMIT "
        ))
        .integer(i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1));
    let mut rows: Vec<EventRow> = statement
        .load(connection)
        .map_err(StoreError::query("reading usage events"))?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let next = match rows.last() {
        Some(last) if more => Some(UsagePosition {
            window_start: instant(last.window_start())?,
            key: parse_key(last.dedupe_key())?,
        }),
        _ => None,
    };
    let events = rows
        .into_iter()
        .map(|row| row.into_event(&owners))
        .collect::<Result<_, _>>()?;
    Ok(UsagePage { events, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_from_its_text() {
        let position = UsagePosition {
            window_start: DateTime::from_timestamp(1_756_684_800, 0).unwrap(),
            key: DedupeKey::from_bytes(*b"sixteen bytes \xff\x00"),
        };
        let text = position.to_string();
        assert_eq!(text, "1756684800-7369787465656e20627974657320ff00");
        assert_eq!(text.parse(), Ok(position));
        for wrong in [
            "",
            "-",
            "1756684800",
            "1756684800-7369787465656e20627974657320ff",
            "1756684800-7369787465656e20627974657320ff0g",
            "1756684800-+369787465656e20627974657320ff00",
            "x-7369787465656e20627974657320ff00",
            "9223372036854775807-7369787465656e20627974657320ff00",
            "1756684800-ü369787465656e20627974657320ff0",
        ] {
            assert_eq!(wrong.parse::<UsagePosition>(), Err(UnknownPosition), "{wrong}");
        }
    }
}
