//! Usage whose cost nobody knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use usage_core::{DimensionSet, Dimensions, Endpoint, Window, WindowRange};

use crate::accounts::{self, AccountScope};
use crate::connection::AnyConnection;
use crate::coverage::{self, Coverage, CoverageQuery};
use crate::error::StoreError;
use crate::events::{self, StoredEvent};
use crate::ledger::Ledger;
use crate::pricing::{self, PriceRecord, PricingNote, RowPricer, RowToPrice};
use crate::reprice;
use crate::schema::usage_events;

/// Events without a cost that have endpoint, model, tier, batch and reason in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpricedUsage {
    /// Which surface.
    pub endpoint: Endpoint,
    /// The model.
    pub model: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// Whether through the batch API.
    pub batch: Option<bool>,
    /// Why it has no cost; `None` if it was stored before there were prices, and never priced since.
    pub reason: Option<String>,
    /// How many events.
    pub events: u64,
    /// How many of them the price list has a price for by now.
    pub priceable: u64,
    /// The first window.
    pub first: Window,
    /// The last window.
    pub last: Window,
}

/// What events have in common.
type Kind = (Endpoint, Dimensions, Option<String>);

impl Ledger {
    /// The usage in scope that has no cost, by what it lacks.
    ///
    /// Fails with [`StoreError::Unsupported`] if the ledger has nobody who prices.
    pub async fn unpriced_usage(&self, scope: AccountScope) -> Result<Vec<UnpricedUsage>, StoreError> {
        let Some(pricer) = self.pricer.clone() else {
            return Err(StoreError::Unsupported(
                "this ledger was opened without prices".to_owned(),
            ));
        };
        self.read_long(move |connection, waiting| {
            let records = pricing::load(connection, None)?;
            let mut shown = ShownWidths::load(connection)?;
            let mut kinds: BTreeMap<Kind, UnpricedUsage> = BTreeMap::new();
            let mut after = None;
            loop {
                waiting.check()?;
                let (page, next) = page(connection, &scope, after)?;
                for stored in page {
                    // A day that was read in two widths counts once, as in every sum.
                    if !shown.has(&stored) {
                        continue;
                    }
                    let grouped_by = shown.grouped_by(connection, &stored)?;
                    let reason = reason(pricer.as_ref(), &records, &stored)?;
                    let priceable = pricer.price(&to_price(&stored, grouped_by)).cost.is_some();
                    add(&mut kinds, &stored, reason, priceable);
                }
                match next {
                    Some(next) => after = Some(next),
                    None => return Ok(kinds.into_values().collect()),
                }
            }
        })
        .await
    }
}

/// How many events are in memory at once.
const PAGE: usize = 5_000;
const DAY: i64 = 86_400;

/// Events without a cost in the order of window and key, and where the next page begins.
type Page = (Vec<StoredEvent>, Option<(i64, Vec<u8>)>);

fn page(
    connection: &mut AnyConnection,
    scope: &AccountScope,
    after: Option<(i64, Vec<u8>)>,
) -> Result<Page, StoreError> {
    let owners = accounts::load(connection, &AccountScope::All)?;
    let mut select = usage_events::table
        .filter(usage_events::cost_nano_usd.is_null())
        .select((
            usage_events::window_start,
            usage_events::dedupe_key,
            events::EventRow::as_select(),
        ))
        .order((usage_events::window_start, usage_events::dedupe_key))
        .limit(i64::try_from(PAGE).unwrap_or(i64::MAX))
        .into_boxed();
    if let AccountScope::Only(ids) = scope {
        select = select.filter(usage_events::account_id.eq_any(ids.clone()));
    }
    if let Some((window_start, key)) = after {
        select = select.filter(usage_events::window_start.ge(window_start)).filter(
            usage_events::window_start
                .gt(window_start)
                .or(usage_events::window_start
                    .eq(window_start)
                    .and(usage_events::dedupe_key.gt(key))),
        );
    }
    let rows: Vec<(i64, Vec<u8>, events::EventRow)> = select
        .load(connection)
        .map_err(StoreError::query("looking for usage without a price"))?;
    let next = rows
        .last()
        .filter(|_| rows.len() == PAGE)
        .map(|(window_start, key, _)| (*window_start, key.clone()));
    let events = rows.into_iter().map(|(_, _, row)| row.into_event(&owners));
    Ok((events.collect::<Result<_, _>>()?, next))
}

