//! Provider keys: checked, sealed, and never shown.

use std::fs;
use std::path::Path;

use serde_json::json;
use usage_simulator::AdminKey;

use crate::fixture::{Database, DatabaseKind, Finished, KEY, MONTH, ORGANIZATION, Place, Provider};

/// The part of the key that no mask shows.
const SECRET_PART: &str = "test-not-a-real";

pub(crate) fn no_command_ever_shows_the_secret(kind: DatabaseKind) {
    assert!(KEY.contains(SECRET_PART));
    let provider = Provider::of_the_real_month();
    let place = Place::new(kind, &provider);
    let password = "hunter2";
    let loud = |arguments: &[&str], input: &str| {
        let mut command =
            place.command(&[arguments, &["--log-level", "trace", "--log-format", "json"]].concat());
        if let Database::Postgres(database) = &place.database {
            command.env(
                "USAGE_DATABASE_URL",
                database
                    .url()
                    .replace("postgres@", &format!("postgres:{password}@")),
            );
        }
        let finished = place.finish(&mut command, input);
        let Finished { stdout, stderr, .. } = &finished;
        for secret in [SECRET_PART, password] {
            assert!(
                !stdout.contains(secret) && !stderr.contains(secret),
                "{finished:#?}"
            );
        }
        finished
    };
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--organization",
        ORGANIZATION,
    ];
    loud(&["migrate"], "").succeeds();
    loud(&add, KEY).succeeds();
    loud(&add, KEY).ends_with(2);
    loud(&["keys", "list"], "").succeeds();
    loud(&["keys", "list", "--format", "json"], "").succeeds();
    loud(&["keys", "check", "1"], "").succeeds();
    loud(
        &[&["backfill", "--artifact", "--label", "loud"], &MONTH[..]].concat(),
        "",
    )
    .succeeds();
    loud(&["backfill", "--plan", "--format", "json"], "").succeeds();
    loud(&["status"], "").succeeds();
    loud(&["status", "--format", "json"], "").succeeds();
    loud(&["doctor"], "").succeeds();
    loud(&["doctor", "--format", "json"], "").succeeds();
    for format in ["jsonl", "csv", "provider-csv"] {
        loud(
            &[
                "export",
                "--format",
                format,
                "--output",
                &format!("export.{format}"),
            ],
            "",
        )
        .succeeds();
    }
    provider.simulator.fail_next(1, 500, Some("0"));
    let retried = loud(&[&["backfill", "--force"], &MONTH[..]].concat(), "").succeeds();
    assert!(
        retried.stderr.lines().any(|line| line.starts_with('{')),
        "nothing is logged: {retried:#?}"
    );
    assert!(provider.simulator.revoke_key("owner"));
    loud(&["keys", "check", "1"], "").ends_with(2);
    loud(&["backfill"], "").ends_with(2);

    let mut files = 0;
    assert_no_file_holds(SECRET_PART, place.folder.path(), &mut files);
    // A database, a master key, an artifact, three exports.
    assert!(files >= 5, "{files} files");
    if let Database::Postgres(database) = &place.database {
        let everything = database.execute(
            "SET xmlbinary = hex; SELECT query_to_xml(format('SELECT * FROM %I', tablename), true, false, '') \
             FROM pg_tables WHERE schemaname = 'public'",
        );
        assert!(everything.contains(ORGANIZATION), "{everything}");
        let hex = SECRET_PART.bytes().map(|byte| format!("{byte:02X}"));
        let hex = hex.collect::<Vec<_>>().concat();
        assert!(
            !everything.contains(SECRET_PART) && !everything.contains(&hex),
            "{everything}"
        );
    }
    loud(&["keys", "remove", "1"], "").succeeds();
}

#[track_caller]
fn assert_no_file_holds(secret: &str, folder: &Path, files: &mut usize) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            assert_no_file_holds(secret, &path, files);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{} holds the secret", path.display());
        *files += 1;
    }
}

#[test]
fn a_removed_key_leaves_its_usage_and_comes_back_without_a_second_count() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let before = place.contents();
    place.run(&["keys", "remove", "1"]).succeeds();
    assert_eq!(place.keys(), serde_json::json!([]));
    assert_eq!(place.contents(), before);

    provider
        .simulator
        .add_key(AdminKey::owner("sk-admin-test-another-key").labelled("another"));
    place
        .add_key(ORGANIZATION, "sk-admin-test-another-key\n")
        .succeeds();
    place.backfill_month(&["--force"]).succeeds();
    assert_eq!(place.contents(), before);
}

#[test]
fn the_same_key_is_not_stored_twice() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let before = place.keys();
    place
        .add_key(ORGANIZATION, KEY)
        .refuses_with("this key is already stored as key 1; remove that one first to add it anew");
    assert_eq!(place.keys(), before);
}

