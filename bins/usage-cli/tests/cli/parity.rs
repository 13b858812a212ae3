//! The ledger against the provider's own export.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use usage_core::{Endpoint, Window, WindowRange, parse_day};
use usage_simulator::{CostLayout, Generate, Organization};

use crate::fixture::{DatabaseKind, Finished, KEY, MONTH, Place, Provider, real_export};

const BY_TIERLESS: &str = "project_id,user_id,api_key_id,model,batch";

fn real_month_with_ledger(kind: DatabaseKind, provider: &Provider) -> Place<'_> {
    let place = Place::with_key(kind, provider);
    place.backfill_month(&[]).succeeds();
    place
}

fn parity(place: &Place<'_>, csv: &Path, more: &[&str]) -> Finished {
    let csv = csv.display().to_string();
    place.run(&[&["parity", "--csv", &csv], more].concat())
}

/// The report that the last comparison left.
fn latest(place: &Place<'_>, name: &str) -> Value {
    let path = place.work().join("audit/telemetry-audit").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn evidence(place: &Place<'_>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(place.work().join("audit/telemetry-audit")) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn summary<const N: usize>(report: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| {
        let value = &report["summary"][name];
        value.as_u64().unwrap_or_else(|| panic!("{name}: {report:#}"))
    })
}

/// Writes a text into the working folder.
fn file(place: &Place<'_>, name: &str, text: &str) -> std::path::PathBuf {
    let path = place.work().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

const DIFFERENCES: [&str; 4] = ["mismatched", "missingInDb", "missingInCsv", "restatedSince"];

pub(crate) fn the_real_month_is_matched_to_the_integer(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(kind, &provider);
    let told = parity(&place, &real_export(), &["--label", "first month"]).succeeds();
    let verdict = "MATCHED: 31 groups in 31 windows of the export and of the ledger of openai/org-anon are equal to the \
                   integer";
    assert!(told.stdout.starts_with(verdict), "{told:#?}");

    let report = latest(&place, "latest-first-month.json");
    assert_eq!(report["verdict"], "matched");
    assert_eq!(
        summary(&report, ["matched", "windowsCompared", "windowsIdle", "idleRows"]),
        [31, 31, 15, 15]
    );
    assert_eq!(summary(&report, DIFFERENCES), [0; 4]);
    for list in DIFFERENCES {
        assert_eq!(report[list], json!([]), "{list}");
    }
    assert_eq!(report["totals"]["csv"], report["totals"]["db"]);
    for (metric, sum) in [
        ("input_tokens", 173_264_675),
        ("output_tokens", 2_630_441),
        ("input_cached_tokens", 56_648_320),
        ("num_model_requests", 1_437),
    ] {
        assert_eq!(report["totals"]["csv"][metric], sum, "{metric}");
    }
    assert_eq!(report["coverage"]["compared"], json!({ "settled": 31 }));
    assert_eq!(report["ledger"]["runs"][0]["kind"], "backfill");
    assert_eq!(
        report["csvFiles"][0]["sha256"],
        "57ddaecb774ac91ce8398c9cfe66bb39e06df68c01672275fd61d824c874eb93"
    );
    let names = evidence(&place);
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names[0].ends_with("-first-month.json") && names[1] == "latest-first-month.json",
        "{names:?}"
    );
    assert_eq!(
        latest(&place, &names[0]),
        report,
        "the dated one and the latest are one report"
    );
}

