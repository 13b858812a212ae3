//! `/api/usage/summary`: sums of usage.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use usage_core::{Dimension, Metric, Metrics, NanoUsd, TokenSplit, format_instant};
use usage_parity::event_lines::camel_case;
use usage_store::{Period, SummaryBy, SummaryQuery, SummaryRow, UsageSums};
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::ApiState;
use super::answer::{Etag, json};
use super::document::ScopedProblems;
use super::error::ApiError;
use super::event::{dimension_value, integer};
use super::parameters::{Known, Parameters, dimension_name, documented_parameters, filter_parameters};
use crate::access::Caller;

const ACCOUNT: &str = "account";
const ENDPOINT: &str = "endpoint";

fn known() -> Vec<Known> {
    let names = Dimension::USAGE.map(dimension_name);
    let mut by: Vec<&str> = vec![ACCOUNT, ENDPOINT];
    by.extend(names.iter().map(String::as_str));
    let mut known = filter_parameters();
    known.push(Known::words(
        "by",
        &by,
        "What sums are told apart by; everything is one sum unless given.",
    ));
    known.push(Known::word(
        "period",
        &["day", "week", "month"],
        "Sums for each UTC day, ISO week (from Monday on) or month.",
    ));
    known
}

documented_parameters! {
    SummaryParameters: known,
}

/// Sums of usage.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SummaryBody {
    /// The sums, by period and then by what they are told apart by. What had no usage has no sum.
    rows: Vec<SumBody>,
}

/// One sum.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UsageSum)]
struct SumBody {
    /// The begin of the period; null without one.
    #[schema(required)]
    period_start: Option<String>,
    /// The values that the sum is of: `account` is the number of an account, and null stands for usage without a value.
    #[schema(value_type = GroupSchema)]
    group: BTreeMap<String, Value>,
    /// How many events.
    events: u64,
    /// How many of them have no price, so that their cost is not in the sum.
    unpriced_events: u64,
    /// What the others cost by the price list, in US dollars; null if none has a price.
    #[schema(required, value_type = Option<String>)]
    estimated_cost_usd: Option<NanoUsd>,
    /// The sums of the reported metrics.
    #[schema(value_type = MetricsSchema)]
    metrics: Metrics,
    /// The sums of the tokens in classes that never overlap; each over the events of which it is known.
    #[schema(value_type = TokensSchema)]
    tokens: TokenSplit,
}

impl SumBody {
    fn new(row: SummaryRow) -> Self {
        let mut group = BTreeMap::new();
        if let Some(id) = row.account_id {
            group.insert(ACCOUNT.to_owned(), Value::from(id));
        }
        if let Some(endpoint) = row.endpoint {
            group.insert(ENDPOINT.to_owned(), Value::from(endpoint.as_str()));
        }
        for (dimension, value) in row.dimensions {
            let value = match (dimension, value.as_deref()) {
                (Dimension::Batch, Some(text)) => Value::from(text == "true"),
                (_, text) => text.map_or(Value::Null, Value::from),
            };
            group.insert(dimension_name(dimension), value);
        }
        let UsageSums {
            events,
            unpriced,
            cost,
            metrics,
            split,
        } = row.sums;
        Self {
            period_start: row.period_start.map(format_instant),
            group,
            events,
            unpriced_events: unpriced,
            estimated_cost_usd: (unpriced < events).then_some(cost),
            metrics,
            tokens: split,
        }
    }
}

/// What a sum may be of, in the document.
struct GroupSchema;

impl PartialSchema for GroupSchema {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new().property(ACCOUNT, integer(false)).property(
            ENDPOINT,
            ObjectBuilder::new().schema_type(utoipa::openapi::Type::String),
        );
        for dimension in Dimension::USAGE {
            object = object.property(dimension_name(dimension), dimension_value(dimension));
        }
        object.into()
    }
}

impl ToSchema for GroupSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("SummaryGroup")
    }
}

/// The reported metrics, in the document.
pub(super) struct MetricsSchema;

impl PartialSchema for MetricsSchema {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new();
        for metric in Metric::ALL {
            let name = camel_case(metric.as_str());
            object = object.property(&name, integer(true)).required(name);
        }
        object.into()
    }
}

impl ToSchema for MetricsSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Metrics")
    }
}

/// The token split, in the document.
struct TokensSchema;

impl PartialSchema for TokensSchema {
    fn schema() -> RefOr<Schema> {
        let modalities = || {
            ["text", "audio", "image"]
                .into_iter()
                .fold(ObjectBuilder::new(), |object, name| {
                    object.property(name, integer(true)).required(name)
                })
        };
        let mut object = ObjectBuilder::new();
        for name in ["uncached", "cachedRead", "cacheWrite", "output"] {
            object = object.property(name, integer(true)).required(name);
        }
        for name in ["uncachedByModality", "cachedReadByModality", "outputByModality"] {
            object = object.property(name, modalities()).required(name);
        }
        object.into()
    }
}

impl ToSchema for TokensSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("TokenSplit")
    }
}

/// Sums of usage.
#[utoipa::path(
    get,
    path = "/api/usage/summary",
    tag = "usage",
    params(SummaryParameters, ("If-None-Match" = Option<String>, Header, description = "The ETag of an answer that is at hand.")),
    responses(
        (status = 200, description = "The sums.", body = SummaryBody, headers(("ETag" = String))),
        (status = 304, description = "The answer at hand still holds."),
        ScopedProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn summary(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &known())?;
    let filter = parameters.filter(&state.ledger, &caller).await?;
    let etag = Etag::of(&state.ledger, &filter.scope, query.as_deref().unwrap_or_default()).await?;
    if let Some(unchanged) = etag.unchanged(&headers) {
        return Ok(unchanged);
    }
    let by = parameters.all("by").filter_map(|text| match text {
        ACCOUNT => Some(SummaryBy::Account),
        ENDPOINT => Some(SummaryBy::Endpoint),
        text => {
            let known = Dimension::USAGE
                .into_iter()
                .find(|known| dimension_name(*known) == text);
            known.map(SummaryBy::Dimension)
        }
    });
    let rows = state
        .ledger
        .usage_summary(SummaryQuery {
            filter,
            by: by.collect(),
            period: parameters.get("period").and_then(|text| match text {
                "day" => Some(Period::Day),
                "week" => Some(Period::IsoWeek),
                "month" => Some(Period::Month),
                _ => None,
            }),
        })
        .await?;
    let rows = rows.into_iter().map(SumBody::new).collect();
    Ok(etag.on(json(StatusCode::OK, &SummaryBody { rows })?))
}
