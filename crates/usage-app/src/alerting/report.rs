//! The end of a pass: its findings become incidents, and people are told.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_store::{Incident, Ledger};

use super::finding::Finding;
use super::incident::IncidentLine;
use super::notify::{Notified, Webhooks};
use super::settle::{Pass, Settled, settle};
use crate::error::AppError;
use crate::text::{count, hide_secrets};
use crate::wiring::App;

/// What became of a pass's findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertSummary {
    /// Incidents that this pass opened.
    pub opened: Vec<IncidentLine>,
    /// Incidents that were open before and still are.
    pub still_open: Vec<IncidentLine>,
    /// Incidents that this pass ended.
    pub ended: Vec<IncidentLine>,
    /// Notices that got through to a webhook, of earlier passes too.
    pub sent: u64,
    /// Notices that did not, and are tried again in the next pass.
    pub unsent: u64,
    /// What went wrong about alerting itself, in one line each. Never a reason to call the pass failed.
    pub warnings: Vec<String>,
}

/// Turns the findings into incidents and tells the webhooks. It never fails: what goes wrong is a warning in the summary and
/// in the log.
pub async fn report(app: &App, ledger: &Ledger, pass: &Pass) -> AlertSummary {
    let mut summary = AlertSummary::default();
    match settle(ledger, pass).await {
        Ok(settled) => summary.take(&settled),
        Err(error) => summary.warn(&format!("incidents could not be written: {error}")),
    }
    match notify(app, ledger).await {
        Ok(notified) => {
            summary.sent = notified.sent;
            summary.unsent = notified.unsent;
            // They are in the log already.
            summary.warnings.extend(notified.warnings);
        }
        Err(error) => summary.warn(&format!("webhooks could not be told: {error}")),
    }
    summary
}

/// Tells of a pass that could not be run at all: an incident as any other, or, while the ledger that would remember it cannot
/// be used, a notice to every webhook each time.
pub async fn report_failed_pass(app: &App, began_at: DateTime<Utc>, error: &AppError) {
    let finding = Finding::run_failed(None, &error.to_string());
    let mut pass = Pass::begun_at(began_at);
    pass.found(finding.clone());
    let settled = match app.ledger().await {
        Ok(ledger) => match settle(&ledger, &pass).await {
            Ok(_) => {
                if let Err(error) = notify(app, &ledger).await {
                    tracing::warn!("webhooks could not be told: {}", hide_secrets(&error.to_string()));
                }
                true
            }
            Err(_) => false,
        },
        Err(_) => false,
    };
    if !settled {
        match Webhooks::new(&app.settings) {
            Ok(webhooks) => webhooks.tell_once(app, &finding).await,
            Err(error) => tracing::warn!("webhooks could not be told: {error}"),
        }
    }
}

async fn notify(app: &App, ledger: &Ledger) -> Result<Notified, AppError> {
    Ok(Webhooks::new(&app.settings)?.notify(ledger).await?)
}

impl AlertSummary {
    fn take(&mut self, settled: &Settled) {
        let lines = |incidents: &[Incident]| incidents.iter().map(IncidentLine::from).collect();
        self.opened = lines(&settled.opened);
        self.still_open = lines(&settled.still_open);
        self.ended = lines(&settled.ended);
    }

    fn warn(&mut self, message: &str) {
        let message = hide_secrets(message);
        tracing::warn!("{message}");
        self.warnings.push(message);
    }
}

impl fmt::Display for AlertSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, lines) in [
            ("opened", &self.opened),
            ("still open", &self.still_open),
            ("ended", &self.ended),
        ] {
            for line in lines {
                writeln!(f, "{what}: {line}")?;
            }
        }
        if self.sent + self.unsent > 0 {
            let unsent = self.unsent;
            writeln!(f, "told webhooks {}, {unsent} not", count(self.sent, "notice"))?;
        }
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}
