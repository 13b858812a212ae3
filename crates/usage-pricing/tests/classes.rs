//! How the numbers of a row become classes, and when they do not.

use usage_core::{Dimensions, Endpoint, Metrics, parse_day};
use usage_pricing::{Catalogue, Usage};

/// A model with every rate, and others that lack some.
const PRICES: &str = "
[[price]]
provider = 'openai'
model = 'every'
from = 2026-01-01
source = 'test'
checked = 2026-01-01
[price.usd_per_million]
input = 1
cached_input = 0.1
cache_write = 1.25
cache_write_12h = 2.5
output = 8
input_audio = 32
cached_input_audio = 3.2
output_audio = 64
input_image = 5
cached_input_image = 0.5
output_image = 40

[[price]]
provider = 'openai'
model = 'text'
from = 2026-01-01
source = 'test'
checked = 2026-01-01
[price.usd_per_million]
input = 1
cached_input = 0.1
cache_write = 1.25
output = 8

[[price]]
provider = 'openai'
model = 'text'
tier = 'flex'
from = 2026-01-01
source = 'test'
checked = 2026-01-01
[price.usd_per_million]
input = 0.5
output = 4

[[price]]
provider = 'openai'
model = 'dear'
from = 2026-01-01
source = 'test'
checked = 2026-01-01
[price.usd_per_million]
input = 9_000_000_000_000
output = 1
";

