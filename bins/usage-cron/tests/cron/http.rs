//! `usage-cron serve --bind`: the routes of the real binary.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use usage_testkit::PostgresCluster;

use crate::place::{DAYS, Place, provider};
use crate::shared::{Database, DatabaseKind, eventually, finish_with, signal};

const SECRET: &str = "cron-secret-for-tests-only";
const CRON: &str = "/api/cron/daily-usage";

/// A process that keeps its schedule and listens, and what it has logged until it did.
struct Served {
    child: Child,
    address: SocketAddr,
    rest: JoinHandle<String>,
}

impl Served {
    fn start(place: &Place, variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let arguments = [&["serve"], flags].concat();
        let mut command = place.command(&arguments);
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut text = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {text}");
            text.push_str(&line);
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Read on, or the process would wait for its log to be read.
        let rest = std::thread::spawn(move || {
            log.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, address, rest }
    }

    fn send(&self, method: &str, path: &str, token: Option<&str>) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}\r\n"
        )
        .unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        answer(self.send(method, path, token))
    }

    /// Asks it to end, which it does in order, and returns its log, which holds no secret.
    fn ends(mut self) -> String {
        signal(&self.child, "TERM");
        let status = self.child.wait().unwrap();
        let log = self.rest.join().unwrap();
        assert!(status.success(), "{status}: {log}");
        assert!(!log.contains(SECRET) && !log.contains("sk-admin"), "{log}");
        log
    }
}

fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn json_of((status, body): (u16, String), expected: u16) -> Value {
    assert_eq!(status, expected, "{body}");
    serde_json::from_str(&body).unwrap()
}

pub(crate) fn a_requested_pass_is_run_and_told(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    let served = Served::start(&place, &[("CRON_SECRET", SECRET)], &["--bind", "127.0.0.1:0"]);
    for token in [None, Some("wrong"), Some("undefined")] {
        let refused = json_of(served.ask("POST", CRON, token), 401);
        assert_eq!(refused, json!({ "error": "Unauthorized" }));
    }
    assert_eq!(provider.simulator.requests().len(), 0);
    let report = json_of(served.ask("POST", CRON, Some(SECRET)), 200);
    for (field, value) in [
        ("success", json!(true)),
        ("processed", json!(1)),
        ("successful", json!(1)),
        ("errors", json!(0)),
        ("warningCount", report["warningCount"].clone()),
    ] {
        assert_eq!(report[field], value, "{field}: {report:#}");
    }
    assert!(report["warningCount"].is_u64() && report["timestamp"].is_string());
    let telemetry = report["telemetry"].as_object().unwrap();
    for (counter, value) in [
        ("processedUsers", 1),
        ("processedKeys", 1),
        ("simulatedKeys", 0),
        ("failedKeys", 0),
        ("storedEvents", 6 * DAYS),
        ("updatedEvents", 0),
        ("windowsProcessed", 12 * 36),
        ("constraintInserts", 6 * DAYS),
        ("constraintUpdates", 0),
        ("manualFallbackInserts", 0),
        ("manualFallbackUpdates", 0),
        ("manualFallbackWindows", 0),
        ("manualFallbackKeys", 0),
    ] {
        assert_eq!(telemetry[counter], value, "{counter}: {report:#}");
    }
    assert!(telemetry["issuesByCode"].is_object());
    // Again, as Vercel's scheduler asks: nothing is new. A pass that is asked for in the very second in which the one before was
    // due is that one, and has no run of its own.
    std::thread::sleep(Duration::from_secs(1));
    let again = json_of(served.ask("GET", CRON, Some(SECRET)), 200);
    assert_eq!(again["telemetry"]["storedEvents"], 0, "{again:#}");
    assert_eq!(
        place
            .database
            .count("runs WHERE kind = 'cron' AND status = 'succeeded'"),
        2
    );
    let (status, metrics) = served.ask("GET", "/metrics", None);
    assert_eq!(status, 200);
    assert!(
        metrics.contains("ingestion_runs_total{kind=\"cron\",result=\"succeeded\"} 2"),
        "{metrics}"
    );
    passes_promtool(&metrics);
    let ready = json_of(served.ask("GET", "/readyz", None), 200);
    let checks = ["database", "migrations", "master key"].map(|name| json!({ "name": name, "ok": true }));
    assert_eq!(ready["checks"], json!(checks));
    assert!(
        ready["coverageLagSeconds"].as_i64().unwrap() < 2 * 86_400,
        "{ready}"
    );
    let log = served.ends();
    for message in [
        "listening",
        "pass begins",
        "pass ended",
        "request",
        "no longer listening",
    ] {
        assert!(log.contains(&format!("\"{message}\"")), "{message}: {log}");
    }
}

