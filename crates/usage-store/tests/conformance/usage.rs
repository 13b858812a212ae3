//! Pages and sums of usage, held against the same worked out here from every event of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use usage_core::{
    Dimension, Dimensions, Endpoint, Metrics, NanoUsd, Provider, TokenSplit, UsageRow, Width, Window,
};
use usage_store::{
    AccountScope, EventQuery, Period, StoreError, StoredEvent, SummaryBy, SummaryQuery, UsageFilter,
    UsageOrder, UsagePageQuery, UsagePosition, WindowRows,
};

use crate::fixture::{Fixture, day, instant, openai, rows, take};

const READ: &str = "2025-10-20T12:00:00Z";

/// A ledger with what filters must cope with: two accounts, two surfaces, absent values, absent numbers, days of one width and
/// of several, and an imported day.
pub(crate) async fn fill(fixture: &Fixture) {
    let ledger = &fixture.ledger;
    let windows = [
        "2025-08-30",
        "2025-08-31",
        "2025-09-01",
        "2025-09-02",
        "2025-09-09",
    ];
    let first = windows.map(|text| rows(day(text), some_rows(text, 14)));
    fixture.replace(fixture.read(READ, first.to_vec())).await;

    // A day read by hours only, and one read by days and hours: the hours of the latter are not shown.
    for (text, hours) in [("2025-09-03", 5), ("2025-09-01", 3)] {
        let of_hours = (0..hours).map(|hour| {
            let start = day(text).start() + TimeDelta::hours(hour);
            let window = Window::new(start, Width::Hour).unwrap();
            rows(window, some_rows(&format!("{text} {hour}"), 4))
        });
        let mut read = fixture.read(READ, of_hours.collect());
        read.scope.width = Width::Hour;
        fixture.replace(read).await;
    }
    let mut images = fixture.read(READ, vec![rows(day("2025-09-01"), image_rows())]);
    images.scope.endpoint = Endpoint::Images;
    images.scope.grouped_by = Endpoint::Images.dimensions();
    fixture.replace(images).await;

    let other = ledger.add_account(openai("org-second")).await.unwrap();
    let lease = take(ledger, &other).await;
    let mut of_other = fixture.read(READ, vec![rows(day("2025-09-02"), some_rows("other", 9))]);
    of_other.scope.account = other.account.clone();
    ledger.replace_windows(&lease, of_other).await.unwrap();

    let run = ledger.start_run(crate::data_version::new_run()).await.unwrap();
    let imported: Vec<WindowRows> = vec![rows(day("2025-08-01"), some_rows("imported", 5))];
    ledger
        .import_windows(
            &fixture.lease,
            &fixture.account,
            Endpoint::Completions,
            run,
            imported,
        )
        .await
        .unwrap();
    fixture
        .sql("UPDATE usage_events SET cost_nano_usd = input_tokens, price_ref = 1 WHERE input_tokens > 40");
}