#[test]
fn rows_are_priced_by_disjoint_classes_or_not_at_all() {
    let catalogue = Catalogue::bundled()
        .unwrap()
        .with_user_file("prices.toml", PRICES)
        .unwrap();
    let none = Metrics::default();
    let row = Metrics {
        input_tokens: Some(1_000),
        input_cached_tokens: Some(0),
        output_tokens: Some(0),
        ..none
    };
    let written = Metrics {
        input_cache_write_tokens: Some(100),
        ..row
    };
    let audio = Metrics {
        input_uncached_tokens: Some(1_000),
        input_text_tokens: Some(600),
        input_audio_tokens: Some(300),
        input_image_tokens: Some(100),
        ..row
    };
    let shown: Vec<String> = [
        (
            "uncached is what is not cached",
            "text",
            Metrics {
                input_cached_tokens: Some(400),
                output_tokens: Some(50),
                ..row
            },
        ),
        (
            "cached is what is not uncached",
            "text",
            Metrics {
                input_cached_tokens: None,
                input_uncached_tokens: Some(600),
                ..row
            },
        ),
        (
            "neither is known",
            "text",
            Metrics {
                input_cached_tokens: None,
                ..row
            },
        ),
        (
            "no input has no classes",
            "text",
            Metrics {
                input_tokens: Some(0),
                input_cached_tokens: None,
                ..row
            },
        ),
        (
            "no output is reported",
            "text",
            Metrics {
                output_tokens: None,
                ..row
            },
        ),
        (
            "no total is reported",
            "text",
            Metrics {
                input_tokens: None,
                input_uncached_tokens: Some(10),
                ..row
            },
        ),
        ("nothing is reported", "text", none),
        (
            "more is cached than there is",
            "text",
            Metrics {
                input_cached_tokens: Some(1_001),
                ..row
            },
        ),
        (
            "a count below zero",
            "text",
            Metrics {
                output_tokens: Some(-1),
                ..row
            },
        ),
        (
            "the parts do not sum to the input",
            "text",
            Metrics {
                input_uncached_tokens: Some(900),
                input_cached_tokens: Some(400),
                ..row
            },
        ),
        ("a class without a rate, unused", "flex", row),
        (
            "a class without a rate, used",
            "flex",
            Metrics {
                input_cached_tokens: Some(1),
                ..row
            },
        ),
        ("writes of a model with one rate for them", "text", written),
        ("writes of a model with two", "every", written),
        (
            "writes kept 30 minutes",
            "every",
            Metrics {
                input_cache_write_30m_tokens: Some(100),
                ..written
            },
        ),
        (
            "writes kept 12 hours",
            "every",
            Metrics {
                input_cache_write_12h_tokens: Some(100),
                ..written
            },
        ),
        (
            "writes of both kinds",
            "every",
            Metrics {
                input_cache_write_30m_tokens: Some(60),
                input_cache_write_12h_tokens: Some(40),
                ..written
            },
        ),
        (
            "writes of which 60 are kept 30 minutes",
            "every",
            Metrics {
                input_cache_write_30m_tokens: Some(60),
                ..written
            },
        ),
        (
            "writes of both kinds, without their sum",
            "every",
            Metrics {
                input_cache_write_30m_tokens: Some(60),
                input_cache_write_12h_tokens: Some(40),
                ..row
            },
        ),
        (
            "writes that do not sum",
            "every",
            Metrics {
                input_cache_write_30m_tokens: Some(60),
                input_cache_write_12h_tokens: Some(30),
                ..written
            },
        ),
        (
            "more of one kind than of both",
            "every",
            Metrics {
                input_cache_write_30m_tokens: Some(101),
                ..written
            },
        ),
        (
            "long writes of a model without that rate",
            "text",
            Metrics {
                input_cache_write_12h_tokens: Some(100),
                ..written
            },
        ),
        (
            "no writes of either kind",
            "text",
            Metrics {
                input_cache_write_tokens: Some(0),
                ..row
            },
        ),
        ("text, audio and images", "every", audio),
        ("text, audio and images, of a model for text", "text", audio),
        (
            "audio that is zero is no audio",
            "text",
            Metrics {
                input_audio_tokens: Some(0),
                input_image_tokens: None,
                ..audio
            },
        ),
        (
            "modalities that do not sum",
            "every",
            Metrics {
                input_audio_tokens: Some(301),
                ..audio
            },
        ),
        (
            "modalities that sum to less",
            "every",
            Metrics {
                input_image_tokens: Some(99),
                ..audio
            },
        ),
        (
            "the images are what is left",
            "every",
            Metrics {
                input_image_tokens: None,
                ..audio
            },
        ),
        (
            "the text is what is left",
            "every",
            Metrics {
                input_text_tokens: None,
                ..audio
            },
        ),
        (
            "two modalities are unknown",
            "every",
            Metrics {
                input_text_tokens: None,
                input_image_tokens: None,
                ..audio
            },
        ),
        (
            "all of it is audio",
            "every",
            Metrics {
                input_text_tokens: None,
                input_image_tokens: None,
                input_audio_tokens: Some(1_000),
                ..audio
            },
        ),
        (
            "cached and put out, of each kind",
            "every",
            Metrics {
                input_tokens: Some(600),
                input_cached_tokens: Some(600),
                input_cached_text_tokens: Some(300),
                input_cached_audio_tokens: Some(200),
                input_cached_image_tokens: Some(100),
                output_tokens: Some(60),
                output_text_tokens: Some(30),
                output_audio_tokens: Some(20),
                output_image_tokens: Some(10),
                ..none
            },
        ),
        (
            "beyond 9.2 billion dollars",
            "dear",
            Metrics {
                input_tokens: Some(1_025),
                ..row
            },
        ),
        (
            "far beyond",
            "dear",
            Metrics {
                input_tokens: Some(i64::MAX),
                ..row
            },
        ),
    ]
    .into_iter()
    .map(|(what, model, metrics)| {
        let dimensions = Dimensions {
            model: Some(model.replace("flex", "text")),
            service_tier: (model == "flex").then(|| "flex".to_owned()),
            ..Dimensions::default()
        };
        let priced = catalogue.price(&Usage {
            endpoint: Endpoint::Completions,
            day: parse_day("2026-11-01").unwrap(),
            dimensions: &dimensions,
            metrics: &metrics,
            grouped_by: Endpoint::Completions.dimensions(),
        });
        let shown = match priced.cost {
            Ok(cost) => {
                let parts: Vec<String> = cost
                    .parts
                    .iter()
                    .map(|part| {
                        format!(
                            "{} {} × {}",
                            part.class,
                            part.units,
                            part.rate.usd_per_million().unwrap()
                        )
                    })
                    .collect();
                format!("{} = {}", parts.join(" + "), cost.rounded)
            }
            Err(reason) => format!("unpriced: {reason}"),
        };
        format!("{what}\n    {shown}")
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}
