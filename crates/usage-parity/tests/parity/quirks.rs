//! What the provider's exports really look like: every quirk seen live reads to the same usage.

use usage_core::{Dimensions, Endpoint, Metrics, Width, Window};
use usage_parity::{Verdict, compare};

use crate::support::{
    DAY, FIRST, HEADER, MemoryLedger, compared, csv, day, days, group, idle, line, named, options, tokens,
};

const WHO: &str = "proj_a/key_a/user-a/gpt-4.1-mini/default/n";

/// Two days with one group each, and an idle one between them.
fn ledger() -> MemoryLedger {
    MemoryLedger::covering(Endpoint::Completions, days(3))
        .with(day(0), group(WHO), tokens(59_200, 300, 200, 5))
        .with(day(2), group(WHO), tokens(5_000_000_000, 7, 0, 1))
}

fn plain() -> String {
    csv([
        line(day(0), &group(WHO), &tokens(59_200, 300, 200, 5)),
        idle(day(1)),
        line(day(2), &group(WHO), &tokens(5_000_000_000, 7, 0, 1)),
    ])
}

#[test]
fn every_way_of_writing_the_same_usage_matches() {
    let plain = plain();
    let iso = |text: &str| {
        text.replace(
            &format!("{FIRST},{},,", FIRST + DAY),
            &format!("{FIRST},{},2025-09-01T00:00:00,2025-09-02T00:00:00", FIRST + DAY),
        )
    };
    let only_iso = plain
        .lines()
        .map(|line| {
            let rest: Vec<&str> = line.split(',').skip(4).collect();
            let day = match line.split(',').next() {
                Some("start_time") => return format!("start_time_iso,end_time_iso,{}", rest.join(",")),
                Some(start) => start.parse::<i64>().unwrap(),
                None => unreachable!(),
            };
            let text = |at: i64| format!("{}", chrono::DateTime::from_timestamp(at, 0).unwrap().naive_utc());
            format!("{},{},{}", text(day), text(day + DAY), rest.join(","))
        })
        .collect::<Vec<_>>()
        .join("\n");
    for (quirk, text) in [
        ("plain", plain.clone()),
        (
            "integers as floats",
            plain.replace(",59200,", ",59200.0,").replace(",5,", ",5.0,"),
        ),
        ("FALSE", plain.replace(",false,", ",FALSE,")),
        ("False", plain.replace(",false,", ",False,")),
        ("BOM", format!("\u{feff}{plain}")),
        ("CRLF", plain.replace('\n', "\r\n")),
        ("no newline at the end", plain.trim_end().to_owned()),
        ("blank lines at the end", format!("{plain}\n\n")),
        (
            "every value quoted",
            plain
                .replace("gpt-4.1-mini", "\"gpt-4.1-mini\"")
                .replace("proj_a", "\"proj_a\""),
        ),
        ("ISO times without a zone", iso(&plain)),
        ("only ISO times, without T", only_iso),
        (
            "an unknown column",
            plain
                .replace(HEADER, &format!("{HEADER},colour"))
                .lines()
                .enumerate()
                .map(|(place, line)| {
                    if place == 0 {
                        line.to_owned()
                    } else {
                        format!("{line},blue")
                    }
                })
                .collect::<Vec<_>>()
                .join("\n"),
        ),
        (
            "times as floats",
            plain.replace(&FIRST.to_string(), &format!("{FIRST}.0")),
        ),
        (
            "a column of a newer layout",
            plain
                .replace(HEADER, &format!("{HEADER},api_source"))
                .lines()
                .enumerate()
                .map(|(place, line)| {
                    if place == 0 {
                        line.to_owned()
                    } else {
                        format!("{line},")
                    }
                })
                .collect::<Vec<_>>()
                .join("\n"),
        ),
    ] {
        let comparison = compared(text.clone(), &ledger());
        assert_eq!(
            comparison.verdict(),
            Verdict::Matched,
            "{quirk}: {text}\n{:?}",
            comparison.worst
        );
        let counts = comparison.counts;
        assert_eq!(
            (
                counts.matched,
                counts.windows_compared,
                counts.windows_idle,
                counts.idle_rows
            ),
            (2, 3, 1, 1),
            "{quirk}"
        );
    }
}

#[test]
fn quoted_commas_quotes_and_newlines_are_part_of_a_value() {
    let model = "a \"model\", of\ntwo lines";
    let dimensions = Dimensions {
        model: Some(model.to_owned()),
        ..group(WHO)
    };
    let text = csv([line(day(0), &group(WHO), &tokens(1, 2, 0, 3))])
        .replace("gpt-4.1-mini", "\"a \"\"model\"\", of\ntwo lines\"");
    let ledger =
        MemoryLedger::covering(Endpoint::Completions, days(1)).with(day(0), dimensions, tokens(1, 2, 0, 3));
    assert_eq!(compared(text, &ledger).verdict(), Verdict::Matched);
}

