use serde_json::{Value, json};
use usage_core::parse_instant;

use super::*;

fn now() -> DateTime<Utc> {
    parse_instant("2025-10-01T02:00:00Z").unwrap()
}

/// September, in which completions have usage.
fn september() -> Shown {
    let first = NaiveDate::from_ymd_opt(2025, 9, 1).unwrap();
    Shown {
        closed: first.iter_days().take(30).collect(),
        used: Some(BTreeMap::from([(1, BTreeSet::from([Endpoint::Completions]))])),
    }
}

fn parity_report() -> Value {
    let range = json!({ "from": "2025-09-01T00:00:00Z", "to": "2025-10-01T00:00:00Z" });
    let mut surface = range.clone();
    surface["endpoint"] = "completions".into();
    json!({
        "generatedAt": "2025-10-01T00:00:00Z",
        "verdict": "matched",
        "scope": { "projects": [], "users": [], "tolerance": 0, "endpoints": [surface] },
        "summary": { "matched": 31, "matchedWithinTolerance": 0 },
        "costs": {
            "verdict": "matched",
            "tolerancePerRow": "0.000000001",
            "widths": [range],
            "summary": { "matched": 31, "matchedWithinTolerance": 2 },
        },
    })
}

/// The report with other values at some places.
fn with(mut report: Value, changes: &[(&str, Value)]) -> Value {
    for (place, value) in changes {
        let (parent, name) = place.rsplit_once('/').unwrap();
        report.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    report
}

fn read(report: &Value) -> Latest<ParityFacts> {
    Latest::of(Ok(Some(report.to_string())))
}

fn lines(claims: &[Claim]) -> Vec<String> {
    let line = |claim: &Claim| format!("{} {}", claim.standing.sign(), claim.text);
    claims.iter().map(line).collect()
}

#[track_caller]
fn is_said(report: &Value, line: &str) {
    let claims = parity_claims(&[(1, read(report))], &september(), now());
    assert_eq!(lines(&claims), [line]);
}

#[test]
fn parity_of_all_that_is_shown_is_proved() {
    is_said(
        &parity_report(),
        "✓ usage and cost parity proved 2 hours ago for 1–30 Sep 2025, 0 differences",
    );
    let mut usage = parity_report();
    usage.as_object_mut().unwrap().remove("costs");
    is_said(
        &usage,
        "✓ usage parity proved 2 hours ago for 1–30 Sep 2025, 0 differences",
    );
}

#[test]
fn parity_of_less_than_is_shown_says_of_what() {
    let half =
        json!([{ "endpoint": "completions", "from": "2025-09-01T00:00:00Z", "to": "2025-09-16T00:00:00Z" }]);
    let gap = json!([{
        "endpoint": "completions",
        "windowStartIso": "2025-09-03T00:00:00Z",
        "windowEndIso": "2025-09-04T00:00:00Z",
    }]);
    let other =
        json!([{ "endpoint": "embeddings", "from": "2025-09-01T00:00:00Z", "to": "2025-10-01T00:00:00Z" }]);
    let whole = "usage and cost parity proved 2 hours ago for 1–30 Sep 2025, 0 differences";
    for (place, value, line) in [
        (
            "/scope/endpoints",
            half,
            "! usage and cost parity proved 2 hours ago for 1–15 Sep 2025, 0 differences; 15 of 30 closed days not compared"
                .to_owned(),
        ),
        (
            "/coverage",
            json!({ "betweenExports": gap }),
            format!("! {whole}; 1 of 30 closed days not compared"),
        ),
        (
            "/scope/endpoints",
            other,
            format!("! {whole}; completions was not compared"),
        ),
        (
            "/scope/projects",
            json!(["proj_a"]),
            format!("! {whole}; of some projects only"),
        ),
        (
            "/scope/users",
            json!(["user_a"]),
            format!("! {whole}; of some users only"),
        ),
        (
            "/summary/matchedWithinTolerance",
            json!(3),
            format!("! {whole}; 3 groups are equal within a tolerance only"),
        ),
        (
            "/costs/tolerancePerRow",
            json!("0.01"),
            format!("! {whole}; 2 groups are equal within a tolerance only"),
        ),
        (
            "/scope/endpoints",
            json!([]),
            "! cost parity proved 2 hours ago for 1–30 Sep 2025, 0 differences; no usage was compared".to_owned(),
        ),
    ] {
        is_said(&with(parity_report(), &[(place, value)]), &line);
    }
    let october = Shown {
        closed: vec![NaiveDate::from_ymd_opt(2025, 10, 1).unwrap()],
        ..september()
    };
    let claims = parity_claims(&[(1, read(&parity_report()))], &october, now());
    assert_eq!(
        lines(&claims),
        [format!("! {whole}; none of the days shown was compared")]
    );
}

#[test]
fn differences_of_usage_and_of_costs_are_counted() {
    let different = with(
        parity_report(),
        &[
            ("/verdict", json!("different")),
            ("/summary/missingInDb", json!(1)),
            ("/costs/summary/mismatched", json!(1_000)),
            ("/scope/projects", json!(["proj_a"])),
        ],
    );
    is_said(
        &different,
        "✗ usage and cost parity looked at 2 hours ago for 1–30 Sep 2025, 1,001 differences",
    );
}

#[test]
fn a_verdict_stands_as_on_its_own_page() {
    let looked = "usage and cost parity looked at 2 hours ago for 1–30 Sep 2025, 0 differences";
    for (verdict, line) in [
        (
            "matchedCoarse",
            format!("! {looked}; equal in part only after summing"),
        ),
        (
            "notCovered",
            format!("! {looked}; some of the export was never read"),
        ),
        (
            "nothingCompared",
            format!("? {looked}; nothing could be compared"),
        ),
    ] {
        is_said(&with(parity_report(), &[("/verdict", json!(verdict))]), &line);
    }
}

#[test]
fn what_cannot_be_read_is_no_missing_report() {
    let unreadable = || Latest::of(Ok(Some("{\"verdict\":".to_owned())));
    let claims =
        |parities: &[(i64, Latest<ParityFacts>)]| lines(&parity_claims(parities, &september(), now()));
    assert_eq!(claims(&[(1, Latest::Missing)]), ["? parity was never proved"]);
    assert_eq!(
        claims(&[(1, unreadable()), (2, Latest::Missing)]),
        ["✗ the latest parity report cannot be read (of 1 of 2 accounts)"]
    );
    assert_eq!(
        claims(&[(1, read(&parity_report())), (2, unreadable())]),
        [
            "! usage and cost parity proved 2 hours ago for 1–30 Sep 2025, 0 differences (of 1 of 2 accounts)",
            "✗ the latest parity report cannot be read (of 1 of 2 accounts)"
        ]
    );
    let bills = [Latest::of(Err(crate::OperationFailed::new("no")))];
    assert_eq!(
        lines(&bill_claims(&bills, &september())),
        ["✗ the latest reconciliation report cannot be read"]
    );
}

fn bill_report() -> Value {
    json!({
        "verdict": "reconciled",
        "complaints": [],
        "scope": { "start": "2025-09-01", "end": "2025-09-30", "otherWidths": [], "projects": null },
        "days": { "compared": 30, "withoutCosts": [], "open": [], "notCovered": [] },
        "variance": { "absoluteDifference": "0", "percent": "0" },
        "invoice": null,
    })
}

#[test]
fn a_bill_says_of_which_days_it_is_and_why_it_is_not_reconciled() {
    let claims = |changes: &[(&str, Value)]| {
        let text = with(bill_report(), changes).to_string();
        lines(&bill_claims(&[Latest::of(Ok(Some(text)))], &september()))
    };
    assert_eq!(claims(&[]), ["✓ bill reconciled to $0.00 for 1–30 Sep 2025"]);
    assert_eq!(
        claims(&[
            (
                "/days/notCovered",
                json!([{ "day": "2025-09-01", "lacks": ["costs"] }])
            ),
            ("/days/withoutCosts", json!(["2025-09-30"])),
            ("/scope/projects", json!(["proj_a"])),
            (
                "/scope/otherWidths",
                json!([{ "endpoint": "images", "bucketWidth": "1h" }])
            ),
            (
                "/variance",
                json!({ "absoluteDifference": "12.5", "percent": "25" })
            ),
        ]),
        [
            "! bill reconciled to $12.50 for 1–30 Sep 2025; 2 of 30 closed days not reconciled; \
             images was not compared; of some projects only; 25% were allowed to be apart"
        ]
    );
    let unexplained = json!([
        { "kind": "unexplained", "class": "unexplained", "amount": "50" },
        { "kind": "nothingCompared" },
    ]);
    assert_eq!(
        claims(&[("/verdict", json!("notReconciled")), ("/complaints", unexplained)]),
        ["! bill not reconciled for 1–30 Sep 2025: $50.00 were charged that no usage explains, and 1 more"]
    );
    assert_eq!(
        claims(&[
            ("/verdict", json!("notReconciled")),
            ("/invoice", json!({ "isExplained": false, "difference": "-10" })),
        ]),
        ["! bill not reconciled for 1–30 Sep 2025: the invoice is −$10.00 off what was charged"]
    );
}

#[test]
fn the_reports_of_a_real_pass_are_read() {
    let now = parse_instant("2026-12-10T09:00:00Z").unwrap();
    let first = NaiveDate::from_ymd_opt(2026, 11, 9).unwrap();
    let shown = Shown {
        closed: first.iter_days().take(31).collect(),
        used: Some(BTreeMap::from([(1, BTreeSet::from([Endpoint::Completions]))])),
    };
    let report = include_str!("../../../../../../audit/telemetry-audit/2026-12-10T07-10-33Z-cron.json");
    let parities = [(1, Latest::of(Ok(Some(report.to_owned()))))];
    assert_eq!(
        lines(&parity_claims(&parities, &shown, now)),
        ["✓ usage and cost parity proved 1 hour ago for 5 Nov – 9 Dec 2026, 0 differences"]
    );
    let report = include_str!("../../../../../../audit/reconciliation/2026-12-10T07-15-18Z-cron.json");
    let bills = [Latest::of(Ok(Some(report.to_owned())))];
    assert_eq!(
        lines(&bill_claims(&bills, &shown)),
        ["✓ bill reconciled to $0.00 for 5 Nov – 9 Dec 2026"]
    );
}

#[tokio::test]
async fn what_a_report_came_to_is_kept_until_there_is_another() {
    let kept = super::super::facts::Kept::<BillFacts>::default();
    let mark = |mark: &str| Ok(Some(mark.to_owned()));
    let report = || async { Ok(Some(bill_report().to_string())) };
    let never = || async { panic!("it is kept") };
    assert!(matches!(
        kept.latest(1, mark("a"), report()).await,
        Latest::Read(_)
    ));
    assert!(matches!(
        kept.latest(1, mark("a"), never()).await,
        Latest::Read(_)
    ));
    let gone = || async { Ok(None) };
    assert!(matches!(kept.latest(2, mark("a"), gone()).await, Latest::Missing));
    assert!(matches!(kept.latest(1, mark("b"), gone()).await, Latest::Missing));
    assert!(matches!(
        kept.latest(1, Ok(None), report()).await,
        Latest::Read(_)
    ));
    assert!(matches!(kept.latest(1, mark("a"), gone()).await, Latest::Missing));
}
