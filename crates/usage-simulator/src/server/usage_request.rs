//! What a request for usage or costs asks for, checked against the surface.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, Utc};
use usage_core::{Dimension, DimensionSet, Width, Window, WindowRange};

use super::api_error::ApiError;
use super::cursor::Cursor;
use super::key::KeyAccess;
use super::parameters::Parameters;
use super::shared::{CostSettings, Settings};
use super::surface::Surface;
use crate::organization::{Filter, Selection};

/// A request that may be answered.
pub(super) struct UsageRequest {
    pub(super) selection: Selection,
    /// The buckets of this page; `None` if there is none.
    pub(super) page: Option<WindowRange>,
    /// The cursor of the page after it.
    pub(super) next_page: Option<String>,
}

/// The parameters as sent, with defaults filled in.
struct Asked {
    start: i64,
    end: Option<i64>,
    width: Width,
    limit: i64,
    page: Option<String>,
    group_by: DimensionSet,
    filters: Vec<Filter>,
}

impl UsageRequest {
    /// Takes a query apart. `now` is in Unix seconds.
    pub(super) fn parse(
        surface: &Surface,
        query: Option<&str>,
        settings: &Settings,
        access: &KeyAccess,
        now: i64,
    ) -> Result<Self, ApiError> {
        let asked = Asked::parse(surface, query, settings)?;
        check_projects(access, &asked.filters)?;
        check_api_keys(surface, &asked, &settings.costs)?;
        let first = Window::containing(instant(asked.start)?, asked.width).start_unix();
        let cursor = match &asked.page {
            Some(text) => Cursor::decode(text, &asked.identity(surface))?,
            None => Cursor {
                end: asked.end.unwrap_or(now),
                next: first,
            },
        };

        // A bucket is on show if it starts before the end and has begun.
        let after_last = cursor.end.min(now.saturating_add(1));
        let step = asked.width.seconds();
        let page_end = cursor.next.saturating_add(step.saturating_mul(asked.limit));
        let next_page = (page_end < after_last).then(|| {
            let next = Cursor {
                end: cursor.end,
                next: page_end,
            };
            next.encode(&asked.identity(surface))
        });
        let page_end = page_end.min(after_last);
        let page = if cursor.next < page_end {
            let (start, end) = (instant(cursor.next)?, instant(page_end)?);
            WindowRange::covering(start, end, asked.width).ok()
        } else {
            None
        };
        Ok(Self {
            selection: Selection {
                group_by: asked.group_by,
                filters: asked.filters,
                now,
            },
            page,
            next_page,
        })
    }

    /// The first UTC day of the page.
    pub(super) fn first_day(&self) -> Option<NaiveDate> {
        self.page.map(|page| page.start().date_naive())
    }
}

impl Asked {
    fn parse(surface: &Surface, query: Option<&str>, settings: &Settings) -> Result<Self, ApiError> {
        let mut parameters = Parameters::new(query, &settings.array_encodings);
        let start = parameters.integer("start_time")?;
        let end = parameters.integer("end_time")?;
        let width = parameters.text("bucket_width")?;
        let limit = parameters.integer("limit")?;
        let page = parameters.text("page")?;
        let group_by = parameters.array("group_by")?;
        let mut filters = Vec::new();
        for parameter in surface.filters {
            let any_of = if parameter.dimension == Dimension::LineItem {
                parameters.array_of_phrases(parameter.name)?
            } else {
                parameters.array(parameter.name)?
            };
            let known = parameter.values;
            let is_listed = |value: &String| known.is_empty() || known.contains(&value.as_str());
            if let Some(value) = any_of.iter().find(|value| !is_listed(value)) {
                return Err(ApiError::unsupported_value(parameter.name, value, known));
            }
            if !any_of.is_empty() {
                filters.push(Filter {
                    dimension: parameter.dimension,
                    any_of,
                });
            }
        }
        if surface.has_batch_filter
            && let Some(batch) = parameters.boolean("batch")?
        {
            filters.push(Filter {
                dimension: Dimension::Batch,
                any_of: vec![batch.to_string()],
            });
        }
        parameters.finish()?;

        let start =
            start.ok_or_else(|| ApiError::bad_request("Missing required parameter: 'start_time'."))?;
        instant(start)?;
        if end.is_some_and(|end| end <= start) {
            return Err(ApiError::invalid(
                "end_time",
                "invalid_request_error",
                "'end_time' must be after 'start_time'.",
            ));
        }
        let (width, limit) = page_size(surface, width.as_deref(), limit)?;
        Ok(Self {
            start,
            end,
            width,
            limit,
            page,
            group_by: grouping(surface, &group_by, settings.refused_dimensions)?,
            filters,
        })
    }

