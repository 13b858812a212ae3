//! Rows like those of a busy organisation: seven dimensions, ids of real length, seventeen metrics of which many are
//! zero. The same number always makes the same row.

use std::fmt::Write as _;

use usage_core::{
    Account, DedupeKey, Dimension, Dimensions, Endpoint, Metric, Metrics, Provider, UsageRow, Width, Window,
    WindowRange, parse_instant,
};
use usage_store::WindowRows;

use crate::Outcome;

/// The first window of every run; all windows are long settled when they are read.
const FIRST_DAY: &str = "2024-01-01T00:00:00Z";

const PROJECTS: usize = 40;
const KEYS_A_PROJECT: usize = 5;
const USERS: usize = 120;
const MODELS: [&str; 12] = [
    "gpt-5-2025-08-07",
    "gpt-5-mini-2025-08-07",
    "gpt-5-nano-2025-08-07",
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano-2025-04-14",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "o3-2025-04-16",
    "o4-mini-2025-04-16",
    "gpt-4o-audio-preview-2024-12-17",
    "ft:gpt-4.1-mini-2025-04-14:example-org:support:C1a2B3c4",
];
const TIERS: [&str; 2] = ["default", "flex"];

/// The organisation of every run.
pub(crate) fn account() -> Outcome<Account> {
    Ok(Account::new(Provider::OpenAi, "org-bench")?)
}

/// `count` daily windows from number `first` on.
pub(crate) fn days(first: usize, count: usize) -> Outcome<Vec<Window>> {
    let start = parse_instant(FIRST_DAY)?.timestamp() + i64::try_from(first)? * Width::Day.seconds();
    let first = Window::from_unix(start, Width::Day)?;
    let last = Window::from_unix(
        start + i64::try_from(count - 1)? * Width::Day.seconds(),
        Width::Day,
    )?;
    Ok(WindowRange::new(first.start(), last.end(), Width::Day)?
        .windows()
        .collect())
}

/// `rows` rows in windows of `window` rows; the last may have fewer.
pub(crate) fn windows(rows: usize, window: usize) -> Outcome<Vec<WindowRows>> {
    let days = days(0, rows.div_ceil(window))?;
    Ok(days
        .into_iter()
        .enumerate()
        .map(|(number, day)| window_rows(day, window.min(rows - number * window)))
        .collect())
}

/// The first `count` groups of a day.
pub(crate) fn window_rows(window: Window, count: usize) -> WindowRows {
    WindowRows {
        window,
        rows: (0..count)
            .map(|number| UsageRow {
                dimensions: dimensions(number),
                metrics: metrics(window, number),
            })
            .collect(),
    }
}

/// Changes every tenth row, as a provider does that corrects its numbers; returns how many.
pub(crate) fn restate(windows: &mut [WindowRows]) -> usize {
    let mut changed = 0;
    for row in windows.iter_mut().flat_map(|window| &mut window.rows).step_by(10) {
        for metric in [Metric::OutputTokens, Metric::OutputTextTokens] {
            let place = row.metrics.get_mut(metric);
            *place = place.map(|value| value + 1);
        }
        changed += 1;
    }
    changed
}

/// A value of a stored row.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes([u8; 16]),
    Flag(Option<bool>),
}

/// The names of a stored row's columns, in the order of the table.
pub(crate) fn columns() -> Vec<&'static str> {
    let mut columns = vec![
        "account_id",
        "endpoint",
        "window_start",
        "window_end",
        "dedupe_key",
    ];
    columns.extend(Dimension::USAGE.map(Dimension::as_str));
    columns.extend(Metric::ALL.map(Metric::as_str));
    columns.extend([
        "content_hash",
        "revision",
        "first_stored_at",
        "changed_at",
        "run_id",
    ]);
    columns
}

/// The rows as they stand in the table, in the order of its index: identities and hashes are already computed.
pub(crate) fn stored(rows: usize, window: usize) -> Outcome<Vec<Vec<Cell>>> {
    let account = account()?;
    let mut stored = Vec::with_capacity(rows);
    for read in windows(rows, window)? {
        let mut of_window: Vec<(DedupeKey, UsageRow)> = read
            .rows
            .into_iter()
            .map(|row| {
                let key = DedupeKey::new(&account, Endpoint::Completions, read.window, &row.dimensions);
                (key, row)
            })
            .collect();
        of_window.sort_by_key(|(key, _)| *key);
        stored.extend(
            of_window
                .into_iter()
                .map(|(key, row)| cells(key, read.window, row)),
        );
    }
    Ok(stored)
}

