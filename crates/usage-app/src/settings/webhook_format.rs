//! What a webhook is sent.

use std::fmt;
use std::str::FromStr;

use super::error::InvalidValue;

/// The form of what a webhook is sent, by the name that people set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookFormat {
    /// `json`: everything about the incident, for programs (docs/ALERTING.md)
    #[default]
    Json,
    /// `slack`: `{"text": …}`, which Slack and its likes show to people
    Slack,
}

impl WebhookFormat {
    const ALL: [Self; 2] = [Self::Json, Self::Slack];

    /// The name that people set.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
        }
    }
}

impl FromStr for WebhookFormat {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| InvalidValue::WebhookFormat(text.to_owned()))
    }
}

impl fmt::Display for WebhookFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::WebhookFormat;

    #[test]
    fn names_are_read_back_and_others_are_refused() {
        for format in WebhookFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        let error = "teams".parse::<WebhookFormat>().unwrap_err().to_string();
        assert_eq!(error, "`teams` is not a format of webhooks; write json or slack");
    }
}
