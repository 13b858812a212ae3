//! An incident, as people and programs are shown it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::format_instant;
use usage_store::Incident;

use crate::text::instant;

/// An incident. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IncidentLine {
    /// What kind of thing, for example `parity`.
    pub kind: String,
    /// What of that kind.
    pub subject: String,
    /// What is wrong, as it was found last.
    pub message: String,
    /// When it was found first.
    pub opened_at: String,
    /// When it was found last.
    pub last_seen_at: String,
    /// When it was looked for and not found.
    pub ended_at: Option<String>,
    /// When every webhook knew that it is open.
    pub told_open_at: Option<String>,
    /// When every webhook knew that it ended.
    pub told_ended_at: Option<String>,
    #[serde(skip)]
    opened: DateTime<Utc>,
    #[serde(skip)]
    ended: Option<DateTime<Utc>>,
}

impl From<&Incident> for IncidentLine {
    fn from(incident: &Incident) -> Self {
        Self {
            kind: incident.kind.clone(),
            subject: incident.subject.clone(),
            message: incident.message.clone(),
            opened_at: format_instant(incident.opened_at),
            last_seen_at: format_instant(incident.last_seen_at),
            ended_at: incident.closed_at.map(format_instant),
            told_open_at: incident.notified_open_at.map(format_instant),
            told_ended_at: incident.notified_close_at.map(format_instant),
            opened: incident.opened_at,
            ended: incident.closed_at,
        }
    }
}

impl fmt::Display for IncidentLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: since {}",
            self.kind,
            self.subject,
            instant(self.opened)
        )?;
        if let Some(ended) = self.ended {
            write!(f, ", ended {}", instant(ended))?;
        }
        let told = match self.ended {
            None => &self.told_open_at,
            Some(_) => &self.told_ended_at,
        };
        if told.is_none() {
            f.write_str(", not everybody was told")?;
        }
        write!(f, "; {}", self.message)
    }
}
