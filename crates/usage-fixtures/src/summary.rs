//! The totals of a fixture, from pages that are read as production reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use usage_core::{
    Account, DedupeKey, DedupeKeys, Dimension, Dimensions, Drift, Endpoint, Issue, IssueCode, Metrics,
    ProjectFilter, Provider, Severity, TokenSplit, Window, WindowRange, format_instant,
};
use usage_providers::{OpenAi, UsageQuery, UsageRead};

use crate::error::FixtureError;
use crate::files::read_text;
use crate::pages::{Asked, Pages};

/// What a fixture holds, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FixtureSummary {
    /// The totals; `None` if the pages cannot be read as a whole. Windows that cannot be trusted are left out of them,
    /// each with an issue.
    pub summary: Option<Summary>,
    /// The same by window, project, API key, user, service tier and batch, in that order. Models are not split.
    pub windows: Vec<WindowSummary>,
    /// Everything found, in the words of a read. An error is a broken fixture or a broken identity; the rest is worth
    /// knowing.
    pub issues: Vec<Issue>,
}

/// The totals of a fixture. The first eight numbers keep the names and the meaning of the tool that this one replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The file.
    pub fixture: String,
    /// The surface; `None` if there is no row that tells.
    pub endpoint: Option<Endpoint>,
    /// First instant, RFC 3339 in UTC.
    pub from: String,
    /// First instant after the last bucket.
    pub to: String,
    /// Usage events, as the ledger would store them: rows of one identity in one bucket are one event.
    pub event_count: u64,
    /// Entries of [`FixtureSummary::windows`].
    pub window_count: u64,
    /// Input tokens, cached ones among them; null where no row reports any.
    pub total_tokens_in: Option<i64>,
    /// Output tokens.
    pub total_tokens_out: Option<i64>,
    /// Different projects.
    pub distinct_projects: u64,
    /// Different API keys.
    pub distinct_keys: u64,
    /// Different users.
    pub distinct_users: u64,
    /// Models as the provider spells them, sorted.
    pub models: Vec<String>,
    /// Input tokens read from the cache.
    pub total_tokens_cached: Option<i64>,
    /// Input tokens neither read from nor written to the cache.
    pub total_tokens_uncached: Option<i64>,
    /// Input tokens written to the cache.
    pub total_tokens_cache_write: Option<i64>,
    /// Requests to models.
    pub total_requests: Option<i64>,
    /// Rows of the pages.
    pub row_count: u64,
    /// Buckets of the pages, quiet ones among them.
    pub bucket_count: u64,
    /// The sum of every metric.
    pub metrics: Metrics,
}

/// What one caller used in one window at one tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowSummary {
    /// `start|project|key|user|tier|batch or stream`, for people.
    pub key: String,
    /// First instant, RFC 3339 in UTC.
    pub window_start_iso: String,
    /// First instant after.
    pub window_end_iso: String,
    /// The project.
    pub project_id: Option<String>,
    /// The API key.
    pub api_key_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The service tier.
    pub service_tier: Option<String>,
    /// Whether it came through the batch API.
    pub batch: Option<bool>,
    /// The models, sorted.
    pub models: Vec<String>,
    /// Usage events.
    pub event_count: u64,
    /// Input tokens, cached ones among them.
    pub tokens_in: Option<i64>,
    /// Output tokens.
    pub tokens_out: Option<i64>,
    /// Input tokens read from the cache.
    pub tokens_cached: Option<i64>,
    /// Input tokens neither read from nor written to the cache.
    pub tokens_uncached: Option<i64>,
    /// Requests to models.
    pub requests: Option<i64>,
}

/// Reads a fixture through the decoding of the provider's client, sums rows of one identity as the ledger does, and
/// checks what must hold: the buckets ascend and none is missing, cursors lead from page to page to the end, counts are
/// counts, and the token classes sum to their totals (see [`usage_core::Identity`]).
///
/// A file that is no fixture at all is an error; what is wrong within one is an issue of the summary.
pub fn summarize(path: &Path) -> Result<FixtureSummary, FixtureError> {
    let text = read_text(path)?;
    let pages = Pages::of(&text).map_err(|fault| fault.in_file(path))?;
    let (asked, mut issues) = match pages.asked().map_err(|fault| fault.in_file(path))? {
        Ok(found) => found,
        Err(issue) => return Ok(FixtureSummary::broken(issue)),
    };
    let read = match replay(&asked, &pages) {
        Ok(read) => read,
        Err(issue) => return Ok(FixtureSummary::broken(issue)),
    };
    issues.extend(read.issues.iter().cloned());
    // Every fixture is of one account, so which one changes no identity within it.
    let account = Account::new(Provider::OpenAi, "org-fixture")
        .map_err(|error| FixtureError::new(path, error.to_string()))?;
    let ledger = Events::of(&account, &asked, read, &mut issues);
    let (summary, windows) = match ledger.summarize(path, &asked) {
        Ok(summary) => summary,
        Err(overflow) => {
            issues.push(Issue::new(IssueCode::CountInvalid, overflow.to_string()));
            return Ok(FixtureSummary {
                summary: None,
                windows: Vec::new(),
                issues,
            });
        }
    };
    issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
    Ok(FixtureSummary {
        summary: Some(summary),
        windows,
        issues,
    })
}

