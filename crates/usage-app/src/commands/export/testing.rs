//! Costs for tests.

use usage_core::{
    Account, CostGroup, CostRow, DedupeKey, Endpoint, Provider, Window, parse_day, parse_instant,
};
use usage_store::StoredCost;

/// A cost of 2025-09-01 of the project `proj_a` and the key `key_a`.
pub(super) fn cost(line_item: &str, amount: &str, quantity: Option<(&str, &str)>) -> StoredCost {
    let at = parse_instant("2025-09-05T00:00:00Z").unwrap();
    StoredCost {
        account: Account::new(Provider::OpenAi, "org-a").unwrap(),
        account_id: 1,
        key: DedupeKey::from_bytes([0; 16]),
        endpoint: Endpoint::Costs,
        window: Window::day(parse_day("2025-09-01").unwrap()),
        row: CostRow {
            group: CostGroup {
                project_id: Some("proj_a".to_owned()),
                api_key_id: Some("key_a".to_owned()),
                line_item: Some(line_item.to_owned()),
                currency: Some("usd".to_owned()),
            },
            amount: Some(amount.parse().unwrap()),
            quantity: quantity.map(|(quantity, _)| quantity.parse().unwrap()),
            quantity_unit: quantity.map(|(_, unit)| unit.to_owned()),
        },
        revision: 1,
        first_stored_at: at,
        changed_at: at,
        run_id: 1,
    }
}

/// The names of the JSON form in its order, for tests that hold the header of the CSV form against it.
pub(super) fn names_of(line: &[u8]) -> String {
    let text = std::str::from_utf8(line).unwrap().trim();
    let names: Vec<&str> = text
        .trim_matches(['{', '}'])
        .split(",\"")
        .map(|pair| pair.split('"').find(|part| !part.is_empty()).unwrap())
        .collect();
    names.join(",")
}
