//! `/api/coverage`: which windows were read completely, when, and how far they had gone.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::{DimensionSet, Endpoint, Width, WindowRange, format_instant};
use usage_store::{Coverage, CoverageQuery};
use utoipa::ToSchema;

use super::ApiState;
use super::answer::{Etag, json};
use super::document::ScopedProblems;
use super::error::ApiError;
use super::parameters::{
    Known, Parameters, account_parameter, dimension_name, documented_parameters, page_parameters,
    time_parameters,
};
use crate::access::Caller;

/// How many windows narrower than a day a range may have.
const MOST_WINDOWS: i64 = 5_000;
/// Where every ledger begins and ends, in Unix seconds: 2000-01-01 and 9999-12-30.
const EVER: [i64; 2] = [946_684_800, 253_402_128_000];

fn known() -> Vec<Known> {
    let mut known = vec![
        account_parameter(),
        Known::words(
            "endpoint",
            &Endpoint::USAGE.map(Endpoint::as_str),
            "Windows of one of these surfaces.",
        ),
        Known::word(
            "width",
            &["1d", "1h", "1m"],
            "How wide the windows are: days unless given. Hours and minutes take `from` and `to`.",
        ),
        Known::words(
            "state",
            &["open", "provisional", "settled"],
            "Windows in one of these states when they were read.",
        ),
    ];
    known.extend(time_parameters());
    known.extend(page_parameters());
    known
}

documented_parameters! {
    CoverageParameters: known,
}

/// A window that was read completely.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Coverage)]
struct CoverageBody {
    /// The number of the account.
    account_id: i64,
    /// The surface.
    endpoint: &'static str,
    /// The begin of the window.
    window_start: String,
    /// The end of the window.
    window_end: String,
    /// `open`, `provisional` or `settled`: how far the window had gone when it was read.
    state: &'static str,
    /// The projects that were asked for; none is every one.
    projects: Vec<String>,
    /// The dimensions that the rows are grouped by.
    grouped_by: Vec<String>,
    /// Dimensions that the provider refused to group by.
    refused_dimensions: Vec<String>,
    /// Dimensions that were asked for and null in every row of the read.
    empty_dimensions: Vec<String>,
    /// How many events the read found; 0 is a window without usage.
    event_count: i64,
    /// When the read began.
    read_started_at: String,
    /// When it was stored.
    stored_at: String,
    /// When the first complete read behind the window's end began; later changes are restatements.
    #[schema(required)]
    first_closed_at: Option<String>,
    /// The run that read it last.
    run_id: i64,
}

impl CoverageBody {
    fn new(covered: &Coverage) -> Self {
        let names = |set: DimensionSet| set.iter().map(dimension_name).collect();
        Self {
            account_id: covered.account_id,
            endpoint: covered.endpoint.as_str(),
            window_start: format_instant(covered.window.start()),
            window_end: format_instant(covered.window.end()),
            state: covered.state.as_str(),
            projects: covered.filter.ids().map(str::to_owned).collect(),
            grouped_by: names(covered.grouped_by),
            refused_dimensions: names(covered.refused),
            empty_dimensions: names(covered.empty),
            event_count: covered.event_count,
            read_started_at: format_instant(covered.read_started_at),
            stored_at: format_instant(covered.stored_at),
            first_closed_at: covered.first_closed_at.map(format_instant),
            run_id: covered.run_id,
        }
    }
}

/// A page of coverage.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CoveragePageBody {
    /// The windows, by account, surface and time. One that is not there was never read.
    windows: Vec<CoverageBody>,
    /// `cursor` of the next page; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Windows that were read completely.
