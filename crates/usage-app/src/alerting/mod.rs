//! Alerting: what a pass finds wrong becomes an incident, of which people are told once when it opens and once when it
//! ends; a dead-man's switch, for when nothing runs that could tell; and budgets.
//!
//! A pass collects what it looked at and what it found, and reports it once:
//!
//! ```no_run
//! # async fn pass(app: &usage_app::App, account: &usage_core::Account) -> Result<(), usage_app::AppError> {
//! use usage_app::alerting::{self, Finding, IncidentKind, Pass, Ping};
//!
//! alerting::ping(app, Ping::Started).await;
//! let ledger = app.ledger().await?;
//! let mut pass = Pass::begun_at(app.clock.now());
//! pass.looked_at(IncidentKind::RunFailed, account);
//! pass.found(Finding::run_failed(Some(account), "the provider did not answer").with("runId", 17));
//! let budgets = alerting::look_at_budgets(app, &ledger, &mut pass).await?;
//! let summary = alerting::report(app, &ledger, &pass).await;
//! alerting::ping(app, Ping::Failed).await;
//! # Ok(())
//! # }
//! ```

mod budget;
mod client;
mod finding;
mod incident;
mod notify;
mod payload;
mod ping;
mod report;
mod settle;

pub use budget::{BudgetState, BudgetStatus, budgets, look_at_budgets};
pub use finding::{Finding, IncidentKind, default_max_variance};
pub use incident::IncidentLine;
pub use notify::{Notified, Webhooks};
pub(crate) use payload::{ledger_label, test_message};
pub use ping::{Ping, ping};
pub use report::{AlertSummary, report, report_failed_pass};
pub use settle::{Pass, Settled, settle};
