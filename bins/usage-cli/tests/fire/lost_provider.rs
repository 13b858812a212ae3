//! A provider that goes away in the middle of a run.

use usage_testkit::{Proxy, Then};

use crate::fixture::{BACKFILL, DatabaseKind, Place, Provider};

/// The first chunk is read; the answer to the second is cut in its middle, and nobody listens after that.
pub(crate) fn a_provider_that_goes_away_fails_its_windows_only(kind: DatabaseKind) {
    let provider = Provider::with_groups(200);
    let truth = provider.truth();
    let mut place = Place::with_key(kind, &provider);
    let direct = place.base_url.clone();
    let proxy = Proxy::to(provider.address());
    place.base_url = proxy.lead(&direct);
    proxy.when_client_sends(&["GET /v1/organization/usage"; 3], Then::CutBehind);

    let cut = place.run(&BACKFILL).ends_with(1);
    let errors = cut.fails_plainly();
    assert_eq!(errors.len(), 2, "{cut:#?}");
    for error in errors {
        assert!(
            error.starts_with("NETWORK: openai completions 2025-09-0") && error.ends_with("(6 attempts)"),
            "{cut:#?}"
        );
    }
    assert!(cut.stdout.contains("2 errors, 0 warnings: NETWORK 2"), "{cut:#?}");
    assert_eq!(place.count("usage_coverage"), 2);

    proxy.mend();
    place.run(&BACKFILL).succeeds();
    place.holds(&truth);
    assert_eq!(place.count("usage_revisions"), 0);
}

/// One cut in the middle of a body is no failure: the request is sent again.
#[test]
fn a_body_that_is_cut_once_is_asked_for_again() {
    let provider = Provider::with_groups(200);
    let truth = provider.truth();
    let mut place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let proxy = Proxy::to(provider.address());
    place.base_url = proxy.lead(&place.base_url);
    proxy.cut_after(10_000);
    let run = place
        .command(&[&BACKFILL[..], &["--format", "json"]].concat())
        .spawn()
        .unwrap();
    proxy.wait_until_acted();
    proxy.mend();
    let report = crate::fixture::finished(run).succeeds().json();
    let telemetry = &report["run"]["telemetry"];
    assert!(telemetry["retries"].as_u64() >= Some(1), "{telemetry:#}");
    assert_eq!(report["run"]["issues"], serde_json::json!([]));
    place.holds(&truth);
}
