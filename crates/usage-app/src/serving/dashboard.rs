//! What the dashboard asks for: reports, budgets, runs, and what provider keys need a provider for.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{Days, NaiveDate};
use secrecy::SecretString;
use tokio::sync::{oneshot, watch};
use usage_core::{Account, Endpoint, WindowRange};
use usage_http::{BudgetState, DashboardOperations, KeyToAdd, OperationFailed, Refused, WhyRefused};
use usage_ingest::{Progress, Step};
use usage_store::{AccountScope, Ledger, StoreError, StoredAccount};

use super::reports::{Kind, Reports};
use crate::alerting::{self, BudgetStatus};
use crate::commands::backfill::{BackfillOptions, backfill};
use crate::commands::keys::{self, AddKeyOptions, RotateKeyOptions};
use crate::cron::{LoggedProgress, Passes};
use crate::error::AppError;
use crate::text::hide_secrets;
use crate::wiring::App;

/// The label of runs that somebody starts over HTTP.
const RUN_LABEL: &str = "started over HTTP";

/// What the dashboard asks for.
pub(super) struct ForDashboard {
    pub(super) app: App,
    pub(super) ledger: Ledger,
    /// Runs take turns with them: to a lease, this process is one holder.
    pub(super) passes: Arc<Passes>,
    pub(super) reports: Arc<Reports>,
    pub(super) stop: watch::Receiver<bool>,
}

#[async_trait]
impl DashboardOperations for ForDashboard {
    async fn latest_parity(&self, account: &StoredAccount) -> Result<Option<String>, OperationFailed> {
        self.of_reports(account, |reports, account| reports.latest(Kind::Parity, account))
            .await
    }

    async fn latest_reconciliation(
        &self,
        account: &StoredAccount,
    ) -> Result<Option<String>, OperationFailed> {
        self.of_reports(account, |reports, account| {
            reports.latest(Kind::Reconciliation, account)
        })
        .await
    }

    async fn parity_mark(&self, account: &StoredAccount) -> Result<Option<String>, OperationFailed> {
        self.of_reports(account, |reports, account| reports.mark(Kind::Parity, account))
            .await
    }

    async fn reconciliation_mark(&self, account: &StoredAccount) -> Result<Option<String>, OperationFailed> {
        self.of_reports(account, |reports, account| {
            reports.mark(Kind::Reconciliation, account)
        })
        .await
    }

    async fn budgets(&self, scope: &AccountScope) -> Result<Vec<BudgetState>, OperationFailed> {
        let failed = |error: AppError| OperationFailed::new(error.to_string());
        let accounts = self.ledger.accounts(scope.clone()).await;
        let accounts = accounts.map_err(|error| failed(error.into()))?;
        let statuses = alerting::budgets(&self.app, &self.ledger).await.map_err(failed)?;
        let is_seen = |status: &BudgetStatus| match (scope, &status.account) {
            (AccountScope::All, _) => true,
            (AccountScope::Only(_), None) => false,
            (AccountScope::Only(_), Some(of)) => accounts.iter().any(|seen| seen.account == *of),
        };
        Ok(statuses.into_iter().filter(is_seen).map(budget_state).collect())
    }

    async fn start_run(&self, scope: &AccountScope, days_back: u16) -> Result<i64, Refused> {
        let accounts = self.accounts_to_read(scope).await?;
        let options = BackfillOptions {
            windows: days(self.app.clock.now().date_naive(), days_back)?,
            endpoints: Endpoint::ALL.to_vec(),
            accounts,
            chunk_windows: None,
            label: Some(RUN_LABEL.to_owned()),
            plan_only: false,
            force: true,
            accept_retractions: false,
            artifact: None,
            group_by: None,
        };
        let Some(turn) = self.passes.turn() else {
            return Err(Refused::new(
                "a run is under way already; start another once it has ended",
            ));
        };
        let (begun, number) = oneshot::channel();
        let begun = Begun(Mutex::new(Some(begun)));
        let (app, stop) = (self.app.clone(), self.stop.clone());
        // A task of its own: the run goes on after the answer. Whoever ends the server waits for its turn.
        tokio::spawn(async move {
            if let Err(error) = backfill(&app, options, &begun, stop).await {
                tracing::error!("a run that was started over HTTP ended early: {error}");
                begun.tell(Err(refusal(error)));
            }
            drop(turn);
        });
        number.await.unwrap_or_else(|_| {
            let why = "the run ended before it began; the server's log says why";
            Err(Refused::new(why).because(WhyRefused::Broken))
        })
    }

    async fn add_key(&self, key: KeyToAdd) -> Result<i64, Refused> {
        let options = AddKeyOptions {
            account: key.account,
            label: key.label,
            filter: key.filter,
            secret: key.secret,
            check: true,
        };
        let report = keys::add(&self.app, options).await.map_err(refusal)?;
        Ok(report.key_id())
    }

