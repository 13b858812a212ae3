//! Sums of days: whatever is done to the ledger, and by whom, they are those of the events.

use chrono::TimeDelta;
use usage_core::{Dimension, Dimensions, Endpoint, Metrics, UsageRow, Width, Window, WindowRange};
use usage_store::{
    AccountScope, Ledger, OpenMode, Period, Reprice, Repriced, SummaryBy, SummaryQuery, UsageFilter,
    WindowRows,
};

use crate::fixture::{Fixture, day, instant, rows};
use crate::prices::Flat;
use crate::usage::{expected, found, shown};

const READS: [&str; 3] = [
    "2025-10-20T12:00:00Z",
    "2025-10-20T13:00:00Z",
    "2025-10-20T14:00:00Z",
];
const DAYS: [&str; 4] = ["2025-08-31", "2025-09-01", "2025-09-02", "2025-09-03"];

/// Numbers that look like chance and are the same each time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn text(&mut self, prefix: &str, below: u64) -> Option<String> {
        match self.below(below) {
            0 => None,
            value => Some(format!("{prefix}{value}")),
        }
    }

    fn number(&mut self) -> Option<i64> {
        match self.below(4) {
            0 => None,
            1 => Some(0),
            _ => i64::try_from(self.below(1_000_000)).ok(),
        }
    }

    /// Days of more than 128 groups keep their sums in another way than smaller ones.
    fn rows(&mut self, count: u64) -> Vec<UsageRow> {
        (0..count)
            .map(|number| UsageRow {
                dimensions: Dimensions {
                    project_id: self.text("proj_", 4),
                    api_key_id: self.text("key_", 5),
                    user_id: Some(format!("user-{number}")).filter(|_| number > 0),
                    model: self.text("gpt-", 4),
                    service_tier: self.text("tier", 3),
                    batch: [None, Some(false), Some(true)][usize::try_from(self.below(3)).unwrap()],
                    api_source: self.text("source-", 2),
                    ..Dimensions::default()
                },
                metrics: Metrics {
                    input_tokens: self.number(),
                    output_tokens: self.number(),
                    input_cached_tokens: self.number(),
                    input_cache_write_30m_tokens: self.number(),
                    num_model_requests: self.number(),
                    ..Metrics::default()
                },
            })
            .collect()
    }

    fn day(&mut self) -> Window {
        day(DAYS[usize::try_from(self.below(DAYS.len() as u64)).unwrap()])
    }

    fn windows(&mut self, width: Width) -> Vec<WindowRows> {
        let day = self.day();
        match width {
            Width::Day => {
                let count = [0, 9, 40, 170][usize::try_from(self.below(4)).unwrap()];
                vec![rows(day, self.rows(count))]
            }
            _ => (0..=self.below(4))
                .map(|hour| {
                    let start = day.start() + TimeDelta::hours(i64::try_from(hour).unwrap());
                    let count = self.below(60);
                    rows(Window::new(start, width).unwrap(), self.rows(count))
                })
                .collect(),
        }
    }
}

