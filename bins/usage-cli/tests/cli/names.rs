//! Users' names and e-mail addresses: erased for good, or never stored.

use std::fs;
use std::path::Path;

use crate::fixture::{Database, DatabaseKind, KEY, MONTH, ORGANIZATION, Place, Provider};

/// The id and e-mail address of a user with usage, by the provider's directory.
fn somebody(provider: &Provider, place: &Place<'_>) -> (String, String) {
    let events = place.events();
    provider.simulator.inspect(|organization| {
        let used = |id: &str| events.contains(&format!("\"userId\":\"{id}\""));
        let user = organization.users().iter().find(|user| used(&user.id)).unwrap();
        (user.id.clone(), user.email.clone())
    })
}

/// How many rows of the directory have a user's name or e-mail address.
fn named_users(place: &Place<'_>) -> i64 {
    place.count("directory_names WHERE kind = 'user' AND (name IS NOT NULL OR email IS NOT NULL)")
}

/// Whether any file of the place holds the text; only SQLite's files are the place's own.
fn some_file_holds(place: &Place<'_>, text: &str) -> bool {
    fn search(folder: &Path, text: &[u8]) -> bool {
        fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return search(&path, text);
            }
            fs::read(path)
                .unwrap()
                .windows(text.len())
                .any(|window| window == text)
        })
    }
    search(place.folder.path(), text.as_bytes())
}

pub(crate) fn an_erased_user_is_gone_and_every_sum_stays(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let (id, email) = somebody(&provider, &place);
    let (before, users) = (place.contents(), named_users(&place));
    assert!(users > 0);
    assert_eq!(
        some_file_holds(&place, &email),
        matches!(place.database, Database::Sqlite(_))
    );

    let told = place.run(&["names", "erase", "--user", &id]).succeeds();
    let first = told.stdout.lines().next().unwrap();
    assert!(
        first.starts_with(&format!("user {id} of openai/org-anon: erased the ")),
        "{told:#?}"
    );
    assert!(
        !told.stdout.contains(&email) && told.stderr.is_empty(),
        "{told:#?}"
    );
    assert_eq!(named_users(&place), users - 1);
    assert!(!some_file_holds(&place, &email));

    place.run(&["keys", "check", "1"]).succeeds();
    assert_eq!(
        named_users(&place),
        users - 1,
        "the provider still tells the name, and it is not stored"
    );
    assert!(!some_file_holds(&place, &email));
    assert_eq!(place.contents(), before);
    let again = place.run(&["names", "erase", "--user", &id]).succeeds().stdout;
    assert!(
        again.contains("nothing (no name was stored); erased before on "),
        "{again}"
    );

    place
        .run(&["names", "erase", "--user", "user-unknown"])
        .refuses_with("there is no user user-unknown");
    assert_eq!(place.contents(), before);
}

pub(crate) fn no_names_are_stored_where_none_may_be(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::new(kind, &provider);
    let emails: Vec<String> = provider.simulator.inspect(|organization| {
        organization
            .users()
            .iter()
            .map(|user| user.email.clone())
            .collect()
    });
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--organization",
        ORGANIZATION,
        "--no-names",
    ];
    place.finish(&mut place.command(&add), KEY).succeeds();
    assert_eq!(named_users(&place), 0);
    let of_users = "directory_names WHERE kind = 'user'";
    assert_eq!(place.count(of_users), i64::try_from(emails.len()).unwrap());
    assert!(place.count("directory_names WHERE kind = 'project' AND name IS NOT NULL") > 0);
    for email in &emails {
        assert!(!some_file_holds(&place, email), "{email}");
    }

    // A run without it stores them, and the next one with it erases them again.
    place.run(&["keys", "check", "1"]).succeeds();
    assert!(named_users(&place) > 0);
    fs::write(place.work().join("usage.toml"), "no_names = true\n").unwrap();
    place.run(&["keys", "check", "1"]).succeeds();
    assert_eq!(named_users(&place), 0);
    for email in &emails {
        assert!(!some_file_holds(&place, email), "{email}");
    }
}

