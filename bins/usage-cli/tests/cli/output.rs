//! What people see, word for word, and what programs may do with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use serde_json::json;
use usage_simulator::AdminKey;

use crate::fixture::{
    DatabaseKind, Finished, KEY, ORGANIZATION, Place, Provider, WINDOWS, replace_shape, signal,
};

/// Both streams, without what differs from run to run.
fn shown(finished: &Finished) -> String {
    let stderr = timeless(&finished.stderr);
    let separator = if stderr.is_empty() {
        ""
    } else {
        "--- standard error\n"
    };
    format!("{}{separator}{stderr}", timeless(&finished.stdout))
}

/// Replaces times by `[time]`, and today's date with what is counted up to it.
fn timeless(text: &str) -> String {
    let mut text = replace_shape(text, "0000-00-00 00:00:00 UTC", "[time]");
    text = replace_shape(&text, WINDOWS, "[windows]");
    text = replace_shape(&text, "0000-00-00T00:00:00.000000Z", "[time]");
    text = replace_shape(&text, "0000-00-00T00-00-00Z", "[time]");
    let lines: Vec<String> = text
        .lines()
        .map(|line| match line.split_once("never read: ") {
            Some((indent, days)) => {
                let first = days.split(' ').next().unwrap_or_default();
                format!("{indent}never read: {first} to [today] ([number] days)")
            }
            None => match line.split_once("done in ") {
                Some((_, rest)) => {
                    format!("done in [seconds]{}", rest.trim_start_matches(|c: char| c != ' '))
                }
                None => line.to_owned(),
            },
        })
        .collect();
    lines.join("\n") + if text.ends_with('\n') { "\n" } else { "" }
}

#[test]
fn a_first_session_reads_well() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let month = [
        "--start",
        "2025-09-01",
        "--end",
        "2025-10-01",
        "--chunk-days",
        "7",
    ];
    let mut session = Vec::new();
    let mut show = |line: &str, finished: Finished| {
        let code = finished.code.unwrap();
        session.push(format!("$ {line}\n{}[exit {code}]\n", shown(&finished)));
    };
    let mut run = |arguments: &[&str]| show(&format!("usage {}", arguments.join(" ")), place.run(arguments));
    run(&["doctor"]);
    run(&["migrate"]);
    run(&["migrate"]);
    run(&["status"]);
    run(&["keys", "list"]);
    run(&["doctor"]);
    let add = [
        "keys",
        "add",
        "--provider",
        "openai",
        "--organization",
        ORGANIZATION,
        "--label",
        "month end",
    ];
    show(
        &format!("usage {} < admin.key", add.join(" ")),
        place.finish(&mut place.command(&add), KEY),
    );
    let mut run = |arguments: &[&str]| show(&format!("usage {}", arguments.join(" ")), place.run(arguments));
    run(&[
        &["backfill"],
        &month[..],
        &["--label", "first real month", "--plan"],
    ]
    .concat());
    run(&[&["backfill"], &month[..], &["--label", "first real month"]].concat());
    run(&[&["backfill"], &month[..]].concat());
    run(&["status"]);
    run(&["keys", "list"]);
    run(&["keys", "check", "1"]);
    run(&["doctor"]);
    run(&["export", "--format", "jsonl", "--output", "events.jsonl"]);
    run(&["keys", "remove", "1"]);
    insta::assert_snapshot!(session.join("\n"));
}

#[test]
fn trouble_reads_well() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let mut session = Vec::new();
    let mut show = |what: &str, finished: Finished| {
        let code = finished.code.unwrap();
        session.push(format!("# {what}\n{}[exit {code}]\n", shown(&finished)));
    };
    let week = [
        "backfill",
        "--start",
        "2025-09-01",
        "--end",
        "2025-09-07",
        "--chunk-days",
        "2",
    ];
    provider.simulator.fail_next(1, 500, Some("0"));
    show("one answer is an error", place.run(&week));
    provider.simulator.fail_next(1, 400, None);
    show(
        "one chunk is refused",
        place.run(&[&week[..], &["--force"]].concat()),
    );
    let gone = usage_core::Window::day(usage_core::parse_day("2025-09-02").unwrap());
    let truth = provider.simulator.inspect(Clone::clone);
    provider.simulator.update(|organization| {
        organization
            .usage_mut(usage_core::Endpoint::Completions)
            .remove(gone, |_| true)
    });
    show(
        "a settled day would become empty",
        place.run(&[&week[..], &["--force"]].concat()),
    );
    show(
        "and is let go",
        place.run(&[&week[..], &["--force", "--accept-retractions"]].concat()),
    );
    provider.simulator.update(|organization| *organization = truth);
    show("it comes back", place.run(&[&week[..], &["--force"]].concat()));
    assert!(provider.simulator.revoke_key("owner"));
    provider.simulator.add_key(AdminKey::member(KEY));
    show(
        "the key's owner left",
        place.run(&[&week[..], &["--force"]].concat()),
    );
    show("the key is checked", place.run(&["keys", "check", "1"]));
    show("the keys are listed", place.run(&["keys", "list"]));
    show("the doctor is asked", place.run(&["doctor"]));
    show("the runs are listed", place.run(&["status"]));
    let runs = place.run(&["status", "--format", "json"]).succeeds().json()["runs"].take();
    let refused = &runs
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["id"] == 2)
        .unwrap()["issues"];
    let errors: Vec<_> = refused
        .as_array()
        .unwrap()
        .iter()
        .filter(|issue| issue["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["code"], "REQUEST_REFUSED");
    assert!(errors[0]["message"].as_str().unwrap().contains("HTTP 400"));
    insta::assert_snapshot!(session.join("\n"));
}

#[test]
fn the_demonstration_shows_its_proof_and_leaves_nothing() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    let demo = place.run(&["demo"]).succeeds();
    insta::assert_snapshot!(shown(&demo));
    assert_eq!(place.files(), before);
    assert_eq!(provider.simulator.requests(), [], "the settings are not used");
}

