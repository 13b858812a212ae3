//! Endpoints: the surfaces on which a provider reports usage and costs.

use std::fmt;
use std::str::FromStr;

use crate::account::Provider;
use crate::dimension::{Dimension, DimensionSet};
use crate::metric::Metric;
use crate::window::Width;

/// A surface on which a provider reports usage, or what it charged.
///
/// What each can be grouped by and what it counts is one entry of a table, from the provider's reference of
/// November 2026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Endpoint {
    /// `OpenAI`: text, audio and image tokens of chat completions and responses.
    Completions,
    /// `OpenAI`: tokens of the decisions API, in the shape of completions.
    Decisions,
    /// `OpenAI`: input tokens turned into vectors.
    Embeddings,
    /// `OpenAI`: input tokens looked at by moderation models.
    Moderations,
    /// `OpenAI`: images made, edited or varied.
    Images,
    /// `OpenAI`: characters read aloud.
    AudioSpeeches,
    /// `OpenAI`: seconds of audio transcribed.
    AudioTranscriptions,
    /// `OpenAI`: bytes kept in vector stores; a level, not a flow.
    VectorStores,
    /// `OpenAI`: sessions of the code interpreter.
    CodeInterpreterSessions,
    /// `OpenAI`: calls of the file search tool.
    FileSearchCalls,
    /// `OpenAI`: calls of the web search tool.
    WebSearchCalls,
    /// `OpenAI`: what was charged, by line item. It has amounts instead of metrics, and days only.
    Costs,
}

/// What one endpoint is, reads and counts.
struct Description {
    name: &'static str,
    provider: Provider,
    dimensions: &'static [Dimension],
    metrics: &'static [Metric],
    required: &'static [Metric],
}

impl Endpoint {
    /// Every endpoint that reports usage.
    pub const USAGE: [Self; 11] = [
        Self::Completions,
        Self::Decisions,
        Self::Embeddings,
        Self::Moderations,
        Self::Images,
        Self::AudioSpeeches,
        Self::AudioTranscriptions,
        Self::VectorStores,
        Self::CodeInterpreterSessions,
        Self::FileSearchCalls,
        Self::WebSearchCalls,
    ];

    /// Every endpoint this version reads, costs last.
    pub const ALL: [Self; 12] = [
        Self::Completions,
        Self::Decisions,
        Self::Embeddings,
        Self::Moderations,
        Self::Images,
        Self::AudioSpeeches,
        Self::AudioTranscriptions,
        Self::VectorStores,
        Self::CodeInterpreterSessions,
        Self::FileSearchCalls,
        Self::WebSearchCalls,
        Self::Costs,
    ];

    /// Whether it reports what was charged instead of what was used.
    pub const fn is_costs(self) -> bool {
        matches!(self, Self::Costs)
    }

    /// Whether the surface can be asked for windows of this width.
    pub fn has_width(self, width: Width) -> bool {
        !self.is_costs() || width == Width::Day
    }

    /// The provider's own name of the surface.
    pub const fn as_str(self) -> &'static str {
        self.description().name
    }

    /// Whose surface it is.
    pub const fn provider(self) -> Provider {
        self.description().provider
    }

    /// What the surface can be grouped by and the ledger keeps apart.
    pub fn dimensions(self) -> DimensionSet {
        self.description().dimensions.iter().copied().collect()
    }

    /// The metrics the surface can report.
    pub const fn metrics(self) -> &'static [Metric] {
        self.description().metrics
    }

    /// The metrics every row must carry; a row without one is incomplete.
    pub const fn required_metrics(self) -> &'static [Metric] {
        self.description().required
    }

    const fn description(self) -> &'static Description {
        match self {
            Self::Completions => &COMPLETIONS,
            Self::Decisions => &DECISIONS,
            Self::Embeddings => &EMBEDDINGS,
            Self::Moderations => &MODERATIONS,
            Self::Images => &IMAGES,
            Self::AudioSpeeches => &AUDIO_SPEECHES,
            Self::AudioTranscriptions => &AUDIO_TRANSCRIPTIONS,
            Self::VectorStores => &VECTOR_STORES,
            Self::CodeInterpreterSessions => &CODE_INTERPRETER_SESSIONS,
            Self::FileSearchCalls => &FILE_SEARCH_CALLS,
            Self::WebSearchCalls => &WEB_SEARCH_CALLS,
            Self::Costs => &COSTS,
        }
    }
}

const TOKEN_DIMENSIONS: &[Dimension] = &[
    Dimension::ProjectId,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::Model,
    Dimension::ServiceTier,
    Dimension::Batch,
    Dimension::ApiSource,
];

