//! The cost of a row.

use usage_core::{Endpoint, Metrics, NanoUsd};

use crate::class::PriceClass;
use crate::exact::ExactUsd;
use crate::rates::{Rates, UnitRate};
use crate::record::PriceRecord;
use crate::shares::Shares;
use crate::unpriced::Unpriced;

/// What usage costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Exactly.
    pub exact: ExactUsd,
    /// As a ledger keeps it: rounded once, half to even.
    pub rounded: NanoUsd,
    /// By class, in the order of [`PriceClass`]; classes without usage are left out, and so is everything that a rule
    /// makes free. Their sum is [`Cost::exact`].
    pub parts: Vec<ClassCost>,
}

/// What the usage of one class costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassCost {
    /// The class.
    pub class: PriceClass,
    /// How many tokens, images, seconds, …
    pub units: i64,
    /// What one costs.
    pub rate: UnitRate,
    /// What all of them cost, exactly.
    pub exact: ExactUsd,
}

pub(crate) fn cost_at(
    price: &PriceRecord,
    rates: &Rates,
    endpoint: Endpoint,
    metrics: &Metrics,
) -> Result<Cost, Unpriced> {
    let mut parts = Vec::with_capacity(4);
    let exact = each_part(price, rates, endpoint, metrics, |part| parts.push(part))?;
    Ok(Cost {
        exact,
        rounded: exact.round().ok_or(Unpriced::TooLarge)?,
        parts,
    })
}

/// As [`cost_at`], without the parts.
pub(crate) fn rounded_at(
    price: &PriceRecord,
    rates: &Rates,
    endpoint: Endpoint,
    metrics: &Metrics,
) -> Result<NanoUsd, Unpriced> {
    let exact = each_part(price, rates, endpoint, metrics, |_| ())?;
    exact.round().ok_or(Unpriced::TooLarge)
}

/// Hands out what each class costs, and returns the sum.
fn each_part(
    price: &PriceRecord,
    rates: &Rates,
    endpoint: Endpoint,
    metrics: &Metrics,
    mut each: impl FnMut(ClassCost),
) -> Result<ExactUsd, Unpriced> {
    let shares = Shares::of(endpoint, metrics)?;
    if shares.is_retention_unknown && has_two_write_rates(rates) {
        return Err(Unpriced::RetentionUnknown {
            model: price.model.clone(),
        });
    }
    let mut sum = ExactUsd::ZERO;
    for (class, units) in shares.used() {
        let rate = rates.get(class).ok_or_else(|| Unpriced::NoRate {
            model: price.model.clone(),
            tier: price.tier.clone(),
            batch: price.batch,
            class,
        })?;
        let exact = rate.cost(units).ok_or(Unpriced::TooLarge)?;
        sum = sum.checked_add(exact).ok_or(Unpriced::TooLarge)?;
        each(ClassCost {
            class,
            units,
            rate,
            exact,
        });
    }
    Ok(sum)
}

fn has_two_write_rates(rates: &Rates) -> bool {
    let usual = rates.get(PriceClass::CacheWrite);
    rates
        .get(PriceClass::CacheWrite12h)
        .is_some_and(|long| usual != Some(long))
}