#[test]
fn the_demonstration_is_served_until_it_is_told_to_stop() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    let temporary = place.folder.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = place.command(&["demo", "--serve"]);
    let mut child = command.env("TMPDIR", &temporary).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = told.next().unwrap().unwrap();
    let token = told.nth(1).unwrap().unwrap();
    let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAccept: text/html\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/readyz").starts_with("HTTP/1.1 200 "));
    assert!(ask("/").contains("location: /sign-in"), "{}", ask("/"));
    assert!(ask("/sign-in").contains("csrf") && token.starts_with("usage_"));
    assert_ne!(fs::read_dir(&temporary).unwrap().count(), 0);
    signal(&child, "TERM");
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "something is left");
    fs::remove_dir(&temporary).unwrap();
    assert_eq!(place.files(), before);
    assert_eq!(provider.simulator.requests(), [], "the settings are not used");
}

#[test]
fn an_artifact_is_a_dated_record_of_the_run() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    let label = ["--label", "first real month / 2025", "--artifact"];
    let report = place.backfill_month(&label).succeeds();
    let folder = place.work().join("audit/backfill-rehearsal");
    let names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let [name] = names.as_slice() else {
        panic!("{names:?}");
    };
    assert_eq!(timeless(name), "[time]-first-real-month---2025.json", "{name}");
    assert!(
        report
            .stdout
            .contains(&format!("audit/backfill-rehearsal/{name}\n")),
        "{report:#?}"
    );
    assert_eq!(place.files().len(), before.len() + 3, "two folders and a file");

    let text = fs::read_to_string(folder.join(name)).unwrap();
    let mut artifact: serde_json::Value = serde_json::from_str(&text).unwrap();
    let provider_url = artifact["providers"]["openai"].take();
    assert_eq!(provider_url, json!(provider.simulator.base_url()));
    let began_at = artifact["beganAt"].take();
    let began_at = began_at.as_str().unwrap();
    let began = format!("{}Z-", began_at[..19].replace(':', "-"));
    assert!(name.starts_with(&began), "{name} {began_at}");
    let windows = artifact["windows"].take();
    let windows = windows.as_array().unwrap();
    let starts: Vec<_> = windows
        .iter()
        .map(|window| window["start"].as_str().unwrap())
        .collect();
    assert_eq!(starts.len(), 31);
    assert!(starts.is_sorted());
    let events: i64 = windows
        .iter()
        .map(|window| window["eventCount"].as_i64().unwrap())
        .sum();
    assert_eq!(events, 31);
    let mut first = windows[0].clone();
    assert!(first["readStartedAt"].take().as_str().unwrap() >= began_at);
    artifact["windows"] = json!([first, "and so on"]);
    assert!(artifact["generatedAt"].take().as_str().unwrap().ends_with('Z'));
    let telemetry = &mut artifact["run"]["telemetry"];
    let throttled_ms = telemetry["throttledMs"].take();
    assert!(throttled_ms.is_u64());
    assert_eq!(telemetry["throttledMsByProvider"]["openai"].take(), throttled_ms);
    insta::assert_json_snapshot!(artifact);
}

#[test]
fn an_artifact_lists_the_windows_that_were_not_read() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    let days = |first, last| {
        let range = ["--start", first, "--end", last, "--chunk-days", "1"];
        [&["backfill", "--endpoint", "completions"], &range[..]].concat()
    };
    place.run(&days("2025-09-01", "2025-09-01")).succeeds();
    provider.simulator.fail_next(1, 400, None);
    let arguments = [&days("2025-09-01", "2025-09-03")[..], &["--artifact"]].concat();
    place.run(&arguments).ends_with(1);
    let folder = place.work().join("audit/backfill-rehearsal");
    let file = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let artifact: serde_json::Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let windows: Vec<_> = artifact["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| {
            let start = window["start"].as_str().unwrap();
            (start, window["state"].clone(), window["runId"].clone())
        })
        .collect();
    assert_eq!(
        windows,
        [
            ("2025-09-01T00:00:00Z", json!("settled"), json!(1)),
            ("2025-09-02T00:00:00Z", json!(null), json!(null)),
            ("2025-09-03T00:00:00Z", json!("settled"), json!(2)),
        ]
    );
}

#[test]
fn every_shell_gets_its_completions() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]).succeeds();
        for word in ["backfill", "accept-retractions", "provider-csv"] {
            assert!(script.stdout.contains(word), "{word} in {shell}");
        }
        assert_eq!(script.stderr, "");
    }
}

#[test]
fn whoever_stops_reading_has_seen_enough() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    place.backfill_month(&[]).succeeds();
    let week = ["--start", "2025-09-01", "--end", "2025-09-07"];
    for arguments in [
        &["export", "--format", "jsonl"][..],
        &["export", "--format", "csv"],
        &["export", "--format", "provider-csv"],
        &["status"],
        &["status", "--format", "json"],
        &["keys", "list"],
        &["doctor"],
        &[&["backfill", "--plan"], &week[..]].concat(),
        &["completions", "bash"],
        &["demo"],
        &["help", "backfill"],
        &["--version"],
    ] {
        // Nobody reads at all, so that even the first byte comes too late.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(arguments);
        let child = command.stdout(writer).spawn().unwrap();
        // The write end must not stay open here.
        command.stdout(Stdio::null());
        let finished = place.finished(&command, child).succeeds();
        let complaints = finished.stderr.lines().filter(|line| !line.starts_with("read "));
        assert_eq!(complaints.count(), 0, "{finished:#?}");
    }
}