impl FixtureSummary {
    fn broken(issue: Issue) -> Self {
        Self {
            summary: None,
            windows: Vec::new(),
            issues: vec![issue],
        }
    }

    /// The issues that make the fixture a broken one.
    pub fn errors(&self) -> impl Iterator<Item = &Issue> {
        self.issues
            .iter()
            .filter(|issue| issue.severity == Severity::Error)
    }
}

fn replay(asked: &Asked, pages: &Pages<'_>) -> Result<UsageRead, Issue> {
    // Without a row any endpoint reads the same.
    let endpoint = asked.endpoint.unwrap_or(Endpoint::Completions);
    let query = UsageQuery {
        endpoint,
        windows: asked.windows,
        filter: ProjectFilter::ALL,
        group_by: endpoint.dimensions(),
    };
    let bodies: Vec<&[u8]> = pages.bodies.iter().map(|body| body.as_bytes()).collect();
    // What was captured is over: a bucket that is missing is missing.
    OpenAi::replay_usage(&query, &bodies, asked.windows.end()).map_err(|error| error.issue)
}

/// Rows as the ledger would keep them.
struct Events {
    events: BTreeMap<(Window, DedupeKey), (Dimensions, Metrics)>,
    rows: u64,
}

impl Events {
    fn of(account: &Account, asked: &Asked, read: UsageRead, issues: &mut Vec<Issue>) -> Self {
        let endpoint = asked.endpoint.unwrap_or(Endpoint::Completions);
        let mut events: BTreeMap<(Window, DedupeKey), (Dimensions, Metrics)> = BTreeMap::new();
        let (mut rows, mut anonymous) = (0, 0_u64);
        for window in read.windows {
            let mut keys = DedupeKeys::of(account, endpoint, window.window);
            let read_rows = match window.rows {
                Ok(read_rows) => read_rows,
                Err(issue) => {
                    issues.push(issue);
                    continue;
                }
            };
            for (row, number) in read_rows.into_iter().zip(1_usize..) {
                rows += 1;
                anonymous += u64::from(!names_its_caller(endpoint, &row.dimensions));
                issues.extend(Drift::all(&row.metrics).map(|drift| {
                    broken_identity(&format!(
                        "{endpoint} window {}, row {number}: {drift}",
                        window.window
                    ))
                }));
                let (_, sum) = events
                    .entry((window.window, keys.key(&row.dimensions)))
                    .or_insert_with(|| (row.dimensions, Metrics::default()));
                match sum.checked_add(&row.metrics) {
                    Ok(total) => *sum = total,
                    Err(overflow) => issues.push(Issue::new(
                        IssueCode::CountInvalid,
                        format!("{endpoint} window {}, row {number}: {overflow}", window.window),
                    )),
                }
            }
        }
        if anonymous > 0 {
            issues.push(Issue::new(
                IssueCode::DimensionEmpty,
                format!("{anonymous} of {rows} rows lack the project, the API key or the user"),
            ));
        }
        Self { events, rows }
    }

    fn summarize(
        &self,
        path: &Path,
        asked: &Asked,
    ) -> Result<(Summary, Vec<WindowSummary>), usage_core::MetricOverflow> {
        let mut groups: BTreeMap<Caller<'_>, Sums<'_>> = BTreeMap::new();
        let mut all = Sums::default();
        for ((window, _), (dimensions, metrics)) in &self.events {
            all.add(dimensions, metrics)?;
            groups
                .entry(Caller::of(*window, dimensions))
                .or_default()
                .add(dimensions, metrics)?;
        }
        let distinct = |dimension| {
            let values: BTreeSet<&str> = self
                .events
                .values()
                .filter_map(|(dimensions, _)| dimensions.get(dimension))
                .collect();
            values.len() as u64
        };
        let summary = Summary {
            fixture: path.display().to_string(),
            endpoint: asked.endpoint,
            from: format_instant(WindowRange::start(asked.windows)),
            to: format_instant(asked.windows.end()),
            event_count: all.events,
            window_count: groups.len() as u64,
            total_tokens_in: all.metrics.input_tokens,
            total_tokens_out: all.metrics.output_tokens,
            distinct_projects: distinct(Dimension::ProjectId),
            distinct_keys: distinct(Dimension::ApiKeyId),
            distinct_users: distinct(Dimension::UserId),
            models: all.models(),
            total_tokens_cached: all.split.cached_read,
            total_tokens_uncached: all.split.uncached,
            total_tokens_cache_write: all.split.cache_write,
            total_requests: all.metrics.num_model_requests,
            row_count: self.rows,
            bucket_count: asked.buckets as u64,
            metrics: all.metrics,
        };
        let windows = groups
            .iter()
            .map(|(caller, sums)| caller.summarize(sums))
            .collect();
        Ok((summary, windows))
    }
}