fn some_rows(seed: &str, count: usize) -> Vec<UsageRow> {
    let seed = seed
        .bytes()
        .fold(7_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    (0..count)
        .map(|number| {
            let draw = |salt: usize, below: usize| (seed / 3 + (number + 1) * (salt * 2 + 1)) % below;
            let text = |prefix: &str, salt: usize, below: usize| match draw(salt, below) {
                0 => None,
                value => Some(format!("{prefix}{value}")),
            };
            let tokens = |salt: usize| match draw(salt, 5) {
                0 => None,
                value => Some(i64::try_from(value * (number + 3)).unwrap()),
            };
            UsageRow {
                dimensions: Dimensions {
                    project_id: text("proj_", 1, 4),
                    api_key_id: text("key_", 2, 5),
                    // Keeps the groups of a window apart.
                    user_id: Some(format!("user-{number}")).filter(|_| number > 0),
                    model: text("gpt-", 3, 4),
                    service_tier: text("tier' ", 4, 3),
                    batch: [None, Some(false), Some(true)][draw(5, 3)],
                    api_source: text("source-", 6, 2),
                    ..Dimensions::default()
                },
                metrics: Metrics {
                    input_tokens: tokens(11).map(|tokens| tokens + 1),
                    output_tokens: tokens(12),
                    input_cached_tokens: tokens(13),
                    input_uncached_tokens: tokens(14),
                    input_cache_write_tokens: tokens(15),
                    input_cache_write_30m_tokens: tokens(16),
                    input_cache_write_12h_tokens: tokens(17),
                    output_audio_tokens: tokens(18),
                    num_model_requests: tokens(19),
                    ..Metrics::default()
                },
            }
        })
        .collect()
}

fn image_rows() -> Vec<UsageRow> {
    ["256x256", "1024x1024"]
        .map(|size| UsageRow {
            dimensions: Dimensions {
                project_id: Some("proj_1".to_owned()),
                size: Some(size.to_owned()),
                ..Dimensions::default()
            },
            metrics: Metrics {
                images: Some(3),
                ..Metrics::default()
            },
        })
        .to_vec()
}

/// Every event that is shown, in the order of window and key, found without what is tested here.
pub(crate) async fn shown(fixture: &Fixture) -> Vec<StoredEvent> {
    let best = fixture.sql("SELECT account_id, endpoint, day_start, width_seconds FROM usage_best_width");
    let best: BTreeSet<Vec<&str>> = best
        .lines()
        .map(|line| line.trim().split('|').collect())
        .collect();
    let mut events = Vec::new();
    for width in Width::ALL {
        let query = EventQuery {
            width,
            ..EventQuery::daily(AccountScope::All)
        };
        for stored in fixture.ledger.all_events(query).await.unwrap() {
            let place = [
                stored.account_id.to_string(),
                stored.event.endpoint.to_string(),
                Window::day(stored.event.window.utc_day())
                    .start_unix()
                    .to_string(),
                width.seconds().to_string(),
            ];
            if best.contains(place.each_ref().map(String::as_str).as_slice()) {
                events.push(stored);
            }
        }
    }
    events.sort_by_key(|stored| (stored.event.window.start(), stored.event.key()));
    events
}

fn passes(filter: &UsageFilter, stored: &StoredEvent) -> bool {
    let event = &stored.event;
    let scope = match &filter.scope {
        AccountScope::All => true,
        AccountScope::Only(ids) => ids.contains(&stored.account_id),
    };
    scope
        && (filter.providers.is_empty() || filter.providers.contains(&event.account.provider()))
        && (filter.endpoints.is_empty() || filter.endpoints.contains(&event.endpoint))
        && filter.start.is_none_or(|start| event.window.start() >= start)
        && filter.end.is_none_or(|end| event.window.start() < end)
        && filter.dimensions.iter().all(|(dimension, values)| {
            let value = event.dimensions.get(*dimension);
            values.is_empty()
                || values
                    .iter()
                    .any(|wanted| wanted.as_deref().filter(|text| !text.is_empty()) == value)
        })
}

fn filters(fixture: &Fixture, other: i64) -> Vec<UsageFilter> {
    let all = UsageFilter::all(AccountScope::All);
    let dimensions = |wanted: &[(Dimension, &[Option<&str>])]| -> BTreeMap<Dimension, Vec<Option<String>>> {
        let owned = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect();
        wanted
            .iter()
            .map(|(dimension, values)| (*dimension, owned(values)))
            .collect()
    };
    let time = |start: Option<&str>, end: Option<&str>| UsageFilter {
        start: start.map(instant),
        end: end.map(instant),
        ..all.clone()
    };
    let by = |wanted: &[(Dimension, &[Option<&str>])]| UsageFilter {
        dimensions: dimensions(wanted),
        ..all.clone()
    };
    vec![
        all.clone(),
        UsageFilter::all(AccountScope::one(&fixture.account)),
        UsageFilter::all(AccountScope::Only(vec![other])),
        UsageFilter::all(AccountScope::Only(Vec::new())),
        UsageFilter {
            providers: vec![Provider::OpenAi],
            endpoints: vec![Endpoint::Images, Endpoint::Embeddings],
            ..all.clone()
        },
        UsageFilter {
            endpoints: vec![Endpoint::Embeddings],
            ..all.clone()
        },
        time(Some("2025-09-01T00:00:00Z"), Some("2025-09-03T00:00:00Z")),
        // Hours of a day, and an instant between two seconds.
        time(Some("2025-09-03T01:00:00Z"), Some("2025-09-03T04:00:00Z")),
        time(Some("2025-09-02T00:00:00.5Z"), Some("2025-09-03T02:00:00.5Z")),
        time(Some("2025-08-31T12:00:00Z"), Some("2025-09-02T12:00:00Z")),
        time(None, Some("2025-09-01T00:00:00Z")),
        time(Some("2025-09-04T00:00:00Z"), None),
        time(Some("2025-09-09T00:00:00Z"), Some("2025-09-01T00:00:00Z")),
        by(&[(Dimension::ProjectId, &[Some("proj_1"), None])]),
        by(&[(Dimension::ProjectId, &[]), (Dimension::Model, &[Some("gpt-2")])]),
        by(&[(Dimension::ServiceTier, &[Some("tier' 1")])]),
        by(&[(Dimension::UserId, &[None])]),
        by(&[
            (Dimension::UserId, &[Some("")]),
            (Dimension::Batch, &[Some("false"), None]),
        ]),
        by(&[(Dimension::Batch, &[Some("true")])]),
        by(&[(Dimension::Batch, &[Some("perhaps")])]),
        by(&[(Dimension::Batch, &[Some("perhaps"), None])]),
        by(&[(Dimension::Model, &[Some("nobody's")])]),
        by(&[
            (
                Dimension::ProjectId,
                &[Some("proj_1"), Some("proj_2"), Some("proj_3")],
            ),
            (Dimension::ApiKeyId, &[Some("key_1"), Some("key_2"), None]),
            (Dimension::ServiceTier, &[Some("tier' 1"), None]),
        ]),
        by(&[
            (
                Dimension::UserId,
                &[Some("user-1"), Some("user-2"), Some("user-3")],
            ),
            (Dimension::ApiSource, &[Some("source-1")]),
        ]),
        by(&[(Dimension::Size, &[Some("256x256")])]),
        UsageFilter {
            endpoints: vec![Endpoint::Completions],
            dimensions: dimensions(&[(Dimension::ProjectId, &[Some("proj_1")])]),
            scope: AccountScope::one(&fixture.account),
            providers: vec![Provider::OpenAi],
            ..time(Some("2025-09-01T00:00:00Z"), Some("2025-09-04T00:00:00Z"))
        },
    ]
}

async fn other_account(fixture: &Fixture) -> i64 {
    let accounts = fixture.ledger.accounts(AccountScope::All).await.unwrap();
    accounts
        .iter()
        .find(|account| account.id != fixture.account.id)
        .map(|account| account.id)
        .unwrap()
}

pub(crate) async fn pages_hold_what_the_filter_names_in_every_order(fixture: &Fixture) {
    fill(fixture).await;
    let events = shown(fixture).await;
    for filter in filters(fixture, other_account(fixture).await) {
        let mut expected: Vec<&StoredEvent> = events.iter().filter(|event| passes(&filter, event)).collect();
        for order in [UsageOrder::Oldest, UsageOrder::Newest] {
            for limit in [1, 3, 1_000] {
                let found = every_page(fixture, &filter, order, limit).await;
                assert_eq!(
                    found.iter().collect::<Vec<_>>(),
                    expected,
                    "{filter:?} {order:?} {limit}"
                );
            }
            expected.reverse();
        }
        // The last one first, and by a number before that; a stable sort keeps it.
        expected.reverse();
        for order in [UsageOrder::Cost, UsageOrder::Tokens, UsageOrder::Requests] {
            expected.sort_by_key(|event| std::cmp::Reverse(rank(order, event)));
            for limit in [1, 3, 1_000] {
                let found = every_page(fixture, &filter, order, limit).await;
                assert_eq!(
                    found.iter().collect::<Vec<_>>(),
                    expected,
                    "{filter:?} {order:?} {limit}"
                );
            }
            expected.sort_by_key(|event| std::cmp::Reverse((event.event.window.start(), event.event.key())));
        }
    }
    let ranks = |order| {
        events
            .iter()
            .map(move |event| rank(order, event))
            .collect::<BTreeSet<_>>()
    };
    for order in [UsageOrder::Tokens, UsageOrder::Requests] {
        assert!(ranks(order).len() > 3, "{order}");
    }
}

fn rank(order: UsageOrder, stored: &StoredEvent) -> i128 {
    let metrics = &stored.event.metrics;
    match order {
        UsageOrder::Newest | UsageOrder::Oldest => 0,
        UsageOrder::Cost => {
            let cost = stored.price.and_then(|price| price.cost);
            cost.map_or(-1, |cost| cost.get().into())
        }
        UsageOrder::Tokens => metrics.tokens(),
        UsageOrder::Requests => metrics
            .num_model_requests
            .or(metrics.num_requests)
            .unwrap_or(0)
            .into(),
    }
}

pub(crate) async fn a_cursor_is_for_the_order_of_its_page(fixture: &Fixture) {
    fill(fixture).await;
    let page = |order, after| UsagePageQuery {
        filter: UsageFilter::all(AccountScope::All),
        order,
        after,
        limit: 2,
    };
    for (one, other) in [
        (UsageOrder::Newest, UsageOrder::Cost),
        (UsageOrder::Newest, UsageOrder::Oldest),
        (UsageOrder::Tokens, UsageOrder::Oldest),
        (UsageOrder::Tokens, UsageOrder::Requests),
    ] {
        let next = fixture.ledger.usage_page(page(one, None)).await.unwrap().next;
        let error = fixture.ledger.usage_page(page(other, next)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unsupported(_)), "{error}");
        assert!(
            error.to_string().contains("begin anew without its cursor"),
            "{error}"
        );
    }
}

