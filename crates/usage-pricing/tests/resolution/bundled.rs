//! The catalogue without a user's file.

use usage_core::{Dimension, DimensionSet, Endpoint, Metric, Metrics};
use usage_pricing::Unpriced;

use crate::row::{Row, bundled, row, thousand};

#[test]
fn names_are_exact_aliases_or_dated_snapshots_and_never_prefixes() {
    let catalogue = bundled();
    let shown: Vec<String> = vec![
        "gpt-5",
        "gpt-5-2025-08-07",
        "gpt-5-codex",
        "gpt-5-codex-2025-09-15",
        "gpt-5-mini-2031-01-31",
        "gpt-4o-2024-05-13",
        "gpt-4o-2024-08-06",
        "gpt-4o-audio-preview-2025-06-03",
        "gpt-6.1-terra-2026-10-26",
        "omni-moderation-latest",
        "omni-moderation-2024-09-26",
        // Nothing of these is known, however much they look like something that is.
        "gpt-5-turbo",
        "gpt-5-2025-02-30",
        "gpt-5-2025-08-07-preview",
        "gpt-5-20250807",
        "GPT-5",
        "openai/gpt-5",
        "gpt-4o-mini-audio-x",
        "my-moderation-model",
        "",
        // Fine-tuned models have prices of their own, or none.
        "ft:gpt-4o-2024-08-06:acme:x:1",
        "ft:gpt-4o-mini-2024-07-18:acme::abc",
        "ft:gpt-4o:acme:x:1",
        "ft:gpt-5-2025-08-07:acme:x:1",
        "ft:gpt-4-0613:acme:x:1",
        "ft:gpt-4o-2024-08-06",
        "ft:gpt-4-0",
        "ft:",
    ]
    .into_iter()
    .map(|model| format!("{model:?}\n    {}", row(model).shown(&catalogue)))
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn tiers_and_batch_have_prices_of_their_own_or_none_on_a_day() {
    let catalogue = bundled();
    let shown: Vec<String> = vec![
        row("gpt-5").tier("default"),
        row("gpt-5").tier("auto"),
        row("gpt-5").tier("standard"),
        row("gpt-5").tier(""),
        row("gpt-5").tier("flex").on("2025-08-06"),
        row("gpt-5").tier("flex").on("2025-08-07"),
        row("gpt-5").tier("flex").on("2026-10-11"),
        row("gpt-5").tier("flex").on("2026-10-12"),
        row("gpt-5").tier("priority").on("2025-09-01"),
        row("gpt-5-nano").tier("priority").on("2025-09-01"),
        row("gpt-5").tier("fast").on("2025-09-01"),
        row("gpt-5").tier("fast"),
        row("gpt-5").tier("scale"),
        row("gpt-5.2").tier("flex").on("2026-10-11"),
        row("gpt-5.2").tier("flex").on("2026-10-12"),
        row("gpt-5").batch().on("2025-09-01"),
        row("gpt-5").batch().on("2026-10-13"),
        row("gpt-5").batch().on("2026-10-14"),
        row("gpt-5").tier("default").batch(),
        row("gpt-5").tier("flex").batch(),
        row("o3").batch().on("2025-06-09"),
        row("o3").batch().on("2025-06-10"),
        row("o3").batch(),
        row("o3").on("2025-06-09"),
        row("o3").on("2025-06-10"),
        row("gpt-5.6-luna").on("2026-07-29"),
        row("gpt-5.6-luna").on("2026-07-30"),
        row("gpt-3.5-turbo-1106").batch(),
        row("gpt-6.1-terra").tier("flex"),
        row("gpt-5").tier("incentivized-tier"),
        row("gpt-99").tier("incentivized-tier"),
        row("").tier("incentivized-tier").batch(),
    ]
    .into_iter()
    .map(|row| {
        let dimensions = &row.dimensions;
        let tier = dimensions.service_tier.as_deref().unwrap_or("-");
        let batch = if dimensions.batch == Some(true) {
            " batch"
        } else {
            ""
        };
        let model = dimensions.model.as_deref().unwrap_or("-");
        format!("{model} {tier}{batch} {}\n    {}", row.day, row.shown(&catalogue))
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn endpoints_count_in_units_of_their_own() {
    let catalogue = bundled();
    let tokens = row("x").metrics;
    let shown: Vec<String> = vec![
        row("text-embedding-3-small").at(Endpoint::Embeddings, &tokens),
        row("omni-moderation-latest").at(Endpoint::Moderations, &tokens),
        row("tts-1").at(Endpoint::AudioSpeeches, &thousand(Metric::Characters)),
        row("gpt-4o-mini-tts").at(Endpoint::AudioSpeeches, &thousand(Metric::Characters)),
        row("whisper-1").at(Endpoint::AudioTranscriptions, &thousand(Metric::Seconds)),
        row("gpt-live-transcribe").at(Endpoint::AudioTranscriptions, &thousand(Metric::Seconds)),
        row("gpt-4o-transcribe").at(Endpoint::AudioTranscriptions, &thousand(Metric::Seconds)),
        row("gpt-image-1").at(Endpoint::Images, &thousand(Metric::Images)),
        row("gpt-5").at(Endpoint::WebSearchCalls, &thousand(Metric::NumRequests)),
        row("gpt-5-2025-08-07").at(Endpoint::WebSearchCalls, &thousand(Metric::NumRequests)),
        row("gpt-5.3-codex").at(Endpoint::WebSearchCalls, &thousand(Metric::NumRequests)),
        row("").at(Endpoint::WebSearchCalls, &thousand(Metric::NumRequests)),
        row("").at(Endpoint::FileSearchCalls, &thousand(Metric::NumRequests)),
        row("")
            .at(Endpoint::FileSearchCalls, &thousand(Metric::NumRequests))
            .on("2025-03-10"),
        row("").at(Endpoint::CodeInterpreterSessions, &thousand(Metric::NumSessions)),
        row("").at(Endpoint::VectorStores, &thousand(Metric::UsageBytes)),
        row("gpt-6-luna").at(Endpoint::Decisions, &tokens),
        row("gpt-6-luna").at(Endpoint::Costs, &tokens),
        row("whisper-1").at(Endpoint::AudioTranscriptions, &Metrics::default()),
    ]
    .into_iter()
    .map(|row| {
        format!(
            "{} {}\n    {}",
            row.endpoint,
            row.dimensions.model.as_deref().unwrap_or("-"),
            row.shown(&catalogue)
        )
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_row_read_without_what_its_price_depends_on_is_unpriced() {
    let catalogue = bundled();
    let all = Endpoint::Completions.dimensions();
    for (grouped_by, missing) in [
        (all, None),
        (all.without(Dimension::UserId).without(Dimension::ApiSource), None),
        (all.without(Dimension::ServiceTier), Some(Dimension::ServiceTier)),
        (all.without(Dimension::Batch), Some(Dimension::Batch)),
        (all.without(Dimension::Model), Some(Dimension::Model)),
        (DimensionSet::EMPTY, Some(Dimension::Model)),
    ] {
        let priced = Row {
            grouped_by,
            ..row("gpt-5")
        }
        .price(&catalogue);
        let reason = missing.map(|dimension| Unpriced::NotGrouped { dimension });
        assert_eq!(priced.cost.err(), reason, "{grouped_by}");
    }
    // A tier that costs nothing costs nothing, whatever else is unknown.
    let grouped_by = DimensionSet::EMPTY.with(Dimension::ServiceTier);
    let free = Row {
        grouped_by,
        ..row("gpt-5").tier("incentivized-tier")
    }
    .price(&catalogue);
    assert_eq!(free.price.price_id, "openai/free/incentivized-tier");
    // Embeddings have neither tier nor batch.
    let mut embeddings = row("text-embedding-3-small").at(Endpoint::Embeddings, &row("x").metrics);
    embeddings.grouped_by = DimensionSet::EMPTY.with(Dimension::Model);
    assert!(embeddings.price(&catalogue).cost.is_ok());
}

#[test]
fn images_are_read_at_the_price_of_text_where_the_price_tells_them_not_apart() {
    let with_images = |model: &str| {
        let mut row = row(model);
        row.metrics.input_uncached_tokens = Some(1_000_000);
        row.metrics.input_text_tokens = Some(400_000);
        row.metrics.input_audio_tokens = Some(0);
        row.metrics.input_image_tokens = Some(600_000);
        row
    };
    let cost = |model: &str| with_images(model).price(&bundled()).cost;
    assert_eq!(cost("gpt-5").unwrap().rounded.to_string(), "1.25");
    // 0.4 million of text at 5 USD and 0.6 of images at 10.
    assert_eq!(cost("gpt-image-1").unwrap().rounded.to_string(), "8");
    assert!(matches!(cost("gpt-audio"), Err(Unpriced::NoRate { .. })));
}
