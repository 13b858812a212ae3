//! Every endpoint at every width: the same usage, however it is cut, and never two cuts in one sum.

use chrono::TimeDelta;
use usage_core::{Dimension, Dimensions, Endpoint, Metrics, Width};
use usage_simulator::Organization;
use usage_store::{AccountScope, EventQuery, EventTotals};

use crate::world::{Database, Job, World, assert_clean, day, days};

const DAY: &str = "2025-09-02";

pub(crate) async fn a_day_read_at_all_three_widths_sums_to_the_same(database: Database) {
    let world = World::of(busy_organization(), database).await;
    for width in [Width::Day, Width::Hour, Width::Minute] {
        let report = world
            .run(&Job {
                width,
                endpoints: Endpoint::USAGE.to_vec(),
                ..Job::days(DAY, DAY)
            })
            .await;
        assert_clean(&report);
    }
    for endpoint in Endpoint::USAGE {
        let truth = world
            .simulator
            .inspect(|organization| organization.usage(endpoint).totals(days(DAY, DAY)));
        let [by_day, by_hour, by_minute] = [
            totals(&world, endpoint, Width::Day).await,
            totals(&world, endpoint, Width::Hour).await,
            totals(&world, endpoint, Width::Minute).await,
        ];
        for metric in endpoint.required_metrics() {
            assert!(
                by_day.metrics.get(*metric).is_some_and(|sum| sum > 0),
                "{endpoint} {metric}"
            );
        }
        for sums in [&by_day, &by_hour, &by_minute] {
            assert_eq!(sums.metrics, truth.metrics, "{endpoint}");
        }
        assert_eq!(
            [&by_day, &by_hour, &by_minute].map(|sums| (sums.events, sums.windows_with_usage)),
            [(2, 1), (6, 3), (8, 4)],
            "{endpoint}"
        );
    }

    // A restated hour changes hours, and nothing else until the others are read again.
    let before = world.snapshot().await;
    world.restate(DAY, 200);
    assert_clean(
        &world
            .run(&Job {
                width: Width::Hour,
                ..Job::again(DAY, DAY)
            })
            .await,
    );
    let [by_day, by_hour] = [
        totals(&world, Endpoint::Completions, Width::Day).await,
        totals(&world, Endpoint::Completions, Width::Hour).await,
    ];
    assert_eq!(
        by_hour.metrics.num_model_requests.unwrap(),
        2 * by_day.metrics.num_model_requests.unwrap()
    );
    let events = format!("{:#?}", world.events().await);
    assert!(before.starts_with(&events), "the daily events stand as they were");
}

async fn totals(world: &World, endpoint: Endpoint, width: Width) -> EventTotals {
    let query = EventQuery {
        endpoint: Some(endpoint),
        width,
        ..EventQuery::daily(AccountScope::All)
    };
    world.ledger.totals(query).await.unwrap()
}

/// Two groups of each endpoint, in four minutes of three hours of the day.
fn busy_organization() -> Organization {
    let mut organization = Organization::new("org-first");
    let midnight = day(DAY).start();
    for endpoint in Endpoint::USAGE {
        for (number, minute) in (1_i64..).zip([0, 59, 60, 1_439]) {
            for group in ["a", "b"] {
                organization.usage_mut(endpoint).add(
                    midnight + TimeDelta::minutes(minute),
                    &dimensions(endpoint, group),
                    &metrics(endpoint, number),
                );
            }
        }
    }
    organization.invent_directory();
    organization
}

fn dimensions(endpoint: Endpoint, group: &str) -> Dimensions {
    let mut dimensions = Dimensions::default();
    for dimension in endpoint.dimensions().iter() {
        match dimensions.text_mut(dimension) {
            Some(place) if dimension == Dimension::ProjectId => *place = Some(format!("proj_{group}")),
            Some(place) => *place = Some(format!("{dimension}-{group}")),
            None => dimensions.batch = Some(false),
        }
    }
    dimensions
}

/// Numbers in which the provider's identities hold: everything is uncached text.
fn metrics(endpoint: Endpoint, number: i64) -> Metrics {
    let mut metrics = Metrics::default();
    for metric in endpoint.required_metrics() {
        *metrics.get_mut(*metric) = Some(number * 10);
    }
    metrics
}