pub(crate) fn a_ledger_without_the_tier_matches_only_coarsely(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place.backfill_month(&["--group-by", BY_TIERLESS]).succeeds();
    let told = parity(&place, &real_export(), &[]).ends_with(1);
    assert!(
        told.stdout.starts_with(
            "MATCHED, BUT COARSE: 16 groups in 31 windows are equal only when summed over service_tier,"
        ),
        "{told:#?}"
    );
    let report = latest(&place, "latest.json");
    assert_eq!(report["verdict"], "matchedCoarse");
    assert_eq!(report["coarsened"][0]["dimension"], "serviceTier");
    assert_eq!(report["coarsened"][0]["windows"], 16);
    assert_eq!(summary(&report, ["matched", "matchedCoarse"]), [0, 16]);
    assert_eq!(
        report["totals"]["csv"], report["totals"]["db"],
        "the sums without the tier are equal"
    );
    parity(&place, &real_export(), &["--allow-coarse"]).succeeds();

    place.backfill_month(&[]).succeeds();
    parity(&place, &real_export(), &[]).succeeds();
    let report = latest(&place, "latest.json");
    assert_eq!(
        (&report["verdict"], &report["coarsened"]),
        (&json!("matched"), &json!([]))
    );
    assert_eq!(
        report["ledger"]["restatements"],
        json!({ "changed": 0, "retracted": 16, "added": 31, "cleaned": 0 })
    );
    assert_eq!(
        place.count("usage_revisions WHERE kind = 'retracted' AND service_tier IS NULL"),
        16
    );
    assert_eq!(place.count("usage_events WHERE service_tier IS NULL"), 0);
}

pub(crate) fn an_old_export_is_explained_by_the_restatement(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(kind, &provider);
    let day = Window::day(parse_day("2025-09-03").unwrap());
    let changed = provider
        .simulator
        .update(|organization| organization.usage_mut(Endpoint::Completions).scale(day, 150));
    assert!(changed > 0);
    place.backfill_month(&["--force"]).succeeds();

    let told = parity(&place, &real_export(), &[]).ends_with(1);
    assert!(
        told.stdout
            .contains("probably: the export is older than what run 2 read at"),
        "{told:#?}"
    );
    let report = latest(&place, "latest.json");
    let restated = summary(&report, ["restatedSince"])[0];
    assert_eq!(restated, report["restatedSince"].as_array().unwrap().len() as u64);
    assert!(restated > 0);
    assert_eq!(
        summary(&report, ["mismatched", "missingInDb", "missingInCsv"]),
        [0; 3]
    );
    assert_eq!(report["restatedSince"][0]["probableCause"]["runId"], 2);

    let (first, last) = (parse_day("2025-09-01").unwrap(), parse_day("2025-10-01").unwrap());
    let days = usage_core::WindowRange::days(first, last).unwrap();
    let fresh = provider
        .simulator
        .inspect(|organization| organization.completions_csv(days));
    parity(&place, &file(&place, "completions_fresh.csv", &fresh), &[]).succeeds();
}

pub(crate) fn what_is_exported_is_always_matched(kind: DatabaseKind) {
    let generate = Generate {
        organization: "org-anon".to_owned(),
        ..Generate::default()
    };
    let provider = Provider::of(Organization::generate(&generate));
    let place = Place::with_key(kind, &provider);
    let first = generate.first_day.to_string();
    let last = (generate.first_day + chrono::Days::new(u64::from(generate.days) - 1)).to_string();
    let range = ["--endpoint", "completions", "--start", &first, "--end", &last];
    place.run(&[&["backfill"], &range[..]].concat()).succeeds();
    let written = [
        "export",
        "--format",
        "provider-csv",
        "--output",
        "completions.csv",
    ];
    place.run(&written).succeeds();
    parity(&place, &place.work().join("completions.csv"), &[]).succeeds();
    let report = latest(&place, "latest.json");
    assert!(summary(&report, ["matched"])[0] > 100, "{report:#}");
}

pub(crate) fn windows_never_read_are_named_with_the_command_that_reads_them(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let read = [
        "--endpoint",
        "completions",
        "--start",
        "2025-09-01",
        "--end",
        "2025-09-28",
    ];
    place.run(&[&["backfill"], &read[..]].concat()).succeeds();
    let told = parity(&place, &real_export(), &[]).ends_with(1);
    assert!(told.stdout.starts_with("NOT COVERED: "), "{told:#?}");
    let hint = "usage backfill --endpoint completions --start 2025-09-29 --end 2025-10-01";
    assert!(told.stdout.contains(hint), "{told:#?}");
    let report = latest(&place, "latest.json");
    assert_eq!(
        (&report["verdict"], &summary(&report, ["windowsNotCovered"])),
        (&json!("notCovered"), &[3])
    );

    let within = ["--from", "2025-09-01", "--to", "2025-09-28"];
    parity(&place, &real_export(), &within).succeeds();
}

