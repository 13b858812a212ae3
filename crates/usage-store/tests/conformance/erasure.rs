//! Erasing users' names: for good, and without touching a sum.

use std::path::Path;

use usage_core::{Directory, DirectoryEntry, DirectoryKind};
use usage_store::{AccountScope, ErasedIn, EventQuery, NamesLeft, StoreError, Traces};

use crate::fixture::{Fixture, NOW, day, instant, row, rows};

const EMAIL: &str = "ada.lovelace@example.test";

pub(crate) async fn an_erased_user_does_not_come_back(fixture: &Fixture) {
    let (ledger, id) = (&fixture.ledger, fixture.account.id);
    ledger.save_directory(id, directory("Ada")).await.unwrap();
    let window = rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)]);
    fixture.store(fixture.read(NOW, vec![window])).await;
    let query = || EventQuery::daily(AccountScope::All);
    let before = (ledger.totals(query()).await.unwrap(), fixture.snapshot().await);

    let erased = ledger.erase_user("user-1").await.unwrap();
    assert_eq!(
        erased.accounts,
        [ErasedIn {
            account: fixture.account.account.clone(),
            name: true,
            email: true,
            erased_before: None,
        }]
    );
    assert_eq!(erased.traces, Traces::Gone);
    let left = [
        "api_key key_1 Key of Ada -",
        "project proj_a Search -",
        "user user-1 - -",
        "user user-2 Grace grace@example.test",
    ];
    assert_eq!(names(fixture).await, left);
    assert_eq!(
        (ledger.totals(query()).await.unwrap(), fixture.snapshot().await),
        before,
        "usage keeps the id, and every sum"
    );

    ledger
        .save_directory(id, directory("Ada Lovelace"))
        .await
        .unwrap();
    assert_eq!(names(fixture).await, left, "a later read does not bring it back");
    let again = ledger.erase_user("user-1").await.unwrap();
    assert_eq!(
        (again.accounts[0].name, again.accounts[0].erased_before),
        (false, Some(instant(NOW)))
    );
}

pub(crate) async fn a_user_is_known_by_usage_alone_or_not_at_all(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    for unknown in ["user-1", "proj_a", ""] {
        let error = ledger.erase_user(unknown).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no user {unknown}"));
        assert!(matches!(error, StoreError::NotFound { .. }));
    }
    let window = rows(day("2025-09-01"), [row("proj_a", "gpt-5", 10)]);
    fixture.store(fixture.read(NOW, vec![window])).await;
    let erased = ledger.erase_user("user-1").await.unwrap();
    assert_eq!((erased.accounts.len(), erased.accounts[0].name), (1, false));
    ledger
        .save_directory(fixture.account.id, directory("Ada"))
        .await
        .unwrap();
    assert!(names(fixture).await.contains(&"user user-1 - -".to_owned()));
}

pub(crate) async fn all_users_are_erased_and_nothing_else(fixture: &Fixture) {
    let (ledger, id) = (&fixture.ledger, fixture.account.id);
    ledger.save_directory(id, directory("Ada")).await.unwrap();
    assert_eq!(ledger.erase_user_names().await.unwrap(), (2, Traces::Gone));
    assert_eq!(
        names(fixture).await,
        [
            "api_key key_1 Key of Ada -",
            "project proj_a Search -",
            "user user-1 - -",
            "user user-2 - -",
        ]
    );
    assert_eq!(ledger.erase_user_names().await.unwrap(), (0, Traces::Gone));
    ledger.save_directory(id, directory("Ada")).await.unwrap();
    assert!(
        names(fixture).await.contains(&format!("user user-1 Ada {EMAIL}")),
        "nobody was erased for good"
    );
}