pub(crate) async fn sums_stay_those_of_the_events(fixture: &Fixture) {
    let mut draw = Draw(41);
    let ledger = &fixture.ledger;
    let mut grew = 0;
    for step in 0..24 {
        let kind = draw.below(9);
        let by_another = match kind {
            0..=3 => {
                let width = if kind == 3 { Width::Hour } else { Width::Day };
                let read = READS[usize::try_from(draw.below(3)).unwrap()];
                let mut read = fixture.read(read, draw.windows(width));
                read.scope.width = width;
                read.accept_retractions = true;
                fixture.replace(read).await;
                false
            }
            4 => {
                let run = ledger.start_run(crate::data_version::new_run()).await.unwrap();
                let windows = vec![
                    rows(day("2025-08-01"), draw.rows(5)),
                    rows(draw.day(), draw.rows(7)),
                ];
                ledger
                    .import_windows(
                        &fixture.lease,
                        &fixture.account,
                        Endpoint::Completions,
                        run,
                        windows,
                    )
                    .await
                    .unwrap();
                false
            }
            5 => {
                let reprice = Reprice {
                    account: fixture.account.clone(),
                    endpoint: Endpoint::Completions,
                    windows: WindowRange::of(draw.day()),
                    run_id: 2,
                    dry_run: false,
                };
                let priced = ledger.clone().with_pricer(Flat::of("v1", step + 1));
                priced
                    .reprice(&fixture.lease, reprice, &mut Repriced::default())
                    .await
                    .unwrap();
                false
            }
            6 => {
                fixture.sql(&format!(
                    "UPDATE usage_events SET cost_nano_usd = input_tokens, price_ref = 1 \
                     WHERE window_start % 7 = 0 AND input_tokens > {}",
                    draw.below(1_000_000)
                ));
                true
            }
            7 => {
                fixture.sql(&format!(
                    "DELETE FROM usage_events WHERE user_id = 'user-{}'",
                    draw.below(30)
                ));
                true
            }
            _ => {
                fixture.sql(&format!(
                    "DELETE FROM usage_coverage WHERE window_start = {}",
                    draw.day().start_unix()
                ));
                true
            }
        };
        if !by_another && !fixture.is_postgres() {
            assert_eq!(stale(fixture), "0", "step {step}, {kind}");
        }
        grew += fixture
            .sql("SELECT count(*) FROM usage_rollups WHERE cuboid > 0")
            .trim()
            .parse::<u64>()
            .unwrap();
        compare(fixture, &format!("step {step}, {kind}")).await;
    }
    assert!(grew > 0, "no day was large");
    ledger.migrate().await.unwrap();
    assert_eq!(stale(fixture), "0");
    compare(fixture, "at last").await;
    let widths = |table: &str| {
        fixture.sql(&format!(
            "SELECT day_start, account_id, endpoint, width_seconds FROM {table} ORDER BY 1, 2, 3"
        ))
    };
    assert_eq!(widths("usage_days"), widths("usage_best_width"));
}

fn stale(fixture: &Fixture) -> String {
    fixture
        .sql("SELECT count(*) FROM usage_stale_days")
        .trim()
        .to_owned()
}

async fn compare(fixture: &Fixture, when: &str) {
    use Dimension::{ApiSource, Batch, Model, ProjectId, ServiceTier, UserId};
    let events = shown(fixture).await;
    let all = UsageFilter::all(AccountScope::All);
    let mut narrow = all.clone();
    narrow
        .dimensions
        .insert(ProjectId, vec![None, Some("proj_1".to_owned())]);
    let mut cut = narrow.clone();
    cut.start = Some(instant("2025-08-31T01:00:00Z"));
    cut.end = Some(instant("2025-09-02T02:00:00Z"));
    let groupings: [(&[Dimension], Option<Period>); 5] = [
        (&[], Some(Period::Day)),
        (&[ProjectId, Model], None),
        (&[UserId, ServiceTier], Some(Period::Month)),
        (&[Batch], Some(Period::IsoWeek)),
        (&[ApiSource, Model], None),
    ];
    for filter in [all, narrow, cut] {
        for (by, period) in groupings {
            let query = SummaryQuery {
                filter: filter.clone(),
                by: by.iter().copied().map(SummaryBy::Dimension).collect(),
                period,
            };
            assert_eq!(
                found(fixture, &query).await,
                expected(&events, &query),
                "{when}: {query:?}"
            );
        }
    }
    let findings = fixture.ledger.check_integrity().await.unwrap().findings;
    assert!(
        findings.iter().all(|finding| !finding.what.contains("sums")),
        "{when}: {findings:?}"
    );
}

pub(crate) async fn sums_that_somebody_changed_are_found(fixture: &Fixture) {
    let mut draw = Draw(7);
    let windows = DAYS.map(|text| rows(day(text), draw.rows(150)));
    fixture.replace(fixture.read(READS[0], windows.into())).await;
    assert_eq!(stale(fixture), "0");
    assert_eq!(
        fixture.ledger.check_integrity().await.unwrap().findings,
        Vec::new()
    );
    for damage in [
        "UPDATE usage_days SET cuboids = cuboids - 2 WHERE day_start = 1756598400",
        "DELETE FROM usage_rollups WHERE cuboid = 1 AND day_start = 1756684800",
        "UPDATE usage_days SET events = events + 1 WHERE day_start = 1756771200",
        "DELETE FROM usage_days WHERE day_start = 1756857600",
    ] {
        fixture.sql(damage);
    }
    let findings = fixture.ledger.check_integrity().await.unwrap().findings;
    assert_eq!(
        findings[0].to_string(),
        format!(
            "4 days whose sums are not those of their events, for example 2025-08-31T00:00:00Z of account {} and completions",
            fixture.account.id
        )
    );
}