    /// What a cursor is bound to: everything but the cursor.
    fn identity(&self, surface: &Surface) -> String {
        let mut identity = format!(
            "{} {} {:?} {} {} {}",
            surface.path, self.start, self.end, self.width, self.limit, self.group_by
        );
        for filter in &self.filters {
            let mut any_of = filter.any_of.clone();
            any_of.sort_unstable();
            // Writing to a `String` cannot fail.
            let _ = write!(identity, " {}={any_of:?}", filter.dimension);
        }
        identity
    }
}

fn page_size(surface: &Surface, width: Option<&str>, limit: Option<i64>) -> Result<(Width, i64), ApiError> {
    let wanted = width.unwrap_or("1d");
    let size = surface
        .widths
        .iter()
        .find(|size| size.width.as_str() == wanted)
        .ok_or_else(|| {
            let supported: Vec<&str> = surface.widths.iter().map(|size| size.width.as_str()).collect();
            ApiError::unsupported_value("bucket_width", wanted, &supported)
        })?;
    let limit = limit.unwrap_or(size.default);
    if limit < 1 {
        return Err(ApiError::bad_request("Limit must be greater than or equal to 1."));
    }
    if limit > size.most {
        let message = format!("Limit must be less than or equal to {}.", size.most);
        return Err(ApiError::bad_request(message));
    }
    Ok((size.width, limit))
}

fn grouping(surface: &Surface, names: &[String], refused: DimensionSet) -> Result<DimensionSet, ApiError> {
    let offered = || {
        surface
            .dimensions
            .iter()
            .filter(|dimension| !refused.contains(**dimension))
    };
    names
        .iter()
        .map(|name| {
            offered()
                .find(|dimension| dimension.as_str() == name)
                .copied()
                .ok_or_else(|| {
                    let supported: Vec<&str> = offered().map(|dimension| dimension.as_str()).collect();
                    ApiError::unsupported_value("group_by", name, &supported)
                })
        })
        .collect()
}

/// A key restricted to projects must ask for projects, and only for those it may read.
fn check_projects(access: &KeyAccess, filters: &[Filter]) -> Result<(), ApiError> {
    if *access == KeyAccess::Everything {
        return Ok(());
    }
    let asked = filters
        .iter()
        .find(|filter| filter.dimension == Dimension::ProjectId)
        .ok_or_else(|| {
            ApiError::forbidden(
                "You have insufficient permissions for this operation. This key is restricted to projects: give \
                 project_ids.",
            )
        })?;
    match asked.any_of.iter().find(|id| !access.allows(id)) {
        Some(id) => Err(ApiError::forbidden(format!(
            "You have insufficient permissions for this operation. This key may not read the project '{id}'."
        ))),
        None => Ok(()),
    }
}

/// Costs were not kept by API key before some day.
fn check_api_keys(surface: &Surface, asked: &Asked, settings: &CostSettings) -> Result<(), ApiError> {
    let since = settings.api_keys_since;
    let is_kept = !surface.is_costs() || asked.start >= since;
    if is_kept || !asked.group_by.contains(Dimension::ApiKeyId) {
        return Ok(());
    }
    let hint = if settings.names_api_keys_since {
        format!(" Try a start_time on or after {since}.")
    } else {
        String::new()
    };
    let message = format!("group_by=api_key_id is not available for this time range.{hint}");
    Err(ApiError::invalid("start_time", "invalid_request_error", message))
}

fn instant(seconds: i64) -> Result<DateTime<Utc>, ApiError> {
    // The calendar ends later, but no client means the year 10,000.
    const YEAR_10_000: i64 = 253_402_300_800;
    DateTime::from_timestamp(seconds, 0)
        .filter(|_| (0..YEAR_10_000).contains(&seconds))
        .ok_or_else(|| {
            let message = format!("Invalid value for 'start_time': {seconds} is not a time in Unix seconds.");
            ApiError::invalid("start_time", "invalid_value", message)
        })
}
