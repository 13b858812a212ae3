//! Which columns the old table has, and the statements that read them.

use std::collections::BTreeSet;

use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use usage_core::Metric;

use crate::error::StoreError;

/// Columns without which no row can be placed.
const REQUIRED: [&str; 5] = ["key_id", "model", "timestamp", "tokens_in", "tokens_out"];
/// Columns that came with the windows and the admin API's dimensions.
const WINDOWS_AND_DIMENSIONS: [&str; 7] = [
    "window_start",
    "window_end",
    "project_id",
    "openai_user_id",
    "openai_api_key_id",
    "service_tier",
    "batch",
];

/// The columns of numbers, and what each is here. Costs are left out: they were computed with wrong prices.
pub(super) const NUMBERS: [(&str, Metric); 14] = [
    ("tokens_in", Metric::InputTokens),
    ("tokens_out", Metric::OutputTokens),
    ("num_model_requests", Metric::NumModelRequests),
    ("input_cached_tokens", Metric::InputCachedTokens),
    ("input_uncached_tokens", Metric::InputUncachedTokens),
    ("input_text_tokens", Metric::InputTextTokens),
    ("output_text_tokens", Metric::OutputTextTokens),
    ("input_cached_text_tokens", Metric::InputCachedTextTokens),
    ("input_audio_tokens", Metric::InputAudioTokens),
    ("input_cached_audio_tokens", Metric::InputCachedAudioTokens),
    ("output_audio_tokens", Metric::OutputAudioTokens),
    ("input_image_tokens", Metric::InputImageTokens),
    ("input_cached_image_tokens", Metric::InputCachedImageTokens),
    ("output_image_tokens", Metric::OutputImageTokens),
];

/// The columns that a table has.
pub(super) struct Columns(BTreeSet<String>);

impl Columns {
    /// Looks, and fails if the table is missing or not the old system's.
    pub(super) fn look(connection: &mut PgConnection, database: &str) -> Result<Self, StoreError> {
        #[derive(QueryableByName)]
        struct Column {
            #[diesel(sql_type = Text)]
            name: String,
        }
        let found: Vec<Column> = sql_query(
            "SELECT CAST(attname AS TEXT) AS name FROM pg_attribute \
             WHERE attrelid = to_regclass('usage_events') AND attnum > 0 AND NOT attisdropped",
        )
        .load(connection)
        .map_err(StoreError::query("looking at the old usage_events"))?;
        let columns = Self(found.into_iter().map(|column| column.name).collect());
        let lacking: Vec<&str> = REQUIRED.into_iter().filter(|name| !columns.has(name)).collect();
        let reason = match (columns.0.is_empty(), lacking.is_empty()) {
            (true, _) => "it has no table usage_events".to_owned(),
            (_, false) if columns.has("dedupe_key") => {
                "its usage_events is that of a ledger of this program".to_owned()
            }
            (_, false) => format!("its usage_events lacks {}", lacking.join(", ")),
            (_, true) => return Ok(columns),
        };
        Err(StoreError::Unsupported(format!(
            "{database} is no database of CogniTrack: {reason}; name the one that it used"
        )))
    }

    /// What the newest version of the table has and this one lacks.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        WINDOWS_AND_DIMENSIONS
            .into_iter()
            .chain(NUMBERS.into_iter().map(|(name, _)| name))
            .filter(|name| !self.has(name))
            .collect()
    }

    /// Rows and span of each key.
    pub(super) fn keys(&self) -> String {
        let start = self.start();
        // Times beyond the year 9999 are none that usage had.
        format!(
            "SELECT CAST(key_id AS BIGINT) AS key_id, count(*) AS rows, \
             min(start) FILTER (WHERE start BETWEEN 0 AND 253402300799) AS first, \
             max(start) FILTER (WHERE start BETWEEN 0 AND 253402300799) AS last \
             FROM (SELECT key_id, {start} AS start FROM usage_events) AS starts GROUP BY 1 ORDER BY 1"
        )
    }

    /// Declares the cursor `old_usage`, in the order in which windows begin.
    pub(super) fn cursor(&self, only: &[i64]) -> String {
        let text = |name: &str, alias: &str| {
            let value = if self.has(name) { name } else { "NULL" };
            format!("CAST({value} AS TEXT) AS {alias}")
        };
        // As text: a number that is too large, or none, is refused with its row and does not end the import.
        let numbers: Vec<String> = NUMBERS
            .into_iter()
            .map(|(name, _)| if self.has(name) { name } else { "NULL" })
            .map(|value| format!("CAST({value} AS TEXT)"))
            .collect();
        let keys: Vec<String> = only.iter().map(i64::to_string).collect();
        let filter = if keys.is_empty() {
            String::new()
        } else {
            format!("WHERE key_id IN ({})", keys.join(", "))
        };
        format!(
            "DECLARE old_usage NO SCROLL CURSOR FOR SELECT CAST(key_id AS BIGINT) AS key_id, {}, \
             {} AS window_start, {} AS window_end, {} AS at, {}, {}, {}, {}, CAST({} AS BOOLEAN) AS batch, \
             ARRAY[{}] AS numbers FROM usage_events {filter} ORDER BY {}",
            text("model", "model"),
            self.seconds("window_start"),
            self.seconds("window_end"),
            self.seconds("timestamp"),
            text("project_id", "project_id"),
            text("openai_user_id", "user_id"),
            text("openai_api_key_id", "api_key_id"),
            text("service_tier", "service_tier"),
            if self.has("batch") { "batch" } else { "NULL" },
            numbers.join(", "),
            self.start(),
        )
    }

    /// When a row's window begins: as stored, else the UTC day of its time.
    fn start(&self) -> String {
        let at = self.seconds("timestamp");
        format!("COALESCE({}, {at} - {at} % 86400)", self.seconds("window_start"))
    }

    /// A time in Unix seconds. The old columns have no zone and hold UTC; infinity becomes a second that no window has.
    fn seconds(&self, name: &str) -> String {
        if !self.has(name) {
            return "CAST(NULL AS BIGINT)".to_owned();
        }
        format!(
            "(CASE WHEN isfinite(\"{name}\") THEN CAST(floor(extract(epoch FROM \"{name}\")) AS BIGINT) \
             WHEN \"{name}\" IS NOT NULL THEN {} END)",
            i64::MAX
        )
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}
