//! What a pass found that somebody should know of.

use usage_core::{IssueCode, Severity};
use usage_store::Ledger;

use super::pass::PassOptions;
use super::report::{AccountOutcome, AccountReport, PassReport};
use crate::alerting::{self, Finding, IncidentKind, Pass};
use crate::wiring::App;

/// Opens and ends incidents by what the pass looked at, and tells whoever asked to be told. None of it changes what was read.
pub(super) async fn raise(
    app: &App,
    ledger: &Ledger,
    options: &PassOptions,
    mut pass: Pass,
    report: &mut PassReport,
) {
    pass.looked_at_itself();
    for account in &report.accounts {
        look_at(account, options, &mut pass);
    }
    match alerting::look_at_budgets(app, ledger, &mut pass).await {
        Ok(budgets) => report.budgets = budgets,
        Err(error) => {
            tracing::warn!(%error, "the budgets were not looked at");
            report
                .notes
                .push(format!("the budgets were not looked at: {error}"));
        }
    }
    report.alerts = Some(alerting::report(app, ledger, &pass).await);
}

/// An account that another process works on is not looked at: its incidents stay as they are.
fn look_at(report: &AccountReport, options: &PassOptions, pass: &mut Pass) {
    let account = &report.owner;
    let (clean, failed) = match report.outcome {
        AccountOutcome::Clean => (true, false),
        AccountOutcome::Incomplete => (false, false),
        AccountOutcome::Failed => (false, true),
        _ => return,
    };
    pass.looked_at(IncidentKind::RunFailed, account);
    if !clean {
        let first = report
            .issues
            .iter()
            .find(|issue| issue.severity == Severity::Error);
        let reason = match (&report.error, first) {
            (Some(error), _) => error.clone(),
            (None, Some(issue)) => issue.to_string(),
            (None, None) => "it could not be read".to_owned(),
        };
        let mut finding = Finding::run_failed(Some(account), &reason);
        if let Some(run) = report.run_id {
            finding = finding.with("runId", run);
        }
        pass.found(finding);
    }
    if let Some((key, label)) = &report.key {
        if report
            .issues
            .iter()
            .any(|issue| issue.code == IssueCode::Unauthorized)
        {
            pass.found(Finding::invalid_key(account, *key, label.as_deref()));
        } else if !failed {
            pass.looked_at(IncidentKind::InvalidKey, account);
        }
    }
    if let Some(proofs) = &report.proofs {
        // What an endpoint differed in that has no export any more is over as well: nobody can look at it again.
        pass.looked_at(IncidentKind::Parity, account);
        for (endpoint, proof) in proofs {
            let finding = Finding::parity(account, endpoint, proof.differences);
            if proof.differences > 0 {
                pass.found(finding);
            } else if !proof.compared {
                pass.did_not_look_at(&finding);
            }
        }
    }
    if let Some(found) = &report.variance {
        pass.looked_at(IncidentKind::CostVariance, account);
        let finding = Finding::cost_variance(account, found.days, &found.percent, &options.max_variance);
        if let Some(finding) = finding {
            pass.found(finding);
        }
    }
}
