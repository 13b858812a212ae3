//! Price records as ledgers keep them.
//!
//! These texts stand in databases. Whatever becomes of the format, each of them must be read as what it is here.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use usage_core::{Dimensions, Endpoint, Metrics, parse_day};
use usage_pricing::{Catalogue, PriceRecord, PriceRef, Usage};

const STANDARD: &str = r#"{"priceId":"openai/gpt-6.1-terra/standard@-","catalogueVersion":"1","provider":"openai","model":"gpt-6.1-terra","endpoint":null,"tier":"standard","batch":false,"validFrom":null,"validUntil":null,"source":"genai-prices 0.2.1","checked":"2026-10-30","longContext":true,"basis":{"rates":{"usdPerMillion":{"cache_write":"1.25","cached_input":"0.05","cached_input_image":"0.05","input":"1","input_image":"1","output":"5"},"usdPerUnit":{"call":"0.01"}}}}"#;
const HOURLY: &str = r#"{"priceId":"openai/gpt-live-transcribe/standard@-","catalogueVersion":"1","provider":"openai","model":"gpt-live-transcribe","endpoint":null,"tier":"standard","batch":false,"validFrom":null,"validUntil":null,"source":"genai-prices 0.2.1","checked":"2026-10-30","longContext":false,"basis":{"rates":{"usdPerUnit":{"hour":"1.02"}}}}"#;
const BATCH: &str = r#"{"priceId":"openai/o3/batch@2025-06-10","catalogueVersion":"1","provider":"openai","model":"o3","endpoint":null,"tier":"standard","batch":true,"validFrom":"2025-06-10","validUntil":"2026-10-14","source":"the batch price is half of the standard one, which fell on this day (the seed has the day)","checked":"2025-06-10","longContext":false,"basis":{"rates":{"usdPerMillion":{"cached_input":"0.5","cached_input_image":"0.5","input":"1","input_image":"1","output":"4"}}}}"#;
const FREE: &str = r#"{"priceId":"openai/free/incentivized-tier","catalogueVersion":"1","provider":"openai","model":"free","endpoint":null,"tier":"incentivized-tier","batch":false,"validFrom":null,"validUntil":null,"source":"the provider's tier for the free tokens of organisations that share data with it","checked":"2025-09-30","longContext":false,"basis":"free"}"#;
const UNKNOWN: &str = r#"{"priceId":"openai/unpriced/unknown/gpt-99","catalogueVersion":"1","provider":"openai","model":"gpt-99","endpoint":null,"tier":"standard","batch":false,"validFrom":null,"validUntil":null,"source":"","checked":null,"longContext":false,"basis":{"unpriced":{"unknownModel":{"model":"gpt-99"}}}}"#;
const NO_PRICE: &str = r#"{"priceId":"openai/unpriced/gpt-5/flex@-","catalogueVersion":"1","provider":"openai","model":"gpt-5","endpoint":null,"tier":"flex","batch":false,"validFrom":null,"validUntil":"2025-08-07","source":"","checked":null,"longContext":false,"basis":{"unpriced":{"noPrice":{"model":"gpt-5","tier":"flex","batch":false,"decisions":false,"from":null,"until":"2025-08-07"}}}}"#;
const LEVEL: &str = r#"{"priceId":"openai/unpriced/vector_stores","catalogueVersion":"1","provider":"openai","model":"","endpoint":"vector_stores","tier":"standard","batch":false,"validFrom":null,"validUntil":null,"source":"","checked":null,"longContext":false,"basis":{"unpriced":"level"}}"#;

#[test]
fn records_are_written_and_read_as_ledgers_have_them() {
    let now = "2026-11-01";
    for (endpoint, model, tier, batch, day, kept) in [
        (Endpoint::Completions, "gpt-6.1-terra", None, false, now, STANDARD),
        (
            Endpoint::AudioTranscriptions,
            "gpt-live-transcribe",
            None,
            false,
            now,
            HOURLY,
        ),
        (Endpoint::Completions, "o3", None, true, "2025-09-01", BATCH),
        (
            Endpoint::Completions,
            "gpt-99",
            Some("incentivized-tier"),
            false,
            now,
            FREE,
        ),
        (Endpoint::Completions, "gpt-99", Some("flex"), true, now, UNKNOWN),
        (
            Endpoint::Completions,
            "gpt-5",
            Some("flex"),
            false,
            "2025-08-06",
            NO_PRICE,
        ),
        (Endpoint::VectorStores, "", None, false, now, LEVEL),
    ] {
        let dimensions = Dimensions {
            model: Some(model.to_owned()),
            service_tier: tier.map(str::to_owned),
            batch: Some(batch),
            ..Dimensions::default()
        };
        let record = price(endpoint, day, &dimensions);
        let record = PriceRecord {
            catalogue_version: "1".to_owned(),
            ..(*record).clone()
        };
        assert_eq!(record.to_json(), kept);
        assert_eq!(PriceRecord::from_json(kept).unwrap(), record);
    }
}

#[test]
fn a_record_prices_without_the_catalogue_it_came_from() {
    let metrics = Metrics {
        input_tokens: Some(1_000),
        input_cached_tokens: Some(400),
        output_tokens: Some(100),
        ..Metrics::default()
    };
    let cost = |json: &str| {
        let cost = PriceRecord::from_json(json)
            .unwrap()
            .cost(Endpoint::Completions, &metrics);
        cost.map(|cost| cost.rounded.to_string())
            .map_err(|reason| reason.to_string())
    };
    assert_eq!(cost(BATCH).as_deref(), Ok("0.0012"));
    assert_eq!(cost(FREE).as_deref(), Ok("0"));
    assert_eq!(cost(UNKNOWN), Err("no price for the model `gpt-99`".to_owned()));
    assert_eq!(
        cost(NO_PRICE),
        Err("no flex price for `gpt-5` before 2025-08-07".to_owned())
    );
    assert_eq!(
        cost(HOURLY),
        Err("`gpt-live-transcribe` has no rate for input".to_owned())
    );
}

/// It could change the price, so it is not passed over.
#[test]
fn what_this_version_does_not_know_is_refused() {
    for json in [
        "",
        "{}",
        &STANDARD.replace("\"batch\"", "\"surcharge\":\"2\",\"batch\""),
        &STANDARD.replace("\"cached_input\"", "\"reasoning\""),
        &STANDARD.replace("\"rates\"", "\"formula\""),
        &STANDARD.replace("\"openai\"", "\"acme\""),
        &UNKNOWN.replace("unknownModel", "unknownPlanet"),
    ] {
        assert!(PriceRecord::from_json(json).is_err(), "{json}");
    }
}

fn price(endpoint: Endpoint, day: &str, dimensions: &Dimensions) -> PriceRef {
    let priced = Catalogue::bundled().unwrap().price(&Usage {
        endpoint,
        day: parse_day(day).unwrap(),
        dimensions,
        metrics: &Metrics::default(),
        grouped_by: endpoint.dimensions(),
    });
    priced.price
}
