//! Every page with made-up numbers: what holds for each of them, whatever it shows.

use chrono::NaiveDate;
use usage_core::{NanoUsd, parse_day, parse_instant};

use super::chart::{ChartDay, DailyChart, DayState, Measure, Series};
use super::chrome::{Chrome, Notice, Section, Theme, Who};
use super::display::{At, Change, Count, Day, Dollars, Fact, Html, Named, Percent};
use super::pages::{
    AddKey, Badge, BothSides, BridgeStep, BudgetRow, Budgets, Card, Choice, Claim, ClassRow, DifferenceList,
    DifferenceRow, EventRow, Explore, Failure, Filter, FilterOption, FindingRow, IssueRow, KeyAction,
    KeyPage, KeyRow, Keys, Link, MetricChange, Overview, Pages, Parity, ParityReport, RangeChoice,
    Reconciliation, ReconciliationReport, RestatementRow, Restatements, RunPage, RunRow, Runs, SignIn,
    SplitCell, Standing, TokenMade, TokenRevoke, TokenRow, Tokens, Top, TopRow, Total, Value,
};

#[test]
fn no_page_has_a_script_or_a_style_of_its_own() {
    for (name, html) in gallery() {
        assert!(!html.contains(" style=") && !html.contains("<style"), "{name}");
        assert!(!html.contains("javascript:"), "{name}");
        for (at, _) in html.match_indices("<script") {
            assert!(html[at..].starts_with("<script src=\"/assets/"), "{name}");
        }
        for tag in tags(&html) {
            let handler = tag
                .split_whitespace()
                .skip(1)
                .find(|part| part.starts_with("on") && part.contains('='));
            assert_eq!(handler, None, "{name}: {tag}");
        }
    }
}

#[test]
fn what_comes_from_outside_is_nowhere_markup() {
    for (name, html) in gallery() {
        assert!(!html.contains("<b>Search"), "{name}");
    }
    assert!(gallery().iter().any(|(_, html)| html.contains("&lt;b&gt;Search")));
}

#[test]
fn tables_have_captions_headings_know_their_direction_and_ids_are_given_once() {
    for (name, html) in gallery() {
        let count = |what: &str| html.matches(what).count();
        assert_eq!(count("<table"), count("<caption"), "{name}");
        for tag in tags(&html) {
            if tag.starts_with("th ") || tag == "th" {
                assert!(tag.contains("scope="), "{name}: {tag}");
            }
        }
        assert_eq!(count("<h1"), 1, "{name}");
        assert_eq!(
            (count("<main"), count("· usage</title>")),
            (1, 1),
            "{name}: landmarks"
        );
        let mut ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        ids.sort_unstable();
        let before = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), before, "{name}: {ids:?}");
    }
}

