//! The seed, and what is laid over it.

use super::*;
use crate::price_file;

fn models() -> Vec<SeedModel<'static>> {
    let providers: Vec<SeedProvider<'static>> = serde_json::from_str(DATA).unwrap();
    providers
        .into_iter()
        .filter(|provider| provider.id.parse::<Provider>().is_ok())
        .flat_map(|provider| provider.models)
        .collect()
}

#[test]
fn the_seed_is_the_release_it_is_named_after() {
    let seed = read().unwrap();
    insta::assert_snapshot!(seed.version, @"genai-prices-0.2.1.90dc9101");
    let long = seed.entries.iter().filter(|entry| entry.long_context).count();
    assert_eq!((models().len(), seed.entries.len(), long), (111, 231, 53));
    assert!(seed.entries.iter().all(|entry| !entry.rates.is_empty()));
}

/// A tier has the standard prices of each day for what its variant does not name, and none before its own first day.
#[test]
fn variants_are_laid_over_the_standard_prices_of_their_days() {
    let data = r#"[{"id": "openai", "models": [{"id": "m", "match": {"regex": "^m"},
        "prices": [
            {"prices": {"input_mtok": 4, "cache_read_mtok": 0.4}},
            {"constraint": {"start_date": "2026-02-01"}, "prices": {"input_mtok": 3, "cache_read_mtok": 0.3}},
            {"constraint": {"start_date": "2026-06-01"}, "prices": {"input_mtok": 2, "cache_read_mtok": 0.2}}
        ],
        "price_variants": [
            {"when": {"service_tier": "default"}, "prices": {}},
            {"when": {"service_tier": "flex"}, "constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 1.5}},
            {"when": {"service_tier": "flex"}, "constraint": {"start_date": "2026-07-01"}, "prices": {"input_mtok": {"base": 1, "tiers": []}}},
            {"when": {"processing": "batch"}, "prices": {"input_mtok": 0.5}}
        ]}]}, {"id": "someone-else", "models": []}]"#;
    let shown: Vec<String> = parse(data)
        .unwrap()
        .entries
        .iter()
        .map(|entry| {
            let usd = |class| {
                entry
                    .rates
                    .get(class)
                    .and_then(UnitRate::usd_per_million)
                    .unwrap()
            };
            let (input, cached) = (usd(PriceClass::Input), usd(PriceClass::CachedInput));
            let long = if entry.long_context { ", more if long" } else { "" };
            let until = entry
                .until
                .map(|until| format!(" until {until}"))
                .unwrap_or_default();
            format!("{}{until}: {input}, {cached}{long}", entry.price_id(Layer::Seed))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_the_seed_has_never_had_is_refused() {
    let data = |prices: &str, rest: &str| {
        format!(
            r#"[{{"id": "openai", "models": [{{"id": "m", "match": {{"equals": "m"}}, "prices": {prices}{rest}}}]}}]"#
        )
    };
    let faults: Vec<String> = [
        data(r#"{"input_gtok": 1}"#, ""),
        data(r#"{"input_mtok": -1}"#, ""),
        data(r#"{"input_mtok": 1e-7}"#, ""),
        data(r#"{"input_mtok": "1"}"#, ""),
        data(r#"{"input_mtok": {"tiers": []}}"#, ""),
        data(r#"{"audio_hours": 1, "input_audio_hours": 2}"#, ""),
        data(
            "{}",
            r#", "price_variants": [{"when": {"region": "eu"}, "prices": {}}]"#,
        ),
        data(r#"[{"constraint": {"start_time": "08:00"}, "prices": {}}]"#, ""),
        "[".to_owned(),
    ]
    .iter()
    .map(|data| parse(data).unwrap_err().to_string())
    .collect();
    insta::assert_snapshot!(faults.join("\n"));
}

/// The overlay prices file searches, whose rows name no model, by what the seed says of each model.
#[test]
fn every_model_has_the_same_price_for_file_searches() {
    let mut prices = BTreeSet::new();
    for model in models() {
        for (_, table) in model.standard().unwrap() {
            prices.extend(
                table
                    .get("storage_searches_kcount")
                    .map(|price| price.get().to_owned()),
            );
        }
    }
    assert_eq!(prices.into_iter().collect::<Vec<_>>(), ["2.5"]);
    let overlay = price_file::overlay().unwrap();
    let searches = overlay
        .entries
        .iter()
        .find(|entry| entry.key.subject == Subject::Model("file_search_calls".to_owned()));
    let rate = searches
        .and_then(|entry| entry.rates.get(PriceClass::Calls))
        .unwrap();
    assert_eq!(scaled("2.5", 9), Ok(rate.pico_usd()));
}

/// Where our overlay says what a tier cost before the seed's authors looked, it ends where the seed begins.
#[test]
fn the_overlay_ends_where_the_seed_begins() {
    let overlay = price_file::overlay().unwrap();
    let seed = read().unwrap();
    let tiers = overlay.entries.iter().filter(|entry| entry.until.is_some());
    for own in tiers.clone() {
        let next = seed.entries.iter().find(|entry| entry.key == own.key).unwrap();
        assert_eq!(
            (own.until, &own.rates.get(PriceClass::Output)),
            (next.from, &next.rates.get(PriceClass::Output)),
            "{}",
            own.key
        );
        for class in [PriceClass::Input, PriceClass::CachedInput] {
            assert_eq!(
                own.rates.get(class),
                next.rates.get(class),
                "{}: {class}",
                own.key
            );
        }
    }
    assert_eq!(tiers.count(), 15);
}