pub(crate) async fn no_more_events_are_sorted_by_a_number_than_can_be(fixture: &Fixture) {
    fill(fixture).await;
    let page = |order| UsagePageQuery {
        filter: UsageFilter::all(AccountScope::All),
        order,
        after: None,
        limit: 2,
    };
    let key = if fixture.is_postgres() {
        "convert_to(lpad(i::TEXT, 16, '0'), 'UTF8')"
    } else {
        "CAST(printf('%016d', i) AS BLOB)"
    };
    fixture.sql(&format!(
        "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 100000) \
         INSERT INTO usage_events (account_id, endpoint, window_start, window_end, dedupe_key, content_hash, revision, \
         first_stored_at, changed_at, run_id) \
         SELECT account_id, endpoint, window_start, window_end, {key}, 0, 1, 0, 0, 1 \
         FROM (SELECT * FROM usage_events ORDER BY window_start DESC LIMIT 1) one, numbers"
    ));
    let error = fixture
        .ledger
        .usage_page(page(UsageOrder::Cost))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Unsupported(_)), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("more than 100,000 events match, too many to sort by cost; "),
        "{error}"
    );
    assert_eq!(
        fixture
            .ledger
            .usage_page(page(UsageOrder::Newest))
            .await
            .unwrap()
            .events
            .len(),
        2
    );
}