#[test]
fn what_is_opened_is_closed() {
    for (name, html) in gallery() {
        let mut open: Vec<&str> = Vec::new();
        for tag in tags(&html) {
            let word = tag.split([' ', '\n']).next().unwrap_or_default();
            let is_void = matches!(
                word,
                "!doctype" | "meta" | "link" | "input" | "rect" | "line" | "path"
            );
            if let Some(closed) = word.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{name}");
            } else if !is_void || (word == "rect" && !tag.ends_with('/')) {
                open.push(word);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn every_form_that_changes_something_proves_where_it_comes_from() {
    for (name, html) in gallery() {
        for (at, _) in html.match_indices("method=\"post\"") {
            let form = html[at..].split("</form>").next().unwrap_or_default();
            assert!(
                form.contains("name=\"csrf\" value=\"csrf-of-the-session\""),
                "{name}: {form}"
            );
        }
    }
}

#[test]
fn what_one_may_not_do_is_not_offered() {
    let pages = gallery();
    let html = |wanted: &str| &pages.iter().find(|(name, _)| *name == wanted).unwrap().1;
    assert!(html("keys").contains("/keys/1/remove") && html("runs").contains("action=\"/runs\""));
    assert!(!html("keys-reader").contains("/keys/1/remove"));
    assert!(!html("keys-reader").contains("name=\"secret\""));
    assert!(!html("runs-reader").contains("action=\"/runs\""));
}

/// What stands between `<` and `>`.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| rest.split('>').next())
}

fn gallery() -> Vec<(&'static str, String)> {
    let html = |page: &dyn askama::DynTemplate| page.dyn_render().unwrap();
    let pages = vec![
        ("overview", html(&overview(false))),
        ("overview-empty", html(&overview(true))),
        ("explore", html(&explore(3, None))),
        ("explore-nothing", html(&explore(0, None))),
        (
            "explore-refused",
            html(&explore(0, Some("`limit=abc` is no number from 1 to 1000."))),
        ),
        ("restatements", html(&restatements(true))),
        ("restatements-none", html(&restatements(false))),
        ("runs", html(&runs(Section::Runs, true))),
        ("runs-reader", html(&runs(Section::Runs, false))),
        ("run", html(&run_page())),
        ("parity", html(&parity(true))),
        ("parity-none", html(&parity(false))),
        ("reconciliation", html(&reconciliation(true))),
        ("reconciliation-none", html(&reconciliation(false))),
        ("budgets", html(&budgets(true))),
        ("budgets-none", html(&budgets(false))),
        ("keys", html(&keys(true))),
        ("keys-reader", html(&keys(false))),
        ("key-rotate", html(&key_page(KeyAction::Rotate))),
        ("key-remove", html(&key_page(KeyAction::Remove))),
        ("tokens", html(&tokens())),
        ("token-made", html(&token_made())),
        ("token-revoke", html(&token_revoke())),
        ("sign-in", html(&sign_in())),
        ("failure", html(&failure())),
    ];
    pages
}

fn chrome(title: &str, section: Section, is_admin: bool) -> Chrome {
    Chrome {
        title: title.to_owned(),
        section,
        who: Some(Who {
            name: "finance laptop".to_owned(),
            role: if is_admin { "admin" } else { "reader" },
            may_operate: is_admin,
            may_administer: is_admin,
        }),
        theme: Theme::System,
        csrf: "csrf-of-the-session".to_owned(),
        here: section.path().to_owned(),
        notice: None,
    }
}

fn at(text: &str) -> At {
    At(Some(parse_instant(text).unwrap()))
}

fn usd(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

fn link(label: &str, href: &str, is_current: bool) -> Link {
    Link {
        label: label.to_owned(),
        href: href.to_owned(),
        is_current,
    }
}

fn choice(value: &str, label: &str, is_chosen: bool) -> Choice {
    Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen,
    }
}

fn range() -> RangeChoice {
    RangeChoice {
        first: Day(parse_day("2025-09-01").unwrap()),
        last: Day(parse_day("2025-10-01").unwrap()),
        presets: vec![
            link("7 days", "?from=2025-09-25&to=2025-10-01", false),
            link("31 days", "?from=2025-09-01&to=2025-10-01", true),
            link("90 days", "?from=2025-07-04&to=2025-10-01", false),
            link("This month", "?from=2025-10-01&to=2025-10-01", false),
        ],
        kept: vec![("by".to_owned(), "projectId".to_owned())],
    }
}

fn chart() -> DailyChart {
    let labels = [
        "<b>Search & ranking</b>",
        "Support bot",
        "Batch labelling",
        "Evaluations",
    ];
    let first = parse_day("2025-09-01").unwrap();
    let days: Vec<ChartDay> = first
        .iter_days()
        .take(31)
        .enumerate()
        .map(|(place, day)| made_up(place, day))
        .collect();
    let mut series: Vec<Series> = labels
        .iter()
        .enumerate()
        .map(|(number, label)| Series {
            label: (*label).to_owned(),
            colour: Some(number),
            total: days.iter().map(|day| day.values[number]).sum(),
        })
        .collect();
    series.push(Series {
        label: "everything else".to_owned(),
        colour: None,
        total: days.iter().map(|day| day.values[4]).sum(),
    });
    DailyChart {
        measure: Measure::Cost,
        by: "project".to_owned(),
        series,
        days,
    }
}

fn made_up(place: usize, day: NaiveDate) -> ChartDay {
    let state = match place {
        12 => DayState::NotRead,
        13 => DayState::PartlyRead,
        ..27 => DayState::Settled,
        27..30 => DayState::Provisional,
        _ => DayState::Open,
    };
    let weekend = matches!(place % 7, 5 | 6);
    let unit = 137_000_000 * i128::try_from((place * 7919) % 23 + 4).unwrap();
    let values = match (weekend, state) {
        (true, _) | (_, DayState::NotRead) => vec![0; 5],
        (_, DayState::Open) => vec![unit, unit / 4, 0, 0, unit / 9],
        _ => vec![unit * 3, unit, unit / 2, unit / 3, unit / 5],
    };
    ChartDay { day, state, values }
}

fn overview(is_empty: bool) -> Overview {
    let claim = |standing, text: &str, href: &str| Claim {
        standing,
        text: text.to_owned(),
        href: href.to_owned(),
    };
    let card = |label, value, change, before: &str, note: &str| Card {
        label,
        value,
        change,
        before: before.to_owned(),
        note: note.to_owned(),
    };
    let top = |title, column| Top {
        title,
        column,
        rows: vec![
            TopRow {
                name: Named::new(Some("proj_made_up_1"), Some("<b>Search & ranking</b>")),
                href: "/explore?projectId=proj_made_up_1".to_owned(),
                cost: Dollars::of(usd("134.1393825")),
                share: Percent::of(819, 1_000),
                tokens: Count::known(107_311_506),
                requests: Count::known(1_204),
            },
            TopRow {
                name: Named::new(Some("proj_made_up_2"), None),
                href: "/explore?projectId=proj_made_up_2".to_owned(),
                cost: Dollars::of(usd("29.625196")),
                share: Percent::of(181, 1_000),
                tokens: Count::known(68_583_610),
                requests: Count(None),
            },
        ],
        more: 3,
        href: "/explore".to_owned(),
    };
    Overview {
        chrome: chrome("Overview", Section::Overview, true),
        range: range(),
        is_empty,
        trust: vec![
            claim(Standing::Warn, "29 of 31 days covered", "/runs"),
            claim(
                Standing::Good,
                "parity proved 2 hours ago, 0 differences",
                "/parity",
            ),
            claim(Standing::Good, "bill reconciled to $0.00", "/reconciliation"),
            claim(Standing::Unknown, "1 day still open", "/explore"),
        ],
        cards: vec![
            card(
                "Estimated spend",
                Value::Dollars(Dollars::of(usd("163.7645785"))),
                Change::Tenths(123),
                "from $145.83 in the 31 days before",
                "charged by the provider so far: $156.39",
            ),
            card(
                "Tokens",
                Value::Count(Count::known(175_895_116)),
                Change::Tenths(-41),
                "from 183,415,658",
                "173,264,675 in, 2,630,441 out",
            ),
            card(
                "Requests",
                Value::Count(Count::known(1_437)),
                Change::FromNothing,
                "from 0",
                "to models",
            ),
            card(
                "Cached share",
                Value::Percent(Percent::of(327, 1_000)),
                Change::Points(-8),
                "from 33.5%",
                "of input tokens read from the cache",
            ),
        ],
        unpriced: Some(Count::known(12)),
        divide: vec![
            choice("projectId", "project", true),
            choice("model", "model", false),
        ],
        measures: vec![
            choice("cost", "estimated spend", true),
            choice("tokens", "tokens", false),
        ],
        chart: chart(),
        tops: vec![
            top("Projects", "Project"),
            top("API keys", "Key"),
            top("Users", "User"),
            top("Models", "Model"),
        ],
    }
}

fn explore(events: usize, refused: Option<&str>) -> Explore {
    let cell = |tokens: i64, modalities: &str| SplitCell {
        tokens: Count::known(tokens),
        modalities: modalities.to_owned(),
    };
    let event = |_| EventRow {
        start: at("2025-09-03T00:00:00Z"),
        end: at("2025-09-04T00:00:00Z"),
        endpoint: "completions".to_owned(),
        model: Named::new(None, Some("gpt-5-2025-08-07")),
        project: Named::new(Some("proj_made_up_1"), Some("<b>Search & ranking</b>")),
        key: Named::new(Some("key_made_up_1"), Some("ranker-prod")),
        user: Named::new(None, None),
        tier: "default, batch".to_owned(),
        requests: Count::known(102),
        uncached: cell(7_311_506, "audio 1,200"),
        cached: cell(870_528, ""),
        cache_write: SplitCell {
            tokens: Count(None),
            modalities: String::new(),
        },
        output: cell(326_638, "image 40"),
        cost: Dollars::fine(usd("12.4039905")),
        identity: vec![
            Fact::new("Project", Html::code("proj_made_up_1")),
            Fact::new("API key", Html::code("key_made_up_1")),
            Fact::new("First stored", Html::of(at("2025-09-04T02:10:00Z"))),
        ],
        metrics: vec![Fact::new("input_tokens", Html::of(Count::known(8_182_034)))],
        pricing: vec![Fact::new(
            "Estimated cost",
            Html::of(Dollars::fine(usd("12.4039905"))),
        )],
    };
    let option = |value: &str, label: &str, id: Option<&str>, is_chosen| FilterOption {
        choice: choice(value, label, is_chosen),
        id: id.map(str::to_owned),
    };
    let filter = |name: &str, label: &str, options| Filter {
        name: name.to_owned(),
        label: label.to_owned(),
        options,
        more: 0,
    };
    Explore {
        chrome: chrome("Explore", Section::Explore, true),
        range: range(),
        filters: vec![
            filter(
                "provider",
                "Provider",
                vec![option("openai", "OpenAI", None, false)],
            ),
            filter(
                "projectId",
                "Project",
                vec![
                    option(
                        "proj_made_up_1",
                        "<b>Search & ranking</b>",
                        Some("proj_made_up_1"),
                        true,
                    ),
                    option("proj_made_up_2", "Support bot", Some("proj_made_up_2"), false),
                ],
            ),
            filter(
                "model",
                "Model",
                (0..12)
                    .map(|n| option(&format!("gpt-{n}"), &format!("gpt-{n}"), None, false))
                    .collect(),
            ),
            filter("batch", "Batch", vec![]),
        ],
        without_filters: Some("/explore?from=2025-09-01&to=2025-10-01".to_owned()),
        refused: refused.map(str::to_owned),
        totals: vec![
            Total {
                fact: Fact::new("Events", Html::of(Count::known(31))),
                is_estimate: false,
            },
            Total {
                fact: Fact::new("Cost", Html::of(Dollars::of(usd("163.7645785")))),
                is_estimate: true,
            },
        ],
        orders: vec![
            link("newest first", "?order=newest", true),
            link("oldest first", "?order=oldest", false),
        ],
        events: (0..events).map(event).collect(),
        pages: Pages {
            first: None,
            next: Some("/explore?after=x".to_owned()),
        },
        downloads: vec![
            link("CSV", "/api/usage/export?format=csv", false),
            link("JSON lines", "/api/usage/export?format=jsonl", false),
        ],
        unread: Some("1 of 31 days was not read: what it holds is unknown.".to_owned()),
    }
}

fn restatements(any: bool) -> Restatements {
    let row = || RestatementRow {
        at: at("2025-09-06T02:10:00Z"),
        kind: Badge::new(Standing::Warn, "changed"),
        window: at("2025-09-03T00:00:00Z"),
        endpoint: "completions".to_owned(),
        project: Named::new(Some("proj_made_up_1"), Some("<b>Search & ranking</b>")),
        model: Named::new(None, Some("gpt-5-2025-08-07")),
        changes: vec![MetricChange {
            label: "input tokens".to_owned(),
            before: Html::of(Count::known(8_100_000)),
            after: Html::of(Count::known(8_182_034)),
            difference: "+82,034".to_owned(),
        }],
        others: vec![MetricChange {
            label: "input text tokens".to_owned(),
            before: Html::of(Count::known(8_100_000)),
            after: Html::of(Count::known(8_182_034)),
            difference: "+82,034".to_owned(),
        }],
        run: Html::link("/runs/7", "cron 7"),
    };
    Restatements {
        chrome: chrome("Restatements", Section::Restatements, true),
        range: range(),
        kinds: vec![link("all", "?", true), link("changed", "?kind=changed", false)],
        totals: vec![Fact::new("Restatements", Html::text("2"))],
        rows: if any { vec![row(), row()] } else { vec![] },
        pages: Pages::default(),
    }
}

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

fn runs(section: Section, is_admin: bool) -> Runs {
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

fn run_page() -> RunPage {
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

fn parity(any: bool) -> Parity {
    let sides = |metric: &str, difference: i64| BothSides {
        metric: metric.to_owned(),
        export: Count::known(173_264_675),
        ledger: Count::known(173_264_675 + difference),
        difference: Count::known(difference),
    };
    let report = || ParityReport {
        verdict: Badge::new(Standing::Bad, "differences"),
        at: at("2025-10-02T02:00:00Z"),
        ago: "2 hours ago".to_owned(),
        label: None,
        meaning: "1 of 31 groups differs from the export.".to_owned(),
        scope: vec![Fact::new("Endpoint", Html::text("completions, 1d"))],
        counts: vec![Fact::new("Groups that match", Html::of(Count::known(30)))],
        totals: vec![sides("input_tokens", 0), sides("output_tokens", -12)],
        lists: vec![DifferenceList {
            id: "mismatched",
            title: "Groups whose numbers differ",
            meaning: "Read these windows again.",
            count: 3,
            rows: vec![DifferenceRow {
                window: Html::of(at("2025-09-03T00:00:00Z")),
                group: vec![Fact::new("project", Html::code("proj_made_up_1"))],
                metrics: vec![sides("output_tokens", -12)],
                href: "/explore?from=2025-09-03&to=2025-09-03".to_owned(),
            }],
        }],
    };
    Parity {
        chrome: chrome("Parity", Section::Parity, true),
        accounts: vec![],
        latest: any.then(report),
    }
}

fn reconciliation(any: bool) -> Reconciliation {
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
    }
}

fn budgets(any: bool) -> Budgets {
    let row = |name: &str, standing, state: &str, spent: &str, tenths| BudgetRow {
        name: name.to_owned(),
        state: Badge::new(standing, state),
        of: "every account".to_owned(),
        period: "monthly, 1 – 30 Sep 2025".to_owned(),
        spent: Dollars::of(usd(spent)),
        at_least: if tenths > 1_000 {
            "1 day not read".to_owned()
        } else {
            String::new()
        },
        amount: Dollars::of(usd("250")),
        share: Percent::of(tenths, 1_000),
        warn_at: Some(80),
    };
    let rows = vec![
        row("research", Standing::Good, "ok", "102.5", 410),
        row("support bot", Standing::Warn, "warning", "212.5", 850),
        row("<b>Search</b>", Standing::Bad, "passed", "300", 1_200),
    ];
    Budgets {
        chrome: chrome("Budgets", Section::Budgets, true),
        rows: if any { rows } else { vec![] },
    }
}

fn key_row() -> KeyRow {
    KeyRow {
        id: 1,
        account: "openai/org-made-up".to_owned(),
        label: Some("<b>Search</b> key".to_owned()),
        mask: "sk-a…wxyz".to_owned(),
        projects: "all".to_owned(),
        status: Badge::new(Standing::Bad, "refused"),
        message: Some("the provider no longer accepts it (401)".to_owned()),
        added: at("2025-09-01T08:00:00Z"),
        checked: at("2025-10-01T08:00:00Z"),
    }
}

fn keys(is_admin: bool) -> Keys {
    Keys {
        chrome: chrome("Provider keys", Section::Keys, is_admin),
        rows: vec![key_row()],
        add: AddKey {
            provider: "openai".to_owned(),
            organization: "org-made-up".to_owned(),
            refused: Some("the provider does not accept the key (401)".to_owned()),
            ..AddKey::default()
        },
    }
}

fn key_page(action: KeyAction) -> KeyPage {
    KeyPage {
        chrome: chrome("Remove this key?", Section::Keys, true),
        key: key_row(),
        action,
        refused: None,
    }
}

fn token_row() -> TokenRow {
    TokenRow {
        id: 3,
        name: "<b>Search</b> grafana".to_owned(),
        mask: "usage_…9xQ2".to_owned(),
        role: "reader",
        accounts: "openai/org-made-up".to_owned(),
        status: Badge::new(Standing::Good, "valid"),
        created: at("2025-09-01T08:00:00Z"),
        expires: At(None),
        used: at("2025-10-01T08:00:00Z"),
        is_own: true,
        may_revoke: true,
    }
}

fn tokens() -> Tokens {
    Tokens {
        chrome: chrome("API tokens", Section::Tokens, true),
        rows: vec![token_row()],
        accounts: vec![(1, "openai/org-made-up".to_owned())],
        refused: None,
    }
}

fn token_made() -> TokenMade {
    TokenMade {
        chrome: chrome("A new token", Section::Tokens, true),
        name: "grafana".to_owned(),
        secret: "usage_not-a-real-token-not-a-real-token-not-a-real".to_owned(),
        facts: vec![Fact::new("Role", Html::text("reader"))],
    }
}

fn token_revoke() -> TokenRevoke {
    TokenRevoke {
        chrome: chrome("Revoke a token?", Section::Tokens, true),
        token: token_row(),
    }
}

fn sign_in() -> SignIn {
    let mut chrome = chrome("Sign in", Section::Elsewhere, true);
    chrome.who = None;
    SignIn {
        chrome,
        refused: Some("This token is unknown, expired or revoked.".to_owned()),
        back: "/".to_owned(),
    }
}

fn failure() -> Failure {
    Failure {
        chrome: chrome("Not found", Section::Elsewhere, true),
        status: 404,
        heading: "There is no such page".to_owned(),
        detail: "It may have been removed, or it is of an account that your token does not see.".to_owned(),
        request_id: Some("5f0c1a2b3c4d5e6f".to_owned()),
    }
}
