//! The endpoints of usage and costs, one entry each.

use usage_core::{Endpoint, Width};

/// How an endpoint looks on the wire. What it counts and groups by is [`Endpoint`]'s own knowledge.
#[derive(Debug)]
pub(crate) struct Surface {
    pub(crate) endpoint: Endpoint,
    /// Below the base URL.
    pub(crate) path: &'static str,
    /// What `object` says in each of its results; the names do not always follow the paths.
    pub(crate) result_object: &'static str,
}

/// Every endpoint this client reads, costs last.
pub(crate) const SURFACES: &[Surface] = &[
    Surface {
        endpoint: Endpoint::Completions,
        path: "organization/usage/completions",
        result_object: "organization.usage.completions.result",
    },
    Surface {
        endpoint: Endpoint::Decisions,
        path: "organization/usage/decisions",
        result_object: "organization.usage.decisions.result",
    },
    Surface {
        endpoint: Endpoint::Embeddings,
        path: "organization/usage/embeddings",
        result_object: "organization.usage.embeddings.result",
    },
    Surface {
        endpoint: Endpoint::Moderations,
        path: "organization/usage/moderations",
        result_object: "organization.usage.moderations.result",
    },
    Surface {
        endpoint: Endpoint::Images,
        path: "organization/usage/images",
        result_object: "organization.usage.images.result",
    },
    Surface {
        endpoint: Endpoint::AudioSpeeches,
        path: "organization/usage/audio_speeches",
        result_object: "organization.usage.audio_speeches.result",
    },
    Surface {
        endpoint: Endpoint::AudioTranscriptions,
        path: "organization/usage/audio_transcriptions",
        result_object: "organization.usage.audio_transcriptions.result",
    },
    Surface {
        endpoint: Endpoint::VectorStores,
        path: "organization/usage/vector_stores",
        result_object: "organization.usage.vector_stores.result",
    },
    Surface {
        endpoint: Endpoint::CodeInterpreterSessions,
        path: "organization/usage/code_interpreter_sessions",
        result_object: "organization.usage.code_interpreter_sessions.result",
    },
    Surface {
        endpoint: Endpoint::FileSearchCalls,
        path: "organization/usage/file_search_calls",
        result_object: "organization.usage.file_searches.result",
    },
    Surface {
        endpoint: Endpoint::WebSearchCalls,
        path: "organization/usage/web_search_calls",
        result_object: "organization.usage.web_searches.result",
    },
    Surface {
        endpoint: Endpoint::Costs,
        path: "organization/costs",
        result_object: "organization.costs.result",
    },
];

/// The endpoints of [`SURFACES`].
pub(crate) const ENDPOINTS: [Endpoint; SURFACES.len()] = {
    let mut endpoints = [SURFACES[0].endpoint; SURFACES.len()];
    let mut index = 0;
    while index < SURFACES.len() {
        endpoints[index] = SURFACES[index].endpoint;
        index += 1;
    }
    endpoints
};

impl Surface {
    pub(crate) fn of(endpoint: Endpoint) -> Option<&'static Self> {
        SURFACES.iter().find(|surface| surface.endpoint == endpoint)
    }

    /// The surface whose results say that they are such objects.
    pub(crate) fn of_result(object: &str) -> Option<&'static Self> {
        SURFACES.iter().find(|surface| surface.result_object == object)
    }
}

/// The largest `limit`: how many buckets of this width one page of the endpoint can hold; 0 if it has none so wide.
pub(crate) const fn most_buckets(endpoint: Endpoint, width: Width) -> usize {
    match (endpoint.is_costs(), width) {
        (false, Width::Minute) => 1_440,
        (false, Width::Hour) => 168,
        (false, Width::Day) => 31,
        (true, Width::Day) => 180,
        (true, Width::Hour | Width::Minute) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_of_the_provider_is_read() {
        let mut endpoints = ENDPOINTS;
        endpoints.sort();
        assert_eq!(endpoints, Endpoint::ALL);
        assert_eq!(ENDPOINTS.last(), Some(&Endpoint::Costs));
        for surface in SURFACES {
            let folder = if surface.endpoint.is_costs() { "" } else { "usage/" };
            assert_eq!(
                surface.path,
                format!("organization/{folder}{}", surface.endpoint),
                "an endpoint is called as in its path"
            );
        }
    }

    #[test]
    fn a_page_holds_windows_of_every_width_the_endpoint_has() {
        for endpoint in Endpoint::ALL {
            for width in Width::ALL {
                assert_eq!(
                    most_buckets(endpoint, width) > 0,
                    endpoint.has_width(width),
                    "{endpoint} {width}"
                );
            }
        }
    }
}
