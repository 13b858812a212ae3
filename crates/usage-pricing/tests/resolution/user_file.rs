//! The user's file on top of ours.

use usage_core::{Endpoint, Metric};

use crate::row::{entry, row, thousand, with};

#[test]
fn the_users_prices_go_first_for_the_days_they_hold() {
    let catalogue = with(
        &[
            entry("model = 'gpt-5'; from = 2026-01-01; until = 2026-07-01", "1"),
            entry("model = 'gpt-5'; from = 2026-09-01", "0.9"),
            entry("model = 'gpt-5'; tier = 'flex'; from = 2026-01-01", "0.5"),
            entry("model = 'gpt-4o-2024-08-06'; from = 2026-01-01", "2"),
            entry(
                "model = 'gpt-4o'; aliases = ['our-model']; from = 2026-01-01",
                "2.1",
            ),
            entry("model = 'gpt-5-mini-2026-05-05'; from = 2026-01-01", "0.2"),
            entry("model = 'ft:gpt-4.1'; from = 2026-01-01", "3"),
            entry("model = 'ft:gpt-4.1-2025-04-14:acme:x:1'; from = 2026-01-01", "4"),
            entry(
                "model = 'gpt-6-luna'; endpoint = 'decisions'; from = 2026-11-01",
                "0.1",
            ),
            entry("model = 'file_search_calls'; from = 2026-01-01", "1").replace(
                "usd_per_million = { input = 1 }",
                "usd_per_unit = { call = 0.002 }",
            ),
        ]
        .join("\n"),
    );
    let calls = thousand(Metric::NumRequests);
    let shown: Vec<String> = vec![
        row("gpt-5").on("2025-12-31"),
        row("gpt-5").on("2026-01-01"),
        row("gpt-5-2025-08-07").on("2026-06-30"),
        row("gpt-5-codex").on("2026-06-30"),
        row("gpt-5").on("2026-07-01"),
        row("gpt-5").on("2026-09-01"),
        row("gpt-5").tier("flex").on("2025-12-31"),
        row("gpt-5").tier("flex").on("2026-01-01"),
        row("gpt-5").tier("priority").on("2026-01-01"),
        // One snapshot with a price of its own, beside the model.
        row("gpt-4o-2024-08-06"),
        row("gpt-4o-2024-08-06").tier("priority"),
        row("gpt-4o-2024-11-20"),
        row("gpt-4o-2024-05-13"),
        // The user's name for a model leads to all of its prices.
        // A snapshot of a snapshot is nothing that the layers below know.
        row("gpt-5-mini-2026-05-05").tier("flex"),
        row("gpt-5-mini-2026-05-05-2026-06-06"),
        row("gpt-5-mini-2026-05-05-2026-06-06").tier("flex"),
        row("our-model"),
        row("our-model").tier("priority"),
        row("our-model").on("2025-12-31"),
        row("our-model-2026-01-01"),
        row("ft:gpt-4.1-2025-04-14:acme:y:2"),
        row("ft:gpt-4.1-2025-04-14:acme:x:1"),
        row("gpt-6-luna").at(Endpoint::Decisions, &row("x").metrics),
        row("gpt-6-luna")
            .at(Endpoint::Decisions, &row("x").metrics)
            .on("2026-10-31"),
        row("").at(Endpoint::FileSearchCalls, &calls),
        // Their price for tokens says nothing of web searches.
        row("gpt-5").at(Endpoint::WebSearchCalls, &calls),
    ]
    .into_iter()
    .map(|row| {
        let tier = row.dimensions.service_tier.as_deref().unwrap_or("-");
        let model = row.dimensions.model.as_deref().unwrap_or("-");
        format!(
            "{} {model} {tier} {}\n    {}",
            row.endpoint,
            row.day,
            row.shown(&catalogue)
        )
    })
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_default_prices_only_what_nothing_else_knows_and_says_so() {
    let default = "[[default]]\nprovider = 'openai'\nfrom = 2026-01-01\nsource = 'guess'\nchecked = 2026-01-01\n\
                   usd_per_million = { input = 15, output = 120 }\n";
    let catalogue = with(default);
    for (row, expected) in [
        (
            row("gpt-99"),
            "openai/default/standard@2026-01-01+user 15, a fallback",
        ),
        (
            row("gpt-99").on("2025-12-31"),
            "openai/unpriced/unknown/gpt-99: no price for the model `gpt-99`",
        ),
        (
            row("gpt-99").tier("flex"),
            "openai/unpriced/unknown/gpt-99: no price for the model `gpt-99`",
        ),
        (row("gpt-5"), "openai/gpt-5/standard@- 1.25"),
        (
            row("gpt-5").tier("scale"),
            "openai/unpriced/gpt-5/scale@-: no scale price for `gpt-5`",
        ),
        (
            row("gpt-99").tier("incentivized-tier"),
            "openai/free/incentivized-tier 0",
        ),
        (row(""), "openai/unpriced/no-model: the provider named no model"),
    ] {
        assert_eq!(row.shown(&catalogue), expected);
    }
    let mut output = row("gpt-99");
    output.metrics.input_cached_tokens = Some(5);
    assert_eq!(
        output.shown(&catalogue),
        "openai/default/standard@2026-01-01+user: `default` has no rate for cached input, a fallback"
    );
}

#[test]
fn a_second_user_file_replaces_the_first_and_versions_tell_them_apart() {
    let one = with(&entry("model = 'gpt-5'; from = 2026-01-01", "1"));
    let other = one
        .clone()
        .with_user_file("prices.toml", &entry("model = 'o3'; from = 2026-01-01", "1"))
        .unwrap();
    assert_eq!(row("gpt-5").shown(&other), "openai/gpt-5/standard@- 1.25");
    assert_ne!(one.version(), other.version());
    let (seed, rest) = one.version().split_once('+').unwrap();
    let (overlay, user) = rest.split_once('+').unwrap();
    let hash = |text: &str| text.rsplit_once('.').unwrap().1.len();
    assert!(seed.starts_with("genai-prices-0.2.1."), "{seed}");
    assert!(
        overlay.starts_with("overlay.") && user.starts_with("user."),
        "{rest}"
    );
    assert_eq!([hash(seed), hash(overlay), hash(user)], [8, 8, 8]);
    let record = row("gpt-5").price(&one).price;
    assert_eq!(record.catalogue_version, one.version());
}

#[test]
fn the_users_free_tiers_are_free() {
    let catalogue = with(
        "[[free]]\nprovider = 'openai'\ntier = 'pilot'\nfrom = 2026-01-01\nuntil = 2026-02-01\n\
         source = 'letter'\nchecked = 2026-01-01\n",
    );
    assert_eq!(
        row("gpt-5").tier("pilot").on("2026-01-31").shown(&catalogue),
        "openai/free/pilot@2026-01-01+user 0"
    );
    assert_eq!(
        row("gpt-5").tier("pilot").on("2026-02-01").shown(&catalogue),
        "openai/unpriced/gpt-5/pilot@-: no pilot price for `gpt-5`"
    );
}
