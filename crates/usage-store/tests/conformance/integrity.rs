//! A ledger that somebody else has been at is told from one that nobody has.

use crate::fixture::{Fixture, day, row, rows};

const READ: &str = "2025-10-20T12:00:00Z";

pub(crate) async fn damage_is_found_and_named(fixture: &Fixture) {
    let windows = ["2025-09-01", "2025-09-02", "2025-09-03"].map(|date| {
        let models = (0..4).map(|number| row("proj_a", &format!("model-{number}"), number));
        rows(day(date), models)
    });
    fixture.replace(fixture.read(READ, windows.into())).await;
    let report = fixture.ledger.check_integrity().await.unwrap();
    assert_eq!((report.events, report.findings), (12, Vec::new()));

    let damages = [
        (
            "UPDATE usage_events SET input_tokens = 77 WHERE model = 'model-1' AND window_start = 1756684800",
            "1 events whose hash is not that of their numbers, for example v1 provider=",
        ),
        (
            "UPDATE usage_events SET model = 'model-9' WHERE model = 'model-2'",
            "3 events whose key is not that of their dimensions, for example v1 provider=",
        ),
        (
            "DELETE FROM usage_coverage WHERE window_start = 1756771200",
            "4 events of windows that nothing covers, for example 2025-09-02T00:00:00Z",
        ),
        (
            "DELETE FROM usage_events WHERE window_start = 1756857600 AND model = 'model-0'",
            "1 windows with another number of events than their read found, for example 2025-09-03T00:00:00Z",
        ),
        (
            "UPDATE usage_events SET window_end = window_end + 1 WHERE model = 'model-3' AND window_start = 1756684800",
            "1 events of windows that are no minute, hour or day, for example 2025-09-01T00:00:00Z",
        ),
    ];
    for (damage, expected) in damages {
        fixture.sql(damage);
        let findings = fixture.ledger.check_integrity().await.unwrap().findings;
        assert!(
            findings
                .iter()
                .any(|finding| finding.to_string().starts_with(expected)),
            "{damage}: {findings:?}"
        );
    }
    fixture.sql("DROP INDEX usage_admin_bucket_idx");
    fixture.sql("INSERT INTO usage_events SELECT * FROM usage_events WHERE model = 'model-1'");
    let findings = fixture.ledger.check_integrity().await.unwrap().findings;
    assert!(
        findings.iter().any(|finding| finding
            .to_string()
            .starts_with("3 identities that stand more than once")),
        "{findings:?}"
    );
}
