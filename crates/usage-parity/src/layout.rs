//! The columns of the provider's usage exports, endpoint by endpoint.

use usage_core::{Dimension, DimensionSet, Endpoint, Metric};

use Column::{Dimension as By, Metric as Count};

/// The columns every export of the provider begins with: the window in Unix seconds, then in ISO 8601.
pub const TIME_COLUMNS: [&str; 4] = ["start_time", "end_time", "start_time_iso", "end_time_iso"];

/// One column behind the times. Its name in the header is that of the field in the provider's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Who and what the usage belongs to.
    Dimension(Dimension),
    /// How much it was.
    Metric(Metric),
}

impl Column {
    /// The name in the header.
    pub const fn name(self) -> &'static str {
        match self {
            By(dimension) => dimension.as_str(),
            Count(metric) => metric.as_str(),
        }
    }
}

/// The columns of the usage export of one endpoint.
///
/// The 24 columns of completions and their order are those of real files, and decisions share their shape. **For every
/// other endpoint the provider documents neither columns nor order**, only that the names in the header are those of
/// the API's fields. This project writes them in the order of completions as far as they share it, then what the
/// endpoint alone groups by, then what it alone counts; a reader must go by the names.
///
/// ```
/// use usage_core::Endpoint;
/// use usage_parity::Layout;
///
/// let names: Vec<&str> = Layout::of(Endpoint::FileSearchCalls).names().collect();
/// assert_eq!(
///     names.join(","),
///     "start_time,end_time,start_time_iso,end_time_iso,\
///      project_id,user_id,api_key_id,vector_store_id,num_requests"
/// );
/// ```
#[derive(Debug)]
pub struct Layout {
    endpoint: Endpoint,
    columns: &'static [Column],
}

impl Layout {
    /// The layout of an endpoint's export.
    pub fn of(endpoint: Endpoint) -> &'static Self {
        &LAYOUTS[endpoint as usize]
    }

    /// Whose layout it is.
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The columns behind the times, in the order in which they are written.
    pub const fn columns(&self) -> &'static [Column] {
        self.columns
    }

    /// The names of all columns, those of the times first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        TIME_COLUMNS
            .into_iter()
            .chain(self.columns.iter().map(|column| column.name()))
    }

    /// What the layout can tell apart. Rows that differ in other dimensions only are one row in the file.
    pub fn dimensions(&self) -> DimensionSet {
        let dimensions = self.columns.iter().filter_map(|column| match column {
            By(dimension) => Some(*dimension),
            Count(_) => None,
        });
        dimensions.collect()
    }

    /// The metrics that have a column, in column order.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.columns.iter().filter_map(|column| match column {
            By(_) => None,
            Count(metric) => Some(*metric),
        })
    }
}

