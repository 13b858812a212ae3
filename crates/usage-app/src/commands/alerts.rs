//! `usage alerts`

use std::fmt;

use serde::Serialize;
use usage_store::AccountScope;

use crate::alerting::{IncidentLine, Webhooks, ledger_label, test_message};
use crate::error::AppError;
use crate::text::count;
use crate::wiring::{App, Exit};

/// Ended incidents that the list shows.
const ENDED: u32 = 20;

/// What became of a test of the webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertTestReport {
    told: usize,
    failures: Vec<String>,
}

/// The incidents of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertsReport {
    /// Those that are open, oldest first.
    pub open: Vec<IncidentLine>,
    /// Those that ended last, newest first.
    pub ended: Vec<IncidentLine>,
}

/// Sends every webhook a test message. No incident is opened.
pub async fn test(app: &App) -> Result<AlertTestReport, AppError> {
    let webhooks = Webhooks::new(&app.settings)?;
    if webhooks.receivers().is_empty() {
        return Err(AppError::NoWebhook);
    }
    let label = ledger_label(&app.ledger().await?);
    let mut report = AlertTestReport {
        told: 0,
        failures: Vec::new(),
    };
    for receiver in webhooks.receivers() {
        let message = test_message(webhooks.format(), &label).map_err(|error| AppError::Stream {
            what: "cannot write the test message",
            source: error.into(),
        })?;
        match receiver.post(message).await {
            Ok(()) => report.told += 1,
            Err(not_told) => report.failures.push(not_told.to_string()),
        }
    }
    Ok(report)
}

/// The incidents that are open, and the latest that ended.
pub async fn list(app: &App) -> Result<AlertsReport, AppError> {
    let ledger = app.ledger().await?;
    let open = ledger.open_incidents(AccountScope::All).await?;
    let ended = ledger.ended_incidents(AccountScope::All, ENDED).await?;
    Ok(AlertsReport {
        open: open.iter().map(IncidentLine::from).collect(),
        ended: ended.iter().map(IncidentLine::from).collect(),
    })
}

impl AlertTestReport {
    /// 1 if a webhook did not take the message.
    pub fn exit(&self) -> Exit {
        if self.failures.is_empty() {
            Exit::Clean
        } else {
            Exit::Findings
        }
    }
}

impl fmt::Display for AlertTestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} took the test message", count(self.told as u64, "webhook"))?;
        self.failures
            .iter()
            .try_for_each(|failure| writeln!(f, "not told: {failure}"))
    }
}

impl fmt::Display for AlertsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, none, lines) in [
            ("open", "nothing is open", &self.open),
            ("ended", "nothing has ended", &self.ended),
        ] {
            if lines.is_empty() {
                writeln!(f, "{none}")?;
                continue;
            }
            writeln!(f, "{title}")?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