/// The sums of some events.
#[derive(Default)]
struct Sums<'a> {
    events: u64,
    metrics: Metrics,
    /// Only the classes, not their modalities.
    split: TokenSplit,
    models: BTreeSet<&'a str>,
}

impl<'a> Sums<'a> {
    fn add(
        &mut self,
        dimensions: &'a Dimensions,
        metrics: &Metrics,
    ) -> Result<(), usage_core::MetricOverflow> {
        self.events += 1;
        self.metrics = self.metrics.checked_add(metrics)?;
        // A class is a part of a total that has just been summed without overflow, unless the numbers are broken; then
        // an issue says so.
        let split = TokenSplit::of(metrics);
        for (sum, class) in [
            (&mut self.split.cached_read, split.cached_read),
            (&mut self.split.uncached, split.uncached),
            (&mut self.split.cache_write, split.cache_write),
        ] {
            *sum = match (*sum, class) {
                (Some(sum), Some(class)) => Some(sum.saturating_add(class)),
                (sum, class) => sum.or(class),
            };
        }
        self.models.extend(dimensions.get(Dimension::Model));
        Ok(())
    }

    fn models(&self) -> Vec<String> {
        self.models.iter().map(|model| (*model).to_owned()).collect()
    }
}

/// Who used something, when and how: everything but the model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Caller<'a> {
    window: Window,
    project_id: Option<&'a str>,
    api_key_id: Option<&'a str>,
    user_id: Option<&'a str>,
    service_tier: Option<&'a str>,
    batch: Option<bool>,
}

impl<'a> Caller<'a> {
    fn of(window: Window, dimensions: &'a Dimensions) -> Self {
        Self {
            window,
            project_id: dimensions.get(Dimension::ProjectId),
            api_key_id: dimensions.get(Dimension::ApiKeyId),
            user_id: dimensions.get(Dimension::UserId),
            service_tier: dimensions.get(Dimension::ServiceTier),
            batch: dimensions.batch,
        }
    }

    fn summarize(&self, sums: &Sums<'_>) -> WindowSummary {
        let start = format_instant(self.window.start());
        let owned = |value: Option<&str>| value.map(str::to_owned);
        WindowSummary {
            key: format!(
                "{start}|{}|{}|{}|{}|{}",
                self.project_id.unwrap_or("unknown-project"),
                self.api_key_id.unwrap_or("unknown-key"),
                self.user_id.unwrap_or("unknown-user"),
                self.service_tier.unwrap_or("unknown-tier"),
                if self.batch == Some(true) {
                    "batch"
                } else {
                    "stream"
                },
            ),
            window_start_iso: start,
            window_end_iso: format_instant(self.window.end()),
            project_id: owned(self.project_id),
            api_key_id: owned(self.api_key_id),
            user_id: owned(self.user_id),
            service_tier: owned(self.service_tier),
            batch: self.batch,
            models: sums.models(),
            event_count: sums.events,
            tokens_in: sums.metrics.input_tokens,
            tokens_out: sums.metrics.output_tokens,
            tokens_cached: sums.split.cached_read,
            tokens_uncached: sums.split.uncached,
            requests: sums.metrics.num_model_requests,
        }
    }
}

/// Whether a row has the project, the API key and the user, as far as its endpoint tells them.
fn names_its_caller(endpoint: Endpoint, dimensions: &Dimensions) -> bool {
    [Dimension::ProjectId, Dimension::ApiKeyId, Dimension::UserId]
        .into_iter()
        .filter(|dimension| endpoint.dimensions().contains(*dimension))
        .all(|dimension| dimensions.get(dimension).is_some())
}

/// A warning elsewhere, since the provider may change a meaning; in a fixture, an error: it is kept to hold.
fn broken_identity(message: &str) -> Issue {
    let mut issue = Issue::new(IssueCode::TokenSplitDrift, message);
    issue.severity = Severity::Error;
    issue
}
