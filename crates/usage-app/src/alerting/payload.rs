//! What a webhook is sent.

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;
use usage_core::format_instant;
use usage_ingest::ProcessIdentity;
use usage_store::{Incident, Ledger, Notice};

use crate::settings::WebhookFormat;

/// The generic form; docs/ALERTING.md describes it to those who read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    event: &'static str,
    kind: &'a str,
    subject: &'a str,
    message: &'a str,
    opened_at: Option<String>,
    ended_at: Option<String>,
    details: &'a RawValue,
    ledger: &'a str,
}

/// What a notice says, in this form.
pub(super) fn notice(
    format: WebhookFormat,
    incident: &Incident,
    notice: Notice,
    ledger: &str,
) -> Result<String, serde_json::Error> {
    let details: Box<RawValue> = serde_json::from_str(&incident.details)?;
    let (event, word) = match notice {
        Notice::Opened => ("incident.opened", "Opened"),
        Notice::Ended => ("incident.ended", "Ended"),
    };
    let payload = Payload {
        event,
        kind: &incident.kind,
        subject: &incident.subject,
        message: &incident.message,
        opened_at: Some(format_instant(incident.opened_at)),
        ended_at: incident.closed_at.map(format_instant),
        details: &details,
        ledger,
    };
    write(format, word, &payload)
}

/// A message that says that nothing is wrong.
pub(crate) fn test_message(format: WebhookFormat, ledger: &str) -> Result<String, serde_json::Error> {
    let payload = Payload {
        event: "test",
        kind: "test",
        subject: "test",
        message: "a test by `usage alerts test`; nothing is wrong",
        opened_at: None,
        ended_at: None,
        details: &serde_json::value::to_raw_value(&serde_json::Map::new())?,
        ledger,
    };
    write(format, "Test", &payload)
}

/// How messages name the ledger: the host that sends them, and the database without its password.
pub(crate) fn ledger_label(ledger: &Ledger) -> String {
    label_of(&ledger.name())
}

/// The same of a database that cannot be used now.
pub(super) fn label_of(database: &impl fmt::Display) -> String {
    format!("{}:{database}", ProcessIdentity::current().host())
}

fn write(format: WebhookFormat, word: &str, payload: &Payload<'_>) -> Result<String, serde_json::Error> {
    match format {
        WebhookFormat::Json => serde_json::to_string(payload),
        WebhookFormat::Slack => {
            let Payload {
                kind,
                subject,
                message,
                ledger,
                ..
            } = payload;
            let text = format!("*{word}: {kind}, {subject}*\n{message}\n_{ledger}_");
            serde_json::to_string(&serde_json::json!({ "text": escaped(&text) }))
        }
    }
}

/// The three characters that Slack reads as its own: with them a message could call people or link elsewhere.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn incident() -> Incident {
        Incident {
            id: 1,
            kind: "parity".to_owned(),
            subject: "openai/org-a completions".to_owned(),
            account_id: Some(1),
            message: "a < b & c > <!channel>".to_owned(),
            details: r#"{"groups":3}"#.to_owned(),
            opened_at: DateTime::UNIX_EPOCH,
            last_seen_at: DateTime::UNIX_EPOCH,
            closed_at: None,
            notified_open_at: None,
            notified_close_at: None,
        }
    }

    #[test]
    fn each_form_says_it_in_full() {
        let opened = |format| notice(format, &incident(), Notice::Opened, "host:usage.db").unwrap();
        assert_eq!(
            opened(WebhookFormat::Json),
            r#"{"event":"incident.opened","kind":"parity","subject":"openai/org-a completions","message":"a < b & c > <!channel>","openedAt":"1970-01-01T00:00:00Z","endedAt":null,"details":{"groups":3},"ledger":"host:usage.db"}"#
        );
        assert_eq!(
            opened(WebhookFormat::Slack),
            r#"{"text":"*Opened: parity, openai/org-a completions*\na &lt; b &amp; c &gt; &lt;!channel&gt;\n_host:usage.db_"}"#
        );
        let ended = Incident {
            closed_at: DateTime::from_timestamp(60, 0),
            ..incident()
        };
        let text = notice(WebhookFormat::Json, &ended, Notice::Ended, "host:usage.db").unwrap();
        assert!(
            text.contains(r#""event":"incident.ended""#)
                && text.contains(r#""endedAt":"1970-01-01T00:01:00Z""#),
            "{text}"
        );
        let test = test_message(WebhookFormat::Json, "host:usage.db").unwrap();
        assert!(test.starts_with(r#"{"event":"test","#), "{test}");
    }
}