/// The pass is kept waiting by the provider when the process is told to stop: its client still gets its report.
pub(crate) fn a_stopped_process_finishes_what_is_under_way(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    let variables = [("CRON_SECRET", SECRET), ("USAGE_BIND", "127.0.0.1:0")];
    let served = Served::start(&place, &variables, &[]);
    provider.simulator.fail_next(1, 429, Some("600"));
    let client = served.send("POST", CRON, Some(SECRET));
    provider.wait_for(|requests| !requests.is_empty());
    assert_eq!(served.ask("GET", "/healthz", None).0, 200);
    assert_eq!(served.ask("GET", "/readyz", None).0, 200);
    let gone = served.send("GET", "/metrics", None);
    drop(gone);
    served.ends();
    let report = json_of(answer(client), 200);
    assert_eq!(
        (&report["success"], &report["processed"]),
        (&json!(false), &json!(1)),
        "{report:#}"
    );
    assert_eq!(
        place
            .database
            .count("leases WHERE expires_at_ms > 0 AND holder <> ''"),
        0
    );
    assert_eq!(place.database.count("runs WHERE finished_at IS NULL"), 0);
}

pub(crate) fn what_is_not_in_order_is_told(kind: DatabaseKind) {
    let provider = provider();
    let place = Place::new(kind, &provider, &["org-cron"]);
    let bind = ["--bind", "127.0.0.1:0"];
    // A secret that is none, and a master key that is not the one that the provider keys were sealed with.
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let variables = [("CRON_SECRET", "undefined"), ("USAGE_MASTER_KEY", other)];
    let served = Served::start(&place, &variables, &bind);
    for token in [None, Some("undefined"), Some(SECRET)] {
        let told = json_of(served.ask("GET", CRON, token), 503);
        assert_eq!(told, json!({ "error": "Service unavailable" }));
    }
    let latest = "SELECT max(version) FROM __diesel_schema_migrations";
    change(
        &place,
        &format!("UPDATE __diesel_schema_migrations SET version = '~' || version WHERE version = ({latest})"),
    );
    let newer = "not ready: migrations: a newer version wrote the ledger; update this program";
    assert_eq!(json_of(served.ask("GET", "/readyz", None), 503)["detail"], newer);
    change(
        &place,
        "UPDATE __diesel_schema_migrations SET version = substr(version, 2) WHERE version LIKE '~%'",
    );
    let strange = "not ready: master key: it does not open every provider key; see `usage doctor`";
    eventually("what was found is forgotten", || {
        json_of(served.ask("GET", "/readyz", None), 503)["detail"] == strange
    });
    assert_eq!(served.ask("GET", "/healthz", None).0, 200);
    let taken = served.address.to_string();
    let refused = place.run(&["serve", "--bind", &taken]).ends_with(2);
    assert!(
        refused
            .stderr
            .contains(&format!("error: cannot listen on {taken}: ")),
        "{refused:#?}"
    );
    let log = served.ends();
    assert!(log.contains("so /api/cron/daily-usage answers nobody"), "{log}");
    assert_eq!(provider.simulator.requests().len(), 0);
}

/// Alive and not ready.
#[test]
fn a_database_that_goes_away_is_told() {
    let provider = provider();
    let server = PostgresCluster::start_durable().unwrap();
    let place = Place::on(&provider, &["org-cron"], |_| {
        Database::Postgres(server.create_database())
    });
    let served = Served::start(&place, &[], &["--bind", "127.0.0.1:0"]);
    assert_eq!(served.ask("GET", "/readyz", None).0, 200);
    server.kill_server();
    eventually("the database is missed", || {
        let (status, body) = served.ask("GET", "/readyz", None);
        status == 503 && body.contains("\"not ready: database: ")
    });
    assert_eq!(served.ask("GET", "/healthz", None).0, 200);
    server.restart_server();
    eventually("the database is found again", || {
        served.ask("GET", "/readyz", None).0 == 200
    });
    served.ends();
}

fn change(place: &Place, sql: &str) {
    match &place.database {
        Database::Sqlite(path) => {
            let changed = rusqlite::Connection::open(path)
                .unwrap()
                .execute(sql, [])
                .unwrap();
            assert_eq!(changed, 1);
        }
        Database::Postgres(database) => drop(database.execute(sql)),
    }
}

#[test]
fn without_an_address_nobody_is_listened_to() {
    let provider = provider();
    let place = Place::new(DatabaseKind::Sqlite, &provider, &["org-cron"]);
    let mut child = place.start(&["serve"]);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("\"waiting\"") {
        assert_ne!(log.read_line(&mut text).unwrap(), 0, "it ended: {text}");
    }
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
    log.read_to_string(&mut text).unwrap();
    assert!(!text.contains("listening"), "{text}");
}

/// Prometheus' own checker has nothing to say against it.
fn passes_promtool(metrics: &str) {
    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "metrics"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let found = Command::new("promtool").arg("--version").output();
    assert!(
        found.is_ok(),
        "promtool is missing; it is in the Debian package prometheus, and .ci/test puts it in its place"
    );
    let told = finish_with(&mut promtool, metrics).succeeds();
    // A linter's remark does not change its exit status.
    assert_eq!(told.stderr, "", "{}", told.stdout);
}
