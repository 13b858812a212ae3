//! The binary as people run it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

const REAL_MONTH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv"
);

fn simulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usage-simulator"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    simulator(arguments).output().unwrap()
}

#[test]
fn the_export_of_the_real_month_is_the_real_month() {
    let output = run(&[
        "export",
        "--csv",
        REAL_MONTH,
        "--start",
        "2025-09-01",
        "--end",
        "2025-10-01",
    ]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        std::fs::read_to_string(REAL_MONTH).unwrap()
    );
}

#[test]
fn the_export_of_a_seed_is_written_to_a_file_and_is_always_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export.csv");
    let arguments = [
        "export",
        "--seed",
        "3",
        "--days",
        "2",
        "--groups-per-day",
        "5",
        "--first-day",
        "2026-01-31",
    ];
    let to_file = run(&[&arguments[..], &["--output", path.to_str().unwrap()]].concat());
    assert!(to_file.status.success() && to_file.stdout.is_empty());
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), 1 + 2 * 5, "{text}");
    assert_eq!(text.into_bytes(), run(&arguments).stdout);
}

#[test]
fn it_serves_until_it_is_terminated() {
    let mut child = simulator(&["serve", "--csv", REAL_MONTH, "--now", "2025-10-05T00:00:00Z"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut base_url = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut base_url)
        .unwrap();
    let address = base_url
        .trim()
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/v1"))
        .unwrap();

    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET /v1/organization/projects HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer sk-admin-test-not-a-real-key\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("proj_anon0001"),
        "{answer}"
    );

    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "the admin key is sk-admin-test-not-a-real-key\n"
    );
}

#[test]
fn bad_input_is_one_line_and_2() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (arguments, reason) in [
        (
            &["serve", "--now", "yesterday"][..],
            "`yesterday` is not an instant",
        ),
        (&["export", "--start", "2025-9-1"], "`2025-9-1` is not a day"),
        (
            &["export", "--start", "2025-09-02", "--end", "2025-09-01"],
            "lies before the start",
        ),
        (&["export", "--csv", "/no/such/file"], "/no/such/file: "),
        (&["export", "--csv", empty], "has no column `start_time`"),
        (&["export", "--csv", "x", "--seed", "1"], "cannot be used with"),
        (&["export", "--days", "0"], "there is no usage"),
        (&["serve", "--key-file", empty], "the key file is empty"),
        (&["serve", "--port", "70000"], "70000"),
        (&["dance"], "dance"),
    ] {
        let output = run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{arguments:?}: {message}");
        assert!(
            message.starts_with("error: ") && message.contains(reason),
            "{arguments:?}: {message}"
        );
        assert!(output.stdout.is_empty());
    }
}
