//! Usage events page by page, by any filter.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{DedupeKey, NanoUsd};

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
    /// The highest estimated cost first, what has no price last; equal ones as in [`UsageOrder::Newest`].
    Cost,
    /// Most input and output tokens first, see [`usage_core::Metrics::tokens`]; equal ones as in [`UsageOrder::Newest`].
    Tokens,
    /// Most requests first; equal ones as in [`UsageOrder::Newest`].
    Requests,
}

/// How many events are sorted by a number of theirs, which no index holds.
const MOST_SORTED: i64 = 100_000;

impl UsageOrder {
    /// Every order.
    pub const ALL: [Self; 5] = [
        Self::Newest,
        Self::Oldest,
        Self::Cost,
        Self::Tokens,
        Self::Requests,
    ];

    /// The order in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Cost => "cost",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }

    /// What events are sorted by before their windows.
    const fn rank(self) -> Option<&'static str> {
        match self {
            Self::Newest | Self::Oldest => None,
            Self::Cost => Some("COALESCE(e.cost_nano_usd, -1)"),
            Self::Tokens => Some(
                "COALESCE(e.input_tokens, COALESCE(e.input_uncached_tokens, 0) + COALESCE(e.input_cached_tokens, 0) \
                 + COALESCE(e.input_cache_write_tokens, 0)) + COALESCE(e.output_tokens, 0)",
            ),
            Self::Requests => Some("COALESCE(e.num_model_requests, e.num_requests, 0)"),
        }
    }

    /// The same number of one event.
    fn rank_of(self, stored: &StoredEvent) -> Result<Option<i64>, StoreError> {
        let metrics = &stored.event.metrics;
        Ok(match self {
            Self::Newest | Self::Oldest => None,
            Self::Cost => {
                let cost = stored.price.and_then(|price| price.cost);
                Some(cost.map_or(-1, NanoUsd::get))
            }
            Self::Tokens => Some(i64::try_from(metrics.tokens()).map_err(|_| beyond())?),
            Self::Requests => Some(metrics.num_model_requests.or(metrics.num_requests).unwrap_or(0)),
        })
    }
}

impl fmt::Display for UsageOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for UsageOrder {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|order| order.as_str() == text);
        known.ok_or_else(|| UnknownOrder(text.to_owned()))
    }
}

/// No order has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no order; use newest, oldest, cost, tokens or requests")]
pub struct UnknownOrder(String);

/// Where a page ends: the window and key of its last event, and the number it is sorted by. Events that come or go meanwhile
/// move nothing: the next page begins behind it. As text, a cursor for others, who should take it for opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UsagePosition {
    /// The order of its page.
    pub order: UsageOrder,
    /// What the order looks at first: nano-dollars with -1 for those without a price, tokens or requests. `None` where it is
    /// the window.
    pub rank: Option<i64>,
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
            .try_for_each(|byte| write!(f, "{byte:02x}"))?;
        match (self.order, self.rank) {
            (UsageOrder::Newest, _) => Ok(()),
            (order, None) => write!(f, ".{order}"),
            (order, Some(rank)) => write!(f, ".{order}.{rank}"),
        }
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
    let mut parts = text.split('.');
    let text = parts.next()?;
    let order = parts
        .next()
        .map_or(Some(UsageOrder::Newest), |order| order.parse().ok())?;
    let rank = parts
        .next()
        .map_or(Some(None), |rank| rank.parse().ok().map(Some))?;
    if parts.next().is_some() || rank.is_some() != order.rank().is_some() {
        return None;
    }
    let (start, key) = text.rsplit_once('-')?;
    let mut bytes = [0_u8; 16];
    if key.len() != 2 * bytes.len() || !key.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(key.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(UsagePosition {
        order,
        rank,
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
    /// Fails with [`StoreError::Unsupported`] for a dimension that usage does not have, for a position of another order, and
    /// if more than 100,000 events were to be sorted by a number of theirs.
    pub async fn usage_page(&self, query: UsagePageQuery) -> Result<UsagePage, StoreError> {
        query.filter.check()?;
        if query.after.is_some_and(|after| after.order != query.order) {
            let wrong = "the page before this one was in another order; begin anew without its cursor";
            return Err(StoreError::Unsupported(wrong.to_owned()));
        }
        // A page in the order of time is read from the index, unless most of what it passes is not of the filter.
        if query.order.rank().is_none() && query.filter.narrowing().next().is_none() {
            return self
                .run(move |connection| {
                    connection::read_transaction(connection, |connection| page(connection, &query))
                })
                .await;
        }
        self.read_long(move |connection, _| page(connection, &query))
            .await
    }
}

fn page(connection: &mut AnyConnection, query: &UsagePageQuery) -> Result<UsagePage, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let widths = stale::widths_for(connection, &query.filter)?;
    if query.order.rank().is_some() {
        check_number(connection, query, widths)?;
    }
    let mut statement = Statement::new("SELECT e.*");
    from(&mut statement, query, widths);
    if let Some(after) = query.after {
        behind(&mut statement, query.order, after);
    }
    let direction = match query.order {
        UsageOrder::Oldest => "ASC",
        _ => "DESC",
    };
    statement.sql(" ORDER BY ");
    if let Some(rank) = query.order.rank() {
        statement.sql(format!("{rank} DESC, "));
    }
    statement
        .sql(format!(
            "e.window_start {direction}, e.dedupe_key {direction} LIMIT "
        ))
        .integer(i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1));
    let mut rows: Vec<EventRow> = statement.load(connection).map_err(|error| {
        match StoreError::query("reading usage events")(error) {
            StoreError::Query { reason, .. } if reason.contains("out of range") => beyond(),
            error => error,
        }
    })?;
    let more = rows.len() > query.limit;
    rows.truncate(query.limit);
    let last = match rows.last() {
        Some(last) if more => Some((instant(last.window_start())?, parse_key(last.dedupe_key())?)),
        _ => None,
    };
    let events = rows
        .into_iter()
        .map(|row| row.into_event(&owners))
        .collect::<Result<Vec<_>, _>>()?;
    let next = match (last, events.last()) {
        (Some((window_start, key)), Some(event)) => Some(UsagePosition {
            order: query.order,
            rank: query.order.rank_of(event)?,
            window_start,
            key,
        }),
        _ => None,
    };
    Ok(UsagePage { events, next })
}

