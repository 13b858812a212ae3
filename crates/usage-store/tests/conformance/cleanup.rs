//! Rows without project, API key and user: which count usage twice, and what deleting those leaves.

use usage_core::{Dimension, DimensionSet, ProjectFilter, UsageRow};
use usage_store::{
    AccountScope, BlankOrigin, BlankRows, Cleaned, RevisionKind, RowFate, StayReason, StoreError,
};

use crate::fixture::{Fixture, day, row, rows};
use crate::imports::{blank, import, runs};

const READ: &str = "2025-10-20T12:00:00Z";

/// The run of the cleanup.
const CLEANUP: i64 = 3;

/// A row that names a project and no more.
fn partly(input_tokens: i64) -> UsageRow {
    let mut row = row("proj_a", "gpt-5", input_tokens);
    row.dimensions.api_key_id = None;
    row.dimensions.user_id = None;
    row
}

async fn look(fixture: &Fixture) -> BlankRows {
    fixture.ledger.blank_rows(AccountScope::All).await.unwrap()
}

/// A window of every sort; returns the run of the import.
async fn every_sort(fixture: &Fixture) -> i64 {
    let run = runs(fixture).await;
    let imported = vec![
        rows(
            day("2025-09-01"),
            [
                row("proj_a", "gpt-5", 10),
                row("proj_b", "gpt-5", 20),
                blank(Some("gpt-5"), 30),
                blank(None, 30),
            ],
        ),
        rows(day("2025-09-02"), [blank(Some("gpt-5"), 5)]),
        rows(day("2025-09-03"), [partly(5), blank(Some("gpt-5"), 5)]),
        rows(
            day("2025-09-04"),
            [row("proj_a", "gpt-5", 10), blank(Some("gpt-5"), 99)],
        ),
    ];
    import(fixture, run, imported).await;

    // Usage that belongs to no project, key or user, as a grouped read returns it.
    let real = rows(
        day("2025-09-05"),
        [row("proj_a", "gpt-5", 10), blank(Some("gpt-5"), 7)],
    );
    fixture.store(fixture.read(READ, vec![real])).await;
    // Totals of an ungrouped read, beside the rows of a later read of one project.
    let mut ungrouped = fixture.read(READ, vec![rows(day("2025-09-06"), [blank(Some("gpt-5"), 40)])]);
    ungrouped.scope.grouped_by = DimensionSet::EMPTY.with(Dimension::Model);
    fixture.store(ungrouped).await;
    let mut filtered = fixture.read(READ, vec![rows(day("2025-09-06"), [row("proj_a", "gpt-5", 40)])]);
    filtered.scope.filter = ProjectFilter::projects(["proj_a".to_owned()]);
    fixture.store(filtered).await;
    run
}

