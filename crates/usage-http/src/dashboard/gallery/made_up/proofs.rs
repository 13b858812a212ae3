//! Pages of runs and proofs.

use super::{at, chrome, link};
use crate::dashboard::chrome::{Notice, Section};
use crate::dashboard::display::{Count, Dollars, Fact, Html};
use crate::dashboard::pages::{
    Badge, BothSides, BridgeStep, ClassRow, CostsReport, DifferenceList, DifferenceRow, FindingRow,
    InvoiceReport, IssueRow, Pages, Parity, ParityReport, Reconciliation, ReconciliationReport, RunPage,
    RunRow, Runs, Standing,
};

fn run_row() -> RunRow {
    RunRow {
        id: 7,
        kind: "backfill".to_owned(),
        label: Some("<b>Search</b> september".to_owned()),
        status: Badge::new(Standing::Bad, "incomplete"),
        started: at("2025-10-02T02:00:00Z"),
        lasted: "3 min 20 s".to_owned(),
        range: "1 Sep – 30 Sep 2025".to_owned(),
        windows: Count::known(31),
        stored: Count::known(31),
        updated: Count::known(0),
        errors: 1,
        warnings: 2,
    }
}

pub(super) fn runs(section: Section, is_admin: bool) -> Runs {
    let mut chrome = chrome("Runs", section, is_admin);
    chrome.notice = Some(Notice {
        is_good: true,
        text: "Run 8 has begun.".to_owned(),
    });
    Runs {
        chrome,
        rows: vec![run_row(), run_row()],
        pages: Pages::default(),
    }
}

pub(super) fn run_page() -> RunPage {
    RunPage {
        chrome: chrome("backfill 7", Section::Runs, true),
        run: run_row(),
        facts: vec![Fact::new("Process", Html::code("host:1234"))],
        telemetry: vec![Fact::new("storedEvents", Html::of(Count::known(31)))],
        issues: vec![IssueRow {
            severity: Badge::new(Standing::Bad, "error"),
            code: "CONTROL_TOTAL".to_owned(),
            message: "the rows of <b>Search</b> do not sum to the total".to_owned(),
        }],
        artefacts: vec![Fact::new("plan", Html::code("backfill-7.json"))],
    }
}

pub(super) fn parity(any: bool) -> Parity {
    let sides = |metric: &str, difference: i64| BothSides {
        metric: metric.to_owned(),
        export: Html::of(Count::known(173_264_675)),
        ledger: Html::of(Count::known(173_264_675 + difference)),
        difference: Html::of(Count::known(difference)),
    };
    let amount = |metric: &str| BothSides {
        metric: metric.to_owned(),
        export: Html::text("1234.75 USD"),
        ledger: Html::text("1234.5 USD"),
        difference: Html::text("−0.25 USD"),
    };
    let costs = || CostsReport {
        verdict: Badge::new(Standing::Bad, "differences"),
        meaning: "The ledger and the export have different numbers.",
        scope: vec![Fact::new("Tolerance", Html::text("up to 0.000000001 a row"))],
        counts: vec![Fact::new("Differ", Html::of(Count::known(1)))],
        totals: vec![amount("USD, 1d")],
        lists: vec![DifferenceList {
            id: "costs-mismatched".to_owned(),
            title: "Costs whose amounts or quantities differ",
            meaning: "Read these windows again.",
            count: 1,
            rows: vec![DifferenceRow {
                window: Html::of(at("2025-09-03T00:00:00Z")),
                group: vec![Fact::new("line item", Html::code("gpt-5, <b>Search</b>"))],
                metrics: vec![amount("amount")],
                href: "/explore?from=2025-09-03&to=2025-09-03".to_owned(),
                leads_to: "Its usage",
            }],
        }],
    };
    let report = || ParityReport {
        verdict: Badge::new(Standing::Bad, "differences"),
        at: at("2025-10-02T02:00:00Z"),
        ago: "2 hours ago".to_owned(),
        label: None,
        meaning: "The ledger and the export have different numbers.",
        has_usage: true,
        costs: Some(costs()),
        whole: Some("/api/parity?account=1".to_owned()),
        scope: vec![Fact::new("Endpoint", Html::text("completions, 1d"))],
        counts: vec![Fact::new("Groups that match", Html::of(Count::known(30)))],
        totals: vec![sides("input_tokens", 0), sides("output_tokens", -12)],
        lists: vec![DifferenceList {
            id: "mismatched".to_owned(),
            title: "Groups whose numbers differ",
            meaning: "Read these windows again.",
            count: 3,
            rows: vec![DifferenceRow {
                window: Html::of(at("2025-09-03T00:00:00Z")),
                group: vec![Fact::new("project", Html::code("proj_made_up_1"))],
                metrics: vec![sides("output_tokens", -12)],
                href: "/explore?from=2025-09-03&to=2025-09-03".to_owned(),
                leads_to: "In Explore",
            }],
        }],
    };
    Parity {
        chrome: chrome("Parity", Section::Parity, true),
        accounts: vec![],
        latest: any.then(report),
        is_unreadable: false,
    }
}

