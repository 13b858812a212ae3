//! An organisation that lives on a fast clock, in the real binary.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use usage_core::{Clock as _, SystemClock, Window, format_instant};

use crate::{get, run, serve, terminate};

/// Ends the binary when the test ends, whatever becomes of it.
struct Running {
    child: Option<Child>,
    address: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let (child, address) = serve(&[&["--living"], arguments].concat());
        Self {
            child: Some(child),
            address,
        }
    }

    fn stop(mut self) -> String {
        let output = terminate(self.child.take().unwrap());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// A clock that runs 3,600 times as fast shows about this long after its origin, as it began so many seconds ago.
fn hours_ago(hours: i64) -> (String, DateTime<Utc>) {
    let origin = SystemClock.now() - TimeDelta::seconds(hours);
    (format_instant(origin), origin)
}

/// A number that a day's row of the export, or of an answer without grouping, has.
fn input_tokens(answer: &str) -> i64 {
    let (_, rest) = answer.split_once("\"input_tokens\":").unwrap();
    rest.split([',', '}']).next().unwrap().parse().unwrap()
}

fn exported_tokens(csv: &str, day: Window) -> i64 {
    let mut lines = csv.lines();
    let column = lines
        .next()
        .unwrap()
        .split(',')
        .position(|name| name == "input_tokens")
        .unwrap();
    let of_day = lines.filter(|line| line.starts_with(&format!("{},", day.start_unix())));
    let cells = of_day.map(|line| line.split(',').nth(column).unwrap());
    cells.map(|cell| cell.parse::<i64>().unwrap()).sum()
}

#[test]
fn a_restarted_one_and_its_export_show_the_same() {
    let (origin, began) = hours_ago(240);
    let arguments = ["--clock-scale", "3600", "--clock-origin", &origin, "--seed", "5"];
    // Nine or more days after its beginning the second day of its life is closed for good.
    let day = Window::day((began + TimeDelta::days(2)).date_naive());
    let path = format!("usage/completions?start_time={}&limit=1", day.start_unix());
    let served = || {
        let running = Running::start(&arguments);
        let tokens = input_tokens(&get(&running.address, &path));
        let projects = get(&running.address, "projects");
        let told = running.stop();
        assert!(!told.contains("--clock-origin"), "{told}");
        (tokens, projects.matches("\"organization.project\"").count())
    };
    let (tokens, projects) = served();
    assert_eq!(served(), (tokens, projects));
    assert_eq!(projects, 4);

    let output = run(&[
        "export",
        "--living",
        "--seed",
        "5",
        "--clock-origin",
        &origin,
        "--at",
        &format_instant(began + TimeDelta::days(9)),
        "--start",
        &day.utc_day().to_string(),
        "--end",
        &day.utc_day().to_string(),
    ]);
    let csv = String::from_utf8(output.stdout).unwrap();
    assert_eq!(exported_tokens(&csv, day), tokens, "{csv}");
}

#[test]
fn its_life_may_begin_later_than_its_clock() {
    let (origin, began) = hours_ago(240);
    // The clock shows ten days after its origin.
    let projects = |living_from: &str| {
        let clock = ["--clock-scale", "3600", "--clock-origin", &origin];
        let running = Running::start(&[&clock[..], &["--living-from", living_from]].concat());
        let projects = get(&running.address, "projects");
        running.stop();
        projects.matches("\"organization.project\"").count()
    };
    assert_eq!(projects(&origin), 4);
    let later = format_instant(began + TimeDelta::days(30));
    assert_eq!(projects(&later), 3, "no midnight of its life has come");
}

#[test]
fn what_is_not_there_yet_at_a_time_is_not_in_its_export() {
    let export = |at: &str| {
        let output = run(&[
            "export",
            "--living",
            "--clock-origin",
            "2025-10-01T08:00:00Z",
            "--at",
            at,
            "--end",
            "2025-10-09",
        ]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let day = Window::day(usage_core::parse_day("2025-10-05").unwrap());
    let times = [
        "2025-10-05T06:00:00Z",
        "2025-10-05T18:00:00Z",
        "2025-10-06T00:00:00Z",
    ];
    let [morning, evening, night] = times.map(|time| exported_tokens(&export(time), day));
    assert!(0 < morning && morning < evening && evening < night);
    assert_ne!(
        exported_tokens(&export("2025-10-06T01:00:00Z"), day),
        night,
        "restated"
    );
    let last = ["2025-10-08T01:00:00Z", "2025-12-08T01:00:00Z"].map(export);
    assert_eq!(exported_tokens(&last[0], day), exported_tokens(&last[1], day));
    assert!(
        export("2025-10-01T09:00:00Z").contains(",2025-08-27T00:00:00+00:00,"),
        "35 days of history"
    );
}

#[test]
fn the_origin_is_told_unless_it_was_given() {
    let told = Running::start(&[]).stop();
    assert!(told.contains("; after a restart, --clock-origin 2"), "{told}");
}

#[test]
fn its_exports_lie_in_the_folder_from_the_start_and_follow_each_restatement() {
    let folder = tempfile::tempdir().unwrap();
    let exports = folder.path().join("exports");
    let (origin, _) = hours_ago(3);
    // A day is a second.
    let running = Running::start(&[
        "--clock-scale",
        "86400",
        "--clock-origin",
        &origin,
        "--every-endpoint",
        "--exports",
        exports.to_str().unwrap(),
    ]);
    let first = read(&exports.join("costs.csv"));
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| !name.ends_with(".partial"));
        names.sort();
        names
    };
    let at_first = names(&exports);
    assert_eq!(at_first.len(), 12, "{at_first:?}");
    // A header and at least a line for each of the 35 days.
    let days = |csv: &str| {
        let mut days: Vec<String> = csv.lines().skip(1).map(|line| line[..10].to_owned()).collect();
        days.dedup();
        days
    };
    assert_eq!(days(&first).len(), 35);
    let mut later = first.clone();
    while days(&later) == days(&first) {
        std::thread::sleep(Duration::from_millis(50));
        later = read(&exports.join("costs.csv"));
    }
    assert_eq!(days(&later).len(), 35);
    assert_eq!(names(&exports), at_first);
    assert!(!running.stop().contains("warning"));
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn requests_are_appended_to_the_log_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests.jsonl");
    let (origin, began) = hours_ago(48);
    for path in ["projects", "usage/images?start_time=1759276800&limit=1"] {
        let running = Running::start(&[
            "--clock-scale",
            "3600",
            "--clock-origin",
            &origin,
            "--request-log",
            log.to_str().unwrap(),
            "--fault",
            "forbidden:images",
        ]);
        get(&running.address, path);
        running.stop();
    }
    let text = read(&log);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, expected) in [
        (
            lines[0],
            &["\"path\":\"/v1/organization/projects\"", "\"status\":200"],
        ),
        (lines[1], &["[\"start_time\",\"1759276800\"]", "\"status\":403"]),
    ] {
        let (_, time) = line.split_once("\"time\":\"").unwrap();
        let time = usage_core::parse_instant(time.split('"').next().unwrap()).unwrap();
        assert!(time >= began + TimeDelta::hours(48), "{line}");
        assert!(expected.iter().all(|text| line.contains(text)), "{line}");
    }
    assert!(!text.contains("sk-"));
}