const CALLER_AND_MODEL: &[Dimension] = &[
    Dimension::ProjectId,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::Model,
];

const TOKEN_METRICS: &[Metric] = &[
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
];

const COMPLETIONS: Description = Description {
    name: "completions",
    provider: Provider::OpenAi,
    dimensions: TOKEN_DIMENSIONS,
    metrics: TOKEN_METRICS,
    required: &[
        Metric::InputTokens,
        Metric::OutputTokens,
        Metric::NumModelRequests,
    ],
};

const DECISIONS: Description = Description {
    name: "decisions",
    ..COMPLETIONS
};

const EMBEDDINGS: Description = Description {
    name: "embeddings",
    provider: Provider::OpenAi,
    dimensions: CALLER_AND_MODEL,
    metrics: &[Metric::InputTokens, Metric::NumModelRequests],
    required: &[Metric::InputTokens, Metric::NumModelRequests],
};

const MODERATIONS: Description = Description {
    name: "moderations",
    ..EMBEDDINGS
};

const IMAGES: Description = Description {
    name: "images",
    provider: Provider::OpenAi,
    dimensions: &[
        Dimension::ProjectId,
        Dimension::ApiKeyId,
        Dimension::UserId,
        Dimension::Model,
        Dimension::Size,
        Dimension::Source,
    ],
    metrics: &[Metric::Images, Metric::NumModelRequests],
    required: &[Metric::Images, Metric::NumModelRequests],
};

const AUDIO_SPEECHES: Description = Description {
    name: "audio_speeches",
    provider: Provider::OpenAi,
    dimensions: CALLER_AND_MODEL,
    metrics: &[Metric::Characters, Metric::NumModelRequests],
    required: &[Metric::Characters, Metric::NumModelRequests],
};

const AUDIO_TRANSCRIPTIONS: Description = Description {
    name: "audio_transcriptions",
    provider: Provider::OpenAi,
    dimensions: CALLER_AND_MODEL,
    metrics: &[Metric::Seconds, Metric::NumModelRequests],
    required: &[Metric::Seconds, Metric::NumModelRequests],
};

const VECTOR_STORES: Description = Description {
    name: "vector_stores",
    provider: Provider::OpenAi,
    dimensions: &[Dimension::ProjectId],
    metrics: &[Metric::UsageBytes],
    required: &[Metric::UsageBytes],
};

const CODE_INTERPRETER_SESSIONS: Description = Description {
    name: "code_interpreter_sessions",
    provider: Provider::OpenAi,
    dimensions: &[Dimension::ProjectId],
    metrics: &[Metric::NumSessions],
    required: &[Metric::NumSessions],
};

const FILE_SEARCH_CALLS: Description = Description {
    name: "file_search_calls",
    provider: Provider::OpenAi,
    dimensions: &[
        Dimension::ProjectId,
        Dimension::ApiKeyId,
        Dimension::UserId,
        Dimension::VectorStoreId,
    ],
    metrics: &[Metric::NumRequests],
    required: &[Metric::NumRequests],
};

const WEB_SEARCH_CALLS: Description = Description {
    name: "web_search_calls",
    provider: Provider::OpenAi,
    dimensions: &[
        Dimension::ProjectId,
        Dimension::ApiKeyId,
        Dimension::UserId,
        Dimension::Model,
        Dimension::ContextLevel,
        Dimension::ApiSource,
    ],
    metrics: &[Metric::NumRequests, Metric::NumModelRequests],
    required: &[Metric::NumRequests, Metric::NumModelRequests],
};

const COSTS: Description = Description {
    name: "costs",
    provider: Provider::OpenAi,
    dimensions: &[Dimension::ProjectId, Dimension::ApiKeyId, Dimension::LineItem],
    metrics: &[],
    required: &[],
};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEndpoint(pub String);

impl fmt::Display for UnknownEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = Endpoint::ALL.into_iter().map(Endpoint::as_str).collect();
        write!(
            f,
            "unknown endpoint `{}`; this version reads: {}",
            self.0,
            known.join(", ")
        )
    }
}

impl std::error::Error for UnknownEndpoint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_reports_what_it_requires() {
        assert_eq!("costs".parse(), Ok(Endpoint::Costs));
        for endpoint in Endpoint::USAGE {
            assert_eq!(endpoint.as_str().parse(), Ok(endpoint));
            assert!(!endpoint.required_metrics().is_empty(), "{endpoint}");
            for metric in endpoint.required_metrics() {
                assert!(endpoint.metrics().contains(metric), "{endpoint}: {metric}");
            }
            assert!(
                endpoint.dimensions().contains(Dimension::ProjectId),
                "{endpoint}: a project filter needs the project"
            );
        }
    }
}
