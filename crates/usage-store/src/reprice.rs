//! Pricing events anew, as an operator asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use diesel::prelude::*;
use usage_core::{DedupeKey, Dimension, DimensionSet, Endpoint, Window, WindowRange};

use crate::accounts::{AccountScope, StoredAccount};
use crate::connection::AnyConnection;
use crate::coverage::{self, Coverage, CoverageQuery, parse_window};
use crate::data_version;
use crate::error::StoreError;
use crate::events::{EventQuery, RevisionKind, StoredEvent, each_page};
use crate::lease::{self, Lease};
use crate::ledger::Ledger;
use crate::pricing::{self, EventPrice, PriceRecord, Pricing, PricingNotes, RowPrice, RowPricer, RowToPrice};
use crate::replace::prepare::Stamp;
use crate::replace::write;
use crate::rollups;
use crate::schema::usage_events;

/// Which events to price anew.
#[derive(Clone, Debug)]
pub struct Reprice {
    /// Whose.
    pub account: StoredAccount,
    /// Of which surface.
    pub endpoint: Endpoint,
    /// In which windows, of their width.
    pub windows: WindowRange,
    /// The run that prices them.
    pub run_id: i64,
    /// Only says what would change.
    pub dry_run: bool,
}

/// What pricing anew changed, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repriced {
    /// Events looked at.
    pub events: u64,
    /// What changed, by the price before and the price after; unchanged prices are not among them.
    pub changes: BTreeMap<PriceChange, PriceChangeSums>,
    /// What must be told about the prices as they are now, of every event looked at.
    pub notes: PricingNotes,
}

/// From which price to which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriceChange {
    /// The price before; `None` if the event had never been priced.
    pub before: Option<Arc<PriceRecord>>,
    /// The price after.
    pub after: Arc<PriceRecord>,
}

/// What a change of prices came to, in nano-USD. Events without a price add nothing to a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PriceChangeSums {
    /// Events.
    pub events: u64,
    /// What they cost before.
    pub before: i128,
    /// What they cost after.
    pub after: i128,
    /// How many had no price before.
    pub unpriced_before: u64,
    /// How many have none after.
    pub unpriced_after: u64,
}

impl Ledger {
    /// Prices every event of the windows by the price list as it is now, one transaction a UTC day.
    ///
    /// An event is changed if its cost is another one, or the name of its price; the event as it stood is kept as a
    /// revision. One whose price only stands in a newer list is left alone.
    ///
    /// Fails with [`StoreError::Unsupported`] if the ledger has nobody who prices.
    /// What was done is added to `repriced` day by day, so that it is known also when a later day fails.
    pub async fn reprice(
        &self,
        lease: &Lease,
        reprice: Reprice,
        repriced: &mut Repriced,
    ) -> Result<(), StoreError> {
        let Some(pricer) = self.pricer.clone() else {
            return Err(StoreError::Unsupported(
                "this ledger was opened without prices".to_owned(),
            ));
        };
        for day in self.days_with_events(&reprice).await? {
            let start = day.start().max(reprice.windows.start());
            let end = day.end().min(reprice.windows.end());
            let windows = WindowRange::new(start, end, reprice.windows.width())
                .map_err(|error| StoreError::corrupt("range", error))?;
            let day = Day {
                lease: lease.clone(),
                pricer: pricer.clone(),
                reprice: Reprice {
                    windows,
                    ..reprice.clone()
                },
                stamp: Stamp {
                    now: self.now_unix(),
                    run_id: reprice.run_id,
                },
            };
            let done = if reprice.dry_run {
                self.run(move |connection| day.apply(connection)).await?
            } else {
                self.write(move |connection| day.apply(connection)).await?
            };
            repriced.add(done);
        }
        Ok(())
    }

    /// The UTC days of the windows that have events: a day without any needs no transaction.
    async fn days_with_events(&self, reprice: &Reprice) -> Result<Vec<Window>, StoreError> {
        let reprice = reprice.clone();
        self.run(move |connection| {
            let width = reprice.windows.width().seconds();
            let starts: Vec<i64> = usage_events::table
                .filter(usage_events::window_start.ge(reprice.windows.start().timestamp()))
                .filter(usage_events::window_start.lt(reprice.windows.end().timestamp()))
                .filter(usage_events::account_id.eq(reprice.account.id))
                .filter(usage_events::endpoint.eq(reprice.endpoint.as_str()))
                .filter(usage_events::window_end.eq(usage_events::window_start + width))
                .select(usage_events::window_start)
                .distinct()
                .load(connection)
                .map_err(StoreError::query("looking for usage events"))?;
            let days: BTreeSet<i64> = starts
                .into_iter()
                .map(|start| start - start.rem_euclid(DAY))
                .collect();
            days.into_iter().map(|start| parse_window(start, DAY)).collect()
        })
        .await
    }
}

const DAY: i64 = 86_400;

impl PriceChangeSums {
    /// Adds another change between the same prices.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.before += other.before;
        self.after += other.after;
        self.unpriced_before += other.unpriced_before;
        self.unpriced_after += other.unpriced_after;
    }
}

impl Repriced {
    fn add(&mut self, other: Self) {
        self.events += other.events;
        for (change, sums) in other.changes {
            self.changes.entry(change).or_default().add(&sums);
        }
        for (note, rows) in other.notes {
            *self.notes.entry(note).or_default() += rows;
        }
    }

