//! The dead-man's switch: somebody else's service that raises the alarm when it hears nothing.

use std::time::Duration;

use super::client::Receiver;
use crate::wiring::App;

/// What the switch is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// A pass begins: `/start` behind the URL.
    Started,
    /// It ended well: the URL itself.
    Succeeded,
    /// It did not: `/fail` behind the URL.
    Failed,
}

/// Tells the switch of the settings, if there is one; returns what went wrong, in one line, which is logged too. It never
/// fails: whether the switch can be reached changes nothing of what a pass did.
pub async fn ping(app: &App, ping: Ping) -> Option<String> {
    let url = app.settings.ping_url.as_ref()?;
    let timeout = Duration::from_secs(app.settings.webhook_timeout.value.get().into());
    let behind = match ping {
        Ping::Started => Some("start"),
        Ping::Succeeded => None,
        Ping::Failed => Some("fail"),
    };
    let sent = match Receiver::new(&url.value, timeout) {
        Ok(receiver) => receiver.get(behind).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let warning = format!("the dead-man's switch was not told: {}", sent.err()?);
    tracing::warn!("{warning}");
    Some(warning)
}
