//! The columns of the exports, endpoint by endpoint.

use usage_core::{Dimension, Endpoint, Metric};

use Column::{Dimension as By, Optional, Required};

pub(super) const TIME_COLUMNS: [&str; 4] = ["start_time", "end_time", "start_time_iso", "end_time_iso"];

/// One column behind the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    /// Who and what the usage belongs to.
    Dimension(Dimension),
    /// A number that every row has.
    Required(Metric),
    /// A number that a row may lack.
    Optional(Metric),
}

impl Column {
    pub(super) const fn name(self) -> &'static str {
        match self {
            By(dimension) => dimension.as_str(),
            Required(metric) | Optional(metric) => metric.as_str(),
        }
    }
}

/// What follows the time columns, in the order in which it is written.
///
/// The order of completions is that of real files. The provider documents none of the others; they have its names of
/// the fields, in the order of completions as far as they share them.
pub(super) fn columns(endpoint: Endpoint) -> &'static [Column] {
    let found = TABLE.iter().find(|(known, _)| *known == endpoint);
    found.map_or(&[], |(_, columns)| columns)
}

/// Written from the provider's reference and not from the product's table, so that the two check each other.
const TABLE: [(Endpoint, &[Column]); Endpoint::USAGE.len()] = [
    (Endpoint::Completions, TOKENS),
    (Endpoint::Decisions, TOKENS),
    (Endpoint::Embeddings, INPUT_TOKENS),
    (Endpoint::Moderations, INPUT_TOKENS),
    (
        Endpoint::Images,
        &[
            By(Dimension::ProjectId),
            Required(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            By(Dimension::Size),
            By(Dimension::Source),
            Required(Metric::Images),
        ],
    ),
    (
        Endpoint::AudioSpeeches,
        &[
            By(Dimension::ProjectId),
            Required(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            Required(Metric::Characters),
        ],
    ),
    (
        Endpoint::AudioTranscriptions,
        &[
            By(Dimension::ProjectId),
            Required(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            Required(Metric::Seconds),
        ],
    ),
    (
        Endpoint::VectorStores,
        &[By(Dimension::ProjectId), Required(Metric::UsageBytes)],
    ),
    (
        Endpoint::CodeInterpreterSessions,
        &[By(Dimension::ProjectId), Required(Metric::NumSessions)],
    ),
    (
        Endpoint::FileSearchCalls,
        &[
            By(Dimension::ProjectId),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::VectorStoreId),
            Required(Metric::NumRequests),
        ],
    ),
    (
        Endpoint::WebSearchCalls,
        &[
            By(Dimension::ProjectId),
            Required(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            By(Dimension::ContextLevel),
            By(Dimension::ApiSource),
            Required(Metric::NumRequests),
        ],
    ),
];

const TOKENS: &[Column] = &[
    By(Dimension::ProjectId),
    Required(Metric::NumModelRequests),
    By(Dimension::UserId),
    By(Dimension::ApiKeyId),
    By(Dimension::Model),
    By(Dimension::Batch),
    By(Dimension::ServiceTier),
    Required(Metric::InputTokens),
    Required(Metric::OutputTokens),
    Optional(Metric::InputCachedTokens),
    Optional(Metric::InputUncachedTokens),
    Optional(Metric::InputTextTokens),
    Optional(Metric::OutputTextTokens),
    Optional(Metric::InputCachedTextTokens),
    Optional(Metric::InputAudioTokens),
    Optional(Metric::InputCachedAudioTokens),
    Optional(Metric::OutputAudioTokens),
    Optional(Metric::InputImageTokens),
    Optional(Metric::InputCachedImageTokens),
    Optional(Metric::OutputImageTokens),
];

const INPUT_TOKENS: &[Column] = &[
    By(Dimension::ProjectId),
    Required(Metric::NumModelRequests),
    By(Dimension::UserId),
    By(Dimension::ApiKeyId),
    By(Dimension::Model),
    Required(Metric::InputTokens),
];