async fn every_page(
    fixture: &Fixture,
    filter: &UsageFilter,
    order: UsageOrder,
    limit: usize,
) -> Vec<StoredEvent> {
    let mut found = Vec::new();
    let mut after: Option<UsagePosition> = None;
    loop {
        let page = fixture
            .ledger
            .usage_page(UsagePageQuery {
                filter: filter.clone(),
                order,
                after,
                limit,
            })
            .await
            .unwrap();
        assert!(page.events.len() <= limit);
        found.extend(page.events);
        match page.next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => return found,
        }
    }
}

/// The same sums, added up here.
pub(crate) type Expected =
    BTreeMap<(Option<DateTime<Utc>>, Vec<String>), (u64, u64, NanoUsd, Metrics, [Option<i64>; 4])>;

pub(crate) fn expected(events: &[StoredEvent], query: &SummaryQuery) -> Expected {
    let mut sums = Expected::new();
    for stored in events.iter().filter(|event| passes(&query.filter, event)) {
        let event = &stored.event;
        let date = event.window.utc_day();
        let first = match query.period {
            None => None,
            Some(Period::Day) => Some(date),
            Some(Period::IsoWeek) => {
                Some(date - TimeDelta::days(date.weekday().num_days_from_monday().into()))
            }
            Some(Period::Month) => Some(date.with_day(1).unwrap()),
        };
        let parts = query.by.iter().map(|by| match by {
            SummaryBy::Account => stored.account_id.to_string(),
            SummaryBy::Endpoint => event.endpoint.to_string(),
            SummaryBy::Dimension(dimension) => format!("{:?}", event.dimensions.get(*dimension)),
        });
        let key = (first.map(|first| Window::day(first).start()), parts.collect());
        let place = sums
            .entry(key)
            .or_insert((0, 0, NanoUsd::new(0), Metrics::default(), [None; 4]));
        let cost = stored.price.and_then(|price| price.cost);
        place.0 += 1;
        place.1 += u64::from(cost.is_none());
        place.2 = NanoUsd::new(place.2.get() + cost.map_or(0, NanoUsd::get));
        place.3 = place.3.checked_add(&event.metrics).unwrap();
        let split = TokenSplit::of(&event.metrics);
        let classes = [split.uncached, split.cached_read, split.cache_write, split.output];
        for (sum, class) in place.4.iter_mut().zip(classes) {
            *sum = match (*sum, class) {
                (Some(left), Some(right)) => Some(left + right),
                (left, right) => left.or(right),
            };
        }
    }
    sums
}

