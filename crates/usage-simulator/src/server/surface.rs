//! The table of surfaces: what each endpoint reports and understands.

use usage_core::{Dimension, Endpoint, Metric, Width};

/// One usage surface. Another endpoint is another entry of [`Surface::ALL`].
pub(super) struct Surface {
    /// The path below `/v1/organization/`.
    pub(super) path: &'static str,
    /// Whose truth it shows.
    pub(super) endpoint: Endpoint,
    /// The `object` of a result.
    pub(super) object: &'static str,
    /// Metrics that every result has, 0 if no event has them.
    pub(super) required: &'static [Metric],
    /// Metrics that a result has if its events have them.
    pub(super) optional: &'static [Metric],
    /// What it can be grouped by; every result has all of them.
    pub(super) dimensions: &'static [Dimension],
    /// Array parameters that filter, and by what.
    pub(super) filters: &'static [(&'static str, Dimension)],
    /// Whether there is a `batch` filter.
    pub(super) has_batch_filter: bool,
    /// The widths on offer and how many buckets a page has.
    pub(super) widths: &'static [PageSize],
}

/// How many buckets of a width a page has.
pub(super) struct PageSize {
    pub(super) width: Width,
    pub(super) default: i64,
    pub(super) most: i64,
}

impl Surface {
    /// Every surface the simulator serves.
    pub(super) const ALL: [&'static Self; 1] = [&COMPLETIONS];
}

static COMPLETIONS: Surface = Surface {
    path: "usage/completions",
    endpoint: Endpoint::Completions,
    object: "organization.usage.completions.result",
    required: &[
        Metric::InputTokens,
        Metric::OutputTokens,
        Metric::NumModelRequests,
    ],
    optional: &[
        Metric::InputCachedTokens,
        Metric::InputCacheWriteTokens,
        Metric::InputCacheWrite30mTokens,
        Metric::InputCacheWrite12hTokens,
        Metric::InputUncachedTokens,
        Metric::InputTextTokens,
        Metric::OutputTextTokens,
        Metric::InputCachedTextTokens,
        Metric::InputAudioTokens,
        Metric::InputCachedAudioTokens,
        Metric::OutputAudioTokens,
        Metric::InputImageTokens,
        Metric::InputCachedImageTokens,
        Metric::OutputImageTokens,
    ],
    dimensions: &[
        Dimension::ProjectId,
        Dimension::UserId,
        Dimension::ApiKeyId,
        Dimension::Model,
        Dimension::Batch,
        Dimension::ServiceTier,
        Dimension::ApiSource,
    ],
    filters: &[
        ("project_ids", Dimension::ProjectId),
        ("user_ids", Dimension::UserId),
        ("api_key_ids", Dimension::ApiKeyId),
        ("models", Dimension::Model),
    ],
    has_batch_filter: true,
    widths: &USAGE_WIDTHS,
};

static USAGE_WIDTHS: [PageSize; 3] = [
    PageSize {
        width: Width::Minute,
        default: 60,
        most: 1_440,
    },
    PageSize {
        width: Width::Hour,
        default: 24,
        most: 168,
    },
    PageSize {
        width: Width::Day,
        default: 7,
        most: 31,
    },
];