    /// How many events were changed.
    pub fn changed(&self) -> u64 {
        self.changes.values().map(|sums| sums.events).sum()
    }
}

/// One day of one surface.
struct Day {
    lease: Lease,
    pricer: Arc<dyn RowPricer>,
    reprice: Reprice,
    stamp: Stamp,
}

/// An event whose price changes.
struct Changed {
    window_start: i64,
    key: DedupeKey,
    price: RowPrice,
}

impl Day {
    fn apply(&self, connection: &mut AnyConnection) -> Result<Repriced, StoreError> {
        lease::check(connection, &self.lease)?;
        let scope = AccountScope::one(&self.reprice.account);
        let covered = coverage::load(
            connection,
            &CoverageQuery {
                scope: scope.clone(),
                endpoint: Some(self.reprice.endpoint),
                windows: Some(self.reprice.windows),
            },
        )?;
        let records = pricing::load(connection, None)?;
        let query = EventQuery {
            scope,
            endpoint: Some(self.reprice.endpoint),
            windows: Some(self.reprice.windows),
            width: self.reprice.windows.width(),
        };
        let mut repriced = Repriced::default();
        let mut changed = Vec::new();
        each_page(connection, &query, |page| {
            for stored in page {
                repriced.events += 1;
                changed.extend(self.look(&stored, &covered, &records, &mut repriced));
            }
            Ok(())
        })?;
        if !self.reprice.dry_run {
            self.write(connection, &changed)?;
        }
        if !self.reprice.dry_run {
            rollups::settle(connection)?;
            data_version::bump(connection, self.lease.account_id)?;
            lease::extend(connection, &self.lease)?;
        }
        Ok(repriced)
    }

    /// Prices one event and counts it; returns it if its price changes.
    fn look(
        &self,
        stored: &StoredEvent,
        covered: &[Coverage],
        records: &BTreeMap<i64, Arc<PriceRecord>>,
        repriced: &mut Repriced,
    ) -> Option<Changed> {
        let event = &stored.event;
        let price = self.pricer.price(&RowToPrice {
            endpoint: event.endpoint,
            window: event.window,
            dimensions: &event.dimensions,
            metrics: &event.metrics,
            grouped_by: grouped_by(stored, covered),
        });
        pricing::count(&mut repriced.notes, Some(&price));
        let had: Option<(EventPrice, Arc<PriceRecord>)> = stored
            .price
            .and_then(|had| Some((had, records.get(&had.price_ref)?.clone())));
        let same = had
            .as_ref()
            .is_some_and(|(had, record)| had.cost == price.cost && record.price_id == price.record.price_id);
        if same {
            return None;
        }
        let cost_before = had.as_ref().and_then(|(had, _)| had.cost);
        let sums = repriced
            .changes
            .entry(PriceChange {
                before: had.map(|(_, record)| record),
                after: price.record.clone(),
            })
            .or_default();
        sums.events += 1;
        sums.before += cost_before.map_or(0, |cost| i128::from(cost.get()));
        sums.after += price.cost.map_or(0, |cost| i128::from(cost.get()));
        sums.unpriced_before += u64::from(cost_before.is_none());
        sums.unpriced_after += u64::from(price.cost.is_none());
        Some(Changed {
            window_start: event.window.start_unix(),
            key: event.key(),
            price,
        })
    }

    fn write(&self, connection: &mut AnyConnection, changed: &[Changed]) -> Result<(), StoreError> {
        let mut pricing = Pricing::default();
        for change in changed {
            pricing.push(Some(&change.price));
        }
        let columns = pricing.columns(connection)?;
        for of_window in changed.chunk_by(|left, right| left.window_start == right.window_start) {
            let keys: Vec<DedupeKey> = of_window.iter().map(|change| change.key).collect();
            let start = of_window[0].window_start;
            write::keep(connection, RevisionKind::Repriced, self.stamp, start, &keys)?;
        }
        for (change, columns) in changed.iter().zip(columns) {
            let updated = diesel::update(
                usage_events::table
                    .filter(usage_events::window_start.eq(change.window_start))
                    .filter(usage_events::dedupe_key.eq(change.key.as_bytes().to_vec())),
            )
            .set((
                usage_events::cost_nano_usd.eq(columns.cost_nano_usd),
                usage_events::price_ref.eq(columns.price_ref),
                usage_events::revision.eq(usage_events::revision + 1),
            ))
            .execute(connection)
            .map_err(StoreError::query("pricing usage events anew"))?;
            if updated == 0 {
                return Err(StoreError::corrupt("key of an event", change.key));
            }
        }
        Ok(())
    }
}

/// What the event was grouped by; what nobody read, by what it names.
pub(crate) fn grouped_by(stored: &StoredEvent, covered: &[Coverage]) -> DimensionSet {
    let project = stored.event.dimensions.get(Dimension::ProjectId);
    covered
        .iter()
        .filter(|coverage| coverage.window == stored.event.window && coverage.filter.admits(project))
        .map(|coverage| coverage.grouped_by)
        .reduce(DimensionSet::union)
        .unwrap_or_else(|| stored.event.dimensions.present())
}
