//! What holds of every row, whatever its numbers.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use usage_core::{Dimensions, Drift, Endpoint, Identity, Metric, Metrics, NanoUsd};
use usage_pricing::{Catalogue, ClassCost, ExactUsd, PriceRecord, Priced, Unpriced, Usage};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let user = "[[price]]\nprovider = 'openai'\nmodel = 'whisper-1'\nfrom = 2026-06-01\nsource = 'contract'\n\
                checked = 2026-06-01\nusd_per_unit = { minute = 0.0059 }\n\
                [[price]]\nprovider = 'openai'\nmodel = 'gpt-6-luna'\nfrom = 2026-06-01\nsource = 'contract'\n\
                checked = 2026-06-01\n[price.usd_per_million]\ninput = 0.1\ncached_input = 0.000_001\n\
                cache_write = 0.125\ncache_write_12h = 0.250_003\noutput = 0.499_999\n\
                [[price]]\nprovider = 'openai'\nmodel = 'every'\nfrom = 2025-01-01\nsource = 'contract'\n\
                checked = 2026-06-01\n[price.usd_per_million]\ninput = 1.000_001\ncached_input = 0.1\n\
                cache_write = 1.25\ncache_write_12h = 2.5\noutput = 8\ninput_audio = 32\n\
                cached_input_audio = 3.2\noutput_audio = 64\ninput_image = 5\ncached_input_image = 0.5\n\
                output_image = 40\n";
    Catalogue::bundled()
        .unwrap()
        .with_user_file("prices.toml", user)
        .unwrap()
});

#[derive(Clone, Debug)]
struct Row {
    endpoint: Endpoint,
    day: NaiveDate,
    dimensions: Dimensions,
    metrics: Metrics,
}

impl Row {
    fn price(&self) -> Priced {
        self.price_of(&self.metrics)
    }

    fn price_of(&self, metrics: &Metrics) -> Priced {
        CATALOGUE.price(&Usage {
            endpoint: self.endpoint,
            day: self.day,
            dimensions: &self.dimensions,
            metrics,
            grouped_by: self.endpoint.dimensions(),
        })
    }

    fn counts_tokens(&self) -> bool {
        self.endpoint == Endpoint::Completions
    }
}

fn dimensions() -> impl Strategy<Value = Dimensions> {
    let model = prop::sample::select(vec![
        "every",
        "gpt-5-2025-08-07",
        "gpt-4.1",
        "o3",
        "gpt-6-luna",
        "gpt-6.1-terra",
        "gpt-realtime",
        "gpt-image-1.5",
        "gpt-4o-audio-preview",
        "whisper-1",
        "gpt-live-1",
        "tts-1",
        "text-embedding-3-small",
        "gpt-99",
    ]);
    let tier = prop_oneof![
        6 => prop::sample::select(vec![None, Some("default")]),
        1 => prop::sample::select(vec![Some("flex"), Some("priority"), Some("scale")]),
    ];
    let batch = prop_oneof![6 => Just(None), 6 => Just(Some(false)), 1 => Just(Some(true))];
    (model, tier, batch).prop_map(|(model, tier, batch)| Dimensions {
        model: Some(model.to_owned()),
        service_tier: tier.map(str::to_owned),
        batch,
        ..Dimensions::default()
    })
}

fn day() -> impl Strategy<Value = NaiveDate> {
    let first = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap();
    (0_u64..700).prop_map(move |days| first + Days::new(days))
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    prop_oneof![
        6 => Just(Endpoint::Completions),
        1 => prop::sample::select(Endpoint::ALL.to_vec()),
        1 => Just(Endpoint::AudioTranscriptions),
    ]
}

/// Counts as they come, with many small ones and some that overflow.
fn count() -> impl Strategy<Value = i64> {
    prop_oneof![
        2 => Just(0),
        4 => 0_i64..10,
        6 => 0_i64..1_000_000_000,
        1 => 0_i64..=i64::MAX,
    ]
}

/// What a row reports: numbers of its disjoint classes, and which metrics it has at all.
#[derive(Clone, Copy, Debug)]
struct Reported {
    has_modalities: bool,
    has_uncached: bool,
    has_writes: bool,
    has_retention: bool,
}

fn reported() -> impl Strategy<Value = Reported> {
    any::<[bool; 4]>().prop_map(
        |[has_modalities, has_uncached, has_writes, has_retention]| Reported {
            has_modalities,
            has_uncached,
            has_writes,
            has_retention,
        },
    )
}

