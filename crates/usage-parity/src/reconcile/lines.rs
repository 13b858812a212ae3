//! What goes in: lines of usage and of costs, one day after the other.

use chrono::NaiveDate;
use usage_core::{Decimal, Endpoint, Metrics, NanoUsd};
use usage_pricing::PriceRef;

/// One row of usage as the ledger has it.
#[derive(Clone, Debug)]
pub struct UsageLine {
    /// The UTC day.
    pub day: NaiveDate,
    /// The project; `None` for usage of none.
    pub project_id: Option<String>,
    /// Which surface reported it.
    pub endpoint: Endpoint,
    /// The model as the provider spells it.
    pub model: Option<String>,
    /// The service tier as the provider spells it.
    pub service_tier: Option<String>,
    /// Whether through the batch API.
    pub batch: bool,
    /// How much it was.
    pub metrics: Metrics,
    /// The cost on the row, rounded to a nano-dollar; `None` if it has no price.
    pub cost: Option<NanoUsd>,
    /// The price on the row, or the record of why there is none; `None` if it was stored before there were prices.
    pub price: Option<PriceRef>,
}

/// One row of costs as the ledger has it.
#[derive(Clone, Debug, Default)]
pub struct CostLine {
    /// The UTC day.
    pub day: NaiveDate,
    /// The project; organisation-wide charges have none.
    pub project_id: Option<String>,
    /// What was charged for, in the provider's words.
    pub line_item: Option<String>,
    /// The currency; its case does not matter.
    pub currency: Option<String>,
    /// How much; `None` where the provider sent null.
    pub amount: Option<Decimal>,
    /// How much was used, in `quantity_unit`.
    pub quantity: Option<Decimal>,
    /// `tokens`, `images`, …
    pub quantity_unit: Option<String>,
}

/// Why the numbers could not be reconciled. One line.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A line of another day.
    #[error("a line of {found} came with the day {day}")]
    OtherDay {
        /// The day that is being added.
        day: NaiveDate,
        /// The day of the line.
        found: NaiveDate,
    },
    /// The cost on a row is not what its price gives, or lies more than half a nano-dollar off.
    #[error(
        "the row of {day}, {endpoint}, {model} has the cost {found} USD, but its price {price_id} gives {expected}; \
         price it again with `usage reprice`"
    )]
    RowCost {
        /// The row's day.
        day: NaiveDate,
        /// The row's surface.
        endpoint: Endpoint,
        /// The row's model, or that it has none.
        model: String,
        /// Its price.
        price_id: String,
        /// What stands on the row, in USD.
        found: String,
        /// What the price gives, in USD.
        expected: String,
    },
    /// A sum is beyond its type.
    #[error("a sum of {0} is too large to be exact")]
    TooLarge(NaiveDate),
    /// The classes do not add up to the provider's total: a fault of this program.
    #[error(
        "the classes add up to {sum} USD, but the provider charged {charged} USD; report this fault of the program"
    )]
    Bridge {
        /// What the classes add up to.
        sum: Decimal,
        /// What was charged.
        charged: Decimal,
    },
    /// The rounding is more than half a nano-dollar a row: a fault of this program.
    #[error(
        "the rounding of {rows} rows is {rounding} USD, more than half a nano-dollar a row; report this fault"
    )]
    Rounding {
        /// How many rows have a price.
        rows: u64,
        /// Rounded costs less exact ones.
        rounding: Decimal,
    },
    /// The temporary file of the groups failed.
    #[error("the groups cannot be kept in a temporary file: {0}")]
    Spool(#[from] std::io::Error),
}