#[test]
fn a_changed_number_is_named_to_the_integer() {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(DatabaseKind::Sqlite, &provider);
    place.execute("UPDATE usage_events SET input_tokens = input_tokens + 7 WHERE rowid = 3");
    let told = parity(&place, &real_export(), &["--format", "json"]).ends_with(1);
    let mut report = told.json();
    let mut filed = latest(&place, "latest.json");
    for report in [&mut report, &mut filed] {
        // The place's folder is taken out of what a command prints.
        report["ledger"]["database"] = Value::Null;
    }
    assert_eq!(report, filed, "standard output has the report itself");
    assert_eq!(report["mismatched"].as_array().unwrap().len(), 1);
    assert_eq!(report["mismatched"][0]["deltas"], json!({ "input_tokens": -7 }));
    let (csv, db) = (&report["mismatched"][0]["csv"], &report["mismatched"][0]["db"]);
    assert_eq!(
        csv["metrics"]["input_tokens"].as_i64().unwrap() + 7,
        db["metrics"]["input_tokens"].as_i64().unwrap()
    );
    parity(&place, &real_export(), &["--tolerance", "7"]).succeeds();
    parity(&place, &real_export(), &["--tolerance", "6"]).ends_with(1);
}

#[test]
fn a_ledger_of_several_accounts_needs_one_named() {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(DatabaseKind::Sqlite, &provider);
    place.execute(
        "INSERT INTO accounts (provider, organization, created_at) VALUES ('openai', 'org-other', 0)",
    );
    parity(&place, &real_export(), &[]).refuses_with("the ledger has 2 accounts; name one with --account");
    parity(&place, &real_export(), &["--account", "org-anon"]).succeeds();
    parity(&place, &real_export(), &["--account", "org-nobody"])
        .refuses_with("the ledger has no account openai/org-nobody; see `usage status`");
    let told = parity(&place, &real_export(), &["--account", "org-other"]).ends_with(1);
    assert!(told.stdout.starts_with("NOT COVERED"), "{told:#?}");
}

#[test]
fn a_folder_is_read_whole_usage_and_costs() {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(DatabaseKind::Sqlite, &provider);
    let month = fs::read_to_string(real_export()).unwrap();
    let (header, rows) = month.split_once('\n').unwrap();
    let (september, october): (Vec<&str>, Vec<&str>) = rows
        .lines()
        .partition(|line| !line.contains("2025-10-01T00:00:00+00:00,2025-10-02"));
    assert!(!october.is_empty());
    file(
        &place,
        "exports/a.CSV",
        &format!("{header}\n{}\n", september.join("\n")),
    );
    file(
        &place,
        "exports/b.csv",
        &format!("{header}\n{}\n", october.join("\n")),
    );
    place
        .run(&[&["backfill", "--endpoint", "costs"], &MONTH[..]].concat())
        .succeeds();
    file(
        &place,
        "exports/cost.csv",
        &costs_export(&provider, CostLayout::TenColumns),
    );
    file(&place, "exports/notes.txt", "not an export");
    file(&place, "exports/deeper/c.csv", "not looked at");
    let told = place
        .run(&["parity", "--csv-dir", "exports", "--format", "json"])
        .succeeds();
    let report = told.json();
    assert_eq!(
        report["inspectedCsvFiles"],
        json!(["exports/a.CSV", "exports/b.csv", "exports/cost.csv"])
    );
    assert_eq!(summary(&report, ["matched"]), [31]);
    let costs = &report["costs"];
    assert_eq!(costs["summary"]["mismatched"], 0, "{costs:#}");
    assert!(costs["summary"]["matched"].as_u64().unwrap() > 30, "{costs:#}");
}

