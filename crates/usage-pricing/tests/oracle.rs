//! Our prices beside those of a table that shares neither code nor data with them: `litellm` 1.109.1.
//!
//! Every model, tier and batch combination that both know at the table's date is asked for as usage, through
//! [`Catalogue::price`]. Equal, or listed in `fixtures/prices/differences.toml` with the reason; what is listed and no
//! longer differs is a fault too.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use serde::Deserialize;
use usage_core::{Decimal, Dimensions, Endpoint, Metrics};
use usage_pricing::{Catalogue, Usage};

/// Enough units that every rate shows all its digits.
const UNITS: i64 = 1_000_000;

/// How many prices both have, and how many only the oracle has, when this was last reviewed: a catalogue that knows
/// less compares less, and that must show.
const COMPARED: usize = 945;
const UNKNOWN_TO_US: usize = 172;

#[test]
fn every_price_that_both_know_is_equal_or_listed() {
    let catalogue = Catalogue::bundled().unwrap();
    let mut listed: BTreeMap<Combination, (String, String)> = reviewed();
    let (mut compared, mut unknown, mut faults) = (0, 0, Vec::new());
    for (combination, theirs) in oracle() {
        let Some(ours) = our_price(&catalogue, &combination) else {
            unknown += 1;
            continue;
        };
        compared += 1;
        let expected = listed.remove(&combination);
        let actual = (ours.to_string(), theirs.to_string());
        match expected {
            None if ours == theirs => {}
            None => faults.push(format!("{combination:?}: ours {ours}, theirs {theirs}")),
            Some(expected) if expected == actual => {}
            Some(expected) => faults.push(format!("{combination:?}: listed {expected:?}, now {actual:?}")),
        }
    }
    faults.extend(
        listed
            .keys()
            .map(|combination| format!("{combination:?}: listed, but not compared")),
    );
    assert!(
        faults.is_empty(),
        "{} faults\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert_eq!((compared, unknown), (COMPARED, UNKNOWN_TO_US));
}

/// A model, `standard`, `flex`, `priority` or `batch`, and what is priced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Combination {
    model: String,
    tier: String,
    unit: String,
}

/// The oracle's prices, in dollars for one unit.
fn oracle() -> Vec<(Combination, Decimal)> {
    type Tiers = BTreeMap<String, BTreeMap<String, String>>;
    let text = fixture("litellm-1.109.1-openai.json");
    let models: BTreeMap<String, Tiers> = serde_json::from_str(&text).unwrap();
    let mut prices = Vec::new();
    for (model, tiers) in models {
        for (tier, units) in tiers {
            for (unit, usd) in units {
                let combination = Combination {
                    model: model.clone(),
                    tier: tier.clone(),
                    unit,
                };
                prices.push((combination, usd.parse().unwrap()));
            }
        }
    }
    prices
}

/// What one unit costs according to the catalogue, or `None` if it has no price for it.
fn our_price(catalogue: &Catalogue, combination: &Combination) -> Option<Decimal> {
    let (endpoint, metrics) = usage_of(&combination.unit, &combination.model);
    let dimensions = Dimensions {
        model: Some(combination.model.clone()),
        service_tier: match combination.tier.as_str() {
            "standard" | "batch" => Some("default".to_owned()),
            tier => Some(tier.to_owned()),
        },
        batch: Some(combination.tier == "batch"),
        ..Dimensions::default()
    };
    let priced = catalogue.price(&Usage {
        endpoint,
        day: NaiveDate::from_ymd_opt(2026, 11, 20).unwrap(),
        dimensions: &dimensions,
        metrics: &metrics,
        grouped_by: endpoint.dimensions(),
    });
    assert!(!priced.fallback);
    let exact = priced.cost.ok()?.exact;
    exact.to_decimal(30).over(&Decimal::from(UNITS), 30)
}

/// Usage that has a million of one unit and nothing else.
fn usage_of(unit: &str, model: &str) -> (Endpoint, Metrics) {
    let some = Some(UNITS);
    let nothing = Metrics {
        input_tokens: Some(0),
        output_tokens: Some(0),
        ..Metrics::default()
    };
    let input = Metrics {
        input_tokens: some,
        input_cached_tokens: Some(0),
        ..nothing
    };
    let cached = Metrics {
        input_tokens: some,
        input_cached_tokens: some,
        ..nothing
    };
    let output = Metrics {
        output_tokens: some,
        ..nothing
    };
    let written = Metrics {
        input_cache_write_tokens: some,
        ..input
    };
    match unit {
        "input" if model.contains("embedding") => (Endpoint::Embeddings, input),
        "input" if model.contains("moderation") => (Endpoint::Moderations, input),
        "input" => (Endpoint::Completions, input),
        "cached_input" => (Endpoint::Completions, cached),
        "cache_write" => {
            let input_cache_write_30m_tokens = some;
            (
                Endpoint::Completions,
                Metrics {
                    input_cache_write_30m_tokens,
                    ..written
                },
            )
        }
        "cache_write_12h" => {
            let input_cache_write_12h_tokens = some;
            (
                Endpoint::Completions,
                Metrics {
                    input_cache_write_12h_tokens,
                    ..written
                },
            )
        }
        "output" => (Endpoint::Completions, output),
        "input_audio" => (
            Endpoint::Completions,
            Metrics {
                input_audio_tokens: some,
                ..input
            },
        ),
        "input_image" => (
            Endpoint::Completions,
            Metrics {
                input_image_tokens: some,
                ..input
            },
        ),
        "cached_input_audio" => (
            Endpoint::Completions,
            Metrics {
                input_cached_audio_tokens: some,
                ..cached
            },
        ),
        "cached_input_image" => (
            Endpoint::Completions,
            Metrics {
                input_cached_image_tokens: some,
                ..cached
            },
        ),
        "output_audio" => (
            Endpoint::Completions,
            Metrics {
                output_audio_tokens: some,
                ..output
            },
        ),
        "output_image" => (
            Endpoint::Completions,
            Metrics {
                output_image_tokens: some,
                ..output
            },
        ),
        "characters" => (
            Endpoint::AudioSpeeches,
            Metrics {
                characters: some,
                ..nothing
            },
        ),
        "second" => (
            Endpoint::AudioTranscriptions,
            Metrics {
                seconds: some,
                ..nothing
            },
        ),
        "image" => (
            Endpoint::Images,
            Metrics {
                images: some,
                ..nothing
            },
        ),
        "session" => (
            Endpoint::CodeInterpreterSessions,
            Metrics {
                num_sessions: some,
                ..nothing
            },
        ),
        "call" => (
            Endpoint::WebSearchCalls,
            Metrics {
                num_requests: some,
                ..nothing
            },
        ),
        other => panic!("unknown unit {other}"),
    }
}

/// The listed differences: what we and what they say.
fn reviewed() -> BTreeMap<Combination, (String, String)> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        difference: Vec<Difference>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Difference {
        models: Vec<String>,
        tier: String,
        unit: String,
        ours: String,
        theirs: String,
        reason: String,
    }
    let file: File = toml::from_str(&fixture("differences.toml")).unwrap();
    let mut listed = BTreeMap::new();
    for difference in file.difference {
        assert!(difference.reason.len() > 10 && difference.ours != difference.theirs);
        for model in difference.models {
            let combination = Combination {
                model,
                tier: difference.tier.clone(),
                unit: difference.unit.clone(),
            };
            let sides = (difference.ours.clone(), difference.theirs.clone());
            assert!(listed.insert(combination, sides).is_none(), "listed twice");
        }
    }
    listed
}

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/prices");
    fs::read_to_string(folder.join(name)).unwrap()
}
