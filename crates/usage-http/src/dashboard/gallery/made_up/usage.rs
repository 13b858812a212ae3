//! Pages of usage and what it costs.

use chrono::NaiveDate;
use usage_core::parse_day;

use super::{at, choice, chrome, link, range, usd};
use crate::dashboard::chart::{ChartDay, DailyChart, DayState, Measure, Series};
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{Change, Count, Day, Dollars, Fact, Html, Named, Percent};
use crate::dashboard::pages::{
    Badge, BudgetRow, Budgets, Card, ChargeRow, Claim, EventRow, Explore, Filter, FilterOption, MetricChange,
    Overview, Pages, RestatementRow, Restatements, SplitCell, Standing, SumRow, Sums, Top, TopRow, Total,
    Value,
};

pub(super) fn overview(is_empty: bool) -> Overview {
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
        more_unpriced: 1,
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
    ChartDay {
        day,
        state,
        events: values.iter().filter(|value| **value > 0).count() as u64,
        unpriced: 0,
        values,
    }
}

/// Sums of usage instead of events.
pub(super) fn explore_sums() -> Explore {
    let row = SumRow {
        name: Named::new(Some("proj_made_up_1"), Some("<b>Search & ranking</b>")),
        href: "/explore?projectId=proj_made_up_1".to_owned(),
        events: Count::known(31),
        requests: Count::known(1_204),
        tokens: Count::known(8_508_672),
        split: [Some(7_311_506), Some(870_528), None, Some(326_638)].map(Count::metric),
        cost: Dollars::of_priced(usd("12.4039905"), 31, 2),
        share: Percent::of(1, 1),
    };
    Explore {
        sums: Some(Sums {
            column: "project",
            rows: vec![row],
            more: 3,
            href: "/api/usage/summary?by=projectId".to_owned(),
        }),
        ..explore(0, None)
    }
}

pub(super) fn explore(events: usize, refused: Option<&str>) -> Explore {
    let cell = |tokens: i64, modalities: &str| SplitCell {
        tokens: Count::known(tokens),
        modalities: modalities.to_owned(),
    };
    let event = |_| EventRow {
        start: at("2025-09-03T00:00:00Z"),
        end: at("2025-09-04T00:00:00Z"),
        endpoint: "completions".to_owned(),
        account: Some("openai/org-<b>Search".to_owned()),
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
        takes_text: name != "batch",
        is_rare: name == "size",
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
            filter("size", "Size", vec![option("1024x1024", "1024x1024", None, true)]),
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
        nothing_was_read: false,
        gaps: vec![(
            "openai/org-made-up, completions".to_owned(),
            "3 Sep 2025".to_owned(),
        )],
        views: vec![
            link("events", "/explore", true),
            link("by project", "/explore?group=projectId", false),
        ],
        sums: None,
        provider_layout: (events == 3).then(|| {
            link(
                "the provider's layout",
                "/api/usage/export?format=provider-csv",
                false,
            )
        }),
    }
}

pub(super) fn restatements(any: bool) -> Restatements {
    let row = || RestatementRow {
        at: at("2025-09-06T02:10:00Z"),
        kind: Badge::new(Standing::Warn, "changed"),
        window: at("2025-09-03T00:00:00Z"),
        endpoint: "completions".to_owned(),
        project: Named::new(Some("proj_made_up_1"), Some("<b>Search & ranking</b>")),
        key: Named::new(Some("key_made_up_1"), None),
        user: Named::new(None, None),
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
        is_one_kind: false,
        charges: vec![ChargeRow {
            at: at("2025-09-05T02:00:00Z"),
            day: Day(parse_day("2025-09-01").unwrap()),
            item: "<b>Search, input".to_owned(),
            project: Named::new(Some("proj_made_up_1"), None),
            currency: Some("eur".to_owned()),
            before: Html::of(Dollars::of(usd("1.00"))),
            after: Html::text("gone"),
            run: Html::link("/runs/7", "7"),
        }],
        more_charges: 2,
        kinds: vec![link("all", "?", true), link("changed", "?kind=changed", false)],
        totals: vec![Fact::new("Restatements", Html::text("2"))],
        rows: if any { vec![row(), row()] } else { vec![] },
        pages: Pages::default(),
    }
}

pub(super) fn budgets(any: bool) -> Budgets {
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
