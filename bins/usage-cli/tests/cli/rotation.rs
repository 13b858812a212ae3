//! Another master key under a running ledger, and another secret in a stored key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use usage_simulator::AdminKey;

use crate::fixture::{DatabaseKind, Finished, KEY, ORGANIZATION, Place, Provider};

const ANOTHER: &str = "sk-admin-test-another-one";

/// The settings of the master keys.
#[derive(Clone, Copy, Debug)]
enum Masters {
    Old,
    Both,
    New,
}

fn old_key(place: &Place<'_>) -> PathBuf {
    place.folder.path().join("home/config/usage/master.key")
}

fn new_key(place: &Place<'_>) -> PathBuf {
    place.folder.path().join("home/new.key")
}

fn command(place: &Place<'_>, masters: Masters, arguments: &[&str]) -> Command {
    let mut command = place.command(arguments);
    let (current, previous) = match masters {
        Masters::Old => (old_key(place), None),
        Masters::Both => (new_key(place), Some(old_key(place))),
        Masters::New => (new_key(place), None),
    };
    command.env("USAGE_MASTER_KEY_FILE", current);
    if let Some(previous) = previous {
        command.env("USAGE_PREVIOUS_MASTER_KEY_FILE", previous);
    }
    command
}

fn run(place: &Place<'_>, masters: Masters, arguments: &[&str]) -> Finished {
    place.finish(&mut command(place, masters, arguments), "")
}

fn secret(number: u64) -> String {
    format!("sk-admin-test-not-a-real-key-{number:04}")
}

/// A ledger with so many keys under the old master key, all of which the provider accepts, and a new master key.
fn place_with_keys(kind: DatabaseKind, provider: &Provider, keys: u64) -> Place<'_> {
    let place = Place::new(kind, provider);
    for number in 1..=keys {
        let label = format!("key {number}");
        provider
            .simulator
            .add_key(AdminKey::owner(secret(number)).labelled(&label));
        add_unchecked(&place, ORGANIZATION, &secret(number));
    }
    make_new_key(&place).succeeds();
    place
}

fn add_unchecked(place: &Place<'_>, organization: &str, secret: &str) {
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--no-check",
        "--organization",
        organization,
    ];
    place.finish(&mut place.command(&add), secret).succeeds();
}

fn make_new_key(place: &Place<'_>) -> Finished {
    let path = new_key(place);
    place.run(&["keys", "new-master", path.to_str().unwrap()])
}

/// With which master key each provider key is sealed, as the list for programs says.
fn sealed_with(place: &Place<'_>, masters: Masters) -> Vec<String> {
    let list = run(place, masters, &["keys", "list", "--format", "json"])
        .succeeds()
        .json();
    let keys = list.as_array().unwrap();
    keys.iter()
        .map(|key| key["sealedWith"].as_str().unwrap().to_owned())
        .collect()
}

/// The provider accepts the secret, so it was opened.
#[track_caller]
fn assert_opens(place: &Place<'_>, masters: Masters, id: u64) {
    run(place, masters, &["keys", "check", &id.to_string()]).succeeds();
}

pub(crate) fn another_master_key_from_end_to_end(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = place_with_keys(kind, &provider, 3);
    assert_eq!(sealed_with(&place, Masters::Old), ["current"; 3]);
    assert_eq!(sealed_with(&place, Masters::New), ["other"; 3]);
    assert_eq!(sealed_with(&place, Masters::Both), ["previous"; 3]);
    let listed = run(&place, Masters::Both, &["keys", "list"]).succeeds().stdout;
    let remark = "(sealed with the previous master key; run `usage keys reseal`)";
    assert_eq!(listed.matches(remark).count(), 3, "{listed}");

    // A key that comes in between is sealed with the new one; all can be used.
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--organization",
        ORGANIZATION,
    ];
    place
        .finish(&mut command(&place, Masters::Both, &add), KEY)
        .succeeds();
    for id in 1..=4 {
        assert_opens(&place, Masters::Both, id);
    }

    let with_new_alone = run(&place, Masters::New, &["keys", "reseal"]).ends_with(1);
    assert_eq!(
        with_new_alone.stdout,
        "0 keys resealed with the current master key, 1 already current, 3 not openable\n\
         not openable: 1, 2, 3; set the master key they were sealed with in USAGE_PREVIOUS_MASTER_KEY_FILE and run \
         `usage keys reseal` again, or remove them with `usage keys remove`\n"
    );
    let resealed = run(&place, Masters::Both, &["keys", "reseal"]).succeeds();
    assert!(
        resealed
            .stdout
            .starts_with("3 keys resealed with the current master key, 1 already current, 0 not openable\n"),
        "{resealed:#?}"
    );
    let again = run(&place, Masters::New, &["keys", "reseal"]).succeeds();
    assert!(
        again
            .stdout
            .starts_with("0 keys resealed with the current master key, 4 already current")
    );
    assert_eq!(sealed_with(&place, Masters::New), ["current"; 4]);
    for id in 1..=4 {
        assert_opens(&place, Masters::New, id);
    }
    run(&place, Masters::Old, &["keys", "check", "1"]).refuses_with(
        "provider key 1 is sealed with another master key; set the master key it was added with",
    );
}

