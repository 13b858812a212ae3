//! Sums as the database makes them of the events themselves: right for every question, and as slow as there are events.

use diesel::QueryableByName;
use diesel::RunQueryDsl as _;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use usage_core::{Dimension, Dimensions, Metric, Metrics, NanoUsd};

use super::sums::beyond;
use super::{Groups, Part, Parts, Period, SummaryBy, UsageSums, too_many};
use crate::connection::AnyConnection;
use crate::coverage::parse_endpoint;
use crate::error::StoreError;
use crate::rollups::{self, DAY as DAY_SECONDS, stale};
use crate::statement::Statement;
use crate::usage_filter::UsageFilter;

/// What was written to the cache, as [`usage_core::TokenSplit`] derives it: of a row without the whole, the sum of its parts if
/// 64 bits hold it.
const CACHE_WRITE: &str = "COALESCE(e.input_cache_write_tokens, CASE \
    WHEN e.input_cache_write_30m_tokens > 9223372036854775807 - e.input_cache_write_12h_tokens THEN NULL \
    WHEN e.input_cache_write_30m_tokens IS NULL THEN e.input_cache_write_12h_tokens \
    ELSE e.input_cache_write_30m_tokens + COALESCE(e.input_cache_write_12h_tokens, 0) END)";

/// Of which days.
pub(super) enum Which<'a> {
    /// Of every day of the filter.
    All,
    /// Of those that have sums in none of the cuboids, all of which are from the first to the last.
    WithoutSums {
        /// The start of the first day, Unix seconds.
        first: i64,
        /// The start of the last day, Unix seconds.
        last: i64,
        /// The numbers of the cuboids.
        cuboids: &'a [i64],
    },
}

/// Adds the sums of the events that the filter names.
pub(super) fn sum(
    connection: &mut AnyConnection,
    filter: &UsageFilter,
    parts: &Parts,
    groups: &mut Groups,
    which: &Which<'_>,
) -> Result<(), StoreError> {
    let widths = stale::widths_for(connection, filter)?;
    let mut statement = statement(filter, parts, which, widths, connection);
    // One more than there may be, so that it is known when there are too many.
    statement
        .sql(" LIMIT ")
        .integer(i64::try_from(groups.most).unwrap_or(i64::MAX).saturating_add(1));
    let rows: Vec<SumRow> = statement.load(connection).map_err(|error| {
        // Each database says in words of its own that a sum is beyond its integers.
        match StoreError::query("summing up usage")(error) {
            StoreError::Query { reason, .. }
                if reason.contains("integer overflow") || reason.contains("out of range") =>
            {
                beyond("a column")
            }
            error => error,
        }
    })?;
    if rows.len() > groups.most {
        return Err(too_many(groups.most));
    }
    for row in rows {
        let mut values = Vec::with_capacity(parts.by.len());
        for by in &parts.by {
            values.push(match by {
                SummaryBy::Account => Part::Account(row.account_id.unwrap_or_default()),
                SummaryBy::Endpoint => {
                    Part::Endpoint(parse_endpoint(row.endpoint.as_deref().unwrap_or_default())?)
                }
                SummaryBy::Dimension(dimension) => {
                    Part::Value(row.dimensions().get(*dimension).map(str::to_owned))
                }
            });
        }
        groups.add(row.period_start, values, &row.sums())?;
    }
    Ok(())
}

fn statement(
    filter: &UsageFilter,
    parts: &Parts,
    which: &Which<'_>,
    widths: &str,
    connection: &AnyConnection,
) -> Statement {
    const DAY: &str = "e.window_start - e.window_start % 86400";
    let mut columns = Vec::new();
    let mut grouped = Vec::new();
    let mut column = |name: &str, expression: &str, sort: &str, by: bool| {
        if by {
            columns.push(format!("{expression} AS {name}"));
            grouped.push(expression.to_owned());
        } else {
            columns.push(format!("CAST(NULL AS {sort}) AS {name}"));
        }
    };
    let start = parts.period.map_or("", |period| start(period, connection));
    column("period_start", start, "BIGINT", parts.period.is_some());
    column(
        "account_id",
        "e.account_id",
        "BIGINT",
        parts.has(SummaryBy::Account),
    );
    column("endpoint", "e.endpoint", "TEXT", parts.has(SummaryBy::Endpoint));
    for dimension in Dimension::USAGE {
        let name = dimension.as_str();
        let sort = if dimension == Dimension::Batch {
            "BOOLEAN"
        } else {
            "TEXT"
        };
        column(
            name,
            &format!("e.{name}"),
            sort,
            parts.has(SummaryBy::Dimension(dimension)),
        );
    }
    for metric in Metric::ALL {
        columns.push(format!("CAST(sum(e.{metric}) AS BIGINT) AS {metric}"));
    }
    for (name, reported, other) in [
        (
            "split_uncached",
            "e.input_uncached_tokens",
            "e.input_cached_tokens",
        ),
        (
            "split_cached_read",
            "e.input_cached_tokens",
            "e.input_uncached_tokens",
        ),
    ] {
        let rest = format!("e.input_tokens - {other} - COALESCE({CACHE_WRITE}, 0)");
        columns.push(format!(
            "CAST(sum(COALESCE({reported}, CASE WHEN {rest} >= 0 THEN {rest} END)) AS BIGINT) AS {name}"
        ));
    }
    columns.push(format!("CAST(sum({CACHE_WRITE}) AS BIGINT) AS split_cache_write"));
    columns.push("count(*) AS events".to_owned());
    columns.push("count(*) - count(e.cost_nano_usd) AS unpriced".to_owned());
    columns.push("CAST(sum(e.cost_nano_usd) AS BIGINT) AS cost_nano_usd".to_owned());

    let mut statement = Statement::new(format!(
        "SELECT {} FROM usage_events e JOIN {widths} best \
         ON best.account_id = e.account_id AND best.endpoint = e.endpoint AND best.day_start = {DAY} \
         AND best.width_seconds = e.window_end - e.window_start WHERE 1 = 1",
        columns.join(", ")
    ));
    filter.conditions(&mut statement);
    if let Which::WithoutSums { first, last, cuboids } = which {
        statement
            .sql(" AND e.window_start >= ")
            .integer(*first)
            .sql(" AND e.window_start < ")
            .integer(last.saturating_add(DAY_SECONDS))
            .sql(format!(
                " AND (EXISTS (SELECT 1 FROM usage_stale_days s WHERE s.day_start = {DAY} \
                 AND s.account_id = e.account_id AND s.endpoint = e.endpoint) \
                 OR NOT EXISTS (SELECT 1 FROM usage_days d WHERE (d.cuboids & {}) <> 0 AND d.day_start = {DAY} \
                 AND d.account_id = e.account_id AND d.endpoint = e.endpoint))",
                rollups::bits(cuboids.iter().copied())
            ));
    }
    if grouped.is_empty() {
        // Without groups a database makes a row of nothing.
        statement.sql(" HAVING count(*) > 0");
    } else {
        statement.sql(format!(" GROUP BY {}", grouped.join(", ")));
    }
    statement
}

