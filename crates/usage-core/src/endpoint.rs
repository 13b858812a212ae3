//! Endpoints: the usage surfaces of a provider.

use std::fmt;
use std::str::FromStr;

use crate::account::Provider;
use crate::dimension::{Dimension, DimensionSet};
use crate::metric::Metric;

/// A usage surface of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Endpoint {
    /// `OpenAI`: text, audio and image tokens of chat completions and responses.
    Completions,
}

impl Endpoint {
    /// Every endpoint this version reads.
    pub const ALL: [Self; 1] = [Self::Completions];

    /// The provider's own name of the surface.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completions => "completions",
        }
    }

    /// Whose surface it is.
    pub const fn provider(self) -> Provider {
        match self {
            Self::Completions => Provider::OpenAi,
        }
    }

    /// What the surface can be grouped by.
    pub fn dimensions(self) -> DimensionSet {
        match self {
            Self::Completions => Dimension::ALL.into_iter().collect(),
        }
    }

    /// The metrics the surface can report.
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Completions => &[
                Metric::InputTokens,
                Metric::OutputTokens,
                Metric::InputCachedTokens,
                Metric::InputUncachedTokens,
                Metric::InputCacheWriteTokens,
                Metric::InputCacheWrite30mTokens,
                Metric::InputCacheWrite12hTokens,
                Metric::InputTextTokens,
                Metric::OutputTextTokens,
                Metric::InputCachedTextTokens,
                Metric::InputAudioTokens,
                Metric::InputCachedAudioTokens,
                Metric::OutputAudioTokens,
                Metric::InputImageTokens,
                Metric::InputCachedImageTokens,
                Metric::OutputImageTokens,
                Metric::NumModelRequests,
            ],
        }
    }

    /// The metrics every row must carry; a row without one is incomplete.
    pub fn required_metrics(self) -> &'static [Metric] {
        match self {
            Self::Completions => &[
                Metric::InputTokens,
                Metric::OutputTokens,
                Metric::NumModelRequests,
            ],
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.as_str() == text)
            .ok_or_else(|| UnknownEndpoint(text.to_owned()))
    }
}

/// The text names no endpoint of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown endpoint `{0}`; this version reads: completions")]
pub struct UnknownEndpoint(pub String);