#[utoipa::path(
    get,
    path = "/api/coverage",
    tag = "proofs",
    params(CoverageParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that is at hand.")),
    responses(
        (status = 200, description = "A page.", body = CoveragePageBody, headers(("ETag" = String))),
        (status = 304, description = "The answer at hand still holds."),
        ScopedProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &known())?;
    let scope = parameters.scope(&state.ledger, &caller).await?;
    let width = match parameters.get("width") {
        Some("1h") => Width::Hour,
        Some("1m") => Width::Minute,
        _ => Width::Day,
    };
    let (start, end) = parameters.range()?;
    let windows = windows(width, start, end)?;
    let after: Option<Place> = parameters.cursor()?;
    let etag = Etag::of(&state.ledger, &scope, query.as_deref().unwrap_or_default()).await?;
    if let Some(unchanged) = etag.unchanged(&headers) {
        return Ok(unchanged);
    }
    let endpoints: Vec<&str> = parameters.all("endpoint").collect();
    let states: Vec<&str> = parameters.all("state").collect();
    let asked = |values: &[&str], value: &str| values.is_empty() || values.contains(&value);
    let coverage = state
        .ledger
        .coverage(CoverageQuery {
            scope,
            endpoint: None,
            windows: Some(windows),
        })
        .await?;
    let mut found: Vec<(Place, Coverage)> = coverage
        .into_iter()
        .filter(|covered| asked(&endpoints, covered.endpoint.as_str()))
        .filter(|covered| asked(&states, covered.state.as_str()))
        .filter(|covered| start.is_none_or(|start| start <= covered.window.start()))
        .filter(|covered| end.is_none_or(|end| covered.window.start() < end))
        .map(|covered| (Place::of(&covered), covered))
        .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
        .collect();
    found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    let limit = parameters.limit();
    let more = found.len() > limit;
    found.truncate(limit);
    let body = CoveragePageBody {
        windows: found
            .iter()
            .map(|(_, covered)| CoverageBody::new(covered))
            .collect(),
        next_cursor: found.last().filter(|_| more).map(|(place, _)| place.to_string()),
    };
    Ok(etag.on(json(StatusCode::OK, &body)?))
}

/// The windows of a width that a range may have.
pub(super) fn windows(
    width: Width,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
) -> Result<WindowRange, ApiError> {
    let seconds = width.seconds();
    if width != Width::Day {
        let count = match (start, end) {
            (Some(start), Some(end)) => (end - start).num_seconds() / seconds,
            _ => i64::MAX,
        };
        if count > MOST_WINDOWS {
            return Err(ApiError::bad_request(format!(
                "width: give `from` and `to` with at most {MOST_WINDOWS} windows between them"
            )));
        }
    }
    let bounds = |at: Option<DateTime<Utc>>, otherwise: i64| {
        at.map_or(otherwise, |at| at.timestamp()).clamp(EVER[0], EVER[1])
    };
    let first = bounds(start, EVER[0]).div_euclid(seconds) * seconds;
    let last = (bounds(end, EVER[1]) + seconds - 1).div_euclid(seconds) * seconds;
    let instant = |at: i64| DateTime::from_timestamp(at, 0).unwrap_or_default();
    // A range beyond every ledger is a range without windows, and one window more does no harm.
    let last = last.max(first + seconds);
    WindowRange::new(instant(first), instant(last), width)
        .map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Where a window stands in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    account: i64,
    endpoint: String,
    start: i64,
    /// Of the projects that were asked for.
    filter: String,
}

impl Place {
    fn of(covered: &Coverage) -> Self {
        Self {
            account: covered.account_id,
            endpoint: covered.endpoint.as_str().to_owned(),
            start: covered.window.start_unix(),
            filter: blake3::hash(covered.filter.canonical().as_bytes()).to_hex()[..16].to_owned(),
        }
    }

    fn key(&self) -> (i64, &str, i64, &str) {
        (self.account, &self.endpoint, self.start, &self.filter)
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.account, self.endpoint, self.start, self.filter
        )
    }
}

/// The text is no place that a page ended with.
struct UnknownPlace;

impl FromStr for Place {
    type Err = UnknownPlace;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('.').collect();
        let [account, endpoint, start, filter] = parts[..] else {
            return Err(UnknownPlace);
        };
        let endpoint: Endpoint = endpoint.parse().map_err(|_| UnknownPlace)?;
        if filter.len() != 16 || !filter.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(UnknownPlace);
        }
        Ok(Self {
            account: account.parse().map_err(|_| UnknownPlace)?,
            endpoint: endpoint.as_str().to_owned(),
            start: start.parse().map_err(|_| UnknownPlace)?,
            filter: filter.to_owned(),
        })
    }
}
