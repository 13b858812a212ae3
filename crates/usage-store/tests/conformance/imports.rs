//! Rows of another system: they only add, nothing vouches for them, and the first read replaces them.

use usage_core::{Dimensions, Endpoint, Metrics, ProjectFilter, UsageRow, Window, parse_day};
use usage_store::{
    AccountScope, IMPORT_RUN, ImportedWindow, NewRun, RevisionKind, RowFate, StoreError, WindowRows,
};

use crate::fixture::{Fixture, day, instant, row, rows};

const READ: &str = "2025-10-20T12:00:00Z";

/// Run 1 is a backfill, as the fixture's reads say; returns the number of an import.
pub(crate) async fn runs(fixture: &Fixture) -> i64 {
    let mut last = 0;
    for kind in ["backfill", IMPORT_RUN] {
        let run = NewRun {
            kind,
            label: None,
            range_start: instant(READ),
            range_end: instant(READ),
            holder: "the story".to_owned(),
            plan: "{}".to_owned(),
            notes: "{}".to_owned(),
        };
        last = fixture.ledger.start_run(run).await.unwrap();
    }
    last
}

pub(crate) async fn import(fixture: &Fixture, run_id: i64, windows: Vec<WindowRows>) -> Vec<ImportedWindow> {
    fixture
        .ledger
        .import_windows(
            &fixture.lease,
            &fixture.account,
            Endpoint::Completions,
            run_id,
            windows,
        )
        .await
        .unwrap()
}

/// A row without project, API key and user.
pub(crate) fn blank(model: Option<&str>, input_tokens: i64) -> UsageRow {
    UsageRow {
        dimensions: Dimensions {
            model: model.map(str::to_owned),
            ..Dimensions::default()
        },
        metrics: row("", "", input_tokens).metrics,
    }
}

fn fates(imported: &[ImportedWindow]) -> Vec<Option<Vec<RowFate>>> {
    imported.iter().map(|window| window.fates.clone()).collect()
}

pub(crate) async fn an_import_only_adds(fixture: &Fixture) {
    let run = runs(fixture).await;
    let window = day("2025-09-01");
    let first = import(fixture, run, vec![rows(window, [row("proj_a", "gpt-5", 10)])]).await;
    assert_eq!(fates(&first), [Some(vec![RowFate::Inserted])]);
    let coverage = fixture.sql("SELECT count(*) FROM usage_coverage");
    assert_eq!(coverage, "0", "nobody read it");

    let before = fixture.snapshot().await;
    let without_batch = |mut row: UsageRow| {
        row.dimensions.batch = None;
        row
    };
    let again = vec![rows(window, [without_batch(row("proj_a", "gpt-5", 10))])];
    assert_eq!(
        fates(&import(fixture, run, again).await),
        [Some(vec![RowFate::Stands])]
    );
    let otherwise = vec![rows(window, [row("proj_a", "gpt-5", 11)])];
    assert_eq!(
        fates(&import(fixture, run, otherwise).await),
        [Some(vec![RowFate::Differs])]
    );
    assert_eq!(fixture.snapshot().await, before);

    let more = vec![rows(window, [row("proj_b", "gpt-5", 5)])];
    assert_eq!(
        fates(&import(fixture, run, more).await),
        [Some(vec![RowFate::Inserted])]
    );
    assert_eq!(fixture.events().await.len(), 2, "an import retracts nothing");
}

pub(crate) async fn many_rows_are_imported_at_once_and_once(fixture: &Fixture) {
    let run = runs(fixture).await;
    let windows = || -> Vec<WindowRows> {
        (1..=3)
            .map(|date| {
                let models = (0..150).map(|number| row("proj_a", &format!("model-{number}"), number));
                rows(
                    Window::day(parse_day(&format!("2025-09-0{date}")).unwrap()),
                    models,
                )
            })
            .collect()
    };
    import(fixture, run, windows()).await;
    assert_eq!(fixture.events().await.len(), 450);
    let again = import(fixture, run, windows()).await;
    let stands = |window: &ImportedWindow| window.fates == Some(vec![RowFate::Stands; 150]);
    assert!(again.iter().all(stands), "{again:?}");
}

pub(crate) async fn an_import_leaves_read_windows_alone(fixture: &Fixture) {
    let run = runs(fixture).await;
    let some = ProjectFilter::projects(["proj_a".to_owned()]);
    let mut read = fixture.read(READ, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])]);
    read.scope.filter = some;
    fixture.store(read).await;
    fixture
        .store(fixture.read(READ, vec![rows(day("2025-09-02"), [])]))
        .await;
    let before = fixture.snapshot().await;
    let old = ["2025-09-01", "2025-09-02", "2025-09-03"]
        .map(|date| rows(day(date), [row("proj_z", "gpt-5", 99)]))
        .into();
    assert_eq!(
        fates(&import(fixture, run, old).await),
        [None, None, Some(vec![RowFate::Inserted])],
        "read of some projects, read as quiet, never read"
    );
    fixture.sql("DELETE FROM usage_events WHERE project_id = 'proj_z'");
    assert_eq!(fixture.snapshot().await, before);
}

pub(crate) async fn an_import_without_the_lease_writes_nothing(fixture: &Fixture) {
    let run = runs(fixture).await;
    fixture.sql("UPDATE leases SET fencing = fencing + 1");
    let refused = fixture
        .ledger
        .import_windows(
            &fixture.lease,
            &fixture.account,
            Endpoint::Completions,
            run,
            vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)])],
        )
        .await;
    assert!(
        matches!(refused, Err(StoreError::LeaseLost { .. })),
        "{refused:?}"
    );
    assert!(fixture.events().await.is_empty());
}