fn cells(key: DedupeKey, window: Window, row: UsageRow) -> Vec<Cell> {
    let dimensions = row.dimensions;
    let stored_at = window.end_unix();
    let mut cells = vec![
        Cell::Integer(Some(1)),
        Cell::Text(Some(Endpoint::Completions.as_str().to_owned())),
        Cell::Integer(Some(window.start_unix())),
        Cell::Integer(Some(window.end_unix())),
        Cell::Bytes(*key.as_bytes()),
        Cell::Text(dimensions.project_id),
        Cell::Text(dimensions.api_key_id),
        Cell::Text(dimensions.user_id),
        Cell::Text(dimensions.model),
        Cell::Text(dimensions.service_tier),
        Cell::Flag(dimensions.batch),
        Cell::Text(dimensions.api_source),
        Cell::Text(dimensions.vector_store_id),
        Cell::Text(dimensions.size),
        Cell::Text(dimensions.source),
        Cell::Text(dimensions.context_level),
    ];
    cells.extend(Metric::ALL.map(|metric| Cell::Integer(row.metrics.get(metric))));
    cells.extend(
        [row.metrics.content_hash(), 1, stored_at, stored_at, 1].map(|value| Cell::Integer(Some(value))),
    );
    cells
}

/// No two numbers have the same dimensions.
fn dimensions(number: usize) -> Dimensions {
    let project = number % PROJECTS;
    let rest = number / PROJECTS;
    let key = project * KEYS_A_PROJECT + rest % KEYS_A_PROJECT;
    let rest = rest / KEYS_A_PROJECT;
    let model = rest % MODELS.len();
    let rest = rest / MODELS.len();
    let tier = rest % TIERS.len();
    let rest = rest / TIERS.len();
    let batch = rest % 2 == 1;
    // A key belongs to one user; only very large windows need more than one for each key.
    let user = key % USERS + USERS * (rest / 2);
    Dimensions {
        project_id: Some(id("proj_", project, 24)),
        api_key_id: Some(id("key_", key, 16)),
        user_id: Some(id("user-", user, 24)),
        model: Some(MODELS[model].to_owned()),
        service_tier: Some(TIERS[tier].to_owned()),
        batch: Some(batch),
        api_source: Some("unlabeled".to_owned()),
        ..Dimensions::default()
    }
}

/// The prefix and so many letters and digits.
fn id(prefix: &str, number: usize, length: usize) -> String {
    let mut text = prefix.to_owned();
    let digits = blake3::hash(format!("{prefix}{number}").as_bytes()).to_hex();
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", &digits[..length]);
    text
}

fn metrics(window: Window, number: usize) -> Metrics {
    let seed = blake3::hash(format!("{window} {number}").as_bytes());
    let part = |index: usize, below: i64| {
        let bytes = &seed.as_bytes()[index * 4..index * 4 + 4];
        let value = bytes
            .iter()
            .fold(0_i64, |value, byte| value << 8 | i64::from(*byte));
        value % below
    };
    let (uncached, cached, output) = (part(0, 40_000_000), part(1, 90_000_000), part(2, 4_000_000));
    let written = if part(3, 4) == 0 { part(4, 500_000) } else { 0 };
    let audio = if part(5, 12) == 0 { part(6, 90_000) } else { 0 };
    Metrics {
        input_tokens: Some(uncached + audio + cached + written),
        output_tokens: Some(output),
        input_cached_tokens: Some(cached),
        input_uncached_tokens: Some(uncached + audio),
        input_cache_write_tokens: Some(written),
        input_cache_write_30m_tokens: Some(written),
        input_cache_write_12h_tokens: Some(0),
        input_text_tokens: Some(uncached),
        output_text_tokens: Some(output),
        input_cached_text_tokens: Some(cached),
        input_audio_tokens: Some(audio),
        input_cached_audio_tokens: Some(0),
        output_audio_tokens: Some(0),
        input_image_tokens: Some(0),
        input_cached_image_tokens: Some(0),
        output_image_tokens: Some(0),
        num_model_requests: Some(1 + part(7, 20_000)),
        ..Metrics::default()
    }
}