/// The provider's costs export of the month.
fn costs_export(provider: &Provider, layout: CostLayout) -> String {
    let (first, last) = (parse_day(MONTH[1]).unwrap(), parse_day(MONTH[3]).unwrap());
    let days = WindowRange::days(first, last).unwrap();
    provider
        .simulator
        .inspect(|organization| organization.costs_csv(days, layout).unwrap())
}

pub(crate) fn costs_are_compared_to_the_last_digit(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    place
        .run(&[&["backfill", "--endpoint", "costs"], &MONTH[..]].concat())
        .succeeds();
    for layout in [CostLayout::TenColumns, CostLayout::SeventeenColumns] {
        let export = costs_export(&provider, layout);
        let told = parity(&place, &file(&place, "cost.csv", &export), &["--format", "json"]);
        // The longer layout tells API keys apart, which the provider did not when the month was read.
        let coarse = layout == CostLayout::SeventeenColumns;
        let report = told.ends_with(i32::from(coarse)).json();
        let counts = &report["costs"]["summary"];
        assert_eq!(counts["mismatched"], 0, "{report:#}");
        let matched = if coarse { "matchedCoarse" } else { "matched" };
        assert!(counts[matched].as_u64().unwrap() > 30, "{report:#}");
    }

    let export = costs_export(&provider, CostLayout::TenColumns);
    let line = export
        .lines()
        .find(|line| line.contains("gpt-5-2025-08-07, output"))
        .unwrap();
    let amount = line.split(',').nth(4).unwrap();
    // A billionth is a matter of rounding, a millionth is not.
    let nudged = format!(
        "{:0<30}1",
        format!("{amount}{}", if amount.contains('.') { "" } else { "." })
    );
    let changed = export.replacen(amount, &nudged, 1);
    assert_ne!(changed, export);
    parity(&place, &file(&place, "cost.csv", &changed), &[]).succeeds();
    let cents = export.replacen(amount, "0.01", 1);
    let report = parity(&place, &file(&place, "cost.csv", &cents), &["--format", "json"])
        .ends_with(1)
        .json();
    assert_eq!(report["costs"]["summary"]["mismatched"], 1, "{report:#}");
}

#[test]
fn an_export_may_come_through_a_pipe() {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(DatabaseKind::Sqlite, &provider);
    let month = fs::read_to_string(real_export()).unwrap();
    let mut command = place.command(&["parity", "--csv", "/dev/stdin"]);
    place.finish(&mut command, &month).succeeds();
}

#[test]
fn without_a_ledger_the_export_is_summed_up() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    let told = parity(&place, &real_export(), &["--skip-db"]).succeeds();
    assert!(
        told.stdout
            .starts_with("SUMMED UP, NOT COMPARED: 31 groups in 31 windows of the export"),
        "{told:#?}"
    );
    assert_eq!(
        place.files(),
        before,
        "no ledger was made, and no evidence of a comparison that was none"
    );
    let told = parity(&place, &real_export(), &["--skip-db", "--output", "sums/of.json"]).succeeds();
    assert!(told.stdout.ends_with("report: sums/of.json\n"), "{told:#?}");
    let report: Value =
        serde_json::from_str(&fs::read_to_string(place.work().join("sums/of.json")).unwrap()).unwrap();
    assert_eq!(
        (&report["verdict"], &report["totals"]["db"]),
        (&json!("noLedger"), &Value::Null)
    );
    assert_eq!(report["totals"]["csv"]["input_tokens"], 173_264_675);
}

