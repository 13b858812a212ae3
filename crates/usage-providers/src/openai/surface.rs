//! The usage endpoints, one entry each.

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

/// Every usage endpoint this client reads.
pub(crate) const SURFACES: &[Surface] = &[Surface {
    endpoint: Endpoint::Completions,
    path: "organization/usage/completions",
    result_object: "organization.usage.completions.result",
}];

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
}

/// The largest `limit`: how many buckets of this width one page can hold.
pub(crate) const fn most_buckets(width: Width) -> usize {
    match width {
        Width::Minute => 1_440,
        Width::Hour => 168,
        Width::Day => 31,
    }
}
