//! Metrics tell what really happened, and alerts and dashboard ask for nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use usage_app::monitoring::{CronTelemetry, ParityProof, ReconciliationProof};
use usage_core::{
    Account, Clock as _, Endpoint, Provider as Vendor, SystemClock, Window, parse_day, parse_instant,
};

use crate::fixture::{DatabaseKind, ORGANIZATION, Place, Provider};
use crate::shared::finish_with;

/// A text in Prometheus' format.
struct Metrics {
    text: String,
    /// Each sample, by its name and labels as they are written.
    samples: BTreeMap<String, f64>,
}

impl Metrics {
    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Self {
            text: text.to_owned(),
            samples: samples.collect(),
        }
    }

    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        *self
            .samples
            .get(series)
            .unwrap_or_else(|| panic!("{series} is not in\n{}", self.text))
    }

    #[track_caller]
    fn has(&self, expected: &[(&str, f64)]) {
        for (series, value) in expected {
            let found = self.value(series);
            assert!((found - value).abs() < 1e-9, "{series} is {found}, not {value}");
        }
    }

    /// What the `# TYPE` lines name, with the type.
    fn families(&self) -> BTreeMap<&str, &str> {
        let types = self.text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.map(|line| line.split_once(' ').unwrap()).collect()
    }

    /// The names of all samples, as a query may ask for them.
    fn names(&self) -> BTreeSet<&str> {
        let name = |series: &'_ str| series.split('{').next().unwrap().len();
        self.samples
            .keys()
            .map(|series| &series[..name(series)])
            .collect()
    }
}

/// `usage metrics` with more arguments.
fn metrics(place: &Place<'_>, more: &[&str]) -> Metrics {
    let told = place.run(&[&["metrics"], more].concat()).succeeds();
    assert_eq!(told.stderr, "");
    Metrics::parse(&told.stdout)
}

/// Adds a run of the scheduled pass, as that records it.
fn add_cron_run(place: &Place<'_>, seconds: i64) {
    let account = Account::new(Vendor::OpenAi, ORGANIZATION).unwrap();
    let mut telemetry = CronTelemetry::default();
    for (endpoint, compared, differences) in [
        (Endpoint::Completions, true, 3),
        (Endpoint::Images, true, 0),
        (Endpoint::Embeddings, false, 0),
    ] {
        let proof = ParityProof {
            compared,
            differences,
            missing: differences,
            mismatched: 0,
        };
        telemetry.proofs.add_parity(&account, endpoint, proof);
    }
    let reconciled = ReconciliationProof {
        variance_ratio: Some("0.0123".to_owned()),
    };
    let accounts = &mut telemetry.proofs.reconciliation;
    accounts.insert(account.to_string(), reconciled);
    let (json, began) = (telemetry.to_json(), 1_760_000_000);
    place.execute(&format!(
        "INSERT INTO runs (kind, holder, status, started_at, finished_at, plan, telemetry, issues) \
         VALUES ('cron', 'the story', 'succeeded', {began}, {}, '{{}}', '{json}', '[]')",
        began + seconds
    ));
}

