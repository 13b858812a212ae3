//! `usage-cron rehearse`, on a clock that is faster than the machine's, against an organisation that goes on living.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};
use usage_core::{Clock as _, ScaledClock, SystemClock, format_instant};
use usage_simulator::{AdminKey, Generate, LivingOrganization, Simulator};

use crate::place::Place;
use crate::shared::{DatabaseKind, KEY, Provider, eventually, signal};

/// Two surfaces are enough to see that every one is counted.
const ENDPOINTS: [&str; 4] = ["--endpoint", "completions", "--endpoint", "costs"];

/// A process that dies in the middle of a pass, a provider that throttles and fails at times, restates the last days, adds
/// a project and deletes a key: the verdict is pass, and everything that leads to it is on record.
pub(crate) fn a_rehearsal_outlives_its_process_and_passes(kind: DatabaseKind) {
    let stage = Stage::new(
        kind,
        2_880,
        &["retry-after-seconds@every=9", "server-error@every=13"],
    );
    let mut arguments = vec![
        "rehearse",
        "--hours",
        "48",
        "--every",
        "24h",
        "--exports",
        "exports",
    ];
    arguments.extend(["--clock-scale", "2880", "--format", "json"]);
    arguments.extend(ENDPOINTS);
    let origin = format_instant(stage.clock.origin());
    let first = [&arguments[..], &["--clock-origin", &origin]].concat();

    let mut victim = stage.place.start(&first);
    eventually("a window is stored", || {
        stage.record().is_some() && stage.place.database.count("usage_coverage") > 0
    });
    // Whatever it asks for next keeps it waiting, so that it is killed in the middle of a pass. No other fault has this status.
    stage.provider.simulator.fail_next(1, 503, Some("600"));
    stage
        .provider
        .wait_for(|requests| requests.iter().any(|request| request.status == 503));
    signal(&victim, "KILL");
    victim.wait().unwrap();
    assert_eq!(stage.record().unwrap().get("verdict"), None);

    // The clock of the one that goes on is that of the record.
    let finished = stage.place.run(&arguments).succeeds();
    let report = finished.json();
    assert_eq!(report["verdict"]["passed"], true, "{report:#}");
    assert_eq!(report["clock"], json!({"scale": 2880, "origin": origin}));
    let passes = report["passes"].as_array().unwrap();
    assert_eq!(passes.len(), 3);
    let begun: usize = passes
        .iter()
        .map(|pass| pass["begunAt"].as_array().unwrap().len())
        .sum();
    assert_eq!(
        begun, 4,
        "three passes and the one that was gone on with: {report:#}"
    );
    assert_eq!(stage.place.database.count("runs WHERE status = 'interrupted'"), 1);
    assert_eq!(stage.place.database.count("runs WHERE status = 'succeeded'"), 3);
    let revisions = revisions(passes, |run| run["kept"].as_u64().unwrap());
    assert!(revisions > 0, "nothing was restated: {report:#}");
    assert_eq!(
        revisions.cast_signed(),
        stage.place.database.count("usage_revisions") + stage.place.database.count("cost_revisions")
    );

    let summary = stage.read("summary.md");
    assert!(
        summary.starts_with("# Cron rehearsals\n\n**Verdict: pass**\n"),
        "{summary}"
    );
    assert!(
        summary.contains("the clock was scaled, 2,880 times as fast"),
        "{summary}"
    );
    for pass in passes {
        let name = pass["notes"].as_str().unwrap();
        let notes = stage.read(name);
        assert!(
            notes.contains("- **Parity diff result:** openai/org-cron: 0 missing in the ledger, "),
            "{notes}"
        );
        assert!(summary.contains(&format!("[{name}]({name})")), "{summary}");
        let parity = pass["outcome"]["ran"]["parity"]["openai/org-cron"]["report"]
            .as_str()
            .unwrap();
        assert!(
            stage.place.folder.path().join("work").join(parity).is_file(),
            "{parity}"
        );
    }
    let log = stage.read(report["smoke"]["file"].as_str().unwrap());
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["answer"], "allowed", "{log}");
    }
}

/// A fault that never clears: the verdict is fail, and says why.
pub(crate) fn a_fault_that_stays_fails_the_rehearsal_with_its_reason(kind: DatabaseKind) {
    let stage = Stage::new(kind, 3_600, &["bucket-missing@from=1:costs"]);
    let arguments = [
        "rehearse",
        "--hours",
        "6",
        "--every",
        "6h",
        "--exports",
        "exports",
        "--clock-scale",
        "3600",
    ];
    let arguments = [&arguments[..], &ENDPOINTS].concat();
    let origin = format_instant(stage.clock.origin());
    let report = stage
        .place
        .run(&[&arguments[..], &["--clock-origin", &origin]].concat())
        .ends_with(1);
    assert!(
        report.stdout.starts_with("rehearsal: FAIL, 2 of 2 passes\n"),
        "{report:#?}"
    );
    assert!(
        report
            .stdout
            .contains(" of BUCKET_MISSING, first in the pass due "),
        "{report:#?}"
    );
    let summary = stage.read("summary.md");
    assert!(
        summary.starts_with("# Cron rehearsals\n\n**Verdict: fail**\n"),
        "{summary}"
    );
    assert!(summary.contains("BUCKET_MISSING"), "{summary}");
}

