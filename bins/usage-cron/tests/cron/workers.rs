//! Several processes at once.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::place::{DAYS, Place, provider};
use crate::shared::{DatabaseKind, eventually, finished, signal};

const ACCOUNTS: [&str; 4] = ["org-a", "org-b", "org-c", "org-d"];
const ENDPOINTS: [&str; 6] = [
    "run",
    "--format",
    "json",
    "--endpoint",
    "completions",
    "--due=2000-01-01T00:00:00Z",
];

/// The one that is killed is killed before it has stored anything, and its account is read by another one.
pub(crate) fn three_workers_share_four_accounts_and_a_killed_one_is_replaced(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &ACCOUNTS);
    // The first worker is kept waiting by the provider, and killed while it has a lease.
    provider.simulator.fail_next(1, 429, Some("600"));
    let mut victim = place.start(&ENDPOINTS);
    provider.wait_for(|requests| !requests.is_empty());
    let others = [(); 2].map(|()| place.start(&ENDPOINTS));
    eventually("the others have read what is free", || {
        place.database.count("usage_coverage") == 3 * 36
    });
    signal(&victim, "KILL");
    victim.wait().unwrap();
    let sent_by_the_dead = 1;
    let reports: Vec<Value> = others
        .into_iter()
        .map(|child| finished(child).succeeds().json())
        .collect();
    for report in &reports {
        assert_eq!(report["success"], true, "{report:#}");
    }
    // Every account was worked on by exactly one of the two.
    let mut worked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for account in reports
        .iter()
        .flat_map(|report| report["accounts"].as_array().unwrap())
    {
        worked
            .entry(account["account"].as_str().unwrap())
            .or_default()
            .push(account["outcome"].as_str().unwrap());
    }
    assert_eq!(worked.len(), 4);
    for (account, mut outcomes) in worked {
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["clean", "doneElsewhere"], "{account}");
    }
    assert_eq!(place.database.count("usage_coverage"), 4 * 36);
    assert_eq!(place.database.count("usage_events"), 4 * 6 * i64::from(DAYS));
    assert_eq!(place.database.count("usage_revisions"), 0);
    let requests = provider.simulator.requests();
    let usage = requests
        .iter()
        .filter(|request| request.path.contains("/usage/"))
        .count();
    let planned: u64 = reports
        .iter()
        .map(|report| report["plannedRequests"].as_u64().unwrap())
        .sum();
    assert_eq!(
        usage as u64,
        planned + sent_by_the_dead,
        "no request beyond the plan"
    );
    assert_eq!(place.database.count("runs WHERE status = 'interrupted'"), 1);
    assert_eq!(place.database.count("runs WHERE status = 'succeeded'"), 4);
}

/// Whoever works on it goes on; whoever came second waits for a lease, says so and ends in order.
pub(crate) fn a_lease_that_stays_held_is_skipped(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    provider.simulator.fail_next(1, 429, Some("600"));
    let mut first = place.start(&ENDPOINTS);
    provider.wait_for(|requests| !requests.is_empty());
    let second = place.run(&ENDPOINTS).succeeds().json();
    assert_eq!(second["skipped"], "leaseHeld", "{second:#}");
    assert_eq!(second["success"], false);
    assert_eq!(second["accounts"][0]["outcome"], "leaseHeld");
    signal(&first, "KILL");
    first.wait().unwrap();
}
