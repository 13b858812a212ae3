//! The price of an event: given when it is written, kept with it, changed only when an operator asks.

use std::sync::Arc;

use usage_core::{Dimensions, Metrics, NanoUsd, UsageRow};
use usage_store::{
    AccountScope, EventQuery, Ledger, PriceRecord, PricingNote, Reprice, Repriced, RevisionKind, RowPrice,
    RowPricer, RowToPrice, StoredEvent, WindowOutcome,
};

use crate::fixture::{Fixture, day, rows};

const SETTLED: &str = "2025-10-10T00:00:00Z";
const LATER: &str = "2025-10-11T00:00:00Z";

/// A price list with one rate for a token of any model but those whose name begins with `unknown`.
pub(crate) struct Flat {
    version: &'static str,
    rate: i64,
}

impl Flat {
    pub(crate) fn of(version: &'static str, rate: i64) -> Arc<dyn RowPricer> {
        Arc::new(Self { version, rate })
    }
}

impl RowPricer for Flat {
    fn price(&self, row: &RowToPrice<'_>) -> RowPrice {
        let model = row.dimensions.model.as_deref().unwrap_or_default();
        let (price_id, record) = if model.starts_with("unknown") {
            (format!("none/{model}"), "none".to_owned())
        } else {
            (format!("flat/{}", self.rate), self.rate.to_string())
        };
        let record = Arc::new(PriceRecord {
            price_id,
            catalogue_version: self.version.to_owned(),
            record,
        });
        self.price_again(&record, row).unwrap()
    }

    fn price_again(&self, record: &Arc<PriceRecord>, row: &RowToPrice<'_>) -> Result<RowPrice, String> {
        let cost = match record.record.as_str() {
            "none" => None,
            rate => {
                let rate: i64 = rate.parse().map_err(|_| format!("`{rate}` is no rate"))?;
                Some(NanoUsd::new(rate * row.metrics.input_tokens.unwrap_or(0)))
            }
        };
        Ok(RowPrice {
            note: cost
                .is_none()
                .then(|| Arc::new(PricingNote::Unpriced(format!("no price for {}", record.price_id)))),
            cost,
            record: record.clone(),
        })
    }
}

fn row(model: &str, tokens: i64) -> UsageRow {
    UsageRow {
        dimensions: Dimensions {
            model: Some(model.to_owned()),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(tokens),
            output_tokens: Some(0),
            ..Metrics::default()
        },
    }
}

async fn write(fixture: &Fixture, ledger: &Ledger, started_at: &str, of_day: Vec<UsageRow>) -> WindowOutcome {
    let read = fixture.read(started_at, vec![rows(day("2025-09-01"), of_day)]);
    let mut outcomes = ledger.replace_windows(&fixture.lease, read).await.unwrap();
    outcomes.remove(0)
}

async fn events(ledger: &Ledger) -> Vec<StoredEvent> {
    let mut events = ledger
        .all_events(EventQuery::daily(AccountScope::All))
        .await
        .unwrap();
    events.sort_by(|left, right| left.event.dimensions.cmp(&right.event.dimensions));
    events
}

/// Model, cost, price and version of every event.
async fn prices(ledger: &Ledger) -> Vec<(String, Option<i64>, String, String)> {
    let records = ledger.price_records().await.unwrap();
    events(ledger)
        .await
        .into_iter()
        .map(|stored| {
            let price = stored.price.unwrap();
            let record = &records[&price.price_ref];
            (
                stored.event.dimensions.model.unwrap(),
                price.cost.map(NanoUsd::get),
                record.price_id.clone(),
                record.catalogue_version.clone(),
            )
        })
        .collect()
}

fn priced(model: &str, cost: i64, price: &str, version: &str) -> (String, Option<i64>, String, String) {
    (model.to_owned(), Some(cost), price.to_owned(), version.to_owned())
}

pub(crate) async fn a_changed_row_keeps_its_price_list_and_an_unchanged_one_its_price(fixture: &Fixture) {
    let first = fixture.ledger.clone().with_pricer(Flat::of("v1", 10));
    let outcome = write(fixture, &first, SETTLED, vec![row("a", 5), row("b", 7)]).await;
    assert!(outcome.pricing.is_empty());
    assert_eq!(
        prices(&first).await,
        [priced("a", 50, "flat/10", "v1"), priced("b", 70, "flat/10", "v1")]
    );

    // The price list is another one by now: only what is new has its price.
    let second = fixture.ledger.clone().with_pricer(Flat::of("v2", 99));
    write(
        fixture,
        &second,
        LATER,
        vec![row("a", 5), row("b", 8), row("c", 1)],
    )
    .await;
    assert_eq!(
        prices(&second).await,
        [
            priced("a", 50, "flat/10", "v1"),
            priced("b", 80, "flat/10", "v1"),
            priced("c", 99, "flat/99", "v2"),
        ]
    );
    let revisions = fixture.ledger.revisions(AccountScope::All).await.unwrap();
    let changed = revisions
        .iter()
        .find(|revision| revision.kind == RevisionKind::Changed)
        .unwrap();
    assert_eq!(changed.before.price.unwrap().cost, Some(NanoUsd::new(70)));
    let added = revisions
        .iter()
        .find(|revision| revision.kind == RevisionKind::Added)
        .unwrap();
    assert_eq!(added.before.price, None);
    assert_eq!(fixture.ledger.check_integrity().await.unwrap().findings, []);
}