pub(crate) async fn only_what_counts_twice_is_listed(fixture: &Fixture) {
    every_sort(fixture).await;
    let before = fixture.snapshot().await;
    let found = look(fixture).await;
    let listed: Vec<(String, BlankOrigin, usize, u64, bool)> = found
        .doubled
        .iter()
        .map(|window| {
            (
                window.window.utc_day().to_string(),
                window.origin,
                window.rows.len(),
                window.detailed_rows,
                window.holds_more(),
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("2025-09-01".to_owned(), BlankOrigin::NeverRead, 2, 2, false),
            ("2025-09-04".to_owned(), BlankOrigin::NeverRead, 1, 1, true),
            ("2025-09-06".to_owned(), BlankOrigin::ReadUngrouped, 1, 1, false),
        ]
    );
    let staying: Vec<(StayReason, u64, String)> = found
        .staying
        .iter()
        .map(|staying| (staying.reason, staying.rows, staying.first.utc_day().to_string()))
        .collect();
    assert_eq!(
        staying,
        [
            (StayReason::NothingElse, 1, "2025-09-02".to_owned()),
            (StayReason::OnlyPartly, 1, "2025-09-03".to_owned()),
            (StayReason::GroupedRead, 1, "2025-09-05".to_owned()),
        ]
    );
    let sums = &found.sums[0];
    assert_eq!((sums.before.events, sums.after.events), (13, 9));
    assert_eq!(
        (sums.before.metrics.input_tokens, sums.after.metrics.input_tokens),
        (Some(311), Some(112))
    );
    assert_eq!(
        (sums.before.windows_with_usage, sums.after.windows_with_usage),
        (6, 6)
    );
    assert_eq!(fixture.snapshot().await, before, "looking changes nothing");

    let elsewhere = AccountScope::Only(vec![fixture.account.id + 1]);
    assert_eq!(
        fixture.ledger.blank_rows(elsewhere).await.unwrap(),
        BlankRows::default()
    );
}

pub(crate) async fn what_is_deleted_is_kept_and_not_imported_again(fixture: &Fixture) {
    let run = every_sort(fixture).await;
    let found = look(fixture).await;
    let leases = [fixture.lease.clone()];
    let cleaned = fixture
        .ledger
        .delete_doubled_rows(&leases, CLEANUP, &found)
        .await
        .unwrap();
    assert_eq!(
        cleaned,
        Cleaned {
            deleted: 4,
            revisions: 4,
            uncovered: 1
        }
    );
    let revisions = fixture.ledger.revisions(AccountScope::All).await.unwrap();
    let mut kept: Vec<_> = revisions
        .iter()
        .filter(|revision| revision.kind == RevisionKind::Cleaned && revision.replaced_by_run == CLEANUP)
        .map(|revision| revision.before.clone())
        .collect();
    let mut expected: Vec<_> = found
        .doubled
        .iter()
        .flat_map(|window| window.rows.clone())
        .collect();
    for rows in [&mut kept, &mut expected] {
        rows.sort_by_key(|row| (row.event.window, row.event.key()));
    }
    assert_eq!(kept, expected, "every row as it stood");

    let after = look(fixture).await;
    assert_eq!((after.doubled.len(), after.staying.len()), (0, 3));
    let totals = fixture
        .events()
        .await
        .iter()
        .map(|row| row.event.metrics.tokens())
        .sum::<i128>();
    assert_eq!(totals, 112 + 9, "each row has one output token");
    assert_eq!(fixture.ledger.check_integrity().await.unwrap().findings, []);

    let again = vec![rows(
        day("2025-09-01"),
        [
            row("proj_a", "gpt-5", 10),
            blank(Some("gpt-5"), 30),
            blank(None, 30),
        ],
    )];
    let imported = import(fixture, run, again).await;
    assert_eq!(
        imported[0].fates,
        Some(vec![RowFate::Stands, RowFate::Cleaned, RowFate::Cleaned])
    );
}

pub(crate) async fn a_ledger_that_changed_meanwhile_keeps_everything(fixture: &Fixture) {
    every_sort(fixture).await;
    let found = look(fixture).await;
    let leases = [fixture.lease.clone()];
    for change in [
        "UPDATE usage_events SET input_tokens = 31 WHERE project_id IS NULL AND input_tokens = 30 AND model IS NULL",
        "DELETE FROM usage_events WHERE project_id = 'proj_a' AND window_start = 1756684800",
        "UPDATE usage_coverage SET grouped_by = 2047 WHERE window_start = 1757116800",
    ] {
        fixture.sql(change);
        let before = fixture.snapshot().await;
        let refused = fixture
            .ledger
            .delete_doubled_rows(&leases, CLEANUP, &found)
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the ledger changed while it was looked at, and nothing was deleted; run the command again",
            "{change}"
        );
        assert_eq!(fixture.snapshot().await, before, "{change}");
    }
}

pub(crate) async fn without_the_lease_nothing_is_deleted(fixture: &Fixture) {
    every_sort(fixture).await;
    let found = look(fixture).await;
    let before = fixture.snapshot().await;
    fixture.sql("UPDATE leases SET fencing = fencing + 1");
    let refused = fixture
        .ledger
        .delete_doubled_rows(std::slice::from_ref(&fixture.lease), CLEANUP, &found)
        .await;
    assert!(
        matches!(refused, Err(StoreError::LeaseLost { .. })),
        "{refused:?}"
    );
    assert_eq!(fixture.snapshot().await, before);
}

pub(crate) async fn an_identity_that_stands_twice_is_deleted_with_all_its_rows(fixture: &Fixture) {
    every_sort(fixture).await;
    fixture.sql("DROP INDEX usage_admin_bucket_idx");
    fixture.sql(
        "INSERT INTO usage_events SELECT * FROM usage_events WHERE project_id IS NULL AND input_tokens = 99",
    );
    let found = look(fixture).await;
    let cleaned = fixture
        .ledger
        .delete_doubled_rows(std::slice::from_ref(&fixture.lease), CLEANUP, &found)
        .await
        .unwrap();
    assert_eq!((cleaned.deleted, cleaned.revisions), (5, 5));
    assert_eq!(look(fixture).await.doubled, []);
}