pub(crate) fn metrics_tell_what_the_runs_did(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(kind, &provider);
    let nothing = metrics(&place, &[]);
    nothing.has(&[
        (r#"ingestion_runs_total{kind="backfill",result="failed"}"#, 0.0),
        (r#"ingestion_runs_total{kind="cron",result="succeeded"}"#, 0.0),
        (
            r#"provider_keys{provider="openai",account="org-anon",status="active"}"#,
            1.0,
        ),
        (r#"provider_throttled_seconds_total{provider="openai"}"#, 0.0),
        ("manual_fallback_windows_total", 0.0),
    ]);
    assert!(!nothing.text.contains("ingestion_coverage_lag_seconds"));

    // Throttled, then restated.
    provider.simulator.clear_requests();
    provider.simulator.fail_next(2, 429, Some("0.05"));
    place.backfill_month(&[]).succeeds();
    let restated_day = Window::day(parse_day("2025-09-03").unwrap());
    let restated = provider.simulator.update(|organization| {
        organization
            .usage_mut(Endpoint::Completions)
            .scale(restated_day, 150)
    });
    assert!(restated > 0);
    place.backfill_month(&["--force"]).succeeds();
    let before = metrics(&place, &[]);
    before.has(&[
        ("manual_fallback_consecutive_runs", 0.0),
        (
            r#"ingestion_restated_events_total{provider="openai",account="org-anon",endpoint="completions"}"#,
            f64::from(u32::try_from(restated).unwrap()),
        ),
    ]);

    // Without the index, twice; refused; and a pass that compared.
    place.execute("DROP INDEX usage_admin_bucket_idx");
    for _ in 0..2 {
        place.backfill_month(&["--force"]).succeeds();
    }
    provider.simulator.fail_next(1, 401, None);
    place.backfill_month(&["--force"]).ends_with(2);
    add_cron_run(&place, 70);
    // From a day before the month on, so that it holds the whole month tomorrow, too.
    let horizon_days = (SystemClock.now().date_naive() - parse_day("2025-09-01").unwrap()).num_days() + 1;
    let began = SystemClock.now();
    let after = metrics(&place, &["--horizon-days", &horizon_days.to_string()]);
    let ended = SystemClock.now();

    let completions = r#"provider="openai",endpoint="completions""#;
    let of_account = r#"{provider="openai",account="org-anon",endpoint="completions"}"#;
    let unread_days = horizon_days - 31;
    after.has(&[
        (r#"ingestion_runs_total{kind="backfill",result="succeeded"}"#, 4.0),
        (r#"ingestion_runs_total{kind="backfill",result="failed"}"#, 1.0),
        (
            r#"ingestion_runs_total{kind="backfill",result="incomplete"}"#,
            0.0,
        ),
        (r#"ingestion_runs_total{kind="cron",result="succeeded"}"#, 1.0),
        (r#"ingestion_duration_seconds_count{kind="backfill"}"#, 5.0),
        (r#"ingestion_duration_seconds_bucket{kind="cron",le="60"}"#, 0.0),
        (r#"ingestion_duration_seconds_bucket{kind="cron",le="300"}"#, 1.0),
        (r#"ingestion_duration_seconds_sum{kind="cron"}"#, 70.0),
        (
            r#"ingestion_last_success_timestamp_seconds{kind="cron"}"#,
            1_760_000_070.0,
        ),
        (
            r#"ingestion_last_run_issues{kind="backfill",code="UNAUTHORIZED"}"#,
            1.0,
        ),
        (
            &format!("ingestion_windows_missing{of_account}"),
            to_float(unread_days),
        ),
        (
            &format!("provider_requests_total{{{completions},status=\"200\"}}"),
            8.0,
        ),
        (
            &format!("provider_requests_total{{{completions},status=\"429\"}}"),
            2.0,
        ),
        (
            &format!("provider_requests_total{{{completions},status=\"401\"}}"),
            1.0,
        ),
        ("manual_fallback_windows_total", 62.0),
        ("manual_fallback_consecutive_runs", 2.0),
        ("ingestion_runs_unreadable", 0.0),
        (
            r#"parity_differences{account="org-anon",endpoint="completions"}"#,
            3.0,
        ),
        (r#"parity_differences{account="org-anon",endpoint="images"}"#, 0.0),
        (r#"cost_variance_ratio{account="org-anon"}"#, 0.0123),
        (
            concat!("usage_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"),
            1.0,
        ),
    ]);
    assert!(
        !after.text.contains("endpoint=\"embeddings\""),
        "what was not compared is unknown"
    );
    assert!(after.value(r#"provider_throttled_seconds_total{provider="openai"}"#) >= 0.1);
    let lag = after.value(&format!("ingestion_coverage_lag_seconds{of_account}"));
    let end = parse_instant("2025-10-02T00:00:00Z").unwrap();
    let possible = (began - end).num_seconds()..=(ended - end).num_seconds();
    assert!(
        possible
            .map(to_float)
            .any(|possible| (possible - lag).abs() < 1e-9),
        "{lag}"
    );

    let requests = after.samples.iter();
    let requests = requests.filter(|(series, _)| series.starts_with("provider_requests_total"));
    let answered = provider.simulator.requests().len();
    assert!((requests.map(|(_, value)| value).sum::<f64>() - to_float(answered)).abs() < 1e-9);
    falls_nowhere(&nothing, &before);
    falls_nowhere(&before, &after);
    passes_promtool(&after);
    is_written_whole(&place, &after);
}

fn to_float(count: impl TryInto<i32>) -> f64 {
    count.try_into().map(f64::from).ok().unwrap()
}

/// Totals only grow, and none is forgotten.
fn falls_nowhere(earlier: &Metrics, later: &Metrics) {
    for (series, value) in &earlier.samples {
        let name = series.split('{').next().unwrap();
        if ["_total", "_count", "_sum", "_bucket"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            assert!(later.value(series) >= *value, "{series} fell from {value}");
        }
    }
}

fn passes_promtool(metrics: &Metrics) {
    for family in metrics.families().keys() {
        assert!(metrics.text.contains(&format!("# HELP {family} ")), "{family}");
        let is_measured =
            family.ends_with("_seconds") || family.ends_with("_seconds_total") || family.ends_with("_ratio");
        let has_unit = metrics.text.contains(&format!("# UNIT {family} "));
        assert_eq!(has_unit, is_measured, "{family}");
    }
    promtool(&["check", "metrics"], &metrics.text);
}

/// The file holds what standard output would, and nothing is left beside it.
fn is_written_whole(place: &Place<'_>, metrics: &Metrics) {
    let before = place.files();
    let told = place.run(&["metrics", "--output", "usage.prom"]).succeeds();
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""));
    let written = fs::read_to_string(place.work().join("usage.prom")).unwrap();
    assert_eq!(Metrics::parse(&written).families(), metrics.families());
    let mut after = place.files();
    assert!(after.remove("work/usage.prom").is_some());
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );

    let refused = place
        .run(&["metrics", "--output", "nowhere/usage.prom"])
        .ends_with(2);
    assert!(
        refused
            .stderr
            .starts_with("error: cannot write nowhere/usage.prom: "),
        "{refused:#?}"
    );
}

#[test]
fn alerts_and_dashboard_ask_only_for_metrics_that_there_are() {
    let provider = Provider::of_the_real_month();
    let place = Place::with_key(DatabaseKind::Sqlite, &provider);
    provider.simulator.fail_next(1, 401, None);
    place.backfill_month(&[]).ends_with(2);
    add_cron_run(&place, 1);
    provider.simulator.clear_faults();
    let windows = [
        "backfill",
        "--endpoint",
        "completions",
        "--start",
        "2025-09-01",
        "--end",
        "2025-09-01",
    ];
    place.run(&windows).succeeds();
    place.execute("UPDATE runs SET telemetry = '{\"issuesByCode\":{\"TIMEOUT\":1}}' WHERE kind = 'backfill'");
    let metrics = metrics(&place, &[]);
    // The scraper's own.
    let known: BTreeSet<&str> = metrics.names().into_iter().chain(["up"]).collect();

    let alerts = read("prometheus/usage-alerts.yml");
    let alert_queries = alert_queries(&alerts);
    assert_eq!(alert_queries.len(), alerts.matches("- alert: ").count());
    let dashboard: Value = serde_json::from_str(&read("grafana/usage-dashboard.json")).unwrap();
    let mut panel_queries = Vec::new();
    collect_queries(&dashboard, &mut panel_queries);
    assert!(panel_queries.len() > 15, "{panel_queries:#?}");

    let mut asked = BTreeSet::new();
    for query in alert_queries.iter().chain(&panel_queries) {
        let names = metric_names(query);
        assert!(!names.is_empty(), "{query}");
        for name in names {
            assert!(known.contains(name.as_str()), "{name} is no metric, in {query}");
            asked.insert(name);
        }
    }
    let documented = fs::read_to_string(documents().join("MONITORING.md")).unwrap();
    for family in metrics.families().keys() {
        assert!(
            asked.iter().any(|name| name.starts_with(family)),
            "nobody looks at {family}"
        );
        assert!(
            documented.contains(&format!("`{family}`")),
            "{family} is not documented"
        );
    }
    has_a_data_source(&dashboard);
    is_syntax(&panel_queries, &place.work().join("panels.yml"));
}

/// The dashboard works with whatever Prometheus it is given.
fn has_a_data_source(dashboard: &Value) {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(
        variables
            .iter()
            .any(|variable| variable["name"] == "datasource" && variable["type"] == "datasource")
    );
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        assert!(panel["description"].is_string(), "{}", panel["title"]);
    }
}

/// The queries of the panels are ones that Prometheus reads.
fn is_syntax(queries: &[String], file: &Path) {
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
    for (number, query) in queries.iter().enumerate() {
        let query = Value::from(query.as_str());
        writeln!(rules, "      - record: panel_{number}\n        expr: {query}").unwrap();
    }
    fs::write(file, rules).unwrap();
    promtool(&["check", "rules", &file.display().to_string()], "");
}

#[test]
fn alerts_fire_when_they_should_and_lead_to_what_to_do() {
    let file = |name: &str| {
        documents()
            .join("deploy/prometheus")
            .join(name)
            .display()
            .to_string()
    };
    promtool(&["check", "rules", &file("usage-alerts.yml")], "");
    promtool(&["test", "rules", &file("usage-alerts.test.yml")], "");

    let (alerts, tests) = (
        read("prometheus/usage-alerts.yml"),
        read("prometheus/usage-alerts.test.yml"),
    );
    let runbook = fs::read_to_string(documents().join("RUNBOOK.md")).unwrap();
    let sections: BTreeMap<String, &str> = runbook
        .split("\n### ")
        .skip(1)
        .map(|section| section.split_once('\n').unwrap())
        .map(|(title, text)| (title.to_lowercase().replace(' ', "-"), text))
        .collect();
    for alert in alerts.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        for alerts in ["exp_alerts: []", "exp_alerts:\n"] {
            let tested = format!("alertname: {name}\n        {alerts}");
            assert!(tests.contains(&tested), "no test of {name} with {alerts}");
        }
        for part in ["severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        let (_, anchor) = alert.split_once("docs/RUNBOOK.md#").unwrap();
        let anchor = anchor.lines().next().unwrap().trim_end_matches('.');
        let section = sections
            .get(anchor)
            .unwrap_or_else(|| panic!("{name} leads to {anchor}, which is not there"));
        let (severity, _) = alert
            .split_once("severity: ")
            .unwrap()
            .1
            .split_once('\n')
            .unwrap();
        assert!(
            section.trim_start().starts_with(&format!("`{name}`, {severity}")),
            "{anchor} does not begin with {name}, {severity}"
        );
    }
}

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn read(name: &str) -> String {
    fs::read_to_string(documents().join("deploy").join(name)).unwrap()
}

/// Runs Prometheus' own checker, which must have nothing to say against it.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let found = Command::new("promtool").arg("--version").output();
    assert!(
        found.is_ok(),
        "promtool is missing; it is in the Debian package prometheus, and .ci/test puts it in its place"
    );
    let told = finish_with(&mut command, input).succeeds();
    // A linter's remark does not change its exit status.
    assert_eq!(told.stderr, "", "{}", told.stdout);
}

/// The `expr` of each alert.
fn alert_queries(alerts: &str) -> Vec<String> {
    let mut queries: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in alerts.lines().map(str::trim) {
        if let Some(first) = line.strip_prefix("expr:") {
            queries.push(first.trim().trim_start_matches(">-").to_owned());
            is_inside = true;
        } else if line.starts_with("for:") || line.starts_with("labels:") {
            is_inside = false;
        } else if let (true, Some(query)) = (is_inside, queries.last_mut()) {
            query.push(' ');
            query.push_str(line);
        }
    }
    queries
}

/// Every `expr` of the panels, and what the variables are filled from, without variables.
fn collect_queries(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(query) = object.get("expr").and_then(Value::as_str) {
                queries.push(query.replace("$account", ".*").replace("$endpoint", ".*"));
            }
            if let Some(values) = object.get("definition").and_then(Value::as_str) {
                let asked = values.strip_prefix("label_values(").unwrap();
                queries.push(asked.split(',').next().unwrap().to_owned());
            }
            for value in object.values() {
                collect_queries(value, queries);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect_queries(value, queries);
            }
        }
        _ => {}
    }
}

/// The metrics that a query asks for: its words outside of texts, selectors and lists of labels that are neither functions
/// nor operators.
fn metric_names(query: &str) -> BTreeSet<String> {
    const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    const OPERATORS: [&str; 5] = ["and", "or", "unless", "offset", "bool"];
    let mut names = BTreeSet::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let length = match first {
            '{' => rest.find('}').unwrap() + 1,
            '[' => rest.find(']').unwrap() + 1,
            '"' => rest[1..].find('"').unwrap() + 2,
            first if is_word(first) => {
                let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(length);
                let behind = behind.trim_start();
                if LABEL_LISTS.contains(&word) {
                    rest = &behind[behind.find(')').unwrap() + 1..];
                    continue;
                }
                let is_function = ["(", "by ", "without "]
                    .iter()
                    .any(|next| behind.starts_with(next));
                if !first.is_ascii_digit() && !OPERATORS.contains(&word) && !is_function {
                    names.insert(word.to_owned());
                }
                length
            }
            other => other.len_utf8(),
        };
        rest = &rest[length..];
    }
    names
}

#[test]
fn the_metrics_of_a_query_are_found() {
    for (query, expected) in [
        ("up{job=\"usage\"} == 0 or absent(a_b)", &["a_b", "up"][..]),
        (
            "time() - max without (kind) (x{kind=~\"a|b\"}) > 26 * 3600",
            &["x"],
        ),
        ("increase(x[7d] offset 1d) / 7", &["x"]),
        ("a * on (job, instance) group_left () b", &["a", "b"]),
        ("sum by (le) (rate(x_bucket[1d]))", &["x_bucket"]),
    ] {
        let names = metric_names(query);
        assert_eq!(
            names.iter().map(String::as_str).collect::<Vec<_>>(),
            expected,
            "{query}"
        );
    }
}