#[test]
fn the_variable_says_so_too_and_is_true_or_false() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    assert!(named_users(&place) > 0);
    let check = |value: &str| {
        let mut command = place.command(&["keys", "check", "1"]);
        place.finish(command.env("USAGE_NO_NAMES", value), "")
    };
    check("yes").refuses_with("USAGE_NO_NAMES: `yes` is neither true nor false");
    assert!(named_users(&place) > 0);
    check("true").succeeds();
    assert_eq!(named_users(&place), 0);
    check("false").succeeds();
    assert!(named_users(&place) > 0);
}

/// Names that came in without the setting go with the next command that writes, whatever becomes of its key.
pub(crate) fn the_next_command_that_writes_erases_what_is_stored(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let without_names = |arguments: &[&str], input: &str| {
        let mut command = place.command(arguments);
        place.finish(command.env("USAGE_NO_NAMES", "true"), input)
    };
    let backfill = [&["backfill", "--endpoint", "completions"], &MONTH[..]].concat();
    let other_key = "sk-admin-test-that-nobody-knows";
    for (arguments, input, code) in [
        (&["migrate"][..], "", 0),
        (&backfill[..], "", 0),
        (&["keys", "reseal"][..], "", 0),
        (&["keys", "rotate", "1"][..], other_key, 2),
        (&["keys", "remove", "1"][..], "", 0),
        // Without a key it reads nothing.
        (&backfill[..], "", 2),
    ] {
        if place.count("provider_keys") > 0 {
            place.run(&["keys", "check", "1"]).succeeds();
        } else {
            place.execute("UPDATE directory_names SET name = 'Somebody' WHERE kind = 'user'");
        }
        assert!(named_users(&place) > 0);
        let looked = without_names(&["doctor"], "").ends_with(1);
        let finding = "WRONG names: users' names are stored although no_names is set; run `usage migrate`";
        assert!(looked.stdout.contains(finding), "{looked:#?}");
        without_names(arguments, input).ends_with(code);
        assert_eq!(named_users(&place), 0, "{arguments:?}");
        let looked = without_names(&["doctor"], "").succeeds();
        let finding = "names: no user's name or e-mail address is stored";
        assert!(looked.stdout.contains(finding), "{looked:#?}");
    }
    let plan = [&backfill[..], &["--plan"]].concat();
    place.add_key(ORGANIZATION, KEY).succeeds();
    without_names(&plan, "").succeeds();
    assert!(named_users(&place) > 0, "a plan changes nothing");
}

#[test]
fn a_file_that_could_not_be_written_anew_is_told_until_it_is() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    fs::write(place.work().join("usage.toml"), "no_names = true\n").unwrap();
    // SQLite goes on with such a table, but cannot write a new file with it.
    place.execute(
        "CREATE TABLE spoiled (x TEXT); PRAGMA writable_schema = ON; \
         UPDATE sqlite_master SET sql = 'CREATE TABLE spoiled (x TEXT COLLATE missing)' WHERE name = 'spoiled'",
    );
    let backfill = [&["backfill", "--endpoint", "completions"], &MONTH[..]].concat();
    for arguments in [
        &["keys", "check", "1"][..],
        &["keys", "reseal"][..],
        &["migrate"][..],
        &backfill[..],
    ] {
        let told = place.run(arguments).ends_with(1);
        assert!(
            told.stderr.contains(
                "users' names are erased, but the database's file may still hold their text: no such"
            ),
            "{told:#?}"
        );
        assert_eq!(named_users(&place), 0);
    }
    let looked = place.run(&["doctor"]).ends_with(1).stdout;
    assert!(
        looked.contains("WRONG names: names are erased, but the database's file may still hold their text"),
        "{looked}"
    );
    place.execute("DROP TABLE spoiled");
    place.run(&["keys", "check", "1"]).succeeds();
    place.run(&["doctor"]).succeeds();
}
