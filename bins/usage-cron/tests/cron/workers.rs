//! Several processes at once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use usage_core::{Endpoint, WindowRange};
use usage_simulator::{AdminKey, LoggedRequest, Simulator, SimulatorBuilder};

use crate::place::{Place, every_endpoint, first_day, provider, yesterday};
use crate::shared::{Database, DatabaseKind, Provider, eventually, finished, signal};

const ACCOUNTS: [&str; 4] = ["org-a", "org-b", "org-c", "org-d"];
const ENDPOINTS: [Endpoint; 3] = [Endpoint::Completions, Endpoint::Embeddings, Endpoint::Images];
/// The horizon, and today.
const DAYS: i64 = 36;
const RUN: [&str; 10] = [
    "run",
    "--format",
    "json",
    "--endpoint",
    "completions",
    "--endpoint",
    "embeddings",
    "--endpoint",
    "images",
    "--due=2000-01-01T00:00:00Z",
];
const ENDPOINTS_OF_ONE: [&str; 6] = [
    "run",
    "--format",
    "json",
    "--endpoint",
    "completions",
    "--due=2000-01-01T00:00:00Z",
];

/// One of three is killed in the middle of an account: what it had stored is not read again, the rest is read by another
/// worker, and the provider is asked for nothing beyond the plan but what the dead one had not stored. On PostgreSQL the dead
/// one is on another host, so that nobody sees it dead and its lease has to end.
pub(crate) fn three_workers_share_four_accounts_and_a_killed_one_is_replaced(kind: DatabaseKind) {
    let keys = ACCOUNTS.map(|account| AdminKey::owner(secret(account)).labelled(account));
    let builder = Simulator::builder().organization(every_endpoint());
    let provider = Provider::start(keys.into_iter().fold(builder, SimulatorBuilder::key));
    let place = Place::new(kind, &provider, &[]);
    for account in ACCOUNTS {
        place.add_key(account, &secret(account));
    }
    // The first worker is kept waiting by the provider in the middle of its third read of six: each takes two requests.
    provider.simulator.pass_next(5);
    provider.simulator.fail_next(1, 429, Some("600"));
    let mut victim = place.start(&RUN);
    provider.wait_for(|requests| requests.iter().any(|request| request.status == 429));
    let of_the_dead = account_of_the_dead(&provider);
    let others = [(); 2].map(|()| place.start(&RUN));
    let whole = DAYS * i64::try_from(ENDPOINTS.len()).unwrap();
    eventually("the others have read what is free", || {
        place.database.count("runs WHERE status = 'succeeded'") == 3
    });
    signal(&victim, "KILL");
    victim.wait().unwrap();
    let stored = place.database.count("usage_coverage") - 3 * whole;
    assert_eq!(stored, DAYS, "one endpoint of three");
    let before = provider.simulator.requests().len();
    let is_elsewhere = matches!(&place.database, Database::Postgres(_));
    if let Database::Postgres(database) = &place.database {
        // As if it had run on another host.
        database.execute("UPDATE leases SET holder = 'elsewhere' || holder WHERE expires_at_ms > 0");
        database.execute("UPDATE runs SET holder = 'elsewhere' || holder WHERE status = 'running'");
    }

    let reports: Vec<Value> = others
        .into_iter()
        .map(|child| finished(child).succeeds().json())
        .collect();
    for report in &reports {
        assert_eq!(report["success"], true, "{report:#}");
    }
    // Every account was worked on by exactly one of the two.
    let mut worked: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for account in reports
        .iter()
        .flat_map(|report| report["accounts"].as_array().unwrap())
    {
        let outcome = account["outcome"].as_str().unwrap();
        let planned = account["plannedRequests"].as_u64().unwrap();
        let name = account["account"]
            .as_str()
            .unwrap()
            .strip_prefix("openai/")
            .unwrap();
        worked.entry(name).or_default().push((outcome, planned));
    }
    let requests: Vec<LoggedRequest> = provider.simulator.requests();
    let mut asked_twice = 0;
    for account in ACCOUNTS {
        let mut outcomes = worked[account].clone();
        outcomes.sort_unstable();
        let [("clean", planned), ("doneElsewhere", _)] = outcomes[..] else {
            panic!("{account}: {outcomes:?}");
        };
        let of_account = |from: usize| {
            let usage = requests.iter().skip(from);
            usage
                .filter(|request| request.key.as_deref() == Some(account) && request.path.contains("/usage/"))
        };
        let from = if account == of_the_dead { before } else { 0 };
        assert_eq!(
            of_account(from).count() as u64,
            planned,
            "{account}: no request beyond the plan"
        );
        // The same page twice only if nothing of it had been stored.
        let mut pages = BTreeSet::new();
        for request in of_account(0).filter(|request| request.status == 200) {
            if pages.insert((request.path.clone(), request.query.clone())) {
                continue;
            }
            assert_eq!(account, of_the_dead);
            asked_twice += 1;
            let start = request.value("start_time").unwrap();
            let endpoint = request.path.rsplit('/').next().unwrap();
            let by_the_dead = format!(
                "usage_coverage WHERE window_start = {start} AND endpoint = '{endpoint}' AND run_id = (SELECT min(id) FROM runs)"
            );
            assert_eq!(place.database.count(&by_the_dead), 0, "{request:?} was stored");
        }
    }
    assert!(asked_twice <= 2, "one page, and its control total: {asked_twice}");

    assert_eq!(place.database.count("usage_coverage"), 4 * whole);
    let by_the_dead = "usage_coverage WHERE run_id = (SELECT min(id) FROM runs)";
    assert_eq!(
        place.database.count(by_the_dead),
        stored,
        "what it had stored stands"
    );
    let days = WindowRange::days(first_day(), yesterday()).unwrap();
    let groups: usize = provider.simulator.inspect(|organization| {
        let groups = ENDPOINTS.map(|endpoint| organization.usage(endpoint).totals(days).rows);
        groups.iter().sum()
    });
    assert_eq!(
        place.database.count("usage_events"),
        4 * i64::try_from(groups).unwrap()
    );
    assert_eq!(place.database.count("usage_revisions"), 0);
    let running = i64::from(is_elsewhere);
    assert_eq!(place.database.count("runs WHERE status = 'running'"), running);
    assert_eq!(
        place.database.count("runs WHERE status = 'interrupted'"),
        1 - running
    );
    assert_eq!(place.database.count("runs WHERE status = 'succeeded'"), 4);
}

/// Each account has a key of its own, so that the provider's log tells them apart.
fn secret(account: &str) -> String {
    format!("sk-admin-test-not-a-real-key-{account}")
}

/// Whose key the worker that is kept waiting uses.
fn account_of_the_dead(provider: &Provider) -> String {
    let requests = provider.simulator.requests();
    let waits = requests.iter().find(|request| request.status == 429);
    waits.and_then(|request| request.key.clone()).unwrap()
}

/// Whoever works on it goes on; whoever came second waits for a lease, says so and ends in order.
pub(crate) fn a_lease_that_stays_held_is_skipped(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    provider.simulator.fail_next(1, 429, Some("600"));
    let mut first = place.start(&ENDPOINTS_OF_ONE);
    provider.wait_for(|requests| !requests.is_empty());
    let second = place.run(&ENDPOINTS_OF_ONE).succeeds().json();
    assert_eq!(second["skipped"], "leaseHeld", "{second:#}");
    assert_eq!(second["success"], false);
    assert_eq!(second["accounts"][0]["outcome"], "leaseHeld");
    signal(&first, "KILL");
    first.wait().unwrap();
}
