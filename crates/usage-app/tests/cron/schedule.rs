//! Waiting for the schedule.

use std::time::Duration;

use tokio::sync::watch;
use usage_app::cron::{AccountOutcome, PassOptions, Schedule, ServeOptions, Tick, serve_schedule};
use usage_core::{Account, Provider, format_instant};

use crate::world::World;

fn daily() -> ServeOptions {
    ServeOptions {
        schedule: Schedule::cron("0 2 * * *", None).unwrap(),
        jitter: Duration::ZERO,
        catch_up: true,
    }
}

/// Whether a process that starts now would make up for a pass.
pub(crate) async fn is_missed(world: &World) -> bool {
    let mut is_missed = false;
    let ledger = world.ledger().await;
    // Told to stop from the start, so only what is made up for comes.
    let stopped = watch::channel(true).1;
    serve_schedule(world.clock.as_ref(), &ledger, &daily(), stopped, async |_| {
        is_missed = true;
        false
    })
    .await
    .unwrap();
    is_missed
}

/// The pass that is made up for reads what the last one should have; further ticks wait their turn.
pub(crate) async fn a_missed_pass_is_made_up_for_once(world: World) {
    let ledger = world.ledger().await;
    // Told to stop from the start, so only what is made up for comes.
    let made_up_for = async || {
        let mut ticks: Vec<Tick> = Vec::new();
        let stopped = watch::channel(true).1;
        serve_schedule(world.clock.as_ref(), &ledger, &daily(), stopped, async |tick| {
            ticks.push(tick);
            let options = PassOptions {
                due: Some(tick.due),
                ..world.options()
            };
            world.pass_with(&options).await.unwrap();
            true
        })
        .await
        .unwrap();
        ticks
    };
    // A new ledger has missed nothing, whatever time it is.
    assert_eq!(made_up_for().await, []);
    world.pass().await;
    assert_eq!(made_up_for().await, []);
    // Three days later, three passes were due; one stands for all.
    world.set("2025-10-13T03:00:00Z");
    let ticks = made_up_for().await;
    let due: Vec<String> = ticks.iter().map(|tick| format_instant(tick.due)).collect();
    assert_eq!(due, ["2025-10-13T02:00:00Z"]);
    assert!(ticks[0].late);
    assert_eq!(made_up_for().await, []);
}

/// A process that was killed between two accounts has missed the pass for the second.
pub(crate) async fn an_account_that_was_not_reached_is_made_up_for(world: World) {
    world.add_key("org-second").await;
    world.pass().await;
    world.set("2025-10-11T02:00:00Z");
    let only_first = PassOptions {
        accounts: vec![Account::new(Provider::OpenAi, "org-cron").unwrap()],
        ..world.options()
    };
    world.pass_with(&only_first).await.unwrap();
    let ledger = world.ledger().await;
    let mut reports = Vec::new();
    for _ in 0..2 {
        let stopped = watch::channel(true).1;
        serve_schedule(world.clock.as_ref(), &ledger, &daily(), stopped, async |tick| {
            let options = PassOptions {
                due: Some(tick.due),
                ..world.options()
            };
            reports.push(world.pass_with(&options).await.unwrap());
            true
        })
        .await
        .unwrap();
    }
    assert_eq!(reports.len(), 1, "{reports:#?}");
    let outcomes: Vec<AccountOutcome> = reports[0]
        .accounts
        .iter()
        .map(|account| account.outcome)
        .collect();
    assert_eq!(outcomes, [AccountOutcome::DoneElsewhere, AccountOutcome::Clean]);
}

/// A clock that is set forward while a pass works lets several ticks go by: one pass stands for them, due at the last.
pub(crate) async fn a_clock_that_jumps_forward_makes_one_pass(world: World) {
    world.pass().await;
    world.set("2025-10-11T02:30:00Z");
    let ledger = world.ledger().await;
    let (stop, stopped) = watch::channel(false);
    let mut ticks: Vec<Tick> = Vec::new();
    serve_schedule(world.clock.as_ref(), &ledger, &daily(), stopped, async |tick| {
        ticks.push(tick);
        if ticks.len() == 1 {
            world.set("2025-10-20T02:00:00Z");
        } else {
            stop.send_replace(true);
        }
        true
    })
    .await
    .unwrap();
    let due: Vec<String> = ticks.iter().map(|tick| format_instant(tick.due)).collect();
    assert_eq!(due, ["2025-10-11T02:00:00Z", "2025-10-20T02:00:00Z"]);
}

/// A clock that jumps to a wrong year and is set right again: the next pass is due by the right time, and what was read in
/// between counts for nothing.
pub(crate) async fn a_clock_that_is_set_back_is_followed(world: World) {
    world.pass().await;
    world.set("2025-10-11T02:30:00Z");
    let ledger = world.ledger().await;
    let (stop, stopped) = watch::channel(false);
    let mut ticks: Vec<Tick> = Vec::new();
    serve_schedule(world.clock.as_ref(), &ledger, &daily(), stopped, async |tick| {
        ticks.push(tick);
        match ticks.len() {
            // Made up for at the start, and in the middle of it the clock is wrong.
            1 => world.set("2027-01-01T03:00:00Z"),
            2 => {
                let wrong = PassOptions {
                    due: Some(tick.due),
                    ..world.options()
                };
                world.pass_with(&wrong).await.unwrap();
                world.set("2025-10-12T01:59:59Z");
                // Time goes on while it waits.
                let clock = world.clock.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    clock.set(usage_core::parse_instant("2025-10-12T02:00:00Z").unwrap());
                });
            }
            _ => drop(stop.send_replace(true)),
        }
        true
    })
    .await
    .unwrap();
    let due: Vec<String> = ticks.iter().map(|tick| format_instant(tick.due)).collect();
    assert_eq!(
        due,
        [
            "2025-10-11T02:00:00Z",
            "2027-01-01T02:00:00Z",
            "2025-10-12T02:00:00Z"
        ]
    );
}