/// Without an export of usage.
pub(super) fn parity_of_costs() -> Parity {
    let mut page = parity(true);
    page.latest = page.latest.map(|report| ParityReport {
        has_usage: false,
        counts: vec![],
        totals: vec![],
        lists: vec![],
        ..report
    });
    page
}

pub(super) fn unreadable_parity() -> Parity {
    Parity {
        is_unreadable: true,
        ..parity(false)
    }
}

pub(super) fn reconciliation(any: bool) -> Reconciliation {
    let step = |label, amount: &str, is_sum| BridgeStep {
        label,
        amount: Dollars::of_text(amount),
        is_sum,
    };
    let report = || ReconciliationReport {
        verdict: Badge::new(Standing::Warn, "not reconciled"),
        at: at("2025-10-02T02:00:00Z"),
        ago: "2 hours ago".to_owned(),
        meaning: "Charges and prices are 2.48% apart; 2% are allowed.".to_owned(),
        complaints: vec!["$3.41 were charged that no usage explains".to_owned()],
        invoice: Some(InvoiceReport {
            verdict: Badge::new(Standing::Warn, "not explained"),
            steps: vec![
                step("What was charged", "156.38915145", false),
                step("The invoice", "160", true),
            ],
            notes: vec!["Could be credits of <b>Search</b>".to_owned()],
        }),
        whole: Some("/api/reconciliation?account=1".to_owned()),
        scope: vec![Fact::new("Days compared", Html::text("31"))],
        bridge: vec![
            step("Usage by the price list", "163.7645785", false),
            step("Groups that differ", "-3.96017265", false),
            step("Charges without usage", "-3.4104", false),
            step("Charged by the provider", "156.38915145", true),
        ],
        variance: vec![Fact::new("Variance", Html::text("2.48%"))],
        classes: vec![ClassRow {
            label: "equal to the cent",
            groups: Count::known(25),
            priced: Dollars::of_text("143.96371525"),
            charged: Dollars::of_text("143.95886085"),
            difference: Dollars::of_text("-0.0048544"),
        }],
        findings: vec![FindingRow {
            model: "gpt-5-2025-08-07".to_owned(),
            unit: "input".to_owned(),
            days: "15 – 24 Sep 2025".to_owned(),
            priced: Dollars::of_text("10.92605125"),
            charged: Dollars::of_text("8.740841"),
            difference: Dollars::of_text("-2.18521025"),
            list_rate: "$1.25 / 1M".to_owned(),
            implied_rate: "$1 / 1M".to_owned(),
            notes: "some of the usage is free by rule".to_owned(),
        }],
    };
    Reconciliation {
        chrome: chrome("Reconciliation", Section::Reconciliation, true),
        accounts: vec![
            link("openai/org-1", "?account=1", true),
            link("openai/org-2", "?account=2", false),
        ],
        latest: any.then(report),
        is_unreadable: false,
    }
}