pub(crate) async fn the_first_read_replaces_what_was_imported(fixture: &Fixture) {
    let run = runs(fixture).await;
    let window = day("2025-09-01");
    let equal = row("proj_a", "gpt-5", 10);
    let changed = row("proj_b", "gpt-5", 20);
    // Three times the usage: what a read of it takes away is most of the day, but it never was the provider's word.
    let old = [equal.clone(), changed, blank(Some("gpt-5"), 30), blank(None, 30)];
    import(fixture, run, vec![rows(window, old)]).await;

    let truth = [equal, row("proj_b", "gpt-5", 21)];
    let counts = fixture
        .store(fixture.read(READ, vec![rows(window, truth.clone())]))
        .await;
    assert_eq!(
        (
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.retracted
        ),
        (0, 1, 1, 2)
    );
    let mut stands: Vec<UsageRow> = fixture
        .events()
        .await
        .into_iter()
        .map(|stored| UsageRow {
            dimensions: stored.event.dimensions,
            metrics: stored.event.metrics,
        })
        .collect();
    stands.sort_by(|left, right| left.dimensions.cmp(&right.dimensions));
    assert_eq!(stands, truth);

    let revisions = fixture.ledger.revisions(AccountScope::All).await.unwrap();
    let mut kept: Vec<(RevisionKind, Option<i64>, i64)> = revisions
        .iter()
        .map(|revision| {
            let before = &revision.before;
            (revision.kind, before.event.metrics.input_tokens, before.run_id)
        })
        .collect();
    kept.sort_by_key(|(kind, tokens, _)| (*kind == RevisionKind::Retracted, *tokens));
    assert_eq!(
        kept,
        [
            (RevisionKind::Changed, Some(20), run),
            (RevisionKind::Retracted, Some(30), run),
            (RevisionKind::Retracted, Some(30), run),
        ]
    );
    assert_eq!(fixture.ledger.check_integrity().await.unwrap().findings, []);
    let read_before = fixture.refuse(fixture.read(READ, vec![rows(window, [])])).await;
    assert_eq!(
        read_before.code.as_str(),
        "MASS_RETRACTION",
        "now it is the provider's word"
    );
}

pub(crate) async fn imported_windows_are_no_damage_and_are_shown(fixture: &Fixture) {
    let run = runs(fixture).await;
    let windows = ["2025-09-01", "2025-09-02"].map(|date| {
        rows(
            day(date),
            [row("proj_a", "gpt-5", 10), row("proj_b", "gpt-5", 20)],
        )
    });
    import(fixture, run, windows.into()).await;
    let report = fixture.ledger.check_integrity().await.unwrap();
    assert_eq!(
        (report.events, report.imported, report.findings),
        (4, 4, Vec::new())
    );
    let unread = fixture.ledger.unread_events(AccountScope::All).await.unwrap();
    assert_eq!(unread.len(), 1);
    assert_eq!((unread[0].events, unread[0].windows), (4, 2));
    assert_eq!(
        (unread[0].first, unread[0].last),
        (day("2025-09-01"), day("2025-09-02"))
    );
    let elsewhere = AccountScope::Only(vec![fixture.account.id + 1]);
    assert_eq!(fixture.ledger.unread_events(elsewhere).await.unwrap(), []);

    let shown = "SELECT day, width, project_id, input_tokens FROM usage_daily ORDER BY day, project_id";
    let days =
        "2025-09-01|1d|proj_a|10\n2025-09-01|1d|proj_b|20\n2025-09-02|1d|proj_a|10\n2025-09-02|1d|proj_b|20";
    assert_eq!(fixture.sql(shown), days);
    assert_eq!(fixture.sql("SELECT count(*) FROM coverage_daily"), "0");

    // A read of one project leaves the imported rows of the other where they are.
    let mut read = fixture.read(READ, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 11)])]);
    read.scope.filter = ProjectFilter::projects(["proj_a".to_owned()]);
    fixture.store(read).await;
    let report = fixture.ledger.check_integrity().await.unwrap();
    assert_eq!((report.imported, report.findings), (2, Vec::new()));
    assert_eq!(fixture.sql(shown), days.replacen("|10", "|11", 1));
    assert_eq!(fixture.sql("SELECT count(*) FROM coverage_daily"), "1");

    fixture.sql("UPDATE usage_events SET run_id = 1 WHERE window_start = 1756771200");
    let findings = fixture.ledger.check_integrity().await.unwrap().findings;
    assert_eq!(
        findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2 events of windows that nothing covers, for example 2025-09-02T00:00:00Z"],
        "rows that no import brought are damage as before"
    );
}

pub(crate) async fn huge_numbers_and_absent_ones_come_back_as_they_were(fixture: &Fixture) {
    let run = runs(fixture).await;
    let mut huge = row("proj_a", "gpt-5", i64::MAX);
    huge.metrics.output_tokens = None;
    huge.metrics.num_model_requests = None;
    import(fixture, run, vec![rows(day("2025-09-01"), [huge.clone()])]).await;
    let stored: Vec<Metrics> = fixture
        .events()
        .await
        .iter()
        .map(|stored| stored.event.metrics)
        .collect();
    assert_eq!(stored, [huge.metrics]);
}
