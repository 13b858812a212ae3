//! `usage import cognitrack`

use std::fs;

use serde_json::json;

use super::old_database::{OldDatabase, PASSWORD};
use super::{every_sort, import, sums};
use crate::fixture::{Database, DatabaseKind, ORGANIZATION, Place, Provider};

pub(crate) fn an_import_accounts_for_every_row(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::new(kind, &provider);
    let old = every_sort();
    let untouched = old.fingerprint();
    let finished = import(&place, &old, &["--format", "json", "--label", "old"]).ends_with(1);
    let report = finished.json();
    assert_eq!(
        report["rows"],
        json!({
            "read": 15, "inserted": 10, "standing": 0, "duplicates": 2, "conflicting": 2, "differing": 0, "cleaned": 0,
            "ofReadWindows": 0, "refused": 1, "derivedWindows": 1, "derivedEnds": 1,
        })
    );
    assert_eq!(
        report["kinds"],
        json!({
            "detailed": { "rows": 5, "inputTokens": 4_294_967_600_i64, "outputTokens": 4_294_967_325_i64 },
            "blank": { "rows": 4, "inputTokens": 385, "outputTokens": 32 },
            "unknownModel": { "rows": 1, "inputTokens": 300, "outputTokens": 30 },
        })
    );
    assert_eq!(
        report["keys"],
        json!([{ "id": 1, "rows": 12 }, { "id": 2, "rows": 3 }])
    );
    assert_eq!(report["rewrittenModels"], json!({ "gpt-4-1-mini": 3 }));
    assert_eq!(
        (
            &report["windowsImported"],
            &report["firstDay"],
            &report["lastDay"]
        ),
        (&json!(5), &json!("2025-08-01"), &json!("2025-08-06"))
    );
    assert_eq!(report["source"], old.name());
    let issues: Vec<&str> = report["run"]["issues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| issue["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        issues,
        [
            "old key 1, model gpt-4o, window from 2025-08-06T07:00:00Z, timestamp 2025-08-06T07:00:00Z: its window is \
             no UTC day, hour or minute; it was not imported",
            "openai/org-anon completions 2025-08-02T00:00:00Z/1d project_id proj_a, api_key_id key_a, user_id user-1, \
             model gpt-4o: 2 rows of old keys 1, 2 differ in input_tokens; none of them was imported",
        ]
    );
    assert_eq!(sums(&place), (10, 4_294_968_285, 4_294_967_387));
    assert_eq!(place.count("usage_events WHERE model = 'unknown'"), 0);
    assert_eq!(place.count("usage_events WHERE output_tokens IS NULL"), 1);
    assert_eq!(
        place.count("usage_events WHERE window_start = 1754265600 AND window_end = 1754352000"),
        1,
        "the day of the row's time"
    );

    let status = place.run(&["status", "--format", "json"]).succeeds().json();
    assert_eq!(
        status["imported"],
        json!([{
            "account": "openai/org-anon", "endpoint": "completions", "width": "1d",
            "firstDay": "2025-08-01", "lastDay": "2025-08-05", "windows": 5, "events": 10,
        }])
    );
    assert_eq!(status["coverage"], json!([]));
    assert_eq!(status["runs"][0]["kind"], "import");
    assert_eq!(status["runs"][0]["label"], "old");
    assert_eq!(status["runs"][0]["telemetry"], report["run"]["telemetry"]);
    let telemetry = &report["run"]["telemetry"];
    assert_eq!(
        (
            &telemetry["storedEvents"],
            &telemetry["mergedEvents"],
            &telemetry["skippedEvents"]
        ),
        (&json!(10), &json!(2), &json!(3))
    );
    let status = place.run(&["status"]).succeeds().stdout;
    let line = "  5 days imported and never read, 2025-08-01 to 2025-08-05 (10 events); `usage backfill` reads them\n";
    assert!(status.contains(line), "{status}");
    let doctor = place.run(&["doctor"]).succeeds().stdout;
    assert!(
        doctor.contains("10 of them imported, in windows that nobody read"),
        "{doctor}"
    );

    let before = place.events();
    let again = import(&place, &old, &["--format", "json"]).ends_with(1).json();
    assert_eq!(
        again["rows"],
        json!({
            "read": 15, "inserted": 0, "standing": 10, "duplicates": 2, "conflicting": 2, "differing": 0, "cleaned": 0,
            "ofReadWindows": 0, "refused": 1, "derivedWindows": 1, "derivedEnds": 1,
        })
    );
    assert_eq!(again["kinds"], report["kinds"]);
    assert_eq!(place.events(), before);
    assert_eq!(place.count("usage_revisions"), 0);
    assert_eq!(place.count("usage_coverage"), 0);
    assert_eq!(old.fingerprint(), untouched, "the source is only read");
    assert_no_password(&place);
}