/// Which width stands for a day, and what its windows were grouped by.
struct ShownWidths {
    widths: HashMap<(i64, String, i64), i64>,
    /// The coverage of the day, account and surface that was asked for last.
    covered: Option<((i64, Endpoint, Window), Vec<Coverage>)>,
}

impl ShownWidths {
    fn load(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        #[derive(QueryableByName)]
        struct Shown {
            #[diesel(sql_type = BigInt)]
            account_id: i64,
            #[diesel(sql_type = Text)]
            endpoint: String,
            #[diesel(sql_type = BigInt)]
            day_start: i64,
            #[diesel(sql_type = BigInt)]
            width_seconds: i64,
        }
        let shown: Vec<Shown> =
            sql_query("SELECT account_id, endpoint, day_start, width_seconds FROM usage_best_width")
                .load(connection)
                .map_err(StoreError::query("looking which widths are shown"))?;
        let widths = shown.into_iter().map(|shown| {
            (
                (shown.account_id, shown.endpoint, shown.day_start),
                shown.width_seconds,
            )
        });
        Ok(Self {
            widths: widths.collect(),
            covered: None,
        })
    }

    fn has(&self, stored: &StoredEvent) -> bool {
        let event = &stored.event;
        let start = event.window.start_unix();
        let day = (
            stored.account_id,
            event.endpoint.as_str().to_owned(),
            start - start.rem_euclid(DAY),
        );
        self.widths.get(&day) == Some(&event.window.width().seconds())
    }

    /// What the event was grouped by.
    fn grouped_by(
        &mut self,
        connection: &mut AnyConnection,
        stored: &StoredEvent,
    ) -> Result<DimensionSet, StoreError> {
        let event = &stored.event;
        let place = (stored.account_id, event.endpoint, event.window);
        if self.covered.as_ref().is_none_or(|(known, _)| *known != place) {
            let query = CoverageQuery {
                scope: AccountScope::Only(vec![stored.account_id]),
                endpoint: Some(event.endpoint),
                windows: Some(WindowRange::of(event.window)),
            };
            self.covered = Some((place, coverage::load(connection, &query)?));
        }
        let covered = self.covered.as_ref().map_or(&[][..], |(_, covered)| covered);
        Ok(reprice::grouped_by(stored, covered))
    }
}

fn reason(
    pricer: &dyn RowPricer,
    records: &BTreeMap<i64, Arc<PriceRecord>>,
    stored: &StoredEvent,
) -> Result<Option<String>, StoreError> {
    let Some(record) = stored.price.and_then(|price| records.get(&price.price_ref)) else {
        return Ok(None);
    };
    let price = pricer
        .price_again(record, &to_price(stored, DimensionSet::EMPTY))
        .map_err(|reason| StoreError::corrupt("price", reason))?;
    Ok(match price.note.as_deref() {
        Some(PricingNote::Unpriced(reason)) => Some(reason.clone()),
        _ => Some("unknown".to_owned()),
    })
}

fn add(
    kinds: &mut BTreeMap<Kind, UnpricedUsage>,
    stored: &StoredEvent,
    reason: Option<String>,
    priceable: bool,
) {
    let event = &stored.event;
    let dimensions = Dimensions {
        model: event.dimensions.model.clone(),
        service_tier: event.dimensions.service_tier.clone(),
        batch: event.dimensions.batch,
        ..Dimensions::default()
    };
    let usage = kinds
        .entry((event.endpoint, dimensions.clone(), reason.clone()))
        .or_insert_with(|| UnpricedUsage {
            endpoint: event.endpoint,
            model: dimensions.model,
            service_tier: dimensions.service_tier,
            batch: dimensions.batch,
            reason,
            events: 0,
            priceable: 0,
            first: event.window,
            last: event.window,
        });
    usage.events += 1;
    usage.priceable += u64::from(priceable);
    usage.first = usage.first.min(event.window);
    usage.last = usage.last.max(event.window);
}

fn to_price(stored: &StoredEvent, grouped_by: DimensionSet) -> RowToPrice<'_> {
    RowToPrice {
        endpoint: stored.event.endpoint,
        window: stored.event.window,
        dimensions: &stored.event.dimensions,
        metrics: &stored.event.metrics,
        grouped_by,
    }
}
