//! Organisations whose usage the stories read.

use chrono::TimeDelta;
use usage_core::{Dimensions, Endpoint, Metrics};
use usage_simulator::Organization;

use crate::world::days;

/// The provider's own export of September 2025, anonymised.
pub(crate) fn real_month() -> Organization {
    const EXPORT: &str =
        include_str!("../../../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");
    Organization::from_completions_csv("org-anon", EXPORT.as_bytes()).unwrap()
}

/// Three projects that use 1,000, 400 and 200 input tokens on each of the first seven days of September 2025.
pub(crate) fn three_projects() -> Organization {
    let mut organization = Organization::new("org-simulated");
    let log = organization.usage_mut(Endpoint::Completions);
    for window in days("2025-09-01", "2025-09-07").windows() {
        let morning = window.start() + TimeDelta::hours(8);
        for (project, tokens) in [("proj_one", 1_000), ("proj_two", 400), ("proj_three", 200)] {
            log.add(morning, &group(project), &used(tokens));
        }
    }
    organization.invent_directory();
    organization
}

/// The dimensions of a project's only group.
pub(crate) fn group(project: &str) -> Dimensions {
    Dimensions {
        project_id: Some(project.to_owned()),
        api_key_id: Some(format!("key_of_{project}")),
        user_id: Some("user-1".to_owned()),
        model: Some("gpt-5-2025-08-07".to_owned()),
        service_tier: Some("default".to_owned()),
        batch: Some(false),
        ..Dimensions::default()
    }
}

/// So many input tokens, nothing cached.
pub(crate) fn used(input_tokens: i64) -> Metrics {
    Metrics {
        input_tokens: Some(input_tokens),
        input_cached_tokens: Some(0),
        input_uncached_tokens: Some(input_tokens),
        output_tokens: Some(10),
        num_model_requests: Some(1),
        ..Metrics::default()
    }
}
