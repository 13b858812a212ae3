//! The organisation without a server: exports, generation, changes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::HashSet;

use usage_core::{
    Dimensions, Drift, Endpoint, Metrics, Width, Window, WindowRange, parse_day, parse_instant,
};
use usage_simulator::{CsvError, Generate, Organization};

const REAL_MONTH: &str = include_str!("../../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");

fn days(first: &str, last: &str) -> WindowRange {
    WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap()
}

fn day(text: &str) -> Window {
    Window::day(parse_day(text).unwrap())
}

fn real_month() -> Organization {
    Organization::from_completions_csv("org-real", REAL_MONTH.as_bytes()).unwrap()
}

#[test]
fn the_real_month_goes_through_byte_for_byte() {
    let written = real_month().completions_csv(days("2025-09-01", "2025-10-01"));
    assert_eq!(written, REAL_MONTH);
}

#[test]
fn the_real_month_has_its_known_totals() {
    let totals = real_month()
        .usage(Endpoint::Completions)
        .totals(days("2025-09-01", "2025-10-01"));
    assert_eq!((totals.windows, totals.active_windows, totals.rows), (31, 16, 31));
    assert_eq!(totals.metrics.input_tokens, Some(173_264_675));
    assert_eq!(totals.metrics.input_cached_tokens, Some(56_648_320));
    assert_eq!(totals.metrics.output_tokens, Some(2_630_441));
    assert_eq!(totals.metrics.num_model_requests, Some(1_437));
    assert_eq!(
        totals.metrics.input_cache_write_tokens, None,
        "the export has no such column"
    );
}

#[test]
fn the_days_from_the_second_to_the_fifth_have_eight_rows() {
    let totals = real_month()
        .usage(Endpoint::Completions)
        .totals(days("2025-09-02", "2025-09-05"));
    assert_eq!((totals.windows, totals.active_windows, totals.rows), (4, 4, 8));
}

#[test]
fn an_export_gets_a_directory_for_the_ids_it_names() {
    let organization = real_month();
    let [project] = organization.projects() else {
        panic!("one project: {:?}", organization.projects());
    };
    assert_eq!(
        (project.id.as_str(), project.name.as_str()),
        ("proj_anon0001", "Project 1")
    );
    let named: HashSet<&str> = project.api_keys.iter().map(|key| key.id.as_str()).collect();
    let rows = organization.completions_csv(days("2025-09-01", "2025-10-01"));
    let used: HashSet<&str> = rows
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').nth(7))
        .filter(|key| !key.is_empty())
        .collect();
    assert_eq!(named, used);
}

#[test]
fn rows_with_the_identical_tuple_stay_two_rows() {
    let twice = "start_time,end_time,model,input_tokens,num_model_requests\n\
                 1756684800,1756771200,gpt-5,80,8\n\
                 1756684800,1756771200,gpt-5,10,1\n";
    let organization = Organization::from_completions_csv("org-twice", twice.as_bytes()).unwrap();
    let rows = organization.usage(Endpoint::Completions).rows(day("2025-09-01"));
    let requests: Vec<_> = rows.iter().map(|row| row.metrics.num_model_requests).collect();
    assert_eq!(requests, [Some(8), Some(1)]);
    assert_eq!(rows[0].dimensions, rows[1].dimensions);
}

#[test]
fn the_quirks_of_real_exports_are_understood() {
    let quirky = "\u{feff}start_time,end_time,model,batch,input_tokens,news\n\
                  1756684800.0,1756684860.0,\"a, b\",FALSE,59200.0,?\n\
                  1756684860,1756684920,,,,\n";
    let organization = Organization::from_completions_csv("org-quirky", quirky.as_bytes()).unwrap();
    let minute = Window::from_unix(1_756_684_800, Width::Minute).unwrap();
    let [row] = organization
        .usage(Endpoint::Completions)
        .rows(minute)
        .try_into()
        .unwrap();
    assert_eq!(row.dimensions.batch, Some(false));
    assert_eq!(row.dimensions.model.as_deref(), Some("a, b"));
    assert_eq!(row.metrics.input_tokens, Some(59_200));
    assert_eq!(
        organization.usage(Endpoint::Completions).len(),
        1,
        "a blank row is no usage"
    );
    let written = organization.completions_csv(days("2025-09-01", "2025-09-01"));
    assert!(written.contains(",\"a, b\",False,"), "{written}");
}

#[test]
fn what_is_no_export_is_refused_with_its_place() {
    let error = |text: &str| Organization::from_completions_csv("org", text.as_bytes()).unwrap_err();
    assert!(matches!(
        error("a,b\n1,2\n"),
        CsvError::MissingColumn("start_time")
    ));
    assert_eq!(
        error("start_time,end_time,input_tokens\n0,86400,1\n86400,172800,1.5\n").to_string(),
        "line 3: `1.5` is not a value of the column `input_tokens`"
    );
    for count in ["-1", "-59200.0"] {
        let text = format!("start_time,end_time,model,output_tokens\n0,86400,x,0\n0,86400,y,{count}\n");
        assert_eq!(
            error(&text).to_string(),
            format!("line 3: `{count}` is not a value of the column `output_tokens`")
        );
    }
    assert_eq!(
        error("start_time,end_time,batch\n0,86400,maybe\n").to_string(),
        "line 2: `maybe` is not a value of the column `batch`"
    );
    assert_eq!(
        error("start_time,end_time,model\n60,86400,x\n").to_string(),
        "line 2: 60 to 86400 is no minute, hour or UTC day"
    );
    assert!(matches!(error("start_time,end_time\n0\n"), CsvError::Read(_)));
}