#[test]
fn a_key_file_is_as_good_as_standard_input() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    fs::write(place.work().join("admin.key"), format!("{KEY}\r\n")).unwrap();
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--organization",
        ORGANIZATION,
        "--secret-file",
    ];
    place
        .run(&[&add[..], &["missing.key"]].concat())
        .refuses_with("cannot read missing.key: No such file or directory (os error 2)");
    place.run(&[&add[..], &["admin.key"]].concat()).succeeds();
    place.backfill_month(&[]).succeeds();
}

/// A place with a key that is limited to the organisation's first project.
fn place_of_one_project(provider: &Provider) -> (Place<'_>, String) {
    let project = provider
        .simulator
        .inspect(|organization| organization.projects()[0].id.clone());
    provider.simulator.add_key(AdminKey::restricted(
        "sk-admin-test-restricted",
        [project.clone()],
    ));
    let place = Place::new(DatabaseKind::Sqlite, provider);
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--organization",
        ORGANIZATION,
        "--project",
        &project,
    ];
    place
        .finish(&mut place.command(&add), "sk-admin-test-restricted")
        .succeeds();
    (place, project)
}

#[test]
fn a_key_limited_to_projects_reads_them_only() {
    let provider = Provider::of_the_real_month();
    let (place, project) = place_of_one_project(&provider);
    place.backfill_month(&[]).succeeds();
    let events = place.events();
    assert!(events.lines().count() > 0);
    assert!(
        events
            .lines()
            .all(|line| line.contains(&format!("\"projectId\":\"{project}\"")))
    );
}

#[test]
fn days_read_for_every_project_were_read_for_each() {
    let provider = Provider::of_the_real_month();
    let (place, project) = place_of_one_project(&provider);
    let week = [
        "backfill",
        "--endpoint",
        "completions",
        "--start",
        "2025-09-01",
        "--end",
        "2025-09-07",
    ];
    place.run(&week).succeeds();
    place.add_key(ORGANIZATION, KEY).succeeds();
    let rest = [
        "backfill",
        "--endpoint",
        "completions",
        "--start",
        "2025-09-05",
        "--end",
        "2025-10-01",
    ];
    place.run(&rest).succeeds();

    let status = place.run(&["status", "--format", "json"]).succeeds().json();
    let scopes: Vec<_> = status["coverage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scope| {
            let gaps = scope["gaps"].as_array().unwrap();
            let gaps = gaps.iter().map(|gap| gap["start"].as_str().unwrap());
            (
                scope["projects"].clone(),
                scope["windows"].clone(),
                gaps.collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        scopes,
        [
            (json!([]), json!(27), vec!["2025-10-02"]),
            (json!([project]), json!(7), vec!["2025-10-02"]),
        ]
    );
    assert_eq!(status["totals"].as_array().unwrap().len(), 1);
    let text = place.run(&["status"]).succeeds().stdout;
    assert_eq!(text.matches("input tokens").count(), 1, "{text}");
    assert_eq!(text.matches(&format!("  only {project}: ")).count(), 1, "{text}");
}

pub(crate) fn another_key_reads_on_when_the_first_is_revoked(kind: DatabaseKind) {
    let second = "sk-admin-test-second-not-a-real-key";
    let provider = Provider::of_the_real_month();
    provider
        .simulator
        .add_key(AdminKey::owner(second).labelled("second"));
    let place = Place::with_key(kind, &provider);
    place.add_key(ORGANIZATION, second).succeeds();

    // One that cannot be opened is told of, and nobody needs it yet.
    place.execute("UPDATE provider_keys SET master_key_id = 'another' WHERE id = 2");
    let read = place.backfill_month(&[]).succeeds();
    assert!(
        read.stderr.contains("this key cannot stand in for another"),
        "{read:#?}"
    );
    place.execute(
        "UPDATE provider_keys SET master_key_id = (SELECT master_key_id FROM provider_keys WHERE id = 1) WHERE id = 2",
    );
    let before = place.contents().events;

    assert!(provider.simulator.revoke_key("owner"));
    let read = place.backfill_month(&["--force"]).succeeds();
    let warnings: Vec<&str> = read
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    let told = "warning: UNAUTHORIZED: openai/org-anon: key 1 is not accepted, key 2 reads instead; \
                see `usage keys check 1`: ";
    assert!(
        matches!(warnings.as_slice(), [warning] if warning.starts_with(told)),
        "{read:#?}"
    );
    assert!(
        read.stdout.contains("0 errors, 1 warning: UNAUTHORIZED 1"),
        "{read:#?}"
    );
    assert_eq!(place.contents().events, before);

    // Once it is checked, it is not used any more.
    place.run(&["keys", "check", "1"]);
    let read = place.backfill_month(&["--force"]).succeeds();
    assert!(!read.stderr.contains("warning: "), "{read:#?}");
}