#[test]
fn a_reseal_that_is_killed_at_any_moment_goes_on_where_it_stopped() {
    const KEYS: u64 = 30;
    const ROUNDS: u64 = 6;
    let provider = Provider::of_the_real_month();
    let place = place_with_keys(DatabaseKind::Sqlite, &provider, KEYS);
    // Each row takes a while, so that a kill hits the middle of the work and often of a transaction.
    place.execute(
        "CREATE TRIGGER slow AFTER UPDATE ON provider_keys BEGIN \
         SELECT count(*) FROM provider_keys a, provider_keys b, provider_keys c, provider_keys d WHERE a.nonce < b.nonce \
         AND c.nonce < d.nonce; END",
    );
    let old_id = sealed_ids(&place);
    assert_eq!(old_id.len(), 1, "{old_id:?}");
    let done = || place.count(&format!("provider_keys WHERE master_key_id <> '{}'", old_id[0]));
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for round in 0..ROUNDS {
        let before = done();
        let mut child = command(&place, Masters::Both, &["keys", "reseal"])
            .spawn()
            .unwrap();
        // Progress says when, the spin where in the next transaction.
        let target = before + 1 + i64::try_from(random.next_u64() % 3).unwrap();
        while done() < target {
            assert!(
                child.try_wait().unwrap().is_none(),
                "round {round}: it ended early"
            );
        }
        for _ in 0..random.next_u64() % 200_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "round {round}: it was not killed");

        let sealed = sealed_with(&place, Masters::Both);
        let current = sealed.iter().filter(|with| *with == "current").count();
        let previous = sealed.iter().filter(|with| *with == "previous").count();
        assert_eq!(current + previous, sealed.len(), "round {round}: {sealed:?}");
        assert!(
            current >= usize::try_from(target).unwrap() && previous > 0,
            "round {round}: {sealed:?}"
        );
        // On both sides of where it stopped, and anywhere.
        let stopped = current as u64;
        for id in [stopped, stopped + 1, 1 + random.next_u64() % KEYS] {
            assert_opens(&place, Masters::Both, id);
        }
    }
    place.execute("DROP TRIGGER slow");
    let left = KEYS - u64::try_from(done()).unwrap();
    let resumed = run(&place, Masters::Both, &["keys", "reseal"]).succeeds();
    let told = format!(
        "{left} keys resealed with the current master key, {} already current, 0 not openable\n",
        KEYS - left
    );
    assert!(resumed.stdout.starts_with(&told), "{left}: {resumed:#?}");
    for id in 1..=KEYS {
        assert_opens(&place, Masters::New, id);
    }
}

/// The ids of the master keys in the ledger, each once.
fn sealed_ids(place: &Place<'_>) -> Vec<String> {
    let crate::fixture::Database::Sqlite(path) = &place.database else {
        panic!("only SQLite is looked into");
    };
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut select = connection
        .prepare("SELECT DISTINCT master_key_id FROM provider_keys")
        .unwrap();
    let ids = select.query_map([], |row| row.get(0)).unwrap();
    ids.map(Result::unwrap).collect()
}

