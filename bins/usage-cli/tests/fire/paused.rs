//! A process that is paused in the middle of its run for longer than its lease.

use usage_core::{Endpoint, Window, parse_day};
use usage_testkit::{Proxy, Then};

use crate::fixture::{BACKFILL, DAYS, DatabaseKind, FIRST_DAY, Place, Provider, finished, signal};

/// It has stored some days, and has in hand what the provider said of the next before that was restated.
pub(crate) fn a_process_paused_past_its_lease_cannot_write_what_it_read(kind: DatabaseKind) {
    let provider = Provider::with_groups(8);
    let proxy = Proxy::to(provider.address());
    let mut place = Place::with_key(kind, &provider);
    let direct = place.base_url.clone();
    provider.simulator.clear_requests();

    // Every other request is a control total: that of the second chunk is answered, and the answer is on its way for
    // as long as the process sleeps.
    proxy.when_client_sends(&["GET /v1/organization/usage"; 4], Then::HoldBehind);
    place.base_url = proxy.lead(&direct);
    let paused = place.command(&BACKFILL).spawn().unwrap();
    provider.wait_for(|requests| requests.len() >= 4);
    signal(&paused, "STOP");
    let stored = place.count("usage_coverage");
    assert_eq!(stored, 2, "of {DAYS} days");

    provider.simulator.update(|organization| {
        for day in parse_day(FIRST_DAY).unwrap().iter_days().take(DAYS as usize) {
            assert!(
                organization
                    .usage_mut(Endpoint::Completions)
                    .scale(Window::day(day), 110)
                    > 0
            );
        }
    });
    let truth = provider.truth();
    place.base_url = direct;
    let second = place.run(&[&BACKFILL[..], &["--force"]].concat()).succeeds();
    assert!(second.stderr.contains("waiting up to 20 s"), "{second:#?}");
    place.holds(&truth);
    let revisions = place.count("usage_revisions");

    proxy.mend();
    signal(&paused, "CONT");
    let first = finished(paused);
    let errors = first.fails_plainly();
    assert!(
        errors.len() == 1 && errors[0].starts_with("LEASE_LOST: openai/org-fire 2025-09-0"),
        "{first:#?}"
    );
    place.holds(&truth);
    assert_eq!(place.count("usage_revisions"), revisions);
}
