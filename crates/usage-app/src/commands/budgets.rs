//! `usage budgets`

use std::fmt;

use serde::Serialize;

use crate::alerting::{self, BudgetState, BudgetStatus};
use crate::error::AppError;
use crate::wiring::{App, Exit};

/// How each budget stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetsReport {
    /// The budgets, in the order of the settings.
    pub budgets: Vec<BudgetStatus>,
}

/// Looks what was spent of each budget in the period that is running.
pub async fn budgets(app: &App) -> Result<BudgetsReport, AppError> {
    let ledger = app.ledger().await?;
    Ok(BudgetsReport {
        budgets: alerting::budgets(app, &ledger).await?,
    })
}

impl BudgetsReport {
    /// 1 if a budget is passed.
    pub fn exit(&self) -> Exit {
        let passed = |status: &BudgetStatus| status.state == BudgetState::Passed;
        if self.budgets.iter().any(passed) {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}

impl fmt::Display for BudgetsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.budgets.is_empty() {
            return writeln!(
                f,
                "no budgets; write [[budgets]] in usage.toml (docs/ALERTING.md)"
            );
        }
        writeln!(f, "by the price list; what the provider charges is known later")?;
        for status in &self.budgets {
            let state = match status.state {
                BudgetState::Ok => "ok",
                BudgetState::Warn => "warn",
                BudgetState::Passed => "PASSED",
            };
            writeln!(f, "  {state:<6} {status}")?;
        }
        Ok(())
    }
}