/// Neither the ledger nor anything beside it holds the password of the source.
fn assert_no_password(place: &Place<'_>) {
    let holds = |bytes: &[u8]| {
        bytes
            .windows(PASSWORD.len())
            .any(|window| window == PASSWORD.as_bytes())
    };
    for file in place.files().keys().map(|name| place.folder.path().join(name)) {
        if file.is_file() {
            assert!(!holds(&fs::read(&file).unwrap()), "{}", file.display());
        }
    }
    if let Database::Postgres(_) = &place.database {
        let runs = format!("runs WHERE plan || telemetry || issues LIKE '%{PASSWORD}%'");
        assert_eq!(place.count(&runs), 0);
    }
}

pub(crate) fn an_import_in_parts_is_the_whole_and_a_later_one_keeps_what_stands(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let old = every_sort();
    let place = Place::new(kind, &provider);
    import(&place, &old, &["--key", "2", "--key", "1"]).ends_with(1);
    let whole = place.events();

    let place = Place::new(kind, &provider);
    let first = import(&place, &old, &["--key", "1", "--format", "json"])
        .ends_with(1)
        .json();
    assert_eq!(
        (&first["rows"]["read"], &first["rows"]["inserted"]),
        (&json!(12), &json!(11))
    );
    let second = import(&place, &old, &["--key", "2", "--format", "json"])
        .ends_with(1)
        .json();
    assert_eq!(
        (
            &second["rows"]["standing"],
            &second["rows"]["differing"],
            &second["rows"]["inserted"]
        ),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(
        second["run"]["issues"][0]["message"],
        "openai/org-anon completions 2025-08-02T00:00:00Z/1d project_id proj_a, api_key_id key_a, user_id user-1, \
         model gpt-4o: the ledger has other numbers from an earlier import, and keeps them"
    );
    // One key alone has no conflict, and what the other knows of a batch is not added to what stands.
    let parts = place.events();
    let others: Vec<&str> = parts.lines().filter(|line| !whole.contains(line)).collect();
    assert_eq!((parts.lines().count(), others.len()), (11, 2), "{others:?}");
    assert!(
        others.iter().any(|line| line.contains("\"inputTokens\":50,")),
        "{others:?}"
    );

    // What was imported in part before it was interrupted is found standing by the whole.
    let interrupted = Place::new(kind, &provider);
    import(&interrupted, &old, &[]).ends_with(1);
    interrupted.execute("DELETE FROM usage_events WHERE window_start > 1754006400");
    let resumed = import(&interrupted, &old, &["--format", "json"])
        .ends_with(1)
        .json();
    assert_eq!(
        (&resumed["rows"]["standing"], &resumed["rows"]["inserted"]),
        (&json!(4), &json!(6))
    );
    assert_eq!(interrupted.events(), whole);
}

pub(crate) fn tables_of_other_shapes_are_read_as_far_as_they_go(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::new(kind, &provider);
    // The older table of seven columns.
    let seven = OldDatabase::of(
        "CREATE TABLE usage_events (id serial PRIMARY KEY, key_id integer NOT NULL, model text NOT NULL, \
         tokens_in integer DEFAULT 0, tokens_out integer DEFAULT 0, cost_estimate numeric(10, 6) DEFAULT '0', \
         timestamp timestamp NOT NULL); \
         INSERT INTO usage_events (key_id, model, tokens_in, tokens_out, timestamp) VALUES \
         (1, 'gpt-4o', 10, 1, '2025-07-01 23:59:59'), (2, 'gpt-4o', 10, 1, '2025-07-01 23:59:59'), \
         (1, 'gpt-4o', 20, 2, '2025-07-02 00:00:00'), (1, 'gpt-3-5-turbo', 7, 1, '2025-07-02 10:00'), \
         (1, 'gpt-3-5-turbo', 7, 1, '2025-07-02 11:00')",
    );
    let report = import(&place, &seven, &["--format", "json"]).ends_with(1).json();
    let rows = &report["rows"];
    assert_eq!(
        [
            &rows["read"],
            &rows["inserted"],
            &rows["duplicates"],
            &rows["conflicting"],
            &rows["derivedWindows"]
        ],
        [&json!(5), &json!(2), &json!(1), &json!(2), &json!(5)],
        "two parts of a day are not the same usage twice"
    );
    assert_eq!(report["missingColumns"].as_array().unwrap().len(), 19);
    assert_eq!(sums(&place), (2, 30, 3));

    // Somebody widened the columns, since integers overflowed.
    let wide = OldDatabase::new();
    wide.execute("ALTER TABLE usage_events ALTER COLUMN tokens_in TYPE numeric");
    let row = |tokens: &str, project: &str| {
        format!(
            "(1, 'gpt-4o', {tokens}, 1, '2025-07-03', '2025-07-03', '2025-07-04', '{project}', 'key_a', 'user-1', NULL)"
        )
    };
    wide.add(&[
        &row("5000000000", "proj_a"),
        &row("9223372036854775808", "proj_b"),
        &row("-1", "proj_c"),
        &row("1.5", "proj_d"),
        "(1, 'gpt-4o', 1, 1, '2025-07-03', 'infinity', NULL, 'proj_e', 'key_a', 'user-1', NULL)",
    ]);
    let report = import(&place, &wide, &["--format", "json"]).ends_with(1).json();
    assert_eq!(
        (&report["rows"]["inserted"], &report["rows"]["refused"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(sums(&place), (3, 5_000_000_030, 4));
}

#[test]
fn what_is_no_old_database_is_told_in_one_line() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let empty = OldDatabase::of("SELECT 1");
    let other = OldDatabase::of("CREATE TABLE usage_events (id integer, model text, timestamp timestamp)");
    let old = every_sort();
    let ledger = Place::new(DatabaseKind::Postgres, &provider);
    ledger.run(&["status"]).succeeds();
    let advice = "; name the one that it used";
    for (url, more, line) in [
        (
            empty.url(),
            [].as_slice(),
            format!(
                "{} is no database of CogniTrack: it has no table usage_events{advice}",
                empty.name()
            ),
        ),
        (
            other.url(),
            &[],
            format!(
                "{} is no database of CogniTrack: its usage_events lacks key_id, tokens_in, tokens_out{advice}",
                other.name()
            ),
        ),
        (
            ledger.database_url(),
            &[],
            format!(
                "{} is no database of CogniTrack: its usage_events is that of a ledger of this program{advice}",
                ledger.database_url().replace("postgres@", "")
            ),
        ),
        (
            old.url(),
            &["--key", "9"],
            format!(
                "the usage_events of {} have no row of key 9; they have rows of 1, 2",
                old.name()
            ),
        ),
        (
            "sqlite:old.db".to_owned(),
            &[],
            "CogniTrack kept its usage in PostgreSQL; name its database by a postgres:// URL".to_owned(),
        ),
    ] {
        let command = [
            &["import", "cognitrack", url.as_str(), "--account", ORGANIZATION],
            more,
        ]
        .concat();
        place.run(&command).refuses_with(&line);
        assert!(!place.work().join("ledger.db").exists(), "{line}");
    }
    let unreachable = format!("postgres://me:{PASSWORD}@127.0.0.1:1/old");
    let refused = place
        .run(&["import", "cognitrack", &unreachable, "--account", ORGANIZATION])
        .ends_with(2);
    assert!(!refused.stderr.contains(PASSWORD), "{refused:#?}");
    assert!(
        refused
            .stderr
            .starts_with("error: cannot open the database postgres://127.0.0.1:1/old"),
        "{refused:#?}"
    );
    let nothing = import(&place, &OldDatabase::new(), &[]).succeeds();
    assert!(
        nothing.stdout.contains("there is nothing to import"),
        "{nothing:#?}"
    );
    assert!(!place.work().join("ledger.db").exists());
}