#[test]
fn equal_tuples_of_a_day_are_one_group() {
    let row = |requests| line(day(0), &group(WHO), &tokens(10 * requests, requests, 0, requests));
    let ledger =
        MemoryLedger::covering(Endpoint::Completions, days(1)).with(day(0), group(WHO), tokens(90, 9, 0, 9));
    let comparison = compared(csv([row(8), row(1)]), &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 1)
    );
    assert_eq!(comparison.files[0].rows, 2);
}

#[test]
fn a_wholly_empty_export_has_nothing_but_times() {
    let text = format!(
        "start_time,end_time,start_time_iso,end_time_iso\n{FIRST},{},2025-09-01T00:00:00+00:00,\n",
        FIRST + DAY
    );
    let quiet = MemoryLedger::covering(Endpoint::Completions, days(1));
    let comparison = compared(text.clone(), &quiet);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(
        (comparison.counts.windows_idle, comparison.counts.idle_rows),
        (1, 1)
    );

    let busy = quiet.with(day(0), group(WHO), tokens(1, 1, 0, 1));
    let comparison = compared(text, &busy);
    assert_eq!(
        (comparison.verdict(), comparison.counts.missing_in_csv),
        (Verdict::Different, 1)
    );
}

#[test]
fn hours_and_minutes_are_read_from_the_rows() {
    for width in [Width::Minute, Width::Hour] {
        let window = |number| Window::from_unix(FIRST + number * width.seconds(), width).unwrap();
        let mut ledger = MemoryLedger::covering(Endpoint::Completions, (0..5).map(window));
        // The same day at another width must not be mixed in.
        ledger
            .coverage
            .extend(MemoryLedger::covering(Endpoint::Completions, days(1)).coverage);
        let ledger = ledger
            .with(window(1), group(WHO), tokens(1, 1, 0, 1))
            .with(window(4), group(WHO), tokens(2, 2, 0, 2))
            .with(day(0), group(WHO), tokens(3, 3, 0, 3));
        let text = csv([
            line(window(1), &group(WHO), &tokens(1, 1, 0, 1)),
            line(window(4), &group(WHO), &tokens(2, 2, 0, 2)),
        ]);
        let comparison = compared(text, &ledger);
        assert_eq!(
            comparison.verdict(),
            Verdict::Matched,
            "{width}: {:?}",
            comparison.worst
        );
        assert_eq!(
            (comparison.counts.matched, comparison.counts.windows_idle),
            (2, 2),
            "{width}"
        );
        assert_eq!(comparison.surfaces[0].width, width);
    }
}

#[test]
fn each_endpoint_is_compared_by_its_own_numbers() {
    let times = format!("{FIRST},{}", FIRST + DAY);
    for (name, columns, values, endpoint, metrics) in [
        (
            "embeddings_usage.csv",
            "project_id,model,input_tokens,num_model_requests",
            "proj_a,text-embedding-3,3328,5",
            Endpoint::Embeddings,
            Metrics {
                input_tokens: Some(3_328),
                num_model_requests: Some(5),
                ..Metrics::default()
            },
        ),
        (
            "images_usage.csv",
            "project_id,model,images,num_model_requests",
            "proj_a,text-embedding-3,6,6.0",
            Endpoint::Images,
            Metrics {
                images: Some(6),
                num_model_requests: Some(6),
                ..Metrics::default()
            },
        ),
        (
            "vector_stores_usage.csv",
            "project_id,usage_bytes",
            "proj_a,1572864",
            Endpoint::VectorStores,
            Metrics {
                usage_bytes: Some(1_572_864),
                ..Metrics::default()
            },
        ),
        (
            "code_interpreter_usage.csv",
            "num_sessions,project_id",
            "9,proj_a",
            Endpoint::CodeInterpreterSessions,
            Metrics {
                num_sessions: Some(9),
                ..Metrics::default()
            },
        ),
    ] {
        let export = named(name, format!("start_time,end_time,{columns}\n{times},{values}\n"));
        assert_eq!(export.endpoint(), endpoint);
        let dimensions = Dimensions {
            project_id: Some("proj_a".to_owned()),
            model: columns.contains("model,").then(|| "text-embedding-3".to_owned()),
            ..Dimensions::default()
        };
        let mut ledger = MemoryLedger::covering(endpoint, days(1)).with(day(0), dimensions, metrics);
        let comparison = compare(&[export], &mut ledger, &options()).unwrap();
        assert_eq!(
            comparison.verdict(),
            Verdict::Matched,
            "{name}: {:?}",
            comparison.worst
        );
        assert_eq!(comparison.surfaces[0].csv, metrics, "{name}");
    }
}
