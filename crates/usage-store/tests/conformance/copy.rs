//! A whole ledger in another database: every table, every field, all or nothing.

use std::sync::Arc;

use tempfile::TempDir;
use usage_store::{CopyStep, Ledger, LedgerCopy, NewRun, OpenMode, StoreError};
use usage_testkit::{PostgresCluster, PostgresDatabase};

use crate::fixture::{Fixture, NOW, day, row, rows, sqlite_sql};

/// Tables that are not copied, as the documentation has it.
const LEFT_OUT: [&str; 7] = [
    "__diesel_schema_migrations",
    "data_versions",
    "leases",
    "usage_days",
    "usage_rollups",
    "usage_stale_days",
    "write_marks",
];

/// A database of one kind or the other.
struct Database {
    url: String,
    inner: Inner,
}

enum Inner {
    Sqlite(#[expect(dead_code, reason = "the folder lives as long as the database")] TempDir),
    Postgres(PostgresDatabase),
}

impl Database {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", folder.path().join("target.db").display()),
            inner: Inner::Sqlite(folder),
        }
    }

    fn postgres() -> Self {
        let database = PostgresCluster::shared().create_database();
        Self {
            url: database.url().to_owned(),
            inner: Inner::Postgres(database),
        }
    }

    fn of_both_kinds() -> [Self; 2] {
        [Self::sqlite(), Self::postgres()]
    }

    fn is_postgres(&self) -> bool {
        matches!(self.inner, Inner::Postgres(_))
    }

    fn sql(&self, statement: &str) -> String {
        match &self.inner {
            Inner::Sqlite(_) => sqlite_sql(&self.url, statement),
            Inner::Postgres(database) => database.execute(statement),
        }
    }

    async fn open(&self, fixture: &Fixture) -> Ledger {
        Ledger::open(&self.url, fixture.clock.clone(), OpenMode::SetUpIfEmpty)
            .await
            .unwrap()
    }

    /// Rows of every table but those that are not copied.
    fn rows(&self) -> i64 {
        let sql = |statement: &str| self.sql(statement);
        tables(self.is_postgres(), &sql)
            .iter()
            .filter(|table| !LEFT_OUT.contains(&table.name.as_str()))
            .map(|table| sql(&format!("SELECT count(*) FROM {}", table.name)))
            .map(|count| count.parse::<i64>().unwrap())
            .sum()
    }
}