/// In the order of [`Endpoint::USAGE`].
static LAYOUTS: [Layout; Endpoint::USAGE.len()] = [
    Layout {
        endpoint: Endpoint::Completions,
        columns: TOKENS,
    },
    Layout {
        endpoint: Endpoint::Decisions,
        columns: TOKENS,
    },
    Layout {
        endpoint: Endpoint::Embeddings,
        columns: INPUT_TOKENS,
    },
    Layout {
        endpoint: Endpoint::Moderations,
        columns: INPUT_TOKENS,
    },
    Layout {
        endpoint: Endpoint::Images,
        columns: &[
            By(Dimension::ProjectId),
            Count(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            By(Dimension::Size),
            By(Dimension::Source),
            Count(Metric::Images),
        ],
    },
    Layout {
        endpoint: Endpoint::AudioSpeeches,
        columns: &[
            By(Dimension::ProjectId),
            Count(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            Count(Metric::Characters),
        ],
    },
    Layout {
        endpoint: Endpoint::AudioTranscriptions,
        columns: &[
            By(Dimension::ProjectId),
            Count(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            Count(Metric::Seconds),
        ],
    },
    Layout {
        endpoint: Endpoint::VectorStores,
        columns: &[By(Dimension::ProjectId), Count(Metric::UsageBytes)],
    },
    Layout {
        endpoint: Endpoint::CodeInterpreterSessions,
        columns: &[By(Dimension::ProjectId), Count(Metric::NumSessions)],
    },
    Layout {
        endpoint: Endpoint::FileSearchCalls,
        columns: &[
            By(Dimension::ProjectId),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::VectorStoreId),
            Count(Metric::NumRequests),
        ],
    },
    Layout {
        endpoint: Endpoint::WebSearchCalls,
        columns: &[
            By(Dimension::ProjectId),
            Count(Metric::NumModelRequests),
            By(Dimension::UserId),
            By(Dimension::ApiKeyId),
            By(Dimension::Model),
            By(Dimension::ContextLevel),
            By(Dimension::ApiSource),
            Count(Metric::NumRequests),
        ],
    },
];

const TOKENS: &[Column] = &[
    By(Dimension::ProjectId),
    Count(Metric::NumModelRequests),
    By(Dimension::UserId),
    By(Dimension::ApiKeyId),
    By(Dimension::Model),
    By(Dimension::Batch),
    By(Dimension::ServiceTier),
    Count(Metric::InputTokens),
    Count(Metric::OutputTokens),
    Count(Metric::InputCachedTokens),
    Count(Metric::InputUncachedTokens),
    Count(Metric::InputTextTokens),
    Count(Metric::OutputTextTokens),
    Count(Metric::InputCachedTextTokens),
    Count(Metric::InputAudioTokens),
    Count(Metric::InputCachedAudioTokens),
    Count(Metric::OutputAudioTokens),
    Count(Metric::InputImageTokens),
    Count(Metric::InputCachedImageTokens),
    Count(Metric::OutputImageTokens),
];

const INPUT_TOKENS: &[Column] = &[
    By(Dimension::ProjectId),
    Count(Metric::NumModelRequests),
    By(Dimension::UserId),
    By(Dimension::ApiKeyId),
    By(Dimension::Model),
    Count(Metric::InputTokens),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_a_layout_of_what_it_groups_by_and_counts() {
        for endpoint in Endpoint::USAGE {
            let layout = Layout::of(endpoint);
            assert_eq!(layout.endpoint(), endpoint);
            assert!(
                layout.dimensions().is_subset(endpoint.dimensions()),
                "{endpoint}: {}",
                layout.dimensions()
            );
            for metric in layout.metrics() {
                assert!(endpoint.metrics().contains(&metric), "{endpoint}: {metric}");
            }
            for metric in endpoint.required_metrics() {
                assert!(
                    layout.metrics().any(|shown| shown == *metric),
                    "{endpoint}: {metric}"
                );
            }
            let names: std::collections::BTreeSet<&str> = layout.names().collect();
            assert_eq!(names.len(), layout.names().count(), "{endpoint}: a name twice");
        }
    }

    /// What the 24 columns are known to lack; the other layouts lack nothing.
    #[test]
    fn only_the_layout_of_completions_shows_less_than_there_is() {
        for endpoint in Endpoint::USAGE {
            let layout = Layout::of(endpoint);
            let hidden = endpoint.dimensions().difference(layout.dimensions());
            let uncounted: Vec<Metric> = endpoint
                .metrics()
                .iter()
                .copied()
                .filter(|metric| layout.metrics().all(|shown| shown != *metric))
                .collect();
            if layout.columns() == TOKENS {
                assert_eq!(
                    hidden,
                    DimensionSet::EMPTY.with(Dimension::ApiSource),
                    "{endpoint}"
                );
                let cache_writes = [
                    Metric::InputCacheWriteTokens,
                    Metric::InputCacheWrite30mTokens,
                    Metric::InputCacheWrite12hTokens,
                ];
                assert_eq!(uncounted, cache_writes, "{endpoint}");
            } else {
                assert!(
                    hidden.is_empty() && uncounted.is_empty(),
                    "{endpoint}: {hidden} {uncounted:?}"
                );
            }
        }
    }

    #[test]
    fn the_columns_of_every_endpoint() {
        let lines: Vec<String> = Endpoint::USAGE
            .into_iter()
            .map(|endpoint| {
                let columns = Layout::of(endpoint).columns().iter().map(|column| column.name());
                format!("{endpoint}: {}", columns.collect::<Vec<_>>().join(","))
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