#[test]
fn the_same_options_give_the_same_organisation_and_another_seed_another() {
    let range = days("2025-09-01", "2025-10-01");
    let csv = |seed| {
        let options = Generate {
            seed,
            ..Generate::default()
        };
        Organization::generate(&options).completions_csv(range)
    };
    assert_eq!(csv(7), csv(7));
    assert_ne!(csv(7), csv(8));
}

#[test]
fn a_generated_day_does_not_depend_on_how_many_days_there_are() {
    let generate = |days| {
        Organization::generate(&Generate {
            days,
            ..Generate::default()
        })
    };
    let week = days("2025-09-01", "2025-09-07");
    assert_eq!(
        generate(7).completions_csv(week),
        generate(60).completions_csv(week)
    );
}

#[test]
fn a_generated_organisation_has_the_size_asked_for() {
    let options = Generate {
        days: 5,
        projects: 7,
        groups_per_day: 3_000,
        idle_days_percent: 0,
        bursts: 1,
        ..Generate::default()
    };
    let organization = Organization::generate(&options);
    let totals = organization
        .usage(Endpoint::Completions)
        .totals(days("2025-09-01", "2025-09-05"));
    assert_eq!((totals.active_windows, totals.rows), (5, 15_000));
    assert_eq!(organization.projects().len(), 7);
    assert_eq!(organization.users().len(), 4);
}

#[test]
fn generated_numbers_keep_the_identities_of_the_provider() {
    let organization = Organization::generate(&Generate {
        cache_writes: true,
        ..Generate::default()
    });
    let log = organization.usage(Endpoint::Completions);
    let mut modalities = HashSet::new();
    let mut rows = 0;
    for window in days("2025-09-01", "2025-10-01").windows() {
        for row in log.rows(window) {
            assert_eq!(Drift::all(&row.metrics).next(), None, "{row:?}");
            modalities.insert((
                row.metrics.input_audio_tokens > Some(0),
                row.metrics.input_image_tokens > Some(0),
            ));
            rows += 1;
        }
    }
    assert!(rows > 500, "{rows}");
    assert_eq!(modalities.len(), 3, "text, audio and image: {modalities:?}");
}

#[test]
fn restating_a_window_changes_that_window_only_and_keeps_the_identities() {
    let mut organization = real_month();
    let log = organization.usage_mut(Endpoint::Completions);
    let (second, third) = (day("2025-09-02"), day("2025-09-03"));
    let (before, other) = (log.rows(second), log.rows(third));

    assert_eq!(log.scale(second, 133), 2);

    assert_eq!(log.rows(third), other);
    for (old, new) in before.iter().zip(log.rows(second)) {
        let requests = old
            .metrics
            .num_model_requests
            .map(|requests| requests * 133 / 100);
        assert_eq!(new.metrics.num_model_requests, requests);
        let parts = new
            .metrics
            .input_cached_tokens
            .zip(new.metrics.input_uncached_tokens);
        assert_eq!(
            parts.map(|(cached, uncached)| cached + uncached),
            new.metrics.input_tokens
        );
        assert!(new.metrics.input_tokens > old.metrics.input_tokens);
    }
}

#[test]
fn a_removed_group_leaves_the_others() {
    let mut organization = real_month();
    let log = organization.usage_mut(Endpoint::Completions);
    let second = day("2025-09-02");
    let removed = log.remove(second, |group| group.service_tier.as_deref() == Some("default"));
    assert_eq!(removed, 1);
    let tiers: Vec<_> = log
        .rows(second)
        .into_iter()
        .map(|row| row.dimensions.service_tier.unwrap())
        .collect();
    assert_eq!(tiers, ["incentivized-tier"]);
    assert_eq!(log.remove(second, |_| true), 1);
    assert_eq!(log.totals(WindowRange::of(second)).rows, 0);
}

#[test]
fn usage_is_kept_by_the_minute_and_sums_where_it_is_the_same() {
    let mut organization = Organization::new("org-small");
    let log = organization.usage_mut(Endpoint::Completions);
    let one = Metrics {
        num_model_requests: Some(1),
        ..Metrics::default()
    };
    let blank = Dimensions {
        model: Some(String::new()),
        ..Dimensions::default()
    };
    for at in [
        "2025-09-01T10:00:59Z",
        "2025-09-01T10:00:01Z",
        "2025-09-01T10:01:00Z",
    ] {
        log.add(parse_instant(at).unwrap(), &blank, &one);
    }
    let requests = |at: &str, width| {
        let rows = log.rows(Window::containing(parse_instant(at).unwrap(), width));
        rows.first().and_then(|row| row.metrics.num_model_requests)
    };
    assert_eq!(requests("2025-09-01T10:00:00Z", Width::Minute), Some(2));
    assert_eq!(requests("2025-09-01T10:01:00Z", Width::Minute), Some(1));
    assert_eq!(requests("2025-09-01T10:02:00Z", Width::Minute), None);
    assert_eq!(requests("2025-09-01T10:00:00Z", Width::Day), Some(3));
    let row = &log.rows(day("2025-09-01"))[0];
    assert_eq!(row.dimensions.model, None, "blank is absent");
    assert_eq!(row.dimensions.api_source.as_deref(), Some("unlabeled"));
    assert_eq!(row.metrics.output_tokens, None, "absent is not zero");
}
