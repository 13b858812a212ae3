//! What a comparison of costs asks of a ledger.

use chrono::{DateTime, Utc};
use usage_core::{CostGroup, Decimal, Window};

use crate::ledger::{LedgerCoverage, LedgerSelection};

/// A ledger's costs, as parity reads them: of one account, in time order.
pub trait CostLedger {
    /// Why the ledger could not be read.
    type Error;

    /// Begins to read the costs of one width ([`LedgerSelection::endpoint`] is [`usage_core::Endpoint::Costs`]), and
    /// returns what is covered of the range, by window.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    fn begin(&mut self, selection: &LedgerSelection) -> Result<Vec<LedgerCoverage>, Self::Error>;

    /// The next costs, by window; none at the end. A window may go on in the next answer.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    fn costs(&mut self) -> Result<Vec<LedgerCost>, Self::Error>;

    /// What restatements did to costs of the window, in any order.
    ///
    /// # Errors
    ///
    /// The ledger cannot be read.
    fn changes(&mut self, window: Window) -> Result<Vec<CostChange>, Self::Error>;
}

/// A cost of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCost {
    /// Its window.
    pub window: Window,
    /// Who and what it was charged for.
    pub group: CostGroup,
    /// How much it is.
    pub value: CostValue,
    /// The run that last changed it.
    pub run_id: i64,
}

/// How much a cost is. `None` is what the provider did not say, which is not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostValue {
    /// What was charged, exactly as the provider wrote it, in the group's currency; less than zero for a credit.
    pub amount: Option<Decimal>,
    /// How much was used, in [`CostValue::quantity_unit`].
    pub quantity: Option<Decimal>,
    /// `tokens`, `images`, …
    pub quantity_unit: Option<String>,
}

/// What one restatement did to one cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostChange {
    /// Which cost.
    pub group: CostGroup,
    /// How much it was before; `None` if there was no such cost.
    pub before: Option<CostValue>,
    /// How much it was after; `None` if it was taken away.
    pub after: Option<CostValue>,
    /// When, UTC.
    pub changed_at: DateTime<Utc>,
    /// By which run.
    pub run_id: i64,
}
