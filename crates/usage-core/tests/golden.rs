//! Twenty dedupe keys, pinned for good: ledgers in use have stored them.
//!
//! A change to this snapshot is a change to the identity of every row ever written. It needs a new version of the
//! encoding and a migration, never an update of the snapshot.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use usage_core::{Account, DedupeKey, Dimensions, Endpoint, Provider, Width, Window, parse_instant};

#[test]
fn twenty_keys_stay_what_they_are() {
    let lines: Vec<String> = events()
        .into_iter()
        .map(|(what, organization, window, dimensions)| {
            let account = Account::new(Provider::OpenAi, organization).unwrap();
            let key = DedupeKey::new(&account, Endpoint::Completions, window, &dimensions);
            let canonical = DedupeKey::canonical(&account, Endpoint::Completions, window, &dimensions);
            format!("{what}\n  {key}\n  {canonical}")
        })
        .collect();
    assert_eq!(lines.len(), 20);
    insta::assert_snapshot!(lines.join("\n"));
}

/// The documented encoding, written out by hand: what another program has to hash to find a row.
#[test]
fn a_key_is_the_hash_of_tagged_and_measured_values() {
    let encoded = b"\x01\
        \x01\0\0\0\x06openai\
        \x02\0\0\0\x08org-demo\
        \x03\0\0\0\x0bcompletions\
        \x04\0\0\0\x021d\
        \x05\0\0\0\x0a1756684800\
        \x13\0\0\0\x05gpt-5\
        \x15\0\0\0\x05false";
    let key = DedupeKey::new(
        &Account::new(Provider::OpenAi, "org-demo").unwrap(),
        Endpoint::Completions,
        Window::new(parse_instant("2025-09-01T00:00:00Z").unwrap(), Width::Day).unwrap(),
        &Dimensions {
            model: Some("gpt-5".to_owned()),
            batch: Some(false),
            ..Dimensions::default()
        },
    );
    assert_eq!(key.as_bytes()[..], blake3::hash(encoded).as_bytes()[..16]);
}

fn events() -> Vec<(&'static str, &'static str, Window, Dimensions)> {
    let window = |text: &str, width| Window::new(parse_instant(text).unwrap(), width).unwrap();
    let day = window("2025-09-01T00:00:00Z", Width::Day);
    let some = |text: &str| Some(text.to_owned());
    let none = Dimensions::default;
    let full = || Dimensions {
        project_id: some("proj_anon0001"),
        api_key_id: some("key_anon0001"),
        user_id: some("user-anon0001"),
        model: some("gpt-5-2025-08-07"),
        service_tier: some("incentivized-tier"),
        batch: Some(false),
        api_source: some("agents_api"),
        ..Dimensions::default()
    };
    let org = "org-demo";
    vec![
        ("no dimension", org, day, none()),
        ("every dimension", org, day, full()),
        ("another organization", "org-Demo", day, full()),
        (
            "an hour",
            org,
            window("2025-09-01T00:00:00Z", Width::Hour),
            full(),
        ),
        (
            "a minute",
            org,
            window("2025-09-01T00:00:00Z", Width::Minute),
            full(),
        ),
        (
            "another day",
            org,
            window("2025-09-02T00:00:00Z", Width::Day),
            full(),
        ),
        (
            "before 1970",
            org,
            window("1969-12-31T23:59:00Z", Width::Minute),
            none(),
        ),
        (
            "project alone",
            org,
            day,
            Dimensions {
                project_id: some("x"),
                ..none()
            },
        ),
        (
            "API key alone",
            org,
            day,
            Dimensions {
                api_key_id: some("x"),
                ..none()
            },
        ),
        (
            "user alone",
            org,
            day,
            Dimensions {
                user_id: some("x"),
                ..none()
            },
        ),
        (
            "model alone",
            org,
            day,
            Dimensions {
                model: some("x"),
                ..none()
            },
        ),
        (
            "service tier alone",
            org,
            day,
            Dimensions {
                service_tier: some("x"),
                ..none()
            },
        ),
        (
            "API source alone",
            org,
            day,
            Dimensions {
                api_source: some("x"),
                ..none()
            },
        ),
        (
            "batch false",
            org,
            day,
            Dimensions {
                batch: Some(false),
                ..none()
            },
        ),
        (
            "batch true",
            org,
            day,
            Dimensions {
                batch: Some(true),
                ..none()
            },
        ),
        (
            "batch absent, the rest present",
            org,
            day,
            Dimensions {
                batch: None,
                ..full()
            },
        ),
        (
            "empty values, as if absent",
            org,
            day,
            Dimensions {
                project_id: some(""),
                model: some(""),
                ..none()
            },
        ),
        (
            "the four letters of null",
            org,
            day,
            Dimensions {
                service_tier: some("null"),
                ..none()
            },
        ),
        (
            "beyond ASCII",
            org,
            day,
            Dimensions {
                model: some("模型-é-🦀"),
                user_id: some("Zoë"),
                ..none()
            },
        ),
        (
            "quotes, backslash, line end",
            org,
            day,
            Dimensions {
                model: some("a\" user_id=\"b\\\n"),
                ..none()
            },
        ),
    ]
}