/// Metrics that satisfy every identity.
fn consistent(reported: Reported, counts: [i64; 11], unit: i64) -> Metrics {
    let [
        text,
        audio,
        image,
        cached_text,
        cached_audio,
        cached_image,
        usual,
        long,
        out_text,
        out_audio,
        out_image,
    ] = counts.map(|count| count % 1_000_000_000);
    let when = |has: bool, value: i64| has.then_some(value);
    let modal = |value: i64| if reported.has_modalities { value } else { 0 };
    let written = |value: i64| if reported.has_writes { value } else { 0 };
    let uncached = text + modal(audio) + modal(image);
    let cached = cached_text + modal(cached_audio) + modal(cached_image);
    let writes = written(usual) + written(long);
    Metrics {
        input_tokens: Some(uncached + cached + writes),
        output_tokens: Some(out_text + modal(out_audio) + modal(out_image)),
        input_cached_tokens: Some(cached),
        input_uncached_tokens: when(reported.has_uncached, uncached),
        input_cache_write_tokens: when(reported.has_writes, writes),
        input_cache_write_30m_tokens: when(reported.has_writes && reported.has_retention, usual),
        input_cache_write_12h_tokens: when(reported.has_writes && reported.has_retention, long),
        input_text_tokens: when(reported.has_modalities, text),
        input_audio_tokens: when(reported.has_modalities, audio),
        input_image_tokens: when(reported.has_modalities, image),
        input_cached_text_tokens: when(reported.has_modalities, cached_text),
        input_cached_audio_tokens: when(reported.has_modalities, cached_audio),
        input_cached_image_tokens: when(reported.has_modalities, cached_image),
        output_text_tokens: when(reported.has_modalities, out_text),
        output_audio_tokens: when(reported.has_modalities, out_audio),
        output_image_tokens: when(reported.has_modalities, out_image),
        num_model_requests: Some(1),
        images: Some(unit % 1_000_000_000),
        characters: Some(unit % 1_000_000_000),
        seconds: Some(unit % 1_000_000_000),
        usage_bytes: Some(unit % 1_000_000_000),
        num_sessions: Some(unit % 1_000_000_000),
        num_requests: Some(unit % 1_000_000_000),
    }
}

/// A row as a provider sends it.
fn row() -> impl Strategy<Value = Row> {
    let counts = prop::array::uniform11(count());
    (endpoint(), day(), dimensions(), reported(), counts, count()).prop_map(
        |(endpoint, day, dimensions, reported, counts, unit)| Row {
            endpoint,
            day,
            dimensions,
            metrics: consistent(reported, counts, unit),
        },
    )
}

/// A row of which anything may be wrong.
fn any_row() -> impl Strategy<Value = Row> {
    let metric = || prop::sample::select(Metric::ALL.to_vec());
    let wrong = prop::collection::vec((metric(), prop::option::of(any::<i64>())), 0..2);
    let offset = prop::collection::vec((metric(), -2_i64..=2), 0..2);
    (row(), wrong, offset).prop_map(|(mut row, wrong, offset)| {
        for (metric, value) in wrong {
            *row.metrics.get_mut(metric) = value;
        }
        for (metric, offset) in offset {
            let place = row.metrics.get_mut(metric);
            *place = place.map(|value| value.saturating_add(offset));
        }
        row
    })
}

fn sum(parts: &[ClassCost]) -> ExactUsd {
    parts
        .iter()
        .try_fold(ExactUsd::ZERO, |sum, part| sum.checked_add(part.exact))
        .unwrap()
}

