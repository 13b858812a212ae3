//! The two tenants of the repository's golden fixtures, as simulated accounts.

use std::fs::File;
use std::path::Path;

use chrono::TimeDelta;
use tokio::runtime::Runtime;
use usage_core::{Dimensions, Endpoint, Metrics, WindowRange, parse_day};
use usage_simulator::{AdminKey, Organization, Simulator};

use crate::place::KEY;

/// A tenant and the days that are captured of it.
pub(crate) struct Tenant {
    /// The beginning of its fixture's name.
    pub(crate) name: &'static str,
    pub(crate) organization: Organization,
    pub(crate) days: [&'static str; 2],
    /// Every so many rows come as two rows of the same identity, as seen live; 0 for none.
    split_every: usize,
}

impl Tenant {
    pub(crate) fn both() -> [Self; 2] {
        [Self::cached_heavy(), Self::uncached_heavy()]
    }

    /// The recorded month of a real organisation: a third of its input was read from the cache.
    fn cached_heavy() -> Self {
        let export = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");
        Self {
            name: "cached-heavy",
            organization: Organization::from_completions_csv("org-anon", File::open(export).unwrap())
                .unwrap(),
            days: ["2025-09-01", "2025-10-01"],
            split_every: 0,
        }
    }

    /// Forty days, so two pages; on every third, two callers and models at two tiers and in batches, of which hardly any
    /// input was in the cache.
    fn uncached_heavy() -> Self {
        let mut organization = Organization::new("org-uncached");
        let log = organization.usage_mut(Endpoint::Completions);
        let first = parse_day("2025-08-01").unwrap();
        for (day, number) in first.iter_days().take(40).zip(0_i64..).step_by(3) {
            for (caller, model, tier, batch) in lanes() {
                let at = day.and_hms_opt(9, 0, 0).unwrap().and_utc() + TimeDelta::minutes(caller);
                let dimensions = Dimensions {
                    project_id: Some(format!("proj_uncached{caller}")),
                    api_key_id: Some(format!("key_uncached{caller}")),
                    user_id: Some(format!("user-uncached{caller}")),
                    model: Some(model.to_owned()),
                    service_tier: Some(tier.to_owned()),
                    batch: Some(batch),
                    ..Dimensions::default()
                };
                let requests = 9 * (3 + number % 5 + caller + 2 * i64::from(batch));
                log.add(at, &dimensions, &metrics(requests, number));
            }
        }
        organization.invent_directory();
        Self {
            name: "uncached-heavy",
            organization,
            days: ["2025-08-01", "2025-09-09"],
            split_every: 5,
        }
    }

    pub(crate) fn range(&self) -> WindowRange {
        let [first, last] = self.days.map(|day| parse_day(day).unwrap());
        WindowRange::days(first, last).unwrap()
    }

    /// Serves the tenant over HTTP.
    pub(crate) fn serve(&self, runtime: &Runtime) -> Simulator {
        let simulator = Simulator::builder()
            .organization(self.organization.clone())
            .split_every_nth_row(self.split_every)
            .key(AdminKey::owner(KEY));
        runtime.block_on(simulator.start()).unwrap()
    }
}

/// Caller, model, service tier and batch: some differ in their tier only, some in batch only.
fn lanes() -> [(i64, &'static str, &'static str, bool); 5] {
    [
        (1, "gpt-4o-mini-2024-07-18", "default", false),
        (1, "gpt-4o-mini-2024-07-18", "default", true),
        (1, "gpt-4o-mini-2024-07-18", "flex", false),
        (2, "gpt-4o-mini-2024-07-18", "default", false),
        (2, "gpt-4.1-mini-2025-04-14", "default", false),
    ]
}

/// Text only, hardly a fiftieth of the input from the cache. Everything is a multiple of nine, so that the token classes
/// still sum to their totals in a row that comes as eight ninths and one.
fn metrics(requests: i64, day: i64) -> Metrics {
    let input = requests * 1_250 + day * 63;
    let cached = requests * 24;
    let output = requests * 310 + day * 9;
    Metrics {
        input_tokens: Some(input),
        output_tokens: Some(output),
        input_cached_tokens: Some(cached),
        input_uncached_tokens: Some(input - cached),
        input_text_tokens: Some(input - cached),
        output_text_tokens: Some(output),
        input_cached_text_tokens: Some(cached),
        input_audio_tokens: Some(0),
        input_cached_audio_tokens: Some(0),
        output_audio_tokens: Some(0),
        input_image_tokens: Some(0),
        input_cached_image_tokens: Some(0),
        output_image_tokens: Some(0),
        num_model_requests: Some(requests),
        ..Metrics::default()
    }
}
