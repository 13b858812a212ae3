//! `usage migrate --read-only-role`

use crate::fixture::{Database, DatabaseKind, Place, Provider};

#[test]
fn a_role_is_granted_the_views_and_again_without_change() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Postgres, &provider);
    let Database::Postgres(database) = &place.database else {
        panic!("another database")
    };
    // Roles belong to the server, which all tests share.
    let role = format!("reporting_{}", database.name());
    let command = ["migrate", "--read-only-role", &role];
    let granted = "may read usage_daily, coverage_daily, cost_daily and nothing else\n";
    let first = place.run(&command).succeeds();
    assert!(
        first
            .stdout
            .ends_with(&format!("role {role} (made; it cannot log in) {granted}")),
        "{first:#?}"
    );
    let again = place.run(&command).succeeds();
    assert!(
        again.stdout.ends_with(&format!("role {role} {granted}")),
        "{again:#?}"
    );
    let privileges = |relation: &str| {
        database.execute(&format!(
            "SELECT has_table_privilege('{role}', '{relation}', 'SELECT')"
        ))
    };
    assert_eq!(
        (privileges("usage_daily"), privileges("provider_keys")),
        ("t".to_owned(), "f".to_owned())
    );
    database.execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\""));
}

#[test]
fn sqlite_has_no_roles_and_nothing_is_made() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    place
        .run(&["migrate", "--read-only-role", "reporting"])
        .refuses_with("SQLite has no roles; open the file read-only instead, as in `file:usage.db?mode=ro`");
    assert!(!place.work().join("ledger.db").exists());
}