async fn copy(fixture: &Fixture, target: &Database) -> Result<LedgerCopy, StoreError> {
    fixture
        .ledger
        .copy_into(&target.url, Arc::new(|_: CopyStep<'_>| {}))
        .await
}

/// A table as these tests find it, by other statements than the copy's.
struct Table {
    name: String,
    /// Name, type in lower case, whether it may be null.
    columns: Vec<(String, String, bool)>,
}

fn tables(is_postgres: bool, sql: &dyn Fn(&str) -> String) -> Vec<Table> {
    let names = if is_postgres {
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
    };
    let mut names: Vec<String> = sql(names).lines().map(str::to_owned).collect();
    names.sort();
    let columns = |table: &str| {
        let listed = if is_postgres {
            sql(&format!(
                "SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns \
                 WHERE table_name = '{table}' ORDER BY ordinal_position"
            ))
        } else {
            // What PostgreSQL has a type for, SQLite has a condition for.
            sql(&format!(
                "SELECT c.name, CASE WHEN m.sql LIKE '%CHECK (' || c.name || ' IN (0, 1))%' THEN 'boolean' \
                 ELSE lower(c.type) END, CASE WHEN c.\"notnull\" OR c.pk THEN 'f' ELSE 't' END \
                 FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.name = '{table}' ORDER BY c.cid"
            ))
        };
        listed
            .lines()
            .map(|line| {
                let [name, kind, nullable] = line.split('|').collect::<Vec<_>>()[..] else {
                    panic!("{line}")
                };
                (name.to_owned(), kind.to_owned(), nullable == "t")
            })
            .collect()
    };
    names
        .into_iter()
        .map(|name| Table {
            columns: columns(&name),
            name,
        })
        .collect()
}

/// Texts that two collations order differently, and that a careless writer would spoil.
const TEXTS: [&str; 8] = [
    "a",
    "B",
    "ä",
    "",
    "_z\\N",
    "Z ''quoted'' \"twice\"\nnext\tline",
    "日本\u{1F980}",
    "beside nothing",
];
const INTEGERS: [i64; 8] = [i64::MIN + 1, -1, 0, 1, 7, 1 << 53, i64::MAX, 5];
const BYTES: [&str; 8] = ["00", "", "ff00ff", "5c", "27", "0a0d", "0123456789abcdef", "6e"];

/// Puts rows into every table of the schema, whichever it has: extreme ones, one with nothing where nothing may be, and one
/// twice where that is allowed.
fn fill_every_table(is_postgres: bool, sql: &dyn Fn(&str) -> String) {
    for table in tables(is_postgres, sql) {
        if table.name == LEFT_OUT[0] {
            continue;
        }
        for number in 0..TEXTS.len() {
            let nothing = number == TEXTS.len() - 1;
            let values: Vec<String> = table
                .columns
                .iter()
                .map(|(name, kind, nullable)| match kind.as_str() {
                    // Rows refer to accounts with the same numbers.
                    _ if name == "id" && kind != "text" || name == "account_id" => (11 + number).to_string(),
                    _ if nothing && *nullable => "NULL".to_owned(),
                    "text" => format!("'{}'", TEXTS[number]),
                    "blob" => format!("x'{}'", BYTES[number]),
                    "bytea" => format!("'\\x{}'", BYTES[number]),
                    "boolean" if is_postgres => (number % 2 == 1).to_string(),
                    "boolean" => (number % 2).to_string(),
                    "integer" | "bigint" => INTEGERS[number].to_string(),
                    other => panic!(
                        "{}.{name} has the type {other}; the copy must learn it",
                        table.name
                    ),
                })
                .collect();
            sql(&format!(
                "INSERT INTO {} VALUES ({})",
                table.name,
                values.join(", ")
            ));
        }
    }
    for table in ["usage_revisions", "cost_revisions"] {
        sql(&format!(
            "INSERT INTO {table} SELECT * FROM {table} WHERE account_id = 12"
        ));
    }
}

/// Every row of every table that is copied, spelt alike on both databases.
fn contents(is_postgres: bool, sql: &dyn Fn(&str) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    for table in tables(is_postgres, sql) {
        if LEFT_OUT.contains(&table.name.as_str()) {
            continue;
        }
        let cells: Vec<String> = table
            .columns
            .iter()
            .map(|(name, kind, _)| {
                let spelt = match (kind.as_str(), is_postgres) {
                    ("text", false) => format!("hex(CAST({name} AS BLOB))"),
                    ("text", true) => format!("upper(encode(convert_to({name}, 'UTF8'), 'hex'))"),
                    ("bytea", true) => format!("upper(encode({name}, 'hex'))"),
                    ("blob", false) => format!("hex({name})"),
                    ("boolean", true) => format!("CAST(CAST({name} AS INTEGER) AS TEXT)"),
                    _ => format!("CAST({name} AS TEXT)"),
                };
                // hex of NULL is an empty text.
                format!("CASE WHEN {name} IS NULL THEN '{name}=nothing' ELSE '{name}=' || {spelt} END")
            })
            .collect();
        let rows = sql(&format!(
            "SELECT {} FROM {}",
            cells.join(" || ' ' || "),
            table.name
        ));
        let mut rows: Vec<String> = rows
            .lines()
            .map(|line| format!("{}: {line}", table.name))
            .collect();
        rows.sort();
        lines.extend(rows);
    }
    lines
}

/// The tables are those of the schema, whatever a later migration adds: a table that does not come along, or a column of a
/// type that the copy does not know, fails here.
pub(crate) async fn every_field_of_every_table_is_copied(fixture: &Fixture) {
    let sql = |statement: &str| fixture.sql(statement);
    let tomorrow = |is_postgres: bool| {
        let (integer, strict) = if is_postgres {
            ("BIGINT", "")
        } else {
            ("INTEGER", " STRICT")
        };
        format!("CREATE TABLE a_table_of_tomorrow (account_id {integer} NOT NULL, words TEXT){strict}")
    };
    sql(&tomorrow(fixture.is_postgres()));
    fill_every_table(fixture.is_postgres(), &sql);
    let truth = contents(fixture.is_postgres(), &sql);
    let mut names: Vec<String> = tables(fixture.is_postgres(), &sql)
        .into_iter()
        .map(|table| table.name)
        .collect();
    names.retain(|name| !LEFT_OUT.contains(&name.as_str()));
    for name in &names {
        let rows = truth.iter().filter(|row| row.starts_with(&format!("{name}: ")));
        assert!(rows.count() >= TEXTS.len(), "{name} has no rows to copy");
    }

    for target in Database::of_both_kinds() {
        target.open(fixture).await;
        target.sql(&tomorrow(target.is_postgres()));
        let copied = copy(fixture, &target).await.unwrap();
        assert_eq!(contents(target.is_postgres(), &|s| target.sql(s)), truth);
        let mut tables: Vec<&str> = copied.tables.iter().map(|table| table.name.as_str()).collect();
        tables.sort_unstable();
        assert_eq!(tables, names);
        let rows: u64 = copied.tables.iter().map(|table| table.rows).sum();
        assert_eq!(rows, truth.len() as u64);
        let left_out: Vec<&str> = copied.left_out.iter().map(|(table, _)| table.as_str()).collect();
        assert_eq!(left_out, LEFT_OUT);
        assert!(!copied.source_was_written);
    }
    assert_eq!(
        contents(fixture.is_postgres(), &sql),
        truth,
        "the source is only read"
    );
}

/// Sums follow from the events, so they are made where the events went, also of days whose sums the source lacks.
pub(crate) async fn sums_of_days_are_made_in_the_target(fixture: &Fixture) {
    crate::usage::fill(fixture).await;
    for target in Database::of_both_kinds() {
        copy(fixture, &target).await.unwrap();
        assert_eq!(target.sql("SELECT count(*) FROM usage_stale_days").trim(), "0");
        let widths = |table: &str| {
            target.sql(&format!(
                "SELECT account_id, endpoint, day_start, width_seconds FROM {table} ORDER BY 1, 2, 3"
            ))
        };
        assert_eq!(widths("usage_days"), widths("usage_best_width"));
        assert!(widths("usage_days").lines().count() > 5);
        let report = target.open(fixture).await.check_integrity().await.unwrap();
        assert!(
            report
                .findings
                .iter()
                .all(|finding| !finding.what.contains("sums")),
            "{:?}",
            report.findings
        );
    }
}

/// A table of somebody else in the source's database is told, not copied.
pub(crate) async fn a_table_that_is_no_ledgers_is_told(fixture: &Fixture) {
    fixture.sql("CREATE TABLE notes (words TEXT)");
    for target in Database::of_both_kinds() {
        let copied = copy(fixture, &target).await.unwrap();
        let told: Vec<_> = copied.left_out.iter().map(|(table, _)| table.as_str()).collect();
        assert_eq!(
            told,
            [
                "__diesel_schema_migrations",
                "data_versions",
                "leases",
                "notes",
                "usage_days",
                "usage_rollups",
                "usage_stale_days",
                "write_marks"
            ]
        );
        assert_eq!(copied.rows_of("accounts"), 1);
    }
    fixture.sql("ALTER TABLE prices ADD COLUMN note TEXT");
    for target in Database::of_both_kinds() {
        let error = copy(fixture, &target).await.unwrap_err().to_string();
        assert!(error.ends_with(": its prices lacks the source's note"), "{error}");
    }
}

/// SQLite keeps every byte of a text; PostgreSQL has no zero in one.
#[tokio::test]
async fn a_text_that_the_target_cannot_hold_is_not_spoiled() {
    let fixture = Fixture::sqlite().await;
    fixture.sql("INSERT INTO prices VALUES (7, 'a' || char(0) || 'b', '1', '{}')");
    let sql = |statement: &str| fixture.sql(statement);
    let [sqlite, postgres] = Database::of_both_kinds();
    copy(&fixture, &sqlite).await.unwrap();
    assert_eq!(contents(false, &|s| sqlite.sql(s)), contents(false, &sql));
    let error = copy(&fixture, &postgres).await.unwrap_err().to_string();
    assert!(
        error.contains("its prices does not take the source's rows: ") && error.contains("0x00"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
    assert_eq!(postgres.rows(), 0);
}

pub(crate) async fn no_number_is_given_out_again(fixture: &Fixture) {
    let run = || NewRun {
        kind: "backfill",
        label: None,
        range_start: fixture.ledger.now(),
        range_end: fixture.ledger.now(),
        holder: String::new(),
        plan: "{}".to_owned(),
        notes: "{}".to_owned(),
    };
    let mut last = 0;
    for _ in 0..5 {
        last = fixture.ledger.start_run(run()).await.unwrap();
    }
    fixture.sql(&format!("DELETE FROM runs WHERE id >= {}", last - 1));
    for target in Database::of_both_kinds() {
        copy(fixture, &target).await.unwrap();
        let copied = target.open(fixture).await;
        assert_eq!(copied.start_run(run()).await.unwrap(), last + 1);
        assert_eq!(target.sql("SELECT count(*) FROM runs"), "4");
        // A table that never had a row begins with 1.
        target.sql("INSERT INTO erasure_traces (erased_at) VALUES (1)");
        assert_eq!(target.sql("SELECT id FROM erasure_traces"), "1");
    }
}

pub(crate) async fn only_an_empty_database_is_copied_into(fixture: &Fixture) {
    let refused = async |target: &Database| match copy(fixture, target).await {
        Err(StoreError::CopyTarget { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for target in Database::of_both_kinds() {
        let ledger = target.open(fixture).await;
        target.sql("INSERT INTO erased_names VALUES (1, 'user', 'user-1', 1)");
        assert_eq!(
            refused(&target).await,
            "its table erased_names has rows already; name an empty database"
        );
        assert_eq!(target.rows(), 1);
        target.sql("DELETE FROM erased_names");
        target.sql("DELETE FROM __diesel_schema_migrations WHERE version > '20261125'");
        let reason = refused(&target).await;
        assert!(reason.contains("run `usage migrate` on it"), "{reason}");
        target.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')");
        let reason = refused(&target).await;
        assert!(reason.contains("99991231000001 is unknown here"), "{reason}");
        drop(ledger);
    }
    for target in Database::of_both_kinds() {
        target.sql("CREATE TABLE notes (words TEXT)");
        assert!(refused(&target).await.starts_with("it holds other tables"));
    }

    let error = fixture
        .ledger
        .copy_into(&fixture.url, Arc::new(|_: CopyStep<'_>| {}))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it is the ledger itself; name another database"),
        "{error}"
    );
    fixture.sql("DELETE FROM __diesel_schema_migrations WHERE version > '20261125'");
    for target in Database::of_both_kinds() {
        let error = copy(fixture, &target).await.unwrap_err();
        assert!(matches!(error, StoreError::OlderSchema { .. }), "{error}");
    }
}

/// What is in the target is compared, not what was sent to it.
pub(crate) async fn a_target_that_stores_something_else_keeps_nothing(fixture: &Fixture) {
    fixture
        .store(fixture.read(NOW, vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 1)])]))
        .await;
    let changes = [
        (
            "UPDATE usage_events SET model = 'GPT-5'",
            "NEW.model := 'GPT-5'; RETURN NEW",
            "has another model there",
        ),
        ("DELETE FROM usage_events", "RETURN NULL", "is not there"),
    ];
    for target in Database::of_both_kinds() {
        target.open(fixture).await;
        for (sqlite, postgres, told) in changes {
            target.sql(&if target.is_postgres() {
                format!(
                    "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {postgres}; END $$; \
                     CREATE TRIGGER spoil BEFORE INSERT ON usage_events FOR EACH ROW EXECUTE FUNCTION spoil()"
                )
            } else {
                format!("CREATE TRIGGER spoil AFTER INSERT ON usage_events BEGIN {sqlite}; END")
            });
            let error = copy(fixture, &target).await.unwrap_err().to_string();
            assert!(
                error.contains(
                    "nothing was kept: the row of usage_events with window_start 1756684800, dedupe_key "
                ),
                "{error}"
            );
            assert!(error.ends_with(told), "{error}");
            assert_eq!(target.rows(), 0);
            target.sql(if target.is_postgres() {
                "DROP TRIGGER spoil ON usage_events; DROP FUNCTION spoil"
            } else {
                "DROP TRIGGER spoil"
            });
        }
        copy(fixture, &target).await.unwrap();
    }
}

/// What is stored once the copy has begun is not in it, and that somebody took the lease meanwhile is told.
pub(crate) async fn a_copy_is_one_moment(fixture: &Fixture) {
    let write = async |number: i64| {
        let windows =
            ["2025-09-01", "2025-09-02"].map(|text| rows(day(text), [row("proj_a", "gpt-5", number)]));
        let outcomes = fixture.replace(fixture.read(NOW, windows.to_vec())).await;
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
    };
    write(1).await;
    for (number, target) in (2..).zip(Database::of_both_kinds()) {
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
        let goes_on = std::sync::Mutex::new(goes_on);
        let progress = move |step: CopyStep<'_>| {
            if let CopyStep::Planned { .. } = step {
                begun.send(()).unwrap();
                goes_on.lock().unwrap().recv().unwrap();
            }
        };
        let truth = contents(fixture.is_postgres(), &|s| fixture.sql(s));
        let copying = fixture.ledger.copy_into(&target.url, Arc::new(progress));
        let writing = async {
            begins.recv().await.unwrap();
            write(number).await;
            fixture.sql("UPDATE leases SET fencing = fencing + 1");
            go_on.send(()).unwrap();
        };
        let (copied, ()) = tokio::join!(copying, writing);
        assert!(copied.unwrap().source_was_written);
        assert_eq!(contents(target.is_postgres(), &|s| target.sql(s)), truth);
        fixture.sql("UPDATE leases SET fencing = fencing - 1");
        assert_ne!(contents(fixture.is_postgres(), &|s| fixture.sql(s)), truth);
    }
}

pub(crate) async fn of_two_copies_into_one_database_one_is_kept(fixture: &Fixture) {
    for target in Database::of_both_kinds() {
        let (one, other) = tokio::join!(copy(fixture, &target), copy(fixture, &target));
        let failed: Vec<String> = [one, other]
            .into_iter()
            .filter_map(Result::err)
            .map(|error| error.to_string())
            .collect();
        assert!(
            failed.len() == 1 && failed[0].ends_with("has rows already; name an empty database"),
            "{failed:?}"
        );
        assert_eq!(target.rows(), 1, "an account");
        let versions = target.sql("SELECT count(*) FROM data_versions");
        assert_eq!(versions, "1", "the version of its data is its own");
    }
}
