//! The golden fixtures hold, and are what the tools make of their tenants.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use usage_core::Endpoint;

use crate::checks::{Verdict, check};
use crate::log;
use crate::place::{DatabaseKind, Place, names_in};
use crate::settings::{all_fixtures, golden, log_folder, updates_golden_fixtures};
use crate::tenants::Tenant;

/// Public, since the tenants are made up, or anonymous already.
const SALT: &str = "golden fixtures of the repository";

/// The committed fixture of a tenant.
fn fixture_of(tenant: &Tenant) -> PathBuf {
    let folder = golden().join("daily-usage");
    let prefix = format!("{}-2", tenant.name);
    let name = names_in(&folder)
        .into_iter()
        .find(|name| name.starts_with(&prefix));
    folder.join(name.unwrap_or_else(|| panic!("no fixture of {}", tenant.name)))
}

#[test]
fn every_fixture_keeps_the_contract() {
    let mut verdicts = Vec::new();
    for fixtures in all_fixtures() {
        let names = names_in(&fixtures.folder);
        let is_json = |name: &&String| Path::new(name).extension() == Some("json".as_ref());
        let names: Vec<&String> = names.iter().filter(is_json).collect();
        assert!(!names.is_empty(), "{} has no fixture", fixtures.folder.display());
        for name in names {
            verdicts.push(check(&fixtures, &fixtures.folder.join(name)));
        }
    }
    if let Some(folder) = log_folder() {
        log::write(&folder, &verdicts);
    }
    let broken: Vec<String> = verdicts
        .iter()
        .flat_map(|verdict| {
            verdict
                .findings
                .iter()
                .map(move |finding| format!("{}: {finding}", verdict.fixture))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    tell_the_tenants_apart(&verdicts);
}

/// One tenant reads much from the cache and one hardly anything; the second has rows that must be summed, and identities
/// that only tier or batch tells apart.
fn tell_the_tenants_apart(verdicts: &[Verdict]) {
    let summary = |name: &str| {
        let verdict = verdicts.iter().find(|verdict| verdict.fixture.starts_with(name));
        &verdict.unwrap_or_else(|| panic!("no fixture of {name}")).summary
    };
    let percent_cached = |name: &str| {
        let number = |field: &str| summary(name)[field].as_i64().unwrap();
        100 * number("totalTokensCached") / number("totalTokensIn")
    };
    assert_eq!(
        (percent_cached("cached-heavy"), percent_cached("uncached-heavy")),
        (32, 1)
    );
    let [rows, events, windows] = ["rowCount", "eventCount", "windowCount"]
        .map(|field| summary("uncached-heavy")[field].as_u64().unwrap());
    assert!(
        rows > events && events > windows,
        "{rows} rows, {events} events, {windows} windows"
    );
}

#[test]
fn the_totals_are_the_tenants_own() {
    for tenant in Tenant::both() {
        let truth = tenant
            .organization
            .usage(Endpoint::Completions)
            .totals(tenant.range());
        let fixture = fixture_of(&tenant);
        let name = fixture.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(golden().join("expected-totals").join(name)).unwrap();
        let expected = &serde_json::from_str::<Value>(&text).unwrap()["expected"];
        let of = |names: [&str; 7]| names.map(|name| expected[name].clone());
        assert_eq!(
            of([
                "bucketCount",
                "eventCount",
                "totalTokensIn",
                "totalTokensOut",
                "totalTokensCached",
                "totalTokensUncached",
                "totalRequests",
            ]),
            [
                json!(truth.windows),
                json!(truth.rows),
                json!(truth.metrics.input_tokens),
                json!(truth.metrics.output_tokens),
                json!(truth.metrics.input_cached_tokens),
                json!(truth.metrics.input_uncached_tokens),
                json!(truth.metrics.num_model_requests),
            ],
            "{name}"
        );
    }
}

/// Captured from the simulated tenant and sanitized, a fixture is the committed one to the byte.
#[test]
fn capture_and_sanitize_make_the_golden_fixtures() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    for tenant in Tenant::both() {
        let simulator = tenant.serve(&runtime);
        let place = Place::new(DatabaseKind::Sqlite, simulator.base_url());
        place.add_key(tenant.organization.id());
        let [start, end] = tenant.days;
        let capture = ["fixtures", "capture", "--start", start, "--end", end];
        let more = ["--tenant", tenant.name, "--output", "raw", "--format", "json"];
        let captured = place.run(&[capture, more].concat(), &[]).ends_with(0).json();
        let [fixture, log] = ["fixture", "log"].map(|file| captured[file].as_str().unwrap().to_owned());
        let sanitized = place
            .run(
                &["fixtures", "sanitize", "raw", "sanitized"],
                &[("DAILY_USAGE_SANITIZE_SALT", SALT)],
            )
            .ends_with(0)
            .stdout;
        let grouped = simulator.requests();
        let pages = grouped
            .iter()
            .filter(|request| request.path.ends_with("/usage/completions"));
        assert_eq!(
            pages.count(),
            tenant.range().len().div_ceil(31),
            "one read, no control totals"
        );

        for file in [&fixture, &log] {
            assert_eq!(mode_of(&place.work().join(file)), 0o600, "{file}");
        }
        let name = fixture.strip_prefix("raw/").unwrap();
        let times = (
            &name[tenant.name.len()..name.len() - 5],
            &log["raw/capture-".len() + tenant.name.len()..],
        );
        assert_eq!(
            format!("{}.md", times.0),
            times.1,
            "the log is that of the fixture"
        );
        assert!(
            sanitized.contains(&format!("left out, not a .json file: {log}")),
            "{sanitized}"
        );
        let told = fs::read_to_string(place.work().join(&log)).unwrap();
        assert!(
            told.contains("must be sanitized") && !told.contains("{{"),
            "{told}"
        );

        let raw = fs::read_to_string(place.work().join(&fixture)).unwrap();
        let shared = fs::read_to_string(place.work().join("sanitized").join(name)).unwrap();
        for id in raw
            .split('"')
            .filter(|text| text.starts_with("proj_") || text.starts_with("user-"))
        {
            assert!(!shared.contains(id), "{id}");
        }
        if updates_golden_fixtures() {
            fs::write(golden().join("daily-usage").join(name), &shared).unwrap();
            fs::write(golden().join(log.strip_prefix("raw/").unwrap()), &told).unwrap();
        } else {
            let committed = fs::read_to_string(fixture_of(&tenant)).unwrap();
            assert!(
                shared == committed,
                "{}: capture or sanitize gives other bytes",
                tenant.name
            );
        }
        runtime.block_on(simulator.shutdown());
    }
}

fn mode_of(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