/// The rows are erased, and then the file cannot be written anew.
pub(crate) async fn traces_that_could_not_be_cleaned_are_cleaned_the_next_time(fixture: &Fixture) {
    let (ledger, id) = (&fixture.ledger, fixture.account.id);
    let left = async || ledger.names_left().await.unwrap();
    let may_remain = |traces: &Traces| matches!(traces, Traces::MayRemain(_));
    assert_eq!(left().await, NamesLeft::None);
    ledger.save_directory(id, directory("Ada")).await.unwrap();
    assert_eq!(left().await, NamesLeft::Names);
    fixture.sql(if fixture.is_postgres() {
        "CREATE FUNCTION spoiled(id text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
           IF current_query() LIKE 'VACUUM%' THEN RAISE EXCEPTION 'no room'; END IF; RETURN id; END $$; \
         CREATE INDEX spoiled_idx ON directory_names (spoiled(id))"
    } else {
        "CREATE TABLE spoiled (x TEXT); PRAGMA writable_schema = ON; \
         UPDATE sqlite_master SET sql = 'CREATE TABLE spoiled (x TEXT COLLATE missing)' WHERE name = 'spoiled'"
    });
    let (erased, traces) = ledger.erase_user_names().await.unwrap();
    assert!(erased == 2 && may_remain(&traces), "{traces:?}");
    assert_eq!(left().await, NamesLeft::Traces);
    let (erased, traces) = ledger.erase_user_names().await.unwrap();
    assert!(
        erased == 0 && may_remain(&traces),
        "nothing is done yet: {traces:?}"
    );
    let again = ledger.erase_user("user-1").await.unwrap();
    assert!(may_remain(&again.traces), "{again:?}");

    fixture.sql(if fixture.is_postgres() {
        "DROP INDEX spoiled_idx"
    } else {
        "DROP TABLE spoiled"
    });
    assert_eq!(ledger.erase_user_names().await.unwrap(), (0, Traces::Gone));
    assert_eq!(left().await, NamesLeft::None);
    assert_eq!(fixture.sql("SELECT count(*) FROM erasure_traces"), "0");
}

/// Rows that are changed leave their old text in unused parts of the pages; it must go too.
pub(crate) async fn the_file_holds_no_erased_text(fixture: &Fixture) {
    let (ledger, id) = (&fixture.ledger, fixture.account.id);
    for round in 0..4 {
        let mut crowd = directory("Ada");
        for number in 10..400 {
            let mut entry = crowd.entries[2].clone();
            entry.id = format!("user-{number}");
            entry.name = Some(format!("Somebody {}", "x".repeat(round * 13 + number % 7)));
            entry.email = Some(format!("somebody-{number}@example.test"));
            crowd.entries.push(entry);
        }
        ledger.save_directory(id, crowd).await.unwrap();
    }
    let held = |text: &str| {
        let Some(path) = fixture.url.strip_prefix("sqlite:") else {
            return fixture.sql(&format!(
                "SELECT count(*) FROM directory_names WHERE email = '{text}'"
            )) != "0";
        };
        ["", "-wal"].iter().any(|suffix| {
            let bytes = std::fs::read(Path::new(&format!("{path}{suffix}"))).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    };
    assert!(held(EMAIL) && held("somebody-10@example.test"));
    assert_eq!(ledger.erase_user("user-1").await.unwrap().traces, Traces::Gone);
    assert!(!held(EMAIL) && !held("ada.lovelace"));
    assert!(held("somebody-10@example.test"), "others stay");
    ledger.save_directory(id, directory("Ada")).await.unwrap();
    assert!(!held(EMAIL), "what was erased is not even written and removed");
}

/// Kind, id, name and e-mail address of everything, a line each.
async fn names(fixture: &Fixture) -> Vec<String> {
    let names = fixture.ledger.names(AccountScope::All).await.unwrap();
    names
        .into_iter()
        .map(|name| {
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {} {}",
                name.kind.as_str(),
                name.id,
                or_dash(name.name),
                or_dash(name.email)
            )
        })
        .collect()
}

fn directory(ada: &str) -> Directory {
    let entry = |kind, id: &str, name: &str, email: Option<&str>| DirectoryEntry {
        kind,
        id: id.to_owned(),
        name: Some(name.to_owned()),
        email: email.map(str::to_owned),
        project_id: None,
        status: None,
        created_at: None,
    };
    Directory {
        entries: vec![
            entry(DirectoryKind::Project, "proj_a", "Search", None),
            entry(DirectoryKind::ApiKey, "key_1", "Key of Ada", None),
            entry(DirectoryKind::User, "user-1", ada, Some(EMAIL)),
            entry(DirectoryKind::User, "user-2", "Grace", Some("grace@example.test")),
        ],
    }
}