/// The start of the period that an event is in, as [`Period::start_of`] has it.
fn start(period: Period, connection: &AnyConnection) -> &'static str {
    match (period, connection) {
        (Period::Day, _) => "e.window_start - e.window_start % 86400",
        // The first of January 1970 was a Thursday.
        (Period::IsoWeek, _) => "e.window_start - (e.window_start + 3 * 86400) % (7 * 86400)",
        (Period::Month, AnyConnection::Postgres(_)) => {
            "CAST(extract(epoch FROM date_trunc('month', to_timestamp(e.window_start) AT TIME ZONE 'UTC')) AS BIGINT)"
        }
        (Period::Month, AnyConnection::Sqlite(_)) => {
            "CAST(strftime('%s', e.window_start, 'unixepoch', 'start of month') AS INTEGER)"
        }
    }
}

#[derive(QueryableByName)]
struct SumRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    period_start: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    account_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    endpoint: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    project_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    api_key_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    service_tier: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    batch: Option<bool>,
    #[diesel(sql_type = Nullable<Text>)]
    api_source: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    vector_store_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    size: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    context_level: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    output_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cached_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_uncached_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cache_write_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cache_write_30m_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cache_write_12h_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_text_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    output_text_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cached_text_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_audio_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cached_audio_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    output_audio_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_image_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_cached_image_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    output_image_tokens: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    num_model_requests: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    images: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    characters: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    seconds: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    usage_bytes: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    num_sessions: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    num_requests: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    split_uncached: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    split_cached_read: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    split_cache_write: Option<i64>,
    #[diesel(sql_type = BigInt)]
    events: i64,
    #[diesel(sql_type = BigInt)]
    unpriced: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    cost_nano_usd: Option<i64>,
}

impl SumRow {
    fn dimensions(&self) -> Dimensions {
        Dimensions {
            project_id: self.project_id.clone(),
            api_key_id: self.api_key_id.clone(),
            user_id: self.user_id.clone(),
            model: self.model.clone(),
            service_tier: self.service_tier.clone(),
            batch: self.batch,
            api_source: self.api_source.clone(),
            vector_store_id: self.vector_store_id.clone(),
            size: self.size.clone(),
            source: self.source.clone(),
            context_level: self.context_level.clone(),
        }
    }

    fn sums(&self) -> UsageSums {
        let metrics = Metrics {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            input_cached_tokens: self.input_cached_tokens,
            input_uncached_tokens: self.input_uncached_tokens,
            input_cache_write_tokens: self.input_cache_write_tokens,
            input_cache_write_30m_tokens: self.input_cache_write_30m_tokens,
            input_cache_write_12h_tokens: self.input_cache_write_12h_tokens,
            input_text_tokens: self.input_text_tokens,
            output_text_tokens: self.output_text_tokens,
            input_cached_text_tokens: self.input_cached_text_tokens,
            input_audio_tokens: self.input_audio_tokens,
            input_cached_audio_tokens: self.input_cached_audio_tokens,
            output_audio_tokens: self.output_audio_tokens,
            input_image_tokens: self.input_image_tokens,
            input_cached_image_tokens: self.input_cached_image_tokens,
            output_image_tokens: self.output_image_tokens,
            num_model_requests: self.num_model_requests,
            images: self.images,
            characters: self.characters,
            seconds: self.seconds,
            usage_bytes: self.usage_bytes,
            num_sessions: self.num_sessions,
            num_requests: self.num_requests,
        };
        UsageSums::new(
            self.events.unsigned_abs(),
            self.unpriced.unsigned_abs(),
            NanoUsd::new(self.cost_nano_usd.unwrap_or(0)),
            &metrics,
            [
                self.split_uncached,
                self.split_cached_read,
                self.split_cache_write,
            ],
        )
    }
}