    async fn check_key(&self, id: i64) -> Result<String, Refused> {
        match keys::check(&self.app, &id.to_string()).await {
            Ok(_) => Ok("the provider accepts the key".to_owned()),
            // That is an answer, too, and it is kept.
            Err(AppError::KeyRefused(why)) => Ok(hide_secrets(&why)),
            Err(error) => Err(refusal(error)),
        }
    }

    async fn rotate_key(&self, id: i64, secret: SecretString) -> Result<(), Refused> {
        let options = RotateKeyOptions {
            id: id.to_string(),
            secret,
            check: true,
        };
        keys::rotate(&self.app, options).await.map(drop).map_err(refusal)
    }
}

impl ForDashboard {
    async fn of_reports(
        &self,
        account: &StoredAccount,
        ask: impl FnOnce(&Reports, &Account) -> Result<Option<String>, String> + Send + 'static,
    ) -> Result<Option<String>, OperationFailed> {
        let (reports, account) = (Arc::clone(&self.reports), account.account.clone());
        let asked = tokio::task::spawn_blocking(move || ask(&reports, &account)).await;
        asked
            .map_err(|error| OperationFailed::new(error.to_string()))?
            .map_err(OperationFailed::new)
    }

    /// The accounts of the scope that have a key; none stands for every one.
    async fn accounts_to_read(&self, scope: &AccountScope) -> Result<Vec<Account>, Refused> {
        let AccountScope::Only(ids) = scope else {
            return Ok(Vec::new());
        };
        let keys = self.ledger.keys().await.map_err(|error| refusal(error.into()))?;
        let mut accounts: Vec<Account> = usage_ingest::choose_keys(&keys)
            .into_iter()
            .filter(|chosen| ids.contains(&chosen.key.account.id))
            .map(|chosen| chosen.key.account.account.clone())
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        if accounts.is_empty() {
            return Err(Refused::new(
                "none of the accounts that your token sees has a usable provider key",
            ));
        }
        Ok(accounts)
    }
}

/// Today and so many days before it, as with the horizon of a pass: today is never one of the days back.
fn days(today: NaiveDate, days_back: u16) -> Result<WindowRange, Refused> {
    let first = today.checked_sub_days(Days::new(days_back.into()));
    WindowRange::days(first.unwrap_or(today), today).map_err(|error| Refused::new(error.to_string()))
}

/// Logs a run, and tells its number as soon as it has one.
struct Begun(Mutex<Option<oneshot::Sender<Number>>>);

/// The number of a run, or why there is none.
type Number = Result<i64, Refused>;

impl Begun {
    fn tell(&self, begun: Number) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Whoever asked may have gone.
            let _ = sender.send(begun);
        }
    }
}

impl Progress for Begun {
    fn step(&self, step: Step<'_>) {
        if let Step::Begun { run_id } = step {
            self.tell(Ok(run_id));
        }
        LoggedProgress.step(step);
    }
}

/// What whoever asked may read of it. What only an operator of the server can mend goes into its log.
fn refusal(error: AppError) -> Refused {
    match error {
        AppError::Store(
            error @ (StoreError::AlreadyExists(_)
            | StoreError::NotFound { .. }
            | StoreError::WrongMasterKey { .. }),
        ) => Refused::new(error.to_string()),
        AppError::Store(_)
        | AppError::MasterKey(_)
        | AppError::Prices(_)
        | AppError::PricesFile { .. }
        | AppError::BaseUrl { .. }
        | AppError::Client(_) => {
            tracing::error!("what was asked for over HTTP could not be done: {error}");
            let is_away = matches!(&error, AppError::Store(error) if error.is_unavailable());
            Refused::new("the server cannot do it now; its log says why").because(if is_away {
                WhyRefused::Unavailable
            } else {
                WhyRefused::Broken
            })
        }
        error => Refused::new(hide_secrets(&error.to_string())),
    }
}

fn budget_state(status: BudgetStatus) -> BudgetState {
    BudgetState {
        name: status.name,
        account: status.account,
        project_id: status.project_id,
        period: status.period.as_str(),
        first_day: status.first_day,
        last_day: status.last_day,
        amount: status.amount_usd,
        spent: status.spent_usd,
        warn_at_percent: status.warn_at_percent,
        is_warned: status.state >= alerting::BudgetState::Warn,
        is_passed: status.state == alerting::BudgetState::Passed,
        unpriced_events: status.unpriced_events,
        unread_days: status.unread_days,
    }
}

#[cfg(test)]
mod tests {
    use usage_core::parse_day;

    use super::*;

    #[test]
    fn today_is_none_of_the_days_back() {
        let read = |days_back| days(parse_day("2025-10-08").unwrap(), days_back).unwrap();
        assert_eq!(read(7).start().date_naive(), parse_day("2025-10-01").unwrap());
        assert_eq!(read(7).end().date_naive(), parse_day("2025-10-09").unwrap());
        assert_eq!((read(1).len(), read(7).len(), read(30).len()), (2, 8, 31));
    }
}