/// A day of which a sum of two events is too large has no sums, and the questions that it can answer are answered.
pub(crate) async fn a_day_beyond_64_bits_is_answered_from_its_events(fixture: &Fixture) {
    let huge = |model: &str| {
        let mut row = crate::fixture::row("proj_a", model, i64::MAX - 5);
        row.metrics.output_tokens = None;
        row
    };
    // The two differ by model; that alone is too large only where both are in one sum, which small days do not have.
    let mut many = Draw(3).rows(150);
    many.extend([huge("gpt-x"), huge("gpt-y")]);
    let windows = vec![rows(day("2025-09-01"), many)];
    fixture.replace(fixture.read(READS[0], windows)).await;
    assert_eq!(stale(fixture), "1");
    fixture.ledger.migrate().await.unwrap();
    assert_eq!(stale(fixture), "1", "it stays");
    let mut filter = UsageFilter::all(AccountScope::All);
    filter
        .dimensions
        .insert(Dimension::Model, vec![Some("gpt-x".to_owned())]);
    let query = SummaryQuery {
        filter,
        by: vec![SummaryBy::Dimension(Dimension::Model)],
        period: None,
    };
    assert_eq!(
        found(fixture, &query).await,
        expected(&shown(fixture).await, &query)
    );
    assert_eq!(
        fixture.ledger.check_integrity().await.unwrap().findings,
        Vec::new()
    );
}

/// Of PostgreSQL alone: two sessions that change a day at once.
#[tokio::test]
async fn a_change_that_commits_later_is_not_lost() {
    let fixture = Fixture::postgres().await;
    let mut draw = Draw(9);
    let windows = vec![rows(day(DAYS[0]), draw.rows(150))];
    fixture.replace(fixture.read(READS[0], windows)).await;
    let other = fixture.sql(
        "BEGIN; DELETE FROM usage_events WHERE user_id = 'user-7'; \
         SELECT count(*) FROM usage_stale_days WHERE writer = txid_current() * 2 + 1; COMMIT",
    );
    assert!(other.contains('1'), "{other}");
    // Another's mark stands beside ours, and goes with the day that is made anew after it.
    assert_eq!(stale(&fixture), "1");
    compare(&fixture, "before").await;
    let windows = vec![rows(day(DAYS[0]), draw.rows(150))];
    fixture.replace(fixture.read(READS[1], windows)).await;
    assert_eq!(stale(&fixture), "0");
    compare(&fixture, "after").await;
}

/// An answer that was kept is that of the events, whoever changed them: this program, another process, or somebody by hand.
pub(crate) async fn a_kept_answer_is_that_of_the_events(fixture: &Fixture) {
    let first = day("2025-09-01");
    let row = |tokens: i64| UsageRow {
        dimensions: Dimensions {
            model: Some("gpt-5".to_owned()),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(tokens),
            ..Metrics::default()
        },
    };
    let query = SummaryQuery {
        filter: UsageFilter::all(AccountScope::All),
        by: vec![SummaryBy::Dimension(Dimension::Model)],
        period: None,
    };
    let elsewhere = Ledger::open(&fixture.url, fixture.clock.clone(), OpenMode::Inspect)
        .await
        .unwrap();
    let tokens = async || {
        let mut told = Vec::new();
        for ledger in [&fixture.ledger, &elsewhere] {
            // Twice, so that the second is the one that was kept.
            for _ in 0..2 {
                let rows = ledger.usage_summary(query.clone()).await.unwrap();
                told.push(rows.first().and_then(|row| row.sums.metrics.input_tokens));
            }
        }
        told.dedup();
        assert_eq!(told.len(), 1, "all say the same: {told:?}");
        told[0]
    };
    assert_eq!(tokens().await, None);
    fixture
        .store(fixture.read(READS[0], vec![rows(first, [row(5)])]))
        .await;
    assert_eq!(tokens().await, Some(5));
    // A restatement.
    fixture
        .store(fixture.read(READS[1], vec![rows(first, [row(7)])]))
        .await;
    assert_eq!(tokens().await, Some(7));
    fixture.sql("UPDATE usage_events SET input_tokens = 11");
    assert_eq!(tokens().await, Some(11), "by hand");
    fixture.ledger.migrate().await.unwrap();
    assert_eq!(tokens().await, Some(11), "with sums again");
    fixture
        .store(fixture.read(READS[2], vec![rows(first, [row(9)])]))
        .await;
    assert_eq!(tokens().await, Some(9));
}
