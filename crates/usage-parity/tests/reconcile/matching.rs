//! Which usage stands against which line item.

use usage_core::{Endpoint, Metrics};
use usage_parity::reconcile::{Class, CostLine};

use crate::support::{Used, catalogue, charge, classes, groups, reconcile, with_quantity};

fn images(model: &str, images: i64) -> Used {
    let metrics = Metrics {
        images: Some(images),
        ..Metrics::default()
    };
    Used::of(1, Endpoint::Images, Some(model), &metrics)
}

fn calls(endpoint: Endpoint, model: Option<&str>, calls: i64) -> Used {
    let metrics = Metrics {
        num_requests: Some(calls),
        ..Metrics::default()
    };
    Used::of(1, endpoint, model, &metrics)
}

#[test]
fn a_snapshot_stands_against_its_model() {
    for (model, line) in [
        ("gpt-5-2025-08-07", "gpt-5, input"),
        ("gpt-5", "gpt-5-2025-08-07, input"),
        ("gpt-5-2025-08-07", "gpt-5-2025-08-07, input_tokens"),
    ] {
        let used = [Used::tokens(1, model, 1_000_000, 0)];
        let found = reconcile(&catalogue(), &used, &[charge(1, line, "1.25")]);
        assert_eq!(classes(&found), [(Class::Equal, 1)], "{model} {line}");
    }
}

#[test]
fn the_exact_text_goes_first() {
    let used = [
        Used::tokens(1, "gpt-5", 1_000_000, 0),
        Used::tokens(1, "gpt-5-2025-08-07", 2_000_000, 0),
    ];
    let charged = [
        charge(1, "gpt-5-2025-08-07, input", "2.5"),
        charge(1, "gpt-5, input", "1.25"),
    ];
    let mut found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(classes(&found), [(Class::Equal, 2)]);
    let models: Vec<String> = groups(&mut found).into_iter().map(|group| group.model).collect();
    assert_eq!(models, ["gpt-5", "gpt-5-2025-08-07"]);
}

#[test]
fn never_a_lucky_prefix() {
    let used = [Used::tokens(1, "gpt-5", 1_000_000, 0)];
    let found = reconcile(&catalogue(), &used, &[charge(1, "gpt-5-mini, input", "1.25")]);
    assert_eq!(classes(&found), [(Class::NotCharged, 1), (Class::Unexplained, 1)]);
}

#[test]
fn api_keys_are_summed_over_and_projects_are_not() {
    let used = [
        Used::tokens(1, "gpt-5", 1_000_000, 0),
        Used::tokens(1, "gpt-5", 1_000_000, 0),
        Used::tokens(1, "gpt-5", 1_000_000, 0).project(None),
    ];
    let organisation = CostLine {
        project_id: None,
        ..charge(1, "gpt-5, input", "1.25")
    };
    let charged = [
        charge(1, "gpt-5, input", "1"),
        charge(1, "gpt-5, input", "1.5"),
        organisation,
    ];
    let found = reconcile(&catalogue(), &used, &charged);
    assert_eq!(classes(&found), [(Class::Equal, 2)]);
}

/// A named tier is compared with the usage of that tier, everything else with the line that names none.
#[test]
fn a_line_that_names_a_tier_takes_its_usage() {
    let contract = r#"
        [[price]]
        provider = "openai"
        model = "gpt-5"
        tier = "priority"
        from = 2025-09-01
        source = "list"
        checked = 2025-09-01
        [price.usd_per_million]
        input = "2.5"
        [[price]]
        provider = "openai"
        model = "gpt-5"
        batch = true
        from = 2025-09-01
        source = "list"
        checked = 2025-09-01
        [price.usd_per_million]
        input = "0.625"
    "#;
    let catalogue = catalogue().with_user_file("prices.toml", contract).unwrap();
    let used = [
        Used::tokens(1, "gpt-5", 1_000_000, 0),
        Used::tokens(1, "gpt-5", 1_000_000, 0).tier("priority"),
        Used::tokens(1, "gpt-5", 1_000_000, 0).batch(),
    ];
    let charged = [
        charge(1, "gpt-5, input", "1.875"),
        charge(1, "priority | gpt-5, input", "2.5"),
    ];
    let mut found = reconcile(&catalogue, &used, &charged);
    assert_eq!(classes(&found), [(Class::Equal, 2)]);
    let tiers: Vec<_> = groups(&mut found)
        .into_iter()
        .map(|group| (group.tier, group.usage_kinds))
        .collect();
    assert_eq!(tiers[0], (None, vec!["batch".to_owned(), "standard".to_owned()]));
    assert_eq!(
        tiers[1],
        (Some("priority".to_owned()), vec!["priority".to_owned()])
    );
}

#[test]
fn tools_and_units_are_matched_by_the_words() {
    let sessions = Metrics {
        num_sessions: Some(10),
        ..Metrics::default()
    };
    let used = [
        calls(Endpoint::FileSearchCalls, None, 1_000),
        Used::of(1, Endpoint::CodeInterpreterSessions, None, &sessions),
        images("dall-e-3", 10),
    ];
    let charged = [
        charge(1, "file search tool calls", "2.5"),
        charge(1, "code interpreter sessions", "0.3"),
        charge(1, "dall-e-3, image", "0.4"),
    ];
    let mut found = reconcile(&catalogue(), &used, &charged);
    let groups = groups(&mut found);
    assert_eq!(groups.len(), 3, "{groups:#?}");
    for group in &groups {
        assert!(group.charged.is_some() && group.used.is_some(), "{group:#?}");
    }
    assert_eq!(found.tally(Class::Equal).groups, 2, "{groups:#?}");
}

/// Image models are charged by the token and counted by the image.
#[test]
fn token_lines_of_a_model_that_is_counted_otherwise_stand_against_its_usage() {
    let used = [images("gpt-image-1", 10)];
    let charged = [
        charge(1, "gpt-image-1, text input", "0.01"),
        charge(1, "gpt-image-1, image output", "0.4"),
    ];
    let mut found = reconcile(&catalogue(), &used, &charged);
    let groups = groups(&mut found);
    let [group] = groups.as_slice() else {
        panic!("{groups:#?}")
    };
    assert_eq!(group.line_items.len(), 2);
    assert_eq!(group.used, Some(10));
}

#[test]
fn long_contexts_are_noted() {
    let used = [Used::tokens(1, "gpt-5", 1_000_000, 0)];
    let charged = [
        with_quantity(charge(1, "gpt-5, input", "1"), "800000", "tokens"),
        with_quantity(charge(1, "gpt-5, input, long context", "0.5"), "200000", "tokens"),
    ];
    let mut found = reconcile(&catalogue(), &used, &charged);
    let [group] = &groups(&mut found)[..] else {
        panic!("one group")
    };
    assert_eq!(group.class, Class::Differs);
    assert!(group.notes[0].contains("long contexts"), "{group:#?}");
    assert!(found.overlay.entries.is_empty());
    assert_eq!(found.overlay.not_determined.len(), 1);
}
