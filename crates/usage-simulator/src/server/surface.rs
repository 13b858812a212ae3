//! The table of surfaces: what each endpoint reports and understands.

use usage_core::{Dimension, Endpoint, Metric, Width};

/// One surface of usage or costs. Another usage endpoint is another entry of [`Surface::USAGE`].
///
/// Written from the provider's reference and not from the table of `usage_core`, so that the two check each other.
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
    /// Array parameters that filter.
    pub(super) filters: &'static [FilterParameter],
    /// Whether there is a `batch` filter.
    pub(super) has_batch_filter: bool,
    /// The widths on offer and how many buckets a page has.
    pub(super) widths: &'static [PageSize],
}

/// An array parameter that filters.
pub(super) struct FilterParameter {
    pub(super) name: &'static str,
    pub(super) dimension: Dimension,
    /// The values on the provider's list; any value if it has none.
    pub(super) values: &'static [&'static str],
}

impl FilterParameter {
    const fn any(name: &'static str, dimension: Dimension) -> Self {
        Self {
            name,
            dimension,
            values: &[],
        }
    }
}

/// How many buckets of a width a page has.
pub(super) struct PageSize {
    pub(super) width: Width,
    pub(super) default: i64,
    pub(super) most: i64,
}

impl Surface {
    /// Every usage surface the simulator serves.
    pub(super) const USAGE: [&'static Self; Endpoint::USAGE.len()] = [
        &COMPLETIONS,
        &DECISIONS,
        &EMBEDDINGS,
        &MODERATIONS,
        &IMAGES,
        &AUDIO_SPEECHES,
        &AUDIO_TRANSCRIPTIONS,
        &VECTOR_STORES,
        &CODE_INTERPRETER_SESSIONS,
        &FILE_SEARCH_CALLS,
        &WEB_SEARCH_CALLS,
    ];

    /// The surface of costs. Its rows have an amount where others have metrics.
    pub(super) const COSTS: &'static Self = &COSTS;

    /// The surface whose path a request has.
    pub(super) fn at_path(path: &str) -> Option<&'static Self> {
        let path = path.strip_prefix("/v1/organization/")?;
        let mut surfaces = Self::USAGE.into_iter().chain([Self::COSTS]);
        surfaces.find(|surface| surface.path == path)
    }

    /// Whether it shows what was charged.
    pub(super) const fn is_costs(&self) -> bool {
        self.endpoint.is_costs()
    }
}

/// All that a result of completions and of decisions may have beyond what it must have.
const TOKENS: &[Metric] = &[
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
];

const TOKEN_DIMENSIONS: &[Dimension] = &[
    Dimension::ProjectId,
    Dimension::UserId,
    Dimension::ApiKeyId,
    Dimension::Model,
    Dimension::Batch,
    Dimension::ServiceTier,
    Dimension::ApiSource,
];

const CALLER_AND_MODEL: &[Dimension] = &[
    Dimension::ProjectId,
    Dimension::UserId,
    Dimension::ApiKeyId,
    Dimension::Model,
];

const PROJECT_IDS: FilterParameter = FilterParameter::any("project_ids", Dimension::ProjectId);
const USER_IDS: FilterParameter = FilterParameter::any("user_ids", Dimension::UserId);
const API_KEY_IDS: FilterParameter = FilterParameter::any("api_key_ids", Dimension::ApiKeyId);
const MODELS: FilterParameter = FilterParameter::any("models", Dimension::Model);

const BY_CALLER_AND_MODEL: &[FilterParameter] = &[PROJECT_IDS, USER_IDS, API_KEY_IDS, MODELS];

static COMPLETIONS: Surface = Surface {
    path: "usage/completions",
    endpoint: Endpoint::Completions,
    object: "organization.usage.completions.result",
    required: &[
        Metric::InputTokens,
        Metric::OutputTokens,
        Metric::NumModelRequests,
    ],
    optional: TOKENS,
    dimensions: TOKEN_DIMENSIONS,
    filters: BY_CALLER_AND_MODEL,
    has_batch_filter: true,
    widths: &USAGE_WIDTHS,
};