fn units(parts: &[ClassCost]) -> i128 {
    parts.iter().map(|part| i128::from(part.units)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_exact_cost_is_additive(
        row in row(),
        reported in reported(),
        counts in prop::array::uniform2(prop::array::uniform11(count())),
        unit in prop::array::uniform2(count()),
    ) {
        let [one, other] = [0, 1].map(|side| consistent(reported, counts[side], unit[side]));
        let whole = one.checked_add(&other).unwrap();
        let [one, other, whole] = [&one, &other, &whole].map(|metrics| row.price_of(metrics).cost);
        match (one, other) {
            (Ok(one), Ok(other)) => {
                let whole = whole.unwrap();
                prop_assert_eq!(one.exact.checked_add(other.exact), Some(whole.exact));
                prop_assert_eq!(units(&one.parts) + units(&other.parts), units(&whole.parts));
            }
            // What one side has no price for, the whole has not either.
            (Err(_), _) | (_, Err(_)) => prop_assert!(whole.is_err()),
        }
    }

    #[test]
    fn parts_sum_to_the_whole_and_are_rounded_once(row in any_row()) {
        if let Ok(cost) = row.price().cost {
            prop_assert_eq!(sum(&cost.parts), cost.exact);
            for part in &cost.parts {
                prop_assert!(part.units > 0);
                prop_assert_eq!(part.rate.cost(part.units), Some(part.exact));
            }
            let error = ExactUsd::from(cost.rounded).checked_sub(cost.exact).unwrap();
            let twice = error.checked_add(error).unwrap();
            let nano = ExactUsd::from(NanoUsd::new(1));
            prop_assert!(twice <= nano && ExactUsd::ZERO.checked_sub(nano).unwrap() <= twice);
        }
    }

    #[test]
    fn the_classes_of_a_priced_row_sum_to_what_was_reported(row in any_row()) {
        let cost = row.price().cost;
        if !row.counts_tokens() {
            return Ok(());
        }
        let drift = [Identity::Input, Identity::CacheWrite].into_iter().find_map(|identity| identity.check(&row.metrics));
        match (cost, row.metrics.input_tokens, row.metrics.output_tokens) {
            (Ok(cost), Some(input), Some(output)) => {
                prop_assert_eq!(units(&cost.parts), i128::from(input) + i128::from(output));
                prop_assert_eq!(drift, None);
            }
            (Ok(cost), None, Some(_)) => prop_assert_eq!(units(&cost.parts), row.metrics.tokens()),
            (Ok(_), _, None) => prop_assert!(false, "priced without output"),
            (Err(Unpriced::Drift { reported, sum, .. }), ..) => prop_assert_ne!(reported, sum),
            (Err(_), ..) => {}
        }
    }

    #[test]
    fn a_row_that_a_provider_sends_never_drifts(row in row()) {
        prop_assert_eq!(Drift::all(&row.metrics).next(), None);
        let drifts = matches!(row.price().cost, Err(Unpriced::Drift { .. } | Unpriced::Undetermined { .. }));
        prop_assert!(!drifts);
    }

    #[test]
    fn a_record_prices_as_the_catalogue_did_without_it(row in any_row()) {
        let priced = row.price();
        let json = priced.price.to_json();
        let kept = PriceRecord::from_json(&json).unwrap();
        prop_assert_eq!(&kept, &*priced.price);
        let rounded = kept.rounded_cost(row.endpoint, &row.metrics);
        prop_assert_eq!(rounded, priced.cost.clone().map(|cost| cost.rounded));
        prop_assert_eq!(kept.cost(row.endpoint, &row.metrics), priced.cost);
        prop_assert_eq!(&kept.catalogue_version, CATALOGUE.version());
        prop_assert!(!json.contains('\n'));
    }

    #[test]
    fn one_id_is_one_record(rows in prop::collection::vec(any_row(), 2..12)) {
        let mut records = HashMap::new();
        for row in rows {
            let record = row.price().price;
            let known = records.entry(record.price_id.clone()).or_insert_with(|| record.clone());
            prop_assert_eq!(&*known, &record);
        }
    }
}

/// The strategies reach what they are about: without this, a property could hold of nothing.
#[test]
fn the_rows_are_of_many_kinds() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut kinds: HashMap<String, usize> = HashMap::new();
    for _ in 0..2_000 {
        let row = any_row().new_tree(&mut runner).unwrap().current();
        let kind = match row.price().cost {
            Ok(cost) if cost.parts.len() > 4 => "priced in many classes".to_owned(),
            Ok(_) => "priced".to_owned(),
            Err(reason) => {
                let debug = format!("{reason:?}");
                debug.split([' ', '{']).next().unwrap_or_default().to_owned()
            }
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> = kinds.into_iter().filter(|(_, count)| *count >= 5).collect();
    kinds.sort();
    let names: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        names,
        [
            "Charges",
            "Drift",
            "Level",
            "NoPrice",
            "NoRate",
            "RetentionUnknown",
            "Undetermined",
            "UnknownModel",
            "priced",
            "priced in many classes"
        ],
        "{kinds:?}"
    );
}
