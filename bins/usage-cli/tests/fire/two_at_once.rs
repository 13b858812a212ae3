//! Two backfills of one account at once.

use std::process::Child;

use usage_testkit::Proxy;

use crate::fixture::{BACKFILL, DatabaseKind, Finished, Place, Provider, finished};

/// How often each story is told, all of them at once.
const TIMES: usize = 10;

/// The first to have the lease is kept waiting by its provider for longer than anybody waits for a lease.
pub(crate) fn one_works_and_the_other_reports_the_lease(kind: DatabaseKind) {
    let provider = Provider::with_groups(8);
    let truth = provider.truth();
    at_once(|| {
        let proxy = Proxy::to(provider.address());
        let mut place = Place::with_key(kind, &provider);
        place.base_url = proxy.lead(&place.base_url);
        proxy.hold();
        let [mut first, second] = two_backfills(&place);
        // Whoever ends while the provider says nothing is the one that did not get the lease.
        let mut second = Some(second);
        let mut refused = None;
        crate::fixture::eventually("one of the two gives up", || {
            if first.try_wait().unwrap().is_some() {
                let working = second.take().unwrap();
                refused = Some(std::mem::replace(&mut first, working));
            } else if second.as_mut().unwrap().try_wait().unwrap().is_some() {
                refused = second.take();
            }
            refused.is_some()
        });
        let refused = finished(refused.unwrap()).ends_with(2);
        proxy.mend();
        let worked = finished(first).succeeds();

        let lines: Vec<&str> = refused.stderr.lines().collect();
        assert!(
            lines.len() == 2
                && is_waiting(lines[0])
                && lines[1]
                    .starts_with("error: LEASE_HELD: openai/org-fire is being read by another process (")
                && lines[1].ends_with("; try again when it is done"),
            "{refused:#?}"
        );
        assert_eq!(refused.stdout, "");
        assert!(!worked.stderr.lines().any(is_waiting), "{worked:#?}");
        place.holds(&truth);
        assert_eq!(place.count("usage_revisions"), 0);
        let mut statuses = place.run_statuses();
        statuses.sort();
        assert_eq!(statuses, ["failed", "succeeded"]);
    });
}

/// Nobody is kept waiting: whoever comes second waits its turn, if the first is not done already.
pub(crate) fn a_short_run_is_waited_for(kind: DatabaseKind) {
    let provider = Provider::with_groups(8);
    let truth = provider.truth();
    at_once(|| {
        let place = Place::with_key(kind, &provider);
        let both = two_backfills(&place).map(|child| finished(child).succeeds());
        let waited = |finished: &Finished| finished.stderr.lines().any(is_waiting);
        assert!(!both.iter().all(waited), "{both:#?}");
        place.holds(&truth);
        assert_eq!(place.count("usage_revisions"), 0);
        assert_eq!(place.run_statuses(), ["succeeded", "succeeded"]);
    });
}

fn at_once(story: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 0..TIMES {
            scope.spawn(&story);
        }
    });
}

fn two_backfills(place: &Place) -> [Child; 2] {
    [(); 2].map(|()| place.command(&BACKFILL).spawn().unwrap())
}

fn is_waiting(line: &str) -> bool {
    line.starts_with("openai/org-fire is being read by another process (")
        && line.ends_with("; waiting up to 20 s for it")
}
