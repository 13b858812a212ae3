//! The views: names beside ids, one width a day, and the same on both databases.

use usage_core::{
    Dimension, Directory, DirectoryEntry, DirectoryKind, Endpoint, Metric, Metrics, ProjectFilter, UsageRow,
    Width, Window,
};
use usage_store::{Replacement, WindowRows};

use crate::fixture::{Fixture, day, instant, row, rows};

const READ: &str = "2025-10-20T12:00:00Z";
const PAGE: &str = include_str!("../../../../docs/SQL.md");

/// The hour of a day.
fn hour(text: &str) -> Window {
    Window::containing(instant(text), Width::Hour)
}

fn read(fixture: &Fixture, width: Width, filter: ProjectFilter, windows: Vec<WindowRows>) -> Replacement {
    let mut replacement = fixture.read(READ, windows);
    replacement.scope.width = width;
    replacement.scope.filter = filter;
    replacement
}

fn only(project: &str) -> ProjectFilter {
    ProjectFilter::projects([project.to_owned()])
}

async fn save_names(fixture: &Fixture) {
    let entry = |kind, id: &str, name: &str, email: Option<&str>| DirectoryEntry {
        kind,
        id: id.to_owned(),
        name: Some(name.to_owned()),
        email: email.map(str::to_owned),
        project_id: None,
        status: None,
        created_at: None,
    };
    let entries = vec![
        entry(DirectoryKind::Project, "proj_a", "Search", None),
        entry(DirectoryKind::ApiKey, "key_1", "production", None),
        entry(DirectoryKind::User, "user-1", "Ada", Some("ada@example.com")),
    ];
    let id = fixture.account.id;
    fixture
        .ledger
        .save_directory(id, Directory { entries })
        .await
        .unwrap();
}

pub(crate) async fn a_day_shows_names_and_every_number(fixture: &Fixture) {
    save_names(fixture).await;
    let metrics = Metric::ALL.into_iter().zip(1_000_000_000_000..).fold(
        Metrics::default(),
        |mut metrics, (metric, number)| {
            *metrics.get_mut(metric) = Some(number);
            metrics
        },
    );
    let full = UsageRow {
        metrics,
        ..row("proj_a", "gpt-5", 0)
    };
    let windows = vec![rows(day("2025-09-01"), [full, row("proj_b", "gpt-5", 7)])];
    fixture.replace(fixture.read(READ, windows)).await;
    let sums: Vec<String> = (1_000_000_000_000_i64..)
        .take(Metric::ALL.len())
        .map(|number| number.to_string())
        .collect();
    let names: Vec<&str> = Metric::ALL.into_iter().map(Metric::as_str).collect();
    let select = |what: &str, project: &str| {
        fixture.sql(&format!(
            "SELECT {what} FROM usage_daily WHERE project_id = '{project}'"
        ))
    };
    assert_eq!(select(&names.join(", "), "proj_a"), sums.join("|"));
    assert_eq!(
        select(
            "day, provider, organization, endpoint, width, project_id, project_name, api_key_id, api_key_name, \
             user_id, user_name, user_email, model, service_tier, CASE WHEN batch THEN 1 ELSE 0 END",
            "proj_a"
        ),
        "2025-09-01|openai|org-first|completions|1d|proj_a|Search|key_1|production|user-1|Ada|ada@example.com|\
         gpt-5|default|0"
    );
    assert_eq!(
        select("COALESCE(project_name, 'none'), input_tokens", "proj_b"),
        "none|7"
    );
    let unknown = "SELECT count(*) FROM usage_daily WHERE input_audio_tokens IS NULL";
    assert_eq!(fixture.sql(unknown), "1", "unknown is not zero");
}

pub(crate) async fn a_restated_value_is_shown_once(fixture: &Fixture) {
    let window = day("2025-09-01");
    fixture
        .store(fixture.read(READ, vec![rows(window, [row("proj_a", "gpt-5", 10)])]))
        .await;
    fixture
        .store(fixture.read(
            "2025-10-21T12:00:00Z",
            vec![rows(window, [row("proj_a", "gpt-5", 15)])],
        ))
        .await;
    assert_eq!(fixture.sql("SELECT count(*) FROM usage_revisions"), "1");
    assert_eq!(fixture.sql("SELECT input_tokens FROM usage_daily"), "15");
}

