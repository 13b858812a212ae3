//! One row of the old table, in this program's words.

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use usage_core::{Dimension, Dimensions, Metrics, Width, Window, format_instant};

use super::columns::NUMBERS;
use crate::events::instant;

/// The model of a row whose response named none.
const UNKNOWN_MODEL: &str = "unknown";

/// A row as the cursor returns it.
#[derive(QueryableByName)]
pub(super) struct RawRow {
    #[diesel(sql_type = BigInt)]
    key_id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    model: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    window_start: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    window_end: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    project_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    user_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    api_key_id: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    service_tier: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    batch: Option<bool>,
    #[diesel(sql_type = Array<Nullable<Text>>)]
    numbers: Vec<Option<String>>,
}

/// A row that can be stored.
#[derive(Clone, Debug)]
pub(super) struct OldRow {
    pub(super) key_id: i64,
    pub(super) window: Window,
    /// The window is the UTC day of the row's time, since none was stored.
    pub(super) derived_window: bool,
    /// The end of the window is a day after its start, since none was stored.
    pub(super) derived_end: bool,
    /// The row's own time in Unix seconds.
    pub(super) at: Option<i64>,
    pub(super) dimensions: Dimensions,
    pub(super) metrics: Metrics,
    pub(super) kind: OldRowKind,
}

/// What a row of the old system says about whose usage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OldRowKind {
    /// Its project, API key or user.
    Detailed,
    /// None of them: a total, or usage that belongs to none.
    Blank,
    /// Not even the model, which was stored as `unknown` and is absent here.
    UnknownModel,
}

/// A row that cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Which, as far as it says.
    pub place: String,
    /// What is wrong with it.
    pub reason: String,
}

impl OldRow {
    pub(super) fn new(raw: RawRow) -> Result<Self, RefusedRow> {
        let parsed = raw.window().and_then(|window| Ok((window, raw.metrics()?)));
        let ((window, derived_window), metrics) = parsed.map_err(|reason| RefusedRow {
            place: raw.place(),
            reason,
        })?;
        let model = present(raw.model).filter(|model| model != UNKNOWN_MODEL);
        let dimensions = Dimensions {
            project_id: present(raw.project_id),
            api_key_id: present(raw.api_key_id),
            user_id: present(raw.user_id),
            service_tier: present(raw.service_tier),
            batch: raw.batch,
            model,
            ..Dimensions::default()
        };
        let owned = [Dimension::ProjectId, Dimension::ApiKeyId, Dimension::UserId]
            .into_iter()
            .any(|dimension| dimensions.get(dimension).is_some());
        let kind = if dimensions.model.is_none() {
            OldRowKind::UnknownModel
        } else if owned {
            OldRowKind::Detailed
        } else {
            OldRowKind::Blank
        };
        Ok(Self {
            key_id: raw.key_id,
            window,
            derived_window,
            derived_end: !derived_window && raw.window_end.is_none(),
            at: raw.at,
            dimensions,
            metrics,
            kind,
        })
    }
}

impl RawRow {
    /// The window, and whether it had to be derived, as the old system did when it stored a row without one.
    fn window(&self) -> Result<(Window, bool), String> {
        let Some(start) = self.window_start else {
            let at = self.at.ok_or("it has neither a window nor a time")?;
            let at = instant(at).map_err(|_| "its timestamp is no time")?;
            return Ok((Window::containing(at, Width::Day), true));
        };
        let seconds = match self.window_end {
            None => Some(Width::Day.seconds()),
            Some(end) => end.checked_sub(start),
        };
        seconds
            .and_then(Width::from_seconds)
            .and_then(|width| Window::from_unix(start, width).ok())
            .map(|window| (window, false))
            .ok_or_else(|| "its window is no UTC day, hour or minute".to_owned())
    }

    fn metrics(&self) -> Result<Metrics, String> {
        let mut metrics = Metrics::default();
        for ((column, metric), text) in NUMBERS.into_iter().zip(&self.numbers) {
            let Some(text) = text else { continue };
            let number: i64 = text
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or_else(|| format!("its {column} is {text}, which is no count that can be stored"))?;
            *metrics.get_mut(metric) = Some(number);
        }
        Ok(metrics)
    }

    fn place(&self) -> String {
        let time = |seconds: Option<i64>| {
            seconds
                .and_then(|seconds| instant(seconds).ok())
                .map_or_else(|| "unknown".to_owned(), format_instant)
        };
        format!(
            "old key {}, model {}, window from {}, timestamp {}",
            self.key_id,
            self.model.as_deref().unwrap_or("none"),
            time(self.window_start),
            time(self.at),
        )
    }
}

/// An empty text is as good as none in the old system.
fn present(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
