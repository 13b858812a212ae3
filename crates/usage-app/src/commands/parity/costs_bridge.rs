//! The ledger's costs, read page by page from a thread that may block.

use tokio::runtime::Handle;
use usage_core::{CostRow, DecimalText, DedupeKey, Endpoint, Window};
use usage_parity::costs::{CostChange, CostLedger, CostValue, LedgerCost};
use usage_parity::{LedgerCoverage, LedgerSelection};
use usage_store::{AccountScope, CostQuery, CoverageQuery, Ledger, StoreError, StoredAccount};

use super::bridge::{covered_windows, windows_of};

/// Costs in one page.
const PAGE: usize = 5_000;

/// One account's costs, as parity reads them.
pub(super) struct CostsBridge {
    ledger: Ledger,
    account: StoredAccount,
    /// What is left to read, and where it goes on; nothing before the beginning and after the end.
    rest: Option<(CostQuery, Option<(i64, DedupeKey)>)>,
    runtime: Handle,
}

impl CostsBridge {
    /// Must be made inside the runtime and used outside of its own threads.
    pub(super) fn new(ledger: Ledger, account: StoredAccount) -> Self {
        Self {
            ledger,
            account,
            rest: None,
            runtime: Handle::current(),
        }
    }
}

impl CostLedger for CostsBridge {
    type Error = StoreError;

    fn begin(&mut self, selection: &LedgerSelection) -> Result<Vec<LedgerCoverage>, StoreError> {
        let scope = AccountScope::one(&self.account);
        let windows = windows_of(selection);
        let covered = self.runtime.block_on(self.ledger.coverage(CoverageQuery {
            scope: scope.clone(),
            endpoint: Some(Endpoint::Costs),
            windows,
        }))?;
        self.rest = Some((CostQuery { scope, windows }, None));
        Ok(covered_windows(covered, selection.width))
    }

    fn costs(&mut self) -> Result<Vec<LedgerCost>, StoreError> {
        let Some((query, after)) = self.rest.take() else {
            return Ok(Vec::new());
        };
        let page = self
            .runtime
            .block_on(self.ledger.costs(query.clone(), after, PAGE))?;
        self.rest = page.next.map(|next| (query, Some(next)));
        let costs = page.costs.into_iter().map(|cost| LedgerCost {
            window: cost.window,
            group: cost.row.group.clone(),
            value: value(cost.row),
            run_id: cost.run_id,
        });
        Ok(costs.collect())
    }

    fn changes(&mut self, window: Window) -> Result<Vec<CostChange>, StoreError> {
        let scope = AccountScope::one(&self.account);
        let changes = self.runtime.block_on(self.ledger.cost_changes(scope, window))?;
        Ok(changes
            .into_iter()
            .map(|change| CostChange {
                group: change.group,
                before: change.before.map(value),
                after: change.after.map(value),
                changed_at: change.changed_at,
                run_id: change.run_id,
            })
            .collect())
    }
}

fn value(row: CostRow) -> CostValue {
    let number = |number: Option<DecimalText>| number.map(|number| number.value().clone());
    CostValue {
        amount: number(row.amount),
        quantity: number(row.quantity),
        quantity_unit: row.quantity_unit,
    }
}