pub(crate) async fn a_day_is_shown_at_one_width_only(fixture: &Fixture) {
    let all = || ProjectFilter::ALL;
    let hours = |date: &str, tokens: i64| {
        (0..24)
            .map(|number| {
                rows(
                    hour(&format!("{date}T{number:02}:00:00Z")),
                    [row("proj_a", "gpt-5", tokens), row("proj_b", "gpt-5", tokens)],
                )
            })
            .collect::<Vec<_>>()
    };
    // Read at two widths: the day counts. Read in hours alone: they are summed.
    fixture
        .replace(read(fixture, Width::Hour, all(), hours("2025-09-01", 10)))
        .await;
    fixture
        .replace(fixture.read(
            READ,
            vec![rows(day("2025-09-01"), [row("proj_a", "gpt-5", 1000)])],
        ))
        .await;
    fixture
        .replace(read(fixture, Width::Hour, all(), hours("2025-09-02", 10)))
        .await;
    // The day was read of one project alone: it does not hide the other project, which only the hours have.
    fixture
        .replace(read(fixture, Width::Hour, all(), hours("2025-09-03", 10)))
        .await;
    let filtered = vec![rows(day("2025-09-03"), [row("proj_a", "gpt-5", 999)])];
    fixture
        .replace(read(fixture, Width::Day, only("proj_a"), filtered))
        .await;
    // One hour alone, beside all minutes of it and more: what covers more of the day counts.
    let minutes = (0..120)
        .map(|number| {
            let start = format!("2025-09-04T{:02}:{:02}:00Z", number / 60, number % 60);
            rows(
                Window::containing(instant(&start), Width::Minute),
                [row("proj_a", "gpt-5", 1)],
            )
        })
        .collect();
    fixture
        .replace(read(fixture, Width::Minute, all(), minutes))
        .await;
    let one_hour = vec![rows(hour("2025-09-04T00:00:00Z"), [row("proj_a", "gpt-5", 60)])];
    fixture.replace(read(fixture, Width::Hour, all(), one_hour)).await;
    // The day was read while it was running, its hours when it was over: they count. One hour alone does not.
    for (date, number_of_hours) in [("2025-09-05", 24), ("2025-09-06", 1)] {
        let mut running = fixture.read(
            &format!("{date}T21:00:00Z"),
            vec![rows(day(date), [row("proj_a", "gpt-5", 7)])],
        );
        running.run_id = 2;
        fixture.replace(running).await;
        let mut over = hours(date, 10);
        over.truncate(number_of_hours);
        fixture.replace(read(fixture, Width::Hour, all(), over)).await;
    }
    assert_eq!(
        fixture.sql("SELECT day, width, project_id, input_tokens FROM usage_daily ORDER BY day, project_id"),
        "2025-09-01|1d|proj_a|1000\n\
         2025-09-02|1h|proj_a|240\n2025-09-02|1h|proj_b|240\n\
         2025-09-03|1h|proj_a|240\n2025-09-03|1h|proj_b|240\n\
         2025-09-04|1m|proj_a|120\n\
         2025-09-05|1h|proj_a|240\n2025-09-05|1h|proj_b|240\n\
         2025-09-06|1d|proj_a|7"
    );
    assert_eq!(
        fixture.sql(
            "SELECT day, width, project_filter, windows, windows_a_day, in_usage_daily, event_count \
             FROM coverage_daily ORDER BY day, width, project_filter"
        ),
        "2025-09-01|1d|all|1|1|yes|1\n2025-09-01|1h|all|24|24|no|48\n\
         2025-09-02|1h|all|24|24|yes|48\n\
         2025-09-03|1d|proj_a|1|1|no|1\n2025-09-03|1h|all|24|24|yes|48\n\
         2025-09-04|1h|all|1|24|no|1\n2025-09-04|1m|all|120|1440|yes|120\n\
         2025-09-05|1d|all|1|1|no|1\n2025-09-05|1h|all|24|24|yes|48\n\
         2025-09-06|1d|all|1|1|yes|1\n2025-09-06|1h|all|1|24|no|2"
    );
}

