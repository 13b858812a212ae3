//! The lines of a day, read from the ledger page by page.

use std::collections::HashMap;
use std::sync::Arc;

use usage_core::{Width, Window, WindowRange};
use usage_parity::reconcile::{CostLine, Day, UsageLine};
use usage_pricing::PriceRef;
use usage_store::{AccountScope, CostQuery, EventQuery, Ledger, StoredCost, StoredEvent};

use super::days::DayScope;
use super::{Work, failed};
use crate::error::AppError;

/// Rows in memory at once.
const PAGE: usize = 5_000;

/// Turns rows of the ledger into lines.
pub(super) struct Lines {
    /// The prices that the ledger keeps, by their numbers there.
    prices: HashMap<i64, PriceRef>,
}

impl Lines {
    pub(super) async fn new(ledger: &Ledger) -> Result<Self, AppError> {
        let mut prices = HashMap::new();
        for (number, kept) in ledger.price_records().await? {
            let price = usage_pricing::PriceRecord::from_json(&kept.record).map_err(|error| {
                AppError::Reconcile(format!(
                    "the price {} of {} in the ledger cannot be read: {error}",
                    kept.price_id, kept.catalogue_version
                ))
            })?;
            prices.insert(number, Arc::new(price));
        }
        Ok(Self { prices })
    }

    fn of_usage(&self, stored: StoredEvent, scope: &DayScope) -> UsageLine {
        let event = stored.event;
        UsageLine {
            day: event.window.utc_day(),
            project_id: event.dimensions.project_id.filter(|_| scope.by_project),
            endpoint: event.endpoint,
            model: event.dimensions.model,
            service_tier: event.dimensions.service_tier,
            batch: event.dimensions.batch.unwrap_or(false),
            metrics: event.metrics,
            cost: stored.price.and_then(|price| price.cost),
            price: stored
                .price
                .and_then(|price| self.prices.get(&price.price_ref).cloned()),
        }
    }
}

fn of_cost(stored: StoredCost, scope: &DayScope) -> CostLine {
    let row = stored.row;
    CostLine {
        day: stored.window.utc_day(),
        project_id: row.group.project_id.filter(|_| scope.by_project),
        line_item: row.group.line_item,
        currency: row.group.currency,
        amount: row.amount.map(|amount| amount.value().clone()),
        quantity: row.quantity.map(|quantity| quantity.value().clone()),
        quantity_unit: row.quantity_unit,
    }
}

impl Work<'_> {
    /// Adds everything of the day that is in scope; returns how many lines are not.
    pub(super) async fn read(
        &mut self,
        window: Window,
        scope: &DayScope,
        day: &mut Day,
    ) -> Result<u64, AppError> {
        let usage = self.read_usage(window, scope, day).await?;
        Ok(usage + self.read_costs(window, scope, day).await?)
    }

    async fn read_usage(&self, window: Window, scope: &DayScope, day: &mut Day) -> Result<u64, AppError> {
        let query = EventQuery {
            scope: AccountScope::one(self.account),
            endpoint: None,
            windows: Some(WindowRange::of(window)),
            width: Width::Day,
        };
        let (mut after, mut out_of_scope) = (None, 0);
        loop {
            let page = self.ledger.events(query.clone(), after, PAGE).await?;
            for stored in page.events {
                if scope.admits(stored.event.dimensions.project_id.as_deref()) {
                    let line = self.lines.of_usage(stored, scope);
                    day.add_usage(&line).map_err(|error| failed(&error))?;
                } else {
                    out_of_scope += 1;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(out_of_scope),
            }
        }
    }

    async fn read_costs(&self, window: Window, scope: &DayScope, day: &mut Day) -> Result<u64, AppError> {
        let query = CostQuery {
            scope: AccountScope::one(self.account),
            windows: Some(WindowRange::of(window)),
        };
        let (mut after, mut out_of_scope) = (None, 0);
        loop {
            let page = self.ledger.costs(query.clone(), after, PAGE).await?;
            for stored in page.costs {
                if scope.admits(stored.row.group.project_id()) {
                    let line = of_cost(stored, scope);
                    day.add_cost(&line).map_err(|error| failed(&error))?;
                } else {
                    out_of_scope += 1;
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(out_of_scope),
            }
        }
    }
}
