//! Rows: what they are grouped by, count and say.

use std::collections::{BTreeMap, BTreeSet};

use usage_core::{Decimal, Dimension, DimensionSet, Endpoint, LineItem, WindowRange};

use crate::support::{BY, all_days, billed, by, by_line_item, dollars, everything};

#[test]
fn the_rows_of_every_grouping_add_up_to_the_exact_cost() {
    let organization = billed();
    let cost = organization.cost(all_days()).unwrap();
    let usage = Decimal::from(organization.usage_cost(all_days()).unwrap());
    let charged: Decimal = "-3.410399999999999999999999999999999999983".parse().unwrap();
    assert_eq!(&cost - &usage, charged, "-25 + 1.6896 + 19.9 + storage");
    for number in 0..1_u32 << BY.len() {
        let group_by: DimensionSet = (0..)
            .zip(BY)
            .filter(|(bit, _)| number >> bit & 1 == 1)
            .map(|(_, dimension)| dimension)
            .collect();
        let costs = organization.costs(all_days(), group_by).unwrap();
        assert_eq!(dollars(&costs), cost, "{group_by}");
        let groups: BTreeSet<_> = costs
            .iter()
            .map(|cost| {
                (
                    cost.day,
                    [
                        &cost.project_id,
                        &cost.line_item,
                        &cost.api_key_id,
                        &cost.user_id,
                        &cost.api_source,
                    ],
                    &cost.currency,
                )
            })
            .collect();
        assert_eq!(groups.len(), costs.len(), "{group_by}: every group once");
        if group_by.is_empty() {
            assert_eq!(costs.len(), 6 + 1, "a row a day, and one in euros");
            assert!(
                costs
                    .iter()
                    .all(|cost| cost.quantity.is_none() && cost.line_item.is_none())
            );
        }
    }
}

#[test]
fn narrower_windows_and_days_cost_the_same() {
    let organization = billed();
    let hours = WindowRange::new(all_days().start(), all_days().end(), usage_core::Width::Hour).unwrap();
    assert_eq!(organization.cost(hours), organization.cost(all_days()));
}

#[test]
fn quantities_are_those_of_the_usage() {
    let organization = everything();
    let costs = organization.costs(all_days(), by_line_item()).unwrap();
    let mut counted: BTreeMap<&str, Decimal> = BTreeMap::new();
    for cost in &costs {
        let quantity = cost.quantity.as_ref().unwrap();
        let unit = cost.quantity_unit.as_deref().unwrap_or("calls");
        *counted.entry(unit).or_default() += quantity;
    }
    let total = |endpoint: Endpoint| organization.usage(endpoint).totals(all_days()).metrics;
    let expected = |number: Option<i64>| Some(Decimal::from(number.unwrap()));
    assert_eq!(counted.remove("images"), expected(total(Endpoint::Images).images));
    assert_eq!(
        counted.remove("characters"),
        expected(total(Endpoint::AudioSpeeches).characters)
    );
    assert_eq!(
        counted.remove("duration_seconds"),
        expected(total(Endpoint::AudioTranscriptions).seconds)
    );
    let calls = [
        total(Endpoint::WebSearchCalls).num_requests,
        total(Endpoint::FileSearchCalls).num_requests,
        total(Endpoint::CodeInterpreterSessions).num_sessions,
    ];
    assert_eq!(
        counted.remove("calls"),
        expected(Some(calls.into_iter().flatten().sum()))
    );

    let mut paid = total(Endpoint::Embeddings).input_tokens.unwrap();
    for endpoint in [Endpoint::Completions, Endpoint::Decisions] {
        for window in all_days().windows() {
            for row in organization.usage(endpoint).rows(window) {
                if row.dimensions.service_tier.as_deref() != Some("incentivized-tier") {
                    paid += row.metrics.input_tokens.unwrap() + row.metrics.output_tokens.unwrap();
                }
            }
        }
    }
    assert_eq!(counted.remove("tokens"), expected(Some(paid)));
    assert!(counted.is_empty(), "{counted:?}");
}

#[test]
fn line_items_are_worded_as_the_providers() {
    let costs = everything().costs(all_days(), by_line_item()).unwrap();
    let words: BTreeSet<&str> = costs
        .iter()
        .filter_map(|cost| cost.line_item.as_deref())
        .collect();
    for expected in [
        "gpt-5-2025-08-07, input",
        "gpt-5-2025-08-07, cached input",
        "gpt-5-2025-08-07, cache writes",
        "gpt-5-2025-08-07, output",
        "priority | gpt-5-2025-08-07, input",
        "ft:gpt-5-2025-08-07:simulated::0001, output",
        "text-embedding-3-small, input",
        "dall-e-3, image",
        "tts-1, characters",
        "whisper-1, duration",
        "web search tool calls",
        "file search tool calls",
        "code interpreter sessions",
    ] {
        assert!(words.contains(expected), "no `{expected}` in {words:?}");
    }
    for cost in &costs {
        let words = cost.line_item.as_deref().unwrap();
        let item = LineItem::parse(words);
        let is_of_tokens = cost.quantity_unit.as_deref() == Some("tokens");
        assert_eq!(item.direction.is_some(), is_of_tokens, "{words}");
        assert_eq!(item.tier.is_some(), words.starts_with("priority | "), "{words}");
    }
}

#[test]
fn amounts_are_written_in_many_ways_and_stay_exact() {
    let mut organization = everything();
    let group_by = by(&[Dimension::LineItem, Dimension::ProjectId]);
    let costs = organization.costs(all_days(), group_by).unwrap();
    let mut lengths = BTreeSet::new();
    for cost in &costs {
        let text = cost.amount_text().unwrap();
        assert_eq!(Some(text.parse().unwrap()), cost.amount, "{text}");
        lengths.insert(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()));
    }
    assert!(lengths.contains(&39) && lengths.len() > 3, "{lengths:?}");
    assert!(costs.iter().any(|cost| cost.amount_text().unwrap() == "0E-6176"));

    let exact = organization.cost(all_days());
    organization.add_long_tails();
    assert_eq!(organization.cost(all_days()), exact);
    let limit: Decimal = "1e-20".parse().unwrap();
    let tailed = organization.costs(all_days(), group_by).unwrap();
    let mut tails = BTreeSet::new();
    for (cost, before) in tailed.iter().zip(&costs) {
        assert_eq!(cost.amount, before.amount);
        let text = cost.amount_text().unwrap();
        let written: Decimal = text.parse().unwrap();
        let noise = (&written - cost.amount.as_ref().unwrap()).abs();
        if text == "0E-6176" {
            continue;
        }
        assert!(!noise.is_zero() && noise < limit, "{text}");
        assert_eq!(text.split_once('.').unwrap().1.len(), 39, "{text}");
        tails.insert(noise.to_string());
    }
    assert!(tails.len() > 20, "they differ");
}
