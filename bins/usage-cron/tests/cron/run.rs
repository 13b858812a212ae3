//! `usage-cron run`

use serde_json::{Value, json};

use crate::place::{DAYS, Place, provider};
use crate::shared::DatabaseKind;

pub(crate) fn a_pass_is_told_in_json_and_kept_as_a_run(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    let planned = place
        .run(&["run", "--plan", "--format", "json"])
        .succeeds()
        .json();
    assert_eq!(provider.simulator.requests().len(), 0, "a plan asks nothing");
    let textfile = place.folder.path().join("work/usage.prom");
    let finished = place
        .run(&["run", "--format", "json", "--textfile", "usage.prom"])
        .succeeds();
    let report = finished.json();
    for (field, value) in [
        ("success", json!(true)),
        ("processed", json!(1)),
        ("successful", json!(1)),
        ("errors", json!(0)),
        ("plannedRequests", planned["plannedRequests"].clone()),
    ] {
        assert_eq!(report[field], value, "{field}: {report:#}");
    }
    let telemetry = &report["telemetry"];
    assert_eq!(telemetry["processedUsers"], 1);
    assert_eq!(telemetry["simulatedKeys"], 0);
    assert_eq!(telemetry["storedEvents"], 6 * DAYS);
    assert_eq!(telemetry["windowsProcessed"], 12 * 36, "{report:#}");
    assert_eq!(
        place
            .database
            .count("runs WHERE kind = 'cron' AND status = 'succeeded'"),
        1
    );
    assert_eq!(place.database.count("incidents"), 0);
    // A line for each thing that happened, each of them JSON.
    let lines: Vec<Value> = finished
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let told = |message: &str| lines.iter().any(|line| line["message"] == message);
    for message in ["pass begins", "planned", "read", "account", "pass ended"] {
        assert!(told(message), "{message}: {}", finished.stderr);
    }
    let metrics = std::fs::read_to_string(textfile).unwrap();
    assert!(
        metrics.contains("ingestion_runs_total{kind=\"cron\",result=\"succeeded\"} 1"),
        "{metrics}"
    );
    let again = place.run(&["run", "--format", "json"]).succeeds().json();
    assert_eq!(again["telemetry"]["storedEvents"], 0, "{again:#}");
    assert_eq!(again["telemetry"]["updatedEvents"], 0, "{again:#}");
}

/// As timers of several hosts start it, one after the other.
pub(crate) fn passes_of_one_schedule_are_one(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    // Due once a year, so that no test comes between.
    let scheduled = ["run", "--format", "json", "--schedule", "0 0 1 1 *"];
    let first = place.run(&scheduled).succeeds().json();
    assert_eq!(first["accounts"][0]["outcome"], "clean", "{first:#}");
    let asked = provider.simulator.requests().len();
    let second = place.run(&scheduled).succeeds().json();
    assert_eq!(second["accounts"][0]["outcome"], "doneElsewhere", "{second:#}");
    assert_eq!(second["due"], first["due"]);
    assert_eq!(provider.simulator.requests().len(), asked);
    // Without a schedule it is a pass of its own.
    // Without a schedule each is a pass of its own, however soon after the last.
    for _ in 0..3 {
        let own = place.run(&["run", "--format", "json"]).succeeds().json();
        assert_eq!(own["accounts"][0]["outcome"], "clean", "{own:#}");
    }
}

pub(crate) fn a_refused_key_is_an_error_and_an_incident(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    place.add_key("org-refused", "sk-admin-test-unknown-key");
    let report = place.run(&["run", "--format", "json"]).ends_with(1).json();
    assert_eq!(
        (&report["success"], &report["successful"], &report["errors"]),
        (&json!(false), &json!(1), &json!(1)),
        "{report:#}"
    );
    let open = "incidents WHERE closed_at IS NULL AND kind =";
    assert_eq!(place.database.count(&format!("{open} 'invalid_key'")), 1);
    assert_eq!(place.database.count(&format!("{open} 'run_failed'")), 1);
    // The only account left out is none looked at; the one that fails alone is not done.
    let alone = place
        .run(&["run", "--format", "json", "--account", "org-refused"])
        .ends_with(2)
        .json();
    assert_eq!(alone["accounts"][0]["outcome"], "failed", "{alone:#}");
    assert_eq!(place.database.count("incidents"), 2, "told once");
    // The provider accepts the key again, and both incidents end.
    provider
        .simulator
        .add_key(usage_simulator::AdminKey::owner("sk-admin-test-unknown-key").labelled("again"));
    place.run(&["run"]).succeeds();
    assert_eq!(place.database.count("incidents WHERE closed_at IS NULL"), 0);
}
