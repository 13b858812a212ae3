//! Files as the provider writes them, with all that breaks naive readers.

use usage_core::{Endpoint, Width, Window};
use usage_parity::costs::{CostLayout, CostRow};
use usage_parity::{Export, ExportText, Verdict};

use crate::support::{MemoryLedger, compared, csv, day, days, export, narrow, row, value, wide};

const A: &str = "proj_a/key_a/gpt-5, input/usd";

#[test]
fn two_rows_with_one_identity_are_summed() {
    let ledger = MemoryLedger::covering(days(1)).with(day(0), A, value("0.09 9 tokens"));
    let file = wide([
        row(day(0), A, "0.08 8.0 tokens"),
        row(day(0), A, "0.01 1.0 tokens"),
    ]);
    let comparison = compared(file, &ledger);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    let counts = comparison.counts;
    assert_eq!(
        (counts.groups_csv, counts.matched, counts.quantities_compared),
        (1, 1, 1)
    );
    assert_eq!(comparison.files[0].rows, 2);
}

#[test]
fn users_and_api_sources_are_summed_over() {
    let of = |user: &str, source: &str, amount: &str| CostRow {
        user_id: Some(user.to_owned()),
        user_email: Some(format!("{user}@example.test")),
        api_source: Some(source.to_owned()),
        organization_id: Some("org-a".to_owned()),
        ..row(day(0), A, amount)
    };
    let file = wide([
        of("user-a", "unlabeled", "1"),
        of("user-b", "unlabeled", "2"),
        of("user-b", "agents_api", "4"),
    ]);
    let ledger = MemoryLedger::covering(days(1)).with(day(0), A, value("7"));
    let comparison = compared(file, &ledger);
    assert_eq!(
        (comparison.verdict(), comparison.counts.matched),
        (Verdict::Matched, 1)
    );
}

#[test]
fn a_file_with_every_quirk_is_compared() {
    let text = "\u{feff}\
        start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,\
        news,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\r\n\
        1756684800,1756771200,2025-09-01T00:00:00,2025-09-02T00:00:00,0.060000000000000000000000000000,usd,59200.0,\
        tokens,\"gpt-5, input\",?,user-a,key_a,proj_a,org-a,\"Research, \"\"new\"\"\",\"Acme\r\nHoldings\",\
        ada@example.test,unlabeled\r\n\
        1756684800.0,1756771200.0,2025-09-01T00:00:00,2025-09-02T00:00:00,-12.5,USD,,,credit,,,,,org-a,,Acme,,\r\n\
        1756684800,1756771200,2025-09-01T00:00:00,2025-09-02T00:00:00,,usd,3,images,image models,,,,,org-a,,Acme,,\r\n\
        \r\n\
        1756771200,1756857600,2025-09-02T00:00:00,2025-09-03T00:00:00,,,,,,,,,,,,,,\r\n\
        1756857600,1756944000,2025-09-03T00:00:00,2025-09-04T00:00:00,,usd,,,,,,,,org-a,,Acme,,\r\n";
    let ledger = MemoryLedger::covering(days(3))
        .with(day(0), A, value("0.06 59200 tokens"))
        .with(day(0), "//credit/usd", value("-12.5"))
        .with(day(0), "//image models/usd", value("? 3 images"));
    let comparison = compared(export(text), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Matched, "{:?}", comparison.worst);
    let counts = comparison.counts;
    assert_eq!((counts.matched, counts.windows_idle, counts.idle_rows), (3, 2, 2));
    assert_eq!(comparison.files[0].unknown_columns, ["news"]);
    assert_eq!(comparison.surfaces[0].csv.rows_without_amount(), 1);
}

#[test]
fn credits_are_costs_below_zero() {
    let credit = "proj_a//credit/usd";
    let ledger = MemoryLedger::covering(days(1))
        .with(day(0), A, value("100"))
        .with(day(0), credit, value("-100"));
    let comparison = compared(narrow([row(day(0), "proj_a//gpt-5, input/usd", "100")]), &ledger);
    assert_eq!(comparison.counts.missing_in_csv, 1, "sums of zero hide no credit");
    let surface = &comparison.surfaces[0];
    assert_eq!(surface.db.get(Some("usd")).unwrap().to_string(), "0");
    assert_eq!(surface.difference(Some("usd")).to_string(), "100");
}

#[test]
fn the_width_comes_from_the_rows() {
    let minute = |number: i64| Window::from_unix(1_756_684_800 + 60 * number, Width::Minute).unwrap();
    let ledger = MemoryLedger::covering((0..3).map(minute)).with(minute(1), A, value("1"));
    let file = wide([
        CostRow::idle(minute(0)),
        row(minute(1), A, "1"),
        CostRow::idle(minute(2)),
    ]);
    assert_eq!(file.width(), Some(Width::Minute));
    let comparison = compared(file, &ledger);
    assert_eq!(comparison.verdict(), Verdict::Matched);
    assert_eq!(comparison.surfaces[0].width, Width::Minute);
    // Days say nothing of minutes.
    let comparison = compared(wide([row(minute(0), A, "1")]), &MemoryLedger::covering(days(1)));
    assert_eq!(comparison.verdict(), Verdict::NotCovered);
}

#[test]
fn files_are_sorted_by_what_their_header_says() {
    const TIMES: &str = "start_time,end_time,start_time_iso,end_time_iso\n\
                         1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n";
    let costs = String::from_utf8(csv(CostLayout::TenColumns, &[row(day(0), "proj_a//x/usd", "1")])).unwrap();
    let usage = "start_time,end_time,images,num_model_requests\n1756684800,1756771200,6,6\n";
    let open =
        |name: &str, text: &str, asked| match Export::open(Box::new(ExportText::new(name, text)), asked) {
            Ok(Export::Costs(export)) => format!("costs of {:?}", export.width()),
            Ok(Export::Usage(export)) => format!("usage of {}", export.endpoint()),
            Err(error) => error.to_string(),
        };
    for (name, text, asked, expected) in [
        ("a.csv", costs.as_str(), None, "costs of Some(Day)"),
        ("completions_usage.csv", &costs, None, "costs of Some(Day)"),
        ("a.csv", &costs, Some(Endpoint::Costs), "costs of Some(Day)"),
        (
            "a.csv",
            &costs,
            Some(Endpoint::Images),
            "a.csv line 1: is not the header of an export of images",
        ),
        (
            "cost_2025-09-01_2025-10-01.csv",
            TIMES,
            None,
            "costs of Some(Day)",
        ),
        ("folder/costs.csv", TIMES, None, "costs of Some(Day)"),
        ("a.csv", TIMES, Some(Endpoint::Costs), "costs of Some(Day)"),
        ("images_usage.csv", TIMES, None, "usage of images"),
        ("a.csv", usage, None, "usage of images"),
        (
            "a.csv",
            usage,
            Some(Endpoint::Costs),
            "a.csv line 1: is not the header of an export of costs",
        ),
    ] {
        assert_eq!(open(name, text, asked), expected, "{name} {asked:?}");
    }
}

#[test]
fn a_file_with_nothing_but_times_says_that_nothing_was_charged() {
    let text = "start_time,end_time,start_time_iso,end_time_iso\n\
                1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n";
    let ledger = MemoryLedger::covering(days(1));
    assert_eq!(compared(export(text), &ledger).verdict(), Verdict::Matched);
    let comparison = compared(export(text), &ledger.with(day(0), A, value("1")));
    assert_eq!(comparison.counts.missing_in_csv, 1);
}