pub(crate) async fn found(fixture: &Fixture, query: &SummaryQuery) -> Expected {
    let rows = fixture.ledger.usage_summary(query.clone()).await.unwrap();
    let count = rows.len();
    let keyed: Expected = rows
        .into_iter()
        .map(|row| {
            let parts = query.by.iter().map(|by| match by {
                SummaryBy::Account => row.account_id.unwrap().to_string(),
                SummaryBy::Endpoint => row.endpoint.unwrap().to_string(),
                SummaryBy::Dimension(dimension) => format!("{:?}", row.dimensions[dimension].as_deref()),
            });
            let sums = &row.sums;
            let split = [
                sums.split.uncached,
                sums.split.cached_read,
                sums.split.cache_write,
                sums.split.output,
            ];
            assert_eq!(
                sums.split.output_by_modality.audio,
                sums.metrics.output_audio_tokens
            );
            (
                (row.period_start, parts.collect()),
                (sums.events, sums.unpriced, sums.cost, sums.metrics, split),
            )
        })
        .collect();
    assert_eq!(keyed.len(), count, "no group comes twice");
    keyed
}

/// Groupings that some rollup has, and some that none has.
pub(crate) fn groupings() -> Vec<(Vec<SummaryBy>, Option<Period>)> {
    use Dimension::{ApiKeyId, ApiSource, Batch, Model, ProjectId, ServiceTier, Size, UserId};
    let by = |dimensions: &[Dimension]| dimensions.iter().copied().map(SummaryBy::Dimension).collect();
    vec![
        (vec![], None),
        (vec![], Some(Period::Day)),
        (vec![], Some(Period::IsoWeek)),
        (vec![], Some(Period::Month)),
        (vec![SummaryBy::Account, SummaryBy::Endpoint], Some(Period::Month)),
        (by(&[ProjectId]), Some(Period::Day)),
        (by(&[ProjectId, Model]), None),
        (by(&[ApiKeyId, Model]), Some(Period::IsoWeek)),
        (by(&[UserId]), None),
        (by(&[ServiceTier, Batch]), None),
        (by(&[Batch, Batch]), None),
        (by(&[Model, ApiSource]), None),
        (by(&[Size]), None),
        (
            by(&[ProjectId, ApiKeyId, UserId, Model, ServiceTier, Batch]),
            Some(Period::Day),
        ),
    ]
}

