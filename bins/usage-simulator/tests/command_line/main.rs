//! The binary as people run it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod living;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

const REAL_MONTH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv"
);

pub(crate) fn simulator(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usage-simulator"));
    command.args(arguments);
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
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
    assert_eq!(text.as_bytes(), run(&arguments).stdout);
    let models = |text: &str| {
        let models = text.lines().skip(1).map(|line| line.split(',').nth(8).unwrap());
        models.map(str::to_owned).collect::<HashSet<_>>()
    };
    let of_one = String::from_utf8(run(&[&arguments[..], &["--models", "1"]].concat()).stdout).unwrap();
    assert!(models(&text).len() > 1 && models(&of_one).len() == 1, "{of_one}");
}

#[test]
fn any_endpoint_is_exported_at_any_width() {
    let export = |endpoint: &str, width: &str| {
        let output = run(&[
            "export",
            "--every-endpoint",
            "--days",
            "2",
            "--endpoint",
            endpoint,
            "--bucket-width",
            width,
            "--start",
            "2025-09-01",
            "--end",
            "2025-09-02",
        ]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let minutes = export("images", "1m");
    assert!(
        minutes.starts_with(
            "start_time,end_time,start_time_iso,end_time_iso,\
             project_id,num_model_requests,user_id,api_key_id,model,size,source,images\n"
        ),
        "{minutes}"
    );
    let images = |text: &str| -> u64 {
        let cells = text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap());
        cells
            .filter(|cell| !cell.is_empty())
            .map(|cell| cell.parse::<u64>().unwrap())
            .sum()
    };
    let (hours, days) = (export("images", "1h"), export("images", "1d"));
    assert!(images(&days) > 0);
    assert_eq!((images(&minutes), images(&hours)), (images(&days), images(&days)));
    assert!(minutes.lines().count() > 2 * 1_440 && hours.lines().count() > 2 * 24);
    assert_ne!(export("moderations", "1d"), days);
}

#[test]
fn costs_are_exported_in_either_layout() {
    let export = |arguments: &[&str]| {
        let output = run(&[&["export", "--endpoint", "costs"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let real = ["--csv", REAL_MONTH, "--cost-columns", "10"];
    let lines = export(&real);
    assert!(
        lines.starts_with(
            "start_time,end_time,start_time_iso,end_time_iso,\
             amount_value,amount_currency,line_item,project_id,organization_id,organization_name\n"
        ),
        "{lines}"
    );
    // Pico-dollars: no amount at these prices has more than 12 places that say something.
    let amount = |line: &str| -> Option<i128> {
        let (whole, fraction) = line.split(',').nth(4)?.split_once('.')?;
        format!("{whole}{fraction:0<12.12}").parse().ok()
    };
    let sum: i128 = lines.lines().skip(1).filter_map(amount).sum();
    assert_eq!(sum, 163_764_578_500_000, "the real month");

    let generated = ["--every-endpoint", "--days", "3"];
    let plain = export(&generated);
    assert_eq!(plain.lines().next().unwrap().split(',').count(), 17);
    assert!(!plain.contains(",credit,") && plain.contains("\"whisper-1, duration\""));
    let extras = export(&[&generated[..], &["--billing-extras"]].concat());
    for charge in [
        ",-25.00,usd,,,credit,",
        ",19.90,usd,,,tax,",
        "\"gpt-image-1, image output\"",
    ] {
        assert!(extras.contains(charge), "no {charge} in {extras}");
    }
}

/// A simulator that serves, and where.
pub(crate) fn serve(arguments: &[&str]) -> (Child, String) {
    let mut child = simulator(&[&["serve"], arguments].concat())
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
    (child, address.to_owned())
}

pub(crate) fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "GET /v1/organization/{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer sk-admin-test-not-a-real-key\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn terminate(child: Child) -> Output {
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    child.wait_with_output().unwrap()
}

#[test]
fn it_serves_until_it_is_terminated() {
    let (child, address) = serve(&["--csv", REAL_MONTH, "--now", "2025-10-05T00:00:00Z"]);
    let answer = get(&address, "projects");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("proj_anon0001"),
        "{answer}"
    );
    let output = terminate(child);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "the admin key is sk-admin-test-not-a-real-key\n"
    );
}

#[test]
fn it_serves_every_endpoint_and_lets_faults_happen() {
    let (child, address) = serve(&[
        "--every-endpoint",
        "--now",
        "2025-10-05T00:00:00Z",
        "--fault",
        "server-error-503@once=2:images",
        "--fault",
        "unknown-fields:embeddings",
    ]);
    let usage = |endpoint| {
        get(
            &address,
            &format!("usage/{endpoint}?start_time=1756684800&limit=31"),
        )
    };
    let images = usage("images");
    assert!(images.contains("organization.usage.images.result"), "{images}");
    let embeddings = usage("embeddings");
    assert!(embeddings.contains("x_unheard_of"), "{embeddings}");
    assert!(usage("images").starts_with("HTTP/1.1 503"));
    assert_eq!(usage("images").lines().last(), images.lines().last());
    assert_eq!(terminate(child).status.code(), Some(0));
}

#[test]
fn it_serves_costs_that_may_lag_and_have_more_than_usage_on_them() {
    let arguments = [
        "--now",
        "2025-10-02T00:00:00Z",
        "--billing-extras",
        "--costs-lag-days",
        "2",
    ];
    let (child, address) = serve(&arguments);
    let costs = |query: &str| get(&address, &format!("costs?{query}&group_by=line_item"));
    let middle = costs("start_time=1757980800&limit=1");
    for expected in [
        "organization.costs.result",
        "\"-25.00\"",
        "gpt-5-2025-08-07, input",
        "\"tax\"",
    ] {
        assert!(middle.contains(expected), "{middle}");
    }
    let last = costs("start_time=1759190400&limit=2");
    assert_eq!(last.matches("\"results\":[]").count(), 1, "{last}");
    assert_eq!(terminate(child).status.code(), Some(0));
}

#[test]
fn usage_without_a_price_is_told_when_it_is_served_and_refused_in_an_export_of_costs() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "start_time,end_time,model,input_tokens").unwrap();
    writeln!(file, "1756684800,1756771200,gpt-7-unheard-of,5").unwrap();
    writeln!(file, "1756771200,1756857600,gpt-7-unheard-of,5").unwrap();
    let path = file.path().to_str().unwrap();
    let (child, address) = serve(&["--csv", path, "--now", "2025-10-05T00:00:00Z"]);
    let costs = get(&address, "costs?start_time=1756684800&limit=1");
    assert!(
        costs.starts_with("HTTP/1.1 200") && costs.contains("\"results\":[]"),
        "{costs}"
    );
    let warned = String::from_utf8(terminate(child).stderr).unwrap();
    let reason = "the simulator has no price for the model `gpt-7-unheard-of`";
    assert_eq!(warned.matches(reason).count(), 1, "{warned}");

    let output = run(&["export", "--endpoint", "costs", "--csv", path]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with(&format!("error: {reason}")), "{message}");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn the_help_names_what_costs_and_a_life_can_be_told() {
    for (command, flags) in [
        ("serve", &["--billing-extras", "--costs-lag-days <NUMBER>"][..]),
        (
            "serve",
            &[
                "--living",
                "--models <NUMBER>",
                "--clock-scale <NUMBER>",
                "--clock-origin <TIME>",
                "--exports <DIR>",
                "--request-log <FILE>",
            ],
        ),
        ("export", &["--living", "--clock-origin <TIME>", "--at <TIME>"]),
        (
            "export",
            &["--billing-extras", "--cost-columns <NUMBER>", "or costs"],
        ),
    ] {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        for flag in flags {
            assert!(help.contains(flag), "no {flag} in {help}");
        }
    }
}

#[test]
fn the_help_tells_how_to_write_a_fault() {
    let output = run(&["serve", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(
        help.contains("FAULT[@every=K|@from=N|@once=N][@grouped][:ENDPOINT]"),
        "{help}"
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
        (&["export", "--endpoint", "images"], "there is no usage"),
        (&["export", "--endpoint", "chess"], "unknown endpoint `chess`"),
        (&["export", "--bucket-width", "2h"], "1d, 1h, 1m"),
        (
            &["export", "--endpoint", "costs", "--bucket-width", "1h"],
            "costs come by days only",
        ),
        (
            &["export", "--endpoint", "costs", "--cost-columns", "12"],
            "10, 17",
        ),
        (
            &["export", "--endpoint", "costs", "--days", "0", "--billing-extras"],
            "there is no usage",
        ),
        (&["serve", "--key-file", empty], "the key file is empty"),
        (&["serve", "--port", "70000"], "70000"),
        (&["serve", "--fault", "fire"], "gzip-bomb"),
        (&["serve", "--fault", "gzip@never"], "says nothing"),
        (&["serve", "--fault", "gzip:chess"], "unknown endpoint `chess`"),
        (
            &["serve", "--csv", "x", "--every-endpoint"],
            "cannot be used with",
        ),
        (&["serve", "--living", "--csv", "x"], "cannot be used with"),
        (
            &["serve", "--living", "--now", "2025-10-05T00:00:00Z"],
            "cannot be used with",
        ),
        (
            &["serve", "--clock-scale", "2", "--now", "2025-10-05T00:00:00Z"],
            "cannot be used with",
        ),
        (&["serve", "--clock-scale", "0"], "'0'"),
        (&["serve", "--clock-origin", "noon"], "`noon` is not an instant"),
        (&["serve", "--exports", "x"], "--living"),
        (&["serve", "--living", "--exports", empty], empty),
        (
            &["serve", "--request-log", "/no/such/folder/x"],
            "/no/such/folder/x: ",
        ),
        (
            &["serve", "--living", "--days", "3", "--first-day", "2025-09-01"],
            "not both",
        ),
        (
            &["serve", "--living", "--days", "4294967295"],
            "give fewer --days",
        ),
        (
            &[
                "serve",
                "--living",
                "--clock-origin",
                "2025-10-01T08:00:00Z",
                "--first-day",
                "2025-10-02",
            ],
            "give an earlier --first-day",
        ),
        (
            &["serve", "--living", "--fault", "restatement-120@once=2"],
            "--fault restatement-120@once=2 cannot be used with --living",
        ),
        (&["export", "--living"], "give --clock-origin and --at"),
        (
            &["export", "--living", "--clock-origin", "2025-10-01T08:00:00Z"],
            "give --clock-origin and --at",
        ),
        (&["export", "--at", "2025-10-01T08:00:00Z"], "--living"),
        (&["export", "--clock-origin", "2025-10-01T08:00:00Z"], "--living"),
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