pub(crate) async fn coverage_says_what_was_read_and_when(fixture: &Fixture) {
    let mut replacement = fixture.read("2025-09-05T03:04:05Z", vec![rows(day("2025-09-01"), [])]);
    replacement.run_id = 7;
    fixture.replace(replacement).await;
    let mut open = fixture.read("2025-09-01T03:04:05Z", vec![rows(day("2025-09-01"), [])]);
    open.scope.endpoint = Endpoint::Embeddings;
    open.scope.grouped_by = Endpoint::Embeddings.dimensions();
    fixture.replace(open).await;
    let grouped = Endpoint::Completions.dimensions();
    assert_eq!(
        fixture.sql(
            "SELECT day, provider, organization, endpoint, width, project_filter, state, grouped_by, event_count, \
             read_at, run_id FROM coverage_daily ORDER BY endpoint"
        ),
        format!(
            "2025-09-01|openai|org-first|completions|1d|all|settled|{grouped}|0|2025-09-05T03:04:05Z|7\n\
             2025-09-01|openai|org-first|embeddings|1d|all|open|project_id,api_key_id,user_id,model|0|\
             2025-09-01T03:04:05Z|1"
        )
    );
    fixture.sql("UPDATE usage_coverage SET grouped_by = 4095");
    let every = Dimension::ALL.map(Dimension::as_str).join(",");
    let shown = fixture.sql("SELECT DISTINCT grouped_by FROM coverage_daily");
    assert_eq!(shown, every, "a new dimension needs its place in the view");
}

#[expect(clippy::unused_async, reason = "stories are async")]
pub(crate) async fn the_columns_are_those_of_the_page(fixture: &Fixture) {
    for view in usage_store::PUBLIC_VIEWS {
        let columns = if fixture.is_postgres() {
            fixture.sql(&format!(
                "SELECT column_name FROM information_schema.columns WHERE table_name = '{view}' \
                 ORDER BY ordinal_position"
            ))
        } else {
            fixture.sql(&format!("SELECT name FROM pragma_table_info('{view}')"))
        };
        let section = PAGE.split(&format!("## `{view}`")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let documented: Vec<&str> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .flat_map(|line| line.split(" | ").next().unwrap().split(", "))
            .map(|name| name.trim_matches('`'))
            .collect();
        assert_eq!(columns.lines().collect::<Vec<_>>(), documented, "{view}");
    }
}

pub(crate) async fn the_queries_of_the_page_answer(fixture: &Fixture) {
    save_names(fixture).await;
    let windows = vec![
        rows(
            day("2025-09-01"),
            [row("proj_a", "gpt-5", 10), row("proj_b", "gpt-4.1", 5)],
        ),
        rows(day("2025-09-02"), [row("proj_a", "gpt-5", 20)]),
        rows(day("2025-09-04"), [row("proj_a", "gpt-5", 40)]),
    ];
    fixture.replace(fixture.read(READ, windows)).await;
    let queries: Vec<&str> = PAGE
        .split("```sql\n")
        .skip(1)
        .map(|block| {
            block
                .split("```")
                .next()
                .unwrap()
                .trim_end()
                .trim_end_matches(';')
        })
        .collect();
    let answers: Vec<String> = queries.iter().map(|query| fixture.sql(query)).collect();
    assert_eq!(
        answers,
        [
            "Search|gpt-5|70|3|3\nproj_b|gpt-4.1|5|1|1",
            "2025-09-01|||2\n2025-09-02|||1\n2025-09-04|||1",
            "Ada|ada@example.com|75|4|4",
            "2025-09-01|settled|2\n2025-09-02|settled|1\n2025-09-04|settled|1",
        ]
    );
}