/// The events that the filter names, without an order.
///
/// Nearly every row is of its day's width. Of a join PostgreSQL believes the contrary, and would rather sort everything than
/// walk the index for one page; so the table is looked at row by row. The view cannot be, since it has no index.
fn from(statement: &mut Statement, query: &UsagePageQuery, widths: &str) {
    const OF_ITS_DAY: &str = "best.account_id = e.account_id AND best.endpoint = e.endpoint \
                              AND best.day_start = e.window_start - e.window_start % 86400";
    const WIDTH: &str = "e.window_end - e.window_start";
    statement.sql(if widths == stale::TABLE {
        format!(
            " FROM usage_events e WHERE {WIDTH} = (SELECT best.width_seconds FROM {widths} best WHERE {OF_ITS_DAY})"
        )
    } else {
        format!(
            " FROM usage_events e JOIN {widths} best ON {OF_ITS_DAY} AND best.width_seconds = {WIDTH} WHERE 1 = 1"
        )
    });
    query.filter.conditions(statement);
}

/// Those that come after a position.
fn behind(statement: &mut Statement, order: UsageOrder, after: UsagePosition) {
    let start = after.window_start.timestamp();
    let key = after.key.as_bytes().as_slice();
    if let (Some(rank), Some(last)) = (order.rank(), after.rank) {
        statement
            .sql(format!(" AND ({rank}, e.window_start, e.dedupe_key) < ("))
            .integer(last)
            .sql(", ")
            .integer(start)
            .sql(", ")
            .bytes(key)
            .sql(")");
        return;
    }
    let beyond = match order {
        UsageOrder::Oldest => ">",
        _ => "<",
    };
    // The first condition is implied by the second, but it is the one an index can use.
    statement
        .sql(format!(" AND e.window_start {beyond}= "))
        .integer(start)
        .sql(format!(" AND (e.window_start {beyond} "))
        .integer(start)
        .sql(" OR (e.window_start = ")
        .integer(start)
        .sql(format!(" AND e.dedupe_key {beyond} "))
        .bytes(key)
        .sql("))");
}

/// Fails if there are more events than are sorted by a number.
fn check_number(
    connection: &mut AnyConnection,
    query: &UsagePageQuery,
    widths: &str,
) -> Result<(), StoreError> {
    let mut statement = Statement::new("SELECT count(*) AS number FROM (SELECT 1 AS one");
    from(&mut statement, query, widths);
    statement
        .sql(" LIMIT ")
        .integer(MOST_SORTED + 1)
        .sql(") matching");
    let counted: Vec<Counted> = statement
        .load(connection)
        .map_err(StoreError::query("counting usage events"))?;
    if counted.iter().all(|counted| counted.number <= MOST_SORTED) {
        return Ok(());
    }
    Err(StoreError::Unsupported(format!(
        "more than 100,000 events match, too many to sort by {}; narrow the days or the filters, or sort by time",
        query.order
    )))
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

fn beyond() -> StoreError {
    StoreError::Unsupported(
        "the tokens of an event are beyond 64 bits, so that events cannot be sorted by them; sort by time"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_from_its_text() {
        let position = UsagePosition {
            order: UsageOrder::Newest,
            rank: None,
            window_start: DateTime::from_timestamp(1_756_684_800, 0).unwrap(),
            key: DedupeKey::from_bytes(*b"sixteen bytes \xff\x00"),
        };
        let text = position.to_string();
        assert_eq!(text, "1756684800-7369787465656e20627974657320ff00");
        assert_eq!(text.parse(), Ok(position));
        for order in UsageOrder::ALL {
            for rank in [-1, 0, i64::MAX] {
                let rank = order.rank().map(|_| rank);
                let position = UsagePosition {
                    order,
                    rank,
                    ..position
                };
                assert_eq!(position.to_string().parse(), Ok(position));
            }
        }
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
            "1756684800-7369787465656e20627974657320ff00.",
            "1756684800-7369787465656e20627974657320ff00.cost.9223372036854775808",
            "1756684800-7369787465656e20627974657320ff00.cost",
            "1756684800-7369787465656e20627974657320ff00.oldest.1",
            "1756684800-7369787465656e20627974657320ff00.tokens.1.1",
            "1756684800-7369787465656e20627974657320ff00.weather",
        ] {
            assert_eq!(wrong.parse::<UsagePosition>(), Err(UnknownPosition), "{wrong}");
        }
    }
}
