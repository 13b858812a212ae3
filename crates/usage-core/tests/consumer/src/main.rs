//! Takes what arrives as JSON, keeps each event once, and prints a day's sum as JSON.

use std::collections::BTreeMap;
use std::error::Error;

use usage_core::{
    Account, DedupeKey, Dimensions, Endpoint, Metrics, Provider, TokenSplit, UsageEvent, Window, parse_day,
};

/// Day, model and metrics as a queue might deliver them: the second message came twice.
const MESSAGES: [(&str, &str, &str); 4] = [
    (
        "2025-09-01",
        "gpt-5",
        r#"{"inputTokens": 1000, "inputCachedTokens": 400, "outputTokens": 70, "numModelRequests": 2}"#,
    ),
    (
        "2025-09-01",
        "gpt-5-mini",
        r#"{"inputTokens": 500, "inputCachedTokens": 0, "outputTokens": 30, "numModelRequests": 1}"#,
    ),
    (
        "2025-09-01",
        "gpt-5-mini",
        r#"{"inputTokens": 500, "inputCachedTokens": 0, "outputTokens": 30, "numModelRequests": 1}"#,
    ),
    (
        "2025-09-02",
        "gpt-5",
        r#"{"inputTokens": 9, "inputCachedTokens": 0, "outputTokens": 9, "numModelRequests": 9}"#,
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let account = Account::new(Provider::OpenAi, "org-demo")?;
    let mut events: BTreeMap<DedupeKey, UsageEvent> = BTreeMap::new();
    for (day, model, metrics) in MESSAGES {
        let event = UsageEvent {
            account: account.clone(),
            endpoint: Endpoint::Completions,
            window: Window::day(parse_day(day)?),
            dimensions: Dimensions {
                model: Some(model.to_owned()),
                ..Dimensions::default()
            },
            metrics: serde_json::from_str(metrics)?,
        };
        events.insert(event.key(), event);
    }

    let day = Window::day(parse_day("2025-09-01")?);
    let of_day = || events.values().filter(|event| event.window == day);
    let sum = of_day().try_fold(Metrics::default(), |sum, event| sum.checked_add(&event.metrics))?;
    let mut models: Vec<_> = of_day()
        .filter_map(|event| event.dimensions.model.as_deref())
        .collect();
    models.sort_unstable();
    println!(
        "{}",
        serde_json::json!({
            "account": account,
            "window": day,
            "models": models,
            "metrics": sum,
            "split": TokenSplit::of(&sum),
        })
    );
    Ok(())
}
