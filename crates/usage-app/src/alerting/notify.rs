//! Telling people, each of one thing once.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use usage_store::{Incident, Ledger, Notice, NoticeClaim, StoreError};

use super::client::Receiver;
use super::finding::Finding;
use super::payload::{label_of, ledger_label, notice};
use crate::error::AppError;
use crate::settings::{Settings, WebhookFormat};
use crate::wiring::App;

/// For how long after its end people are told of an incident that nobody could be told of before.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(7);
/// How much longer a claim lasts than all that may be sent under it.
const CLAIM_MARGIN: Duration = Duration::from_mins(1);

/// The webhooks of the settings.
pub struct Webhooks {
    receivers: Vec<Receiver>,
    format: WebhookFormat,
    timeout: Duration,
}

/// What became of telling people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notified {
    /// Notices that got through to a webhook.
    pub sent: u64,
    /// Notices that did not, and are tried again in the next pass.
    pub unsent: u64,
    /// What went wrong, in one line each.
    pub warnings: Vec<String>,
}

impl Webhooks {
    /// The webhooks of these settings; there may be none.
    pub fn new(settings: &Settings) -> Result<Self, AppError> {
        let timeout = Duration::from_secs(settings.webhook_timeout.value.get().into());
        let receivers = settings.webhook_urls.value.iter();
        Ok(Self {
            receivers: receivers
                .map(|url| Receiver::new(url, timeout))
                .collect::<Result<_, _>>()?,
            format: settings.webhook_format.value,
            timeout,
        })
    }

    pub(crate) fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    pub(crate) const fn format(&self) -> WebhookFormat {
        self.format
    }

    /// Tells every webhook what it does not know yet. However many processes do this at once, each notice is sent by one of
    /// them; what does not get through is tried again in the next pass.
    pub async fn notify(&self, ledger: &Ledger) -> Result<Notified, StoreError> {
        let mut telling = Telling {
            webhooks: self,
            ledger,
            label: ledger_label(ledger),
            failed: BTreeSet::new(),
            notified: Notified::default(),
        };
        if self.receivers.is_empty() {
            return Ok(telling.notified);
        }
        for id in ledger.untold_incidents(ledger.now() - GIVE_UP_AFTER).await? {
            if let Some(claim) = ledger.claim_notices(id, self.claim_duration()).await? {
                let told = telling.tell(&claim).await?;
                ledger.release_notices(&claim, &told).await?;
            }
        }
        Ok(telling.notified)
    }

    /// Tells every webhook of something that the ledger cannot remember, so that nobody knows who was told of it before.
    pub(super) async fn tell_once(&self, app: &App, finding: &Finding) {
        let incident = Incident {
            id: 0,
            kind: finding.kind.as_str().to_owned(),
            subject: finding.subject.clone(),
            account_id: None,
            message: finding.message.clone(),
            details: serde_json::Value::Object(finding.details.clone()).to_string(),
            opened_at: app.clock.now(),
            last_seen_at: app.clock.now(),
            closed_at: None,
            notified_open_at: None,
            notified_close_at: None,
        };
        let label = label_of(&app.settings.database_url.value);
        let Ok(body) = notice(self.format, &incident, Notice::Opened, &label) else {
            return;
        };
        for receiver in &self.receivers {
            if let Err(not_told) = receiver.post(body.clone()).await {
                tracing::warn!("a webhook was not told: {not_told}");
            }
        }
    }

    /// Both notices to every webhook, each of which fails only once in a pass.
    fn claim_duration(&self) -> Duration {
        let receivers = u32::try_from(self.receivers.len()).unwrap_or(u32::MAX);
        self.timeout.saturating_mul(receivers).saturating_mul(2) + CLAIM_MARGIN
    }
}

/// A pass through all there is to tell.
struct Telling<'a> {
    webhooks: &'a Webhooks,
    ledger: &'a Ledger,
    label: String,
    /// Those who failed once are not asked again in this pass: each time-out would delay all others.
    failed: BTreeSet<&'a str>,
    notified: Notified,
}

impl<'a> Telling<'a> {
    /// Tells what there is to tell of an incident; returns what everybody knows now.
    async fn tell(&mut self, claim: &NoticeClaim) -> Result<Vec<Notice>, StoreError> {
        let mut told = Vec::new();
        for what in Notice::ALL {
            if what == Notice::Ended && claim.incident.closed_at.is_none() {
                continue;
            }
            let mut everybody = true;
            for receiver in &self.webhooks.receivers {
                everybody &= self.tell_one(claim, what, receiver).await?;
            }
            if everybody {
                told.push(what);
            }
        }
        Ok(told)
    }

    /// Whether this one knows it now.
    async fn tell_one(
        &mut self,
        claim: &NoticeClaim,
        what: Notice,
        receiver: &'a Receiver,
    ) -> Result<bool, StoreError> {
        let knows_already = match what {
            Notice::Opened => claim.incident.notified_open_at,
            Notice::Ended => claim.incident.notified_close_at,
        };
        if knows_already.is_some() || claim.was_told(what, receiver.fingerprint()) {
            return Ok(true);
        }
        if self.failed.contains(receiver.fingerprint()) {
            self.notified.unsent += 1;
            return Ok(false);
        }
        let body = notice(self.webhooks.format, &claim.incident, what, &self.label).map_err(|error| {
            StoreError::Corrupt {
                what: "detail of an incident",
                value: error.to_string(),
            }
        })?;
        match receiver.post(body).await {
            Ok(()) => {
                self.notified.sent += 1;
                self.ledger.note_told(claim, what, receiver.fingerprint()).await?;
                Ok(true)
            }
            Err(not_told) => {
                if !not_told.may_take_another {
                    self.failed.insert(receiver.fingerprint());
                }
                self.notified.unsent += 1;
                let warning = format!("a webhook was not told: {not_told}");
                tracing::warn!("{warning}");
                self.notified.warnings.push(warning);
                Ok(false)
            }
        }
    }
}