pub(crate) async fn an_unpriced_row_is_counted_and_never_free(fixture: &Fixture) {
    let ledger = fixture.ledger.clone().with_pricer(Flat::of("v1", 10));
    let three = vec![row("a", 5), row("unknown-x", 7), row("unknown-y", 7)];
    let outcome = write(fixture, &ledger, SETTLED, three).await;
    let notes: Vec<(&PricingNote, u64)> = outcome.pricing.iter().map(|(note, rows)| (note, *rows)).collect();
    assert_eq!(
        notes,
        [
            (
                &PricingNote::Unpriced("no price for none/unknown-x".to_owned()),
                1
            ),
            (
                &PricingNote::Unpriced("no price for none/unknown-y".to_owned()),
                1
            ),
        ]
    );
    let costs: Vec<Option<i64>> = prices(&ledger).await.into_iter().map(|price| price.1).collect();
    assert_eq!(costs, [Some(50), None, None]);
    let seen = fixture.sql("SELECT sum(cost_nano_usd), sum(unpriced_events) FROM usage_daily");
    assert_eq!(seen, "50|2");
}

pub(crate) async fn rows_from_before_prices_are_priced_when_asked(fixture: &Fixture) {
    write(
        fixture,
        &fixture.ledger,
        SETTLED,
        vec![row("a", 5), row("unknown-x", 2)],
    )
    .await;
    assert!(
        events(&fixture.ledger)
            .await
            .iter()
            .all(|stored| stored.price.is_none())
    );

    let ledger = fixture.ledger.clone().with_pricer(Flat::of("v1", 10));
    let reprice = |dry_run| Reprice {
        account: fixture.account.clone(),
        endpoint: fixture.scope().endpoint,
        windows: usage_core::WindowRange::of(day("2025-09-01")),
        run_id: 2,
        dry_run,
    };
    let mut would = Repriced::default();
    ledger
        .reprice(&fixture.lease, reprice(true), &mut would)
        .await
        .unwrap();
    assert!(
        events(&ledger).await.iter().all(|stored| stored.price.is_none()),
        "a dry run"
    );
    let mut did = Repriced::default();
    ledger
        .reprice(&fixture.lease, reprice(false), &mut did)
        .await
        .unwrap();
    assert_eq!(would, did);
    assert_eq!((did.events, did.changed()), (2, 2));
    let sums: Vec<(u64, i128, i128, u64)> = did
        .changes
        .values()
        .map(|sums| (sums.events, sums.before, sums.after, sums.unpriced_after))
        .collect();
    assert_eq!(sums, [(1, 0, 50, 0), (1, 0, 0, 1)]);

    // Again, it changes nothing; another rate changes what it prices, and the old price is kept.
    let mut again = Repriced::default();
    ledger
        .reprice(&fixture.lease, reprice(false), &mut again)
        .await
        .unwrap();
    assert_eq!(again.changed(), 0);
    let dearer = fixture.ledger.clone().with_pricer(Flat::of("v2", 11));
    let mut did = Repriced::default();
    dearer
        .reprice(&fixture.lease, reprice(false), &mut did)
        .await
        .unwrap();
    assert_eq!(did.changed(), 1);
    assert_eq!(prices(&dearer).await[0], priced("a", 55, "flat/11", "v2"));
    let stored = events(&dearer).await.remove(0);
    assert_eq!(
        (stored.revision, stored.run_id),
        (3, 1),
        "its numbers are those of the first run"
    );
    let kept: Vec<Option<i64>> = fixture
        .ledger
        .revisions(AccountScope::All)
        .await
        .unwrap()
        .iter()
        .filter(|revision| {
            revision.kind == RevisionKind::Repriced
                && revision.before.event.dimensions.model.as_deref() == Some("a")
        })
        .map(|revision| {
            revision
                .before
                .price
                .and_then(|price| price.cost)
                .map(NanoUsd::get)
        })
        .collect();
    assert_eq!(kept, [None, Some(50)]);
    assert_eq!(
        fixture
            .ledger
            .window_changes(&fixture.account, fixture.scope().endpoint, day("2025-09-01"))
            .await
            .unwrap(),
        [],
        "a new price is no restatement of the provider's"
    );
}
