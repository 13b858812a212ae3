//! Usage events as rows of a table.

use chrono::{DateTime, Utc};
use usage_core::{Dimension, Metric, ModalitySplit, TokenSplit, format_instant};
use usage_store::StoredEvent;

use super::names::Names;
use crate::dashboard::display::{At, Count, Dollars, Fact, Html, Named, grouped};
use crate::dashboard::pages::{EventRow, SplitCell};

/// An event, with its account where there are several, and when the provider changed it last after the fact.
pub(super) fn row(
    stored: &StoredEvent,
    names: &Names,
    tell_account: bool,
    restated_at: Option<DateTime<Utc>>,
) -> EventRow {
    let event = &stored.event;
    let dimensions = &event.dimensions;
    let split = TokenSplit::of(&event.metrics);
    let named = |dimension: Dimension| names.of(dimension, dimensions.get(dimension));
    let mut tier: Vec<&str> = dimensions.service_tier.as_deref().into_iter().collect();
    if dimensions.batch == Some(true) {
        tier.push("batch");
    }
    EventRow {
        start: At(Some(event.window.start())),
        end: At(Some(event.window.end())),
        endpoint: event.endpoint.to_string(),
        account: tell_account.then(|| event.account.to_string()),
        model: Named {
            id: None,
            name: dimensions.model.clone(),
        },
        project: named(Dimension::ProjectId),
        key: named(Dimension::ApiKeyId),
        user: named(Dimension::UserId),
        tier: tier.join(", "),
        requests: Count::metric(event.metrics.num_model_requests.or(event.metrics.num_requests)),
        uncached: cell(split.uncached, &split.uncached_by_modality),
        cached: cell(split.cached_read, &split.cached_read_by_modality),
        cache_write: cell(split.cache_write, &ModalitySplit::default()),
        output: cell(split.output, &split.output_by_modality),
        cost: Dollars::fine_or_unpriced(stored.price.and_then(|price| price.cost)),
        identity: identity(stored),
        metrics: metrics(stored),
        pricing: history(stored, restated_at),
    }
}

/// A class of tokens.
pub(super) fn cell(tokens: Option<i64>, modalities: &ModalitySplit) -> SplitCell {
    let beside_text = [("audio", modalities.audio), ("image", modalities.image)];
    let shown = beside_text.into_iter().filter_map(|(name, tokens)| {
        let tokens = tokens.filter(|tokens| *tokens > 0)?;
        Some(format!("{name} {}", grouped(tokens.into())))
    });
    SplitCell {
        tokens: Count::metric(tokens),
        modalities: shown.collect::<Vec<_>>().join(", "),
    }
}

fn identity(stored: &StoredEvent) -> Vec<Fact> {
    let event = &stored.event;
    let mut facts = vec![
        Fact::new("Account", Html::text(&event.account.to_string())),
        Fact::new("Endpoint", Html::text(event.endpoint.as_str())),
        Fact::new("Window start", Html::code(&format_instant(event.window.start()))),
        Fact::new("Window end", Html::code(&format_instant(event.window.end()))),
    ];
    for dimension in event.endpoint.dimensions().iter() {
        let value = match event.dimensions.get(dimension) {
            Some(value) => Html::code(value),
            None => Html::of(Count(None)),
        };
        facts.push(Fact::new(dimension.as_str(), value));
    }
    facts
}

fn metrics(stored: &StoredEvent) -> Vec<Fact> {
    let reported = stored.event.endpoint.metrics().iter();
    let shown = reported.map(|metric: &Metric| {
        Fact::new(
            metric.as_str(),
            Html::of(Count::metric(stored.event.metrics.get(*metric))),
        )
    });
    shown.collect()
}

fn history(stored: &StoredEvent, restated_at: Option<DateTime<Utc>>) -> Vec<Fact> {
    let price = stored.price;
    let mut facts = vec![Fact::new(
        "Cost, estimated",
        match price.and_then(|price| price.cost) {
            Some(cost) => Html::code(&format!("${cost}")),
            None => Html::of(Dollars::unpriced()),
        },
    )];
    if let Some(price) = price {
        facts.push(Fact::new(
            "Price record",
            Html::text(&price.price_ref.to_string()),
        ));
    }
    facts.push(Fact::new(
        "First stored",
        Html::of(At(Some(stored.first_stored_at))),
    ));
    let restated = match restated_at {
        Some(at) => Html::of(At(Some(at))),
        None => Html::text("never"),
    };
    facts.push(Fact::new("Last restated", restated));
    facts.push(Fact::new("Revision", Html::text(&stored.revision.to_string())));
    let run = stored.run_id;
    facts.push(Fact::new(
        "Run",
        Html::link(&format!("/runs/{run}"), &run.to_string()),
    ));
    facts
}