#[test]
fn a_new_master_key_is_private_and_replaces_nothing() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let path = new_key(&place);
    let made = make_new_key(&place).succeeds();
    assert!(
        made.stdout
            .starts_with("made [place]/home/new.key, a new master key\n"),
        "{made:#?}"
    );
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!((text.len(), text.ends_with("=\n")), (45, true));
    assert!(!made.stdout.contains(text.trim()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);

    make_new_key(&place).refuses_with(
        "[place]/home/new.key exists already and is not replaced; name another file for the new master key",
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let refused = place.run(&["keys", "new-master", "missing/new.key"]).ends_with(2);
    assert!(
        refused
            .stderr
            .starts_with("error: cannot make the master key file missing/new.key: No such file or directory"),
        "{refused:#?}"
    );
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
    place.run(&["keys", "new-master", "relative.key"]).succeeds();
    assert_ne!(
        fs::read_to_string(place.work().join("relative.key")).unwrap(),
        text
    );
    let files: Vec<String> = place.files().into_keys().collect();
    assert_eq!(
        files,
        ["home", "home/new.key", "tmp", "work", "work/relative.key"],
        "no ledger and no other key was made"
    );
}

#[test]
fn a_previous_master_key_must_be_there_and_is_shown_masked() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let mut missing = place.command(&["keys", "check", "1"]);
    missing.env("USAGE_PREVIOUS_MASTER_KEY_FILE", "missing.key");
    let refused = place.finish(&mut missing, "").ends_with(2);
    assert!(
        refused.stderr.ends_with(
            "error: the master key file missing.key does not exist; restore it from a backup or name another in \
             USAGE_PREVIOUS_MASTER_KEY_FILE\n"
        ),
        "{refused:#?}"
    );
    assert!(!place.work().join("missing.key").exists());

    let text = fs::read_to_string(old_key(&place)).unwrap();
    let mut doctor = place.command(&["doctor"]);
    doctor.env("USAGE_PREVIOUS_MASTER_KEY", text.trim());
    let doctor = place.finish(&mut doctor, "").succeeds();
    assert!(
        doctor
            .stdout
            .contains("  USAGE_PREVIOUS_MASTER_KEY = set, hidden (USAGE_PREVIOUS_MASTER_KEY)\n"),
        "{doctor:#?}"
    );
    assert!(!doctor.stdout.contains(text.trim()));
}

pub(crate) fn a_rotated_key_reads_on_with_its_new_secret(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&[]).succeeds();
    let (contents, before) = (place.contents(), place.keys());
    provider
        .simulator
        .add_key(AdminKey::owner(ANOTHER).labelled("another"));
    let rotate = |secret: &str| place.finish(&mut place.command(&["keys", "rotate", "1"]), secret);

    rotate(KEY).refuses_with("this key is already stored as key 1; give the new one");
    rotate("  \n").refuses_with("no secret was given; pipe it in, as in `usage keys add … < admin.key`");
    let unknown = rotate("sk-admin-test-unknown-key").ends_with(2);
    assert_eq!(unknown.stderr.lines().count(), 1, "{unknown:#?}");
    assert_eq!(place.keys(), before, "a refused secret changes nothing");
    place
        .finish(&mut place.command(&["keys", "rotate", "2"]), ANOTHER)
        .refuses_with("there is no provider key 2");
    place
        .finish(&mut place.command(&["keys", "rotate", "one"]), ANOTHER)
        .refuses_with("`one` is no key id; see `usage keys list`");

    rotate(&format!("{ANOTHER}\n")).succeeds();
    let after = place.keys();
    let kept =
        |keys: &Value| ["id", "account", "label", "projects", "createdAt"].map(|name| keys[0][name].clone());
    assert_eq!(kept(&after), kept(&before));
    assert_eq!(after[0]["status"], json!("active"));
    assert_ne!(after[0]["maskedKey"], before[0]["maskedKey"]);
    assert_eq!(place.contents(), contents);

    assert!(
        provider.simulator.revoke_key("owner"),
        "the old secret is not needed"
    );
    place.run(&["keys", "check", "1"]).succeeds();
    place.backfill_month(&["--force"]).succeeds();
    assert_eq!(place.contents(), contents);
    assert_eq!(place.count("usage_revisions"), 0);
}

#[test]
fn a_secret_from_a_file_is_stored_without_asking() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    provider.simulator.clear_requests();
    fs::write(place.work().join("new.key"), format!("{ANOTHER}\n")).unwrap();
    place
        .run(&["keys", "rotate", "1", "--secret-file", "new.key", "--no-check"])
        .succeeds();
    assert_eq!(provider.simulator.requests(), []);
    assert_eq!(place.keys()[0]["status"], json!("unchecked"));
    place.run(&["keys", "check", "1"]).ends_with(2);
}

#[test]
fn a_secret_of_another_account_is_refused() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    add_unchecked(&place, "org-other", "sk-admin-test-of-the-other");
    provider
        .simulator
        .add_key(AdminKey::owner(ANOTHER).labelled("another"));
    let before = place.keys();
    let refused = place
        .finish(&mut place.command(&["keys", "rotate", "2"]), ANOTHER)
        .ends_with(2);
    assert!(
        refused
            .stderr
            .contains("already belongs to account openai/org-anon: this key reads the same organization"),
        "{refused:#?}"
    );
    assert_eq!(place.keys(), before);
}