static DECISIONS: Surface = Surface {
    path: "usage/decisions",
    endpoint: Endpoint::Decisions,
    object: "organization.usage.decisions.result",
    required: &[
        Metric::InputTokens,
        Metric::OutputTokens,
        Metric::NumModelRequests,
    ],
    optional: TOKENS,
    dimensions: TOKEN_DIMENSIONS,
    filters: BY_CALLER_AND_MODEL,
    has_batch_filter: true,
    widths: &USAGE_WIDTHS,
};

static EMBEDDINGS: Surface = Surface {
    path: "usage/embeddings",
    endpoint: Endpoint::Embeddings,
    object: "organization.usage.embeddings.result",
    required: &[Metric::InputTokens, Metric::NumModelRequests],
    optional: &[],
    dimensions: CALLER_AND_MODEL,
    filters: BY_CALLER_AND_MODEL,
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static MODERATIONS: Surface = Surface {
    path: "usage/moderations",
    endpoint: Endpoint::Moderations,
    object: "organization.usage.moderations.result",
    required: &[Metric::InputTokens, Metric::NumModelRequests],
    optional: &[],
    dimensions: CALLER_AND_MODEL,
    filters: BY_CALLER_AND_MODEL,
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static IMAGES: Surface = Surface {
    path: "usage/images",
    endpoint: Endpoint::Images,
    object: "organization.usage.images.result",
    required: &[Metric::Images, Metric::NumModelRequests],
    optional: &[],
    dimensions: &[
        Dimension::ProjectId,
        Dimension::UserId,
        Dimension::ApiKeyId,
        Dimension::Model,
        Dimension::Size,
        Dimension::Source,
    ],
    filters: &[
        PROJECT_IDS,
        USER_IDS,
        API_KEY_IDS,
        MODELS,
        FilterParameter {
            name: "sizes",
            dimension: Dimension::Size,
            values: &["256x256", "512x512", "1024x1024", "1792x1792", "1024x1792"],
        },
        FilterParameter {
            name: "sources",
            dimension: Dimension::Source,
            values: &["image.generation", "image.edit", "image.variation"],
        },
    ],
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static AUDIO_SPEECHES: Surface = Surface {
    path: "usage/audio_speeches",
    endpoint: Endpoint::AudioSpeeches,
    object: "organization.usage.audio_speeches.result",
    required: &[Metric::Characters, Metric::NumModelRequests],
    optional: &[],
    dimensions: CALLER_AND_MODEL,
    filters: BY_CALLER_AND_MODEL,
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static AUDIO_TRANSCRIPTIONS: Surface = Surface {
    path: "usage/audio_transcriptions",
    endpoint: Endpoint::AudioTranscriptions,
    object: "organization.usage.audio_transcriptions.result",
    required: &[Metric::Seconds, Metric::NumModelRequests],
    optional: &[],
    dimensions: CALLER_AND_MODEL,
    filters: BY_CALLER_AND_MODEL,
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static VECTOR_STORES: Surface = Surface {
    path: "usage/vector_stores",
    endpoint: Endpoint::VectorStores,
    object: "organization.usage.vector_stores.result",
    required: &[Metric::UsageBytes],
    optional: &[],
    dimensions: &[Dimension::ProjectId],
    filters: &[PROJECT_IDS],
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static CODE_INTERPRETER_SESSIONS: Surface = Surface {
    path: "usage/code_interpreter_sessions",
    endpoint: Endpoint::CodeInterpreterSessions,
    object: "organization.usage.code_interpreter_sessions.result",
    required: &[Metric::NumSessions],
    optional: &[],
    dimensions: &[Dimension::ProjectId],
    filters: &[PROJECT_IDS],
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static FILE_SEARCH_CALLS: Surface = Surface {
    path: "usage/file_search_calls",
    endpoint: Endpoint::FileSearchCalls,
    object: "organization.usage.file_searches.result",
    required: &[Metric::NumRequests],
    optional: &[],
    dimensions: &[
        Dimension::ProjectId,
        Dimension::UserId,
        Dimension::ApiKeyId,
        Dimension::VectorStoreId,
    ],
    filters: &[
        PROJECT_IDS,
        USER_IDS,
        API_KEY_IDS,
        FilterParameter::any("vector_store_ids", Dimension::VectorStoreId),
    ],
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static WEB_SEARCH_CALLS: Surface = Surface {
    path: "usage/web_search_calls",
    endpoint: Endpoint::WebSearchCalls,
    object: "organization.usage.web_searches.result",
    required: &[Metric::NumRequests, Metric::NumModelRequests],
    optional: &[],
    dimensions: &[
        Dimension::ProjectId,
        Dimension::UserId,
        Dimension::ApiKeyId,
        Dimension::Model,
        Dimension::ContextLevel,
        Dimension::ApiSource,
    ],
    filters: &[
        PROJECT_IDS,
        USER_IDS,
        API_KEY_IDS,
        MODELS,
        FilterParameter {
            name: "context_levels",
            dimension: Dimension::ContextLevel,
            values: &["low", "medium", "high"],
        },
    ],
    has_batch_filter: false,
    widths: &USAGE_WIDTHS,
};

static COSTS: Surface = Surface {
    path: "costs",
    endpoint: Endpoint::Costs,
    object: "organization.costs.result",
    required: &[],
    optional: &[],
    dimensions: &[
        Dimension::ProjectId,
        Dimension::LineItem,
        Dimension::ApiKeyId,
        Dimension::UserId,
        Dimension::ApiSource,
    ],
    filters: &[
        PROJECT_IDS,
        API_KEY_IDS,
        FilterParameter::any("line_items", Dimension::LineItem),
    ],
    has_batch_filter: false,
    widths: &[PageSize {
        width: Width::Day,
        default: 7,
        most: 180,
    }],
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use usage_core::DimensionSet;

    use super::*;

    #[test]
    fn the_table_agrees_with_the_one_of_the_product() {
        for (surface, endpoint) in Surface::USAGE.into_iter().zip(Endpoint::USAGE) {
            assert_eq!(surface.endpoint, endpoint);
            assert_eq!(surface.path, format!("usage/{endpoint}"));
            let dimensions: DimensionSet = surface.dimensions.iter().copied().collect();
            assert_eq!(dimensions, endpoint.dimensions(), "{endpoint}");
            let set = |metrics: &[Metric]| metrics.iter().copied().collect::<BTreeSet<_>>();
            assert_eq!(
                set(surface.required),
                set(endpoint.required_metrics()),
                "{endpoint}"
            );
            let all = [surface.required, surface.optional].concat();
            assert_eq!(set(&all), set(endpoint.metrics()), "{endpoint}");
            assert_eq!(all.len(), endpoint.metrics().len(), "{endpoint}: no metric twice");
        }
    }

    #[test]
    fn filters_are_of_dimensions_that_the_surface_has() {
        for surface in Surface::USAGE {
            let has = |dimension| surface.dimensions.contains(&dimension);
            for filter in surface.filters {
                assert!(has(filter.dimension), "{}: {}", surface.path, filter.name);
            }
            assert_eq!(
                surface.has_batch_filter,
                has(Dimension::Batch),
                "{}",
                surface.path
            );
            assert_eq!(surface.widths.len(), 3, "{}", surface.path);
        }
    }

    #[test]
    fn costs_can_be_grouped_by_all_that_the_product_asks_for() {
        let dimensions: DimensionSet = COSTS.dimensions.iter().copied().collect();
        assert!(Endpoint::Costs.dimensions().is_subset(dimensions));
        assert_eq!(
            Surface::at_path("/v1/organization/costs").map(|surface| surface.endpoint),
            Some(Endpoint::Costs)
        );
    }
}
