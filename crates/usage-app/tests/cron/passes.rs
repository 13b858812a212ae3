//! Passes that are asked for, beside those of the schedule.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use usage_app::cron::{AccountOutcome, Passes, Surroundings};
use usage_core::{Clock as _, format_instant};
use usage_ingest::LEASE_DURATION;
use usage_store::{AccountScope, LeaseAttempt};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::world::{ORGANIZATION, World};

fn passes(world: &World, stop: watch::Receiver<bool>) -> Passes {
    Passes::new(world.app.clone(), world.options(), Surroundings::default(), stop)
}

/// The provider keeps the first one waiting, so that the others surely come while it is under way.
pub(crate) async fn whoever_asks_during_a_pass_gets_its_result(world: World) {
    let (stop, stopped) = watch::channel(false);
    let passes = passes(&world, stopped);
    world.simulator.fail_next(1, 429, Some("600"));
    let (first, second, third, ()) = tokio::join!(
        passes.requested(),
        passes.requested(),
        passes.requested(),
        async {
            while world.requests() == 0 {
                tokio::task::yield_now().await;
            }
            stop.send_replace(true);
        }
    );
    let first = first.unwrap();
    assert_eq!(first.accounts[0].outcome, AccountOutcome::Failed, "{first}");
    assert!(Arc::ptr_eq(&first, &second.unwrap()) && Arc::ptr_eq(&first, &third.unwrap()));
    // Whoever asks afterwards gets a pass of their own, which has nothing to do any more.
    let later = passes.requested().await.unwrap();
    assert_eq!(later.accounts[0].outcome, AccountOutcome::Stopped, "{later}");
}

/// A pass that is due while one is under way comes after it, and reads nothing twice.
pub(crate) async fn a_scheduled_pass_waits_for_one_that_was_asked_for(world: World) {
    let passes = passes(&world, watch::channel(false).1);
    let due = world.clock.now();
    let (asked, scheduled) = tokio::join!(passes.requested(), passes.scheduled(due));
    let (asked, scheduled) = (asked.unwrap(), scheduled.unwrap());
    assert_eq!(asked.accounts[0].outcome, AccountOutcome::Clean, "{asked}");
    assert_eq!(
        scheduled.accounts[0].outcome,
        AccountOutcome::DoneElsewhere,
        "{scheduled}"
    );
    assert_eq!(scheduled.due, format_instant(due));
    assert_eq!(scheduled.telemetry.counters.requests, 0, "{scheduled}");
}

/// The other way round: what is asked for is under way already.
pub(crate) async fn a_pass_that_is_asked_for_is_the_scheduled_one_under_way(world: World) {
    let passes = passes(&world, watch::channel(false).1);
    let due = world.clock.now();
    let (scheduled, asked) = tokio::join!(passes.scheduled(due), passes.requested());
    assert!(Arc::ptr_eq(&scheduled.unwrap(), &asked.unwrap()));
}

/// Whoever holds the account goes on for longer than a pass waits for it, and is never heard of again.
pub(crate) async fn an_account_is_looked_at_until_whoever_held_it_is_done_or_dead(world: World) {
    let passes = passes(&world, watch::channel(false).1);
    let ledger = world.ledger().await;
    let account = ledger.accounts(AccountScope::All).await.unwrap()[0].id;
    let held_for = LEASE_DURATION + Duration::from_secs(5);
    let lease = ledger.acquire_lease(account, "elsewhere/1", held_for, None).await;
    assert!(matches!(lease.unwrap(), LeaseAttempt::Acquired(_)));
    let due = world.clock.now();
    passes.scheduled_to_the_end(due, None).await;
    assert!(world.stored().await > 0, "the account was never read");
    let again = passes.scheduled(due).await.unwrap();
    assert_eq!(
        again.accounts[0].outcome,
        AccountOutcome::DoneElsewhere,
        "{again}"
    );
}

/// The next pass is due before that.
pub(crate) async fn an_account_is_looked_at_no_longer_than_until_the_next_pass(world: World) {
    let passes = passes(&world, watch::channel(false).1);
    let ledger = world.ledger().await;
    let account = ledger.accounts(AccountScope::All).await.unwrap()[0].id;
    let lease = ledger
        .acquire_lease(account, "elsewhere/1", 10 * LEASE_DURATION, None)
        .await;
    assert!(matches!(lease.unwrap(), LeaseAttempt::Acquired(_)));
    let due = world.clock.now();
    passes.scheduled_to_the_end(due, Some(due)).await;
    assert_eq!(world.stored().await, 0);
}

pub(crate) async fn whoever_waits_for_a_pass_that_cannot_be_run_is_told_why(world: World) {
    let passes = passes(&world, watch::channel(false).1);
    let ledger = world.ledger().await;
    for key in ledger.keys().await.unwrap() {
        ledger.remove_key(key.id).await.unwrap();
    }
    let (first, second) = tokio::join!(passes.requested(), passes.requested());
    let (first, second) = (first.unwrap_err(), second.unwrap_err());
    assert!(
        first.to_string().starts_with("no usable provider key; "),
        "{first}"
    );
    assert!(Arc::ptr_eq(&first, &second));
}

/// A pass that cannot be run at all opens an incident of its own, of which people are told once; the next one that runs ends
/// it.
pub(crate) async fn a_pass_that_cannot_be_run_is_told_of(world: World) {
    let webhook = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(204))
        .mount(&webhook)
        .await;
    let world = world.telling(&webhook.uri());
    let told = async || -> Vec<(String, String)> {
        let requests = webhook.received_requests().await.unwrap();
        let bodies = requests
            .iter()
            .map(|request| request.body_json::<Value>().unwrap());
        let text = |body: &Value, name: &str| body[name].as_str().unwrap().to_owned();
        bodies
            .map(|body| (text(&body, "event"), text(&body, "subject")))
            .collect()
    };
    let ledger = world.ledger().await;
    for key in ledger.keys().await.unwrap() {
        ledger.remove_key(key.id).await.unwrap();
    }
    let passes = passes(&world, watch::channel(false).1);
    passes.requested().await.unwrap_err();
    passes.requested().await.unwrap_err();
    let opened = ("incident.opened".to_owned(), "cron pass".to_owned());
    assert_eq!(told().await, std::slice::from_ref(&opened));
    world.add_key(ORGANIZATION).await;
    world.set("2025-10-10T03:00:00Z");
    assert!(passes.requested().await.unwrap().success);
    assert_eq!(
        told().await,
        [opened, ("incident.ended".to_owned(), "cron pass".to_owned())]
    );
}