/// One that goes on is gone on with as it was begun, or not at all.
pub(crate) fn a_rehearsal_that_goes_on_is_not_changed(kind: DatabaseKind) {
    let stage = Stage::new(kind, 1, &[]);
    let begin = ["rehearse", "--hours", "24", "--every", "12h"];
    let begin = [&begin[..], &ENDPOINTS].concat();
    let mut running = stage.place.start(&begin);
    eventually("the first pass has ended", || {
        stage
            .record()
            .is_some_and(|record| record["passes"][0]["outcome"].is_object())
    });
    let beside = stage.place.run(&begin).ends_with(2);
    assert!(
        beside
            .stderr
            .contains("error: another process rehearses in audit/cron-dry-run; "),
        "{beside:#?}"
    );
    signal(&running, "TERM");
    assert_eq!(running.wait().unwrap().code(), Some(2));
    for (arguments, words) in [
        (
            ["rehearse", "--hours", "25", "--every", "12h"],
            "it takes 24 hours with a pass every 43200 s",
        ),
        (
            ["rehearse", "--hours", "24", "--every", "12h"],
            "it reads other accounts or endpoints",
        ),
    ] {
        let refused = stage.place.run(&arguments).ends_with(2);
        let error = refused
            .stderr
            .lines()
            .find(|line| line.starts_with("error: "))
            .unwrap();
        assert!(
            error.contains("is a rehearsal that goes on, and ") && error.contains(words),
            "{error}"
        );
    }
    assert_eq!(stage.place.database.count("runs"), 1, "nothing was read");
}

/// An organisation that lives, a ledger, and a clock for both.
struct Stage {
    provider: Provider,
    place: Place,
    clock: ScaledClock,
    _exporter: Exporter,
}

impl Stage {
    fn new(kind: DatabaseKind, scale: u32, faults: &[&str]) -> Self {
        let clock = clock(scale);
        let first_day = clock.now().date_naive() - Days::new(40);
        let living = LivingOrganization::new(
            Generate {
                organization: "org-cron".to_owned(),
                first_day,
                groups_per_day: 6,
                models: 2,
                bursts: 1,
                ..Generate::default()
            },
            clock.origin(),
        );
        let mut simulator = Simulator::builder()
            .living(living.clone())
            .clock(Arc::new(clock))
            .key(AdminKey::owner(KEY));
        for fault in faults {
            simulator = simulator.fault(fault.parse().unwrap());
        }
        let provider = Provider::start(simulator);
        let place = Place::new(kind, &provider, &["org-cron"]);
        let exports = place.folder.path().join("work/exports");
        Self {
            provider,
            place,
            clock,
            _exporter: Exporter::start(living, clock, exports),
        }
    }

    /// The record of the only rehearsal.
    fn record(&self) -> Option<Value> {
        let folder = self.folder();
        let mut names = std::fs::read_dir(&folder)
            .ok()?
            .map(|entry| entry.unwrap().path());
        let file = names.find(|path| path.to_string_lossy().contains("/rehearsal-"))?;
        serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
    }

    fn read(&self, name: &str) -> String {
        let path = self.folder().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn folder(&self) -> PathBuf {
        self.place.folder.path().join("work/audit/cron-dry-run")
    }
}

fn revisions(passes: &[Value], of: impl Fn(&Value) -> u64) -> u64 {
    let runs = passes
        .iter()
        .flat_map(|pass| pass["outcome"]["ran"]["revisions"].as_array().unwrap());
    runs.map(of).sum()
}

/// A clock that shows two in the morning now: restatements come at one, and a pass that is still at work then finds exports
/// that are newer than what it has read.
fn clock(scale: u32) -> ScaledClock {
    let now = SystemClock.now();
    if scale == 1 {
        return ScaledClock::new(now, scale.try_into().unwrap());
    }
    let two = NaiveTime::from_hms_opt(2, 0, 0).unwrap();
    let mut shown = now.date_naive().and_time(two).and_utc();
    while shown < now {
        shown += TimeDelta::days(1);
    }
    // It shows `origin + scale × (now - origin)`.
    let origin: DateTime<Utc> = now - (shown - now) / i32::try_from(scale - 1).unwrap();
    ScaledClock::new(
        DateTime::from_timestamp(origin.timestamp(), 0).unwrap(),
        scale.try_into().unwrap(),
    )
}

/// Writes the provider's exports as the clock goes on, as somebody who downloads them every day would.
struct Exporter {
    is_over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Exporter {
    fn start(living: LivingOrganization, clock: ScaledClock, folder: PathBuf) -> Self {
        let write = move |at: DateTime<Utc>, folder: &Path| living.write_exports(at, folder).unwrap();
        let mut written_for = clock.now();
        write(written_for, &folder);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let now = clock.now();
                if LivingOrganization::next_restatement(written_for) <= now {
                    write(now, &folder);
                    written_for = now;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