pub(crate) async fn sums_are_those_of_the_events(fixture: &Fixture) {
    fill(fixture).await;
    compare_sums(fixture, filters(fixture, other_account(fixture).await)).await;
}

/// Every grouping by every filter.
pub(crate) async fn compare_sums(fixture: &Fixture, filters: Vec<UsageFilter>) {
    let events = shown(fixture).await;
    for filter in filters {
        for (by, period) in groupings() {
            let query = SummaryQuery {
                filter: filter.clone(),
                by,
                period,
            };
            assert_eq!(
                found(fixture, &query).await,
                expected(&events, &query),
                "{query:?}"
            );
        }
    }
}

pub(crate) async fn sums_come_by_period_and_then_by_values(fixture: &Fixture) {
    fill(fixture).await;
    let query = SummaryQuery {
        filter: UsageFilter::all(AccountScope::All),
        by: vec![
            SummaryBy::Dimension(Dimension::Model),
            SummaryBy::Dimension(Dimension::ApiKeyId),
        ],
        period: Some(Period::IsoWeek),
    };
    let rows = fixture.ledger.usage_summary(query).await.unwrap();
    let keys: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.period_start,
                row.dimensions[&Dimension::Model].clone(),
                row.dimensions[&Dimension::ApiKeyId].clone(),
            )
        })
        .collect();
    assert!(keys.is_sorted() && keys.len() > 5, "{keys:?}");
    assert_eq!(keys[0].0, Some(instant("2025-07-28T00:00:00Z")), "a Monday");
    assert!(
        rows.iter()
            .all(|row| row.account_id.is_none() && row.endpoint.is_none())
    );
}

pub(crate) async fn what_usage_does_not_have_is_refused(fixture: &Fixture) {
    let mut filter = UsageFilter::all(AccountScope::All);
    filter
        .dimensions
        .insert(Dimension::LineItem, vec![Some("gpt-5, input".to_owned())]);
    let by = |by| SummaryQuery {
        filter: UsageFilter::all(AccountScope::All),
        by,
        period: None,
    };
    let page = UsagePageQuery {
        filter: filter.clone(),
        order: UsageOrder::Newest,
        after: None,
        limit: 1,
    };
    let errors = [
        fixture.ledger.usage_page(page).await.map(drop),
        fixture
            .ledger
            .usage_summary(SummaryQuery { filter, ..by(vec![]) })
            .await
            .map(drop),
        fixture
            .ledger
            .usage_summary(by(vec![SummaryBy::Dimension(Dimension::LineItem)]))
            .await
            .map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, StoreError::Unsupported(_)));
        assert_eq!(error.to_string(), "usage has no line_item; leave it out");
    }
    assert_eq!(fixture.ledger.usage_summary(by(vec![])).await.unwrap(), []);
}

pub(crate) async fn a_sum_of_tokens_beyond_64_bits_is_an_error(fixture: &Fixture) {
    let huge = |number: usize| {
        let mut row = some_rows("huge", 3).remove(number);
        row.dimensions.api_source = None;
        row.metrics = Metrics {
            seconds: Some(i64::MAX - 1),
            ..Metrics::default()
        };
        row
    };
    let windows = [
        rows(day("2025-09-01"), [huge(1)]),
        rows(day("2025-09-02"), [huge(2)]),
    ];
    fixture.replace(fixture.read(READ, windows.to_vec())).await;
    let query = |by, period| SummaryQuery {
        filter: UsageFilter::all(AccountScope::All),
        by,
        period,
    };
    let daily = fixture
        .ledger
        .usage_summary(query(vec![], Some(Period::Day)))
        .await
        .unwrap();
    let seconds: Vec<_> = daily.iter().map(|row| row.sums.metrics.seconds).collect();
    assert_eq!(seconds, [Some(i64::MAX - 1); 2]);
    for by in [vec![], vec![SummaryBy::Dimension(Dimension::ApiSource)]] {
        let error = fixture
            .ledger
            .usage_summary(query(by, Some(Period::Month)))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("beyond 64 bits"), "{error}");
    }
}