#[test]
fn what_cannot_be_compared_is_refused_and_leaves_nothing() {
    let provider = Provider::of_the_real_month();
    let place = real_month_with_ledger(DatabaseKind::Sqlite, &provider);
    let month = fs::read_to_string(real_export()).unwrap();
    file(&place, "empty.csv", "");
    file(&place, "page.csv", "{\"object\": \"page\"}\n");
    file(&place, "ragged.csv", &format!("{}\n1,2,3\n", month.trim_end()));
    file(
        &place,
        "negative.csv",
        &month
            .replacen(",173", ",-173", 1)
            .replacen(",25076,", ",-25076,", 1),
    );
    let input = "start_time,end_time,model,input_tokens,num_model_requests\n1756684800,1756771200,m,1,1\n";
    file(&place, "unnamed.csv", input);
    file(
        &place,
        "times.csv",
        "start_time,end_time\n1756684800,1756771200\n",
    );
    fs::create_dir(place.work().join("nothing")).unwrap();
    let before = place.files();
    for (arguments, line) in [
        (
            "--csv missing.csv",
            "missing.csv cannot be read: No such file or directory (os error 2)",
        ),
        ("--csv .", ". cannot be read: is a directory"),
        (
            "--csv-dir missing",
            "the folder missing cannot be read: No such file or directory (os error 2)",
        ),
        (
            "--csv-dir nothing",
            "there is no export of usage or costs in nothing",
        ),
        ("--csv empty.csv", "empty.csv is empty; download the export again"),
        (
            "--csv page.csv",
            "page.csv line 1: has no column `start_time`, so it is not the header of a usage export",
        ),
        (
            "--csv ragged.csv",
            "ragged.csv line 48: has 3 values where the header names 24 columns",
        ),
        (
            "--csv unnamed.csv",
            "unnamed.csv line 1: fits the exports of embeddings and moderations; name one with --endpoint, or keep the \
             provider's file name",
        ),
        (
            "--csv unnamed.csv --endpoint images",
            "unnamed.csv line 1: is not the header of an export of images",
        ),
        (
            "--csv times.csv",
            "times.csv line 1: fits the exports of completions, decisions, embeddings, moderations, images, \
             audio_speeches, audio_transcriptions, vector_stores, code_interpreter_sessions, file_search_calls and \
             web_search_calls; name one with --endpoint, or keep the provider's file name",
        ),
        (
            "--csv times.csv --endpoint completions --from 2026-01-01",
            "nothing could be compared: the export has no window of the range that is over; see --from, --to, --project \
             and --user",
        ),
        (
            "--csv times.csv --from 2025-09-02 --to 2025-09-01",
            "the range 2025-09-02T00:00:00Z to 2025-09-02T00:00:00Z is empty",
        ),
        (
            "--csv times.csv --tolerance -1",
            "--tolerance: `-1` is no tolerance; write a whole number, 0 or more; try 'usage parity --help'",
        ),
        (
            "--csv times.csv --from yesterday",
            "--from: `yesterday` is neither a day nor an instant; write 2025-09-01 or 2025-09-01T00:00:00Z; try 'usage \
             parity --help'",
        ),
        (
            "",
            "the following required arguments were not provided: --csv <FILE>...; try 'usage parity --help'",
        ),
    ] {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        place.run(&[&["parity"], &words[..]].concat()).refuses_with(line);
        assert_eq!(place.files(), before, "{arguments}");
    }
    let refused = place.run(&["parity", "--csv", "negative.csv"]).ends_with(2);
    assert!(
        refused.stderr.starts_with("error: negative.csv line ")
            && refused.stderr.contains("a count is never negative"),
        "{refused:#?}"
    );
    assert_eq!(evidence(&place), [""; 0]);
}

#[test]
fn a_ledger_that_is_not_there_is_no_silent_skip() {
    let provider = Provider::of_the_real_month();
    let place = Place::new(DatabaseKind::Sqlite, &provider);
    let before = place.files();
    parity(&place, &real_export(), &[]).refuses_with(
        "there is no ledger at [place]/work/ledger.db; read one with `usage backfill`, or give --skip-db to sum the \
         export up",
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let csv = real_export().display().to_string();
    let mut command = place.command(&["parity", "--csv", &csv]);
    command.env(
        "USAGE_DATABASE_URL",
        format!("postgres://nobody:{KEY}@{free}/none"),
    );
    let refused = place.finish(&mut command, "").ends_with(2);
    assert!(
        refused.stderr.starts_with("error: ") && !refused.stderr.contains(KEY),
        "{refused:#?}"
    );
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
    assert_eq!(place.files(), before);
}
