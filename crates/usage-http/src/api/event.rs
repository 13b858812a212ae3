//! Usage events as the API has them: the fields of exports, and their history.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::Serialize;
use usage_core::{Dimension, Metric, format_instant};
use usage_parity::event_lines::{EventFields, PriceFields, camel_case};
use usage_store::StoredEvent;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One usage event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventBody<'a> {
    account_id: i64,
    #[serde(flatten)]
    fields: EventFields<'a>,
    revision: i64,
    first_stored_at: String,
    last_restated_at: Option<String>,
    run_id: i64,
}

impl<'a> EventBody<'a> {
    pub(super) fn new(
        stored: &'a StoredEvent,
        price: &'a PriceFields<'_>,
        last_restated_at: Option<DateTime<Utc>>,
    ) -> Self {
        Self {
            account_id: stored.account_id,
            fields: EventFields::new(&stored.event, price),
            revision: stored.revision,
            first_stored_at: format_instant(stored.first_stored_at),
            last_restated_at: last_restated_at.map(format_instant),
            run_id: stored.run_id,
        }
    }
}

/// [`EventBody`] in the document, with the fields of a usage event, however many there are.
pub(super) struct EventSchema;

impl PartialSchema for EventSchema {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new()
            .description(Some(
                "One usage event: an account, a surface, a window and a set of dimensions.",
            ))
            .property("accountId", integer(false))
            .required("accountId");
        for name in ["provider", "account", "endpoint"] {
            object = object.property(name, text(false)).required(name);
        }
        for name in ["windowStart", "windowEnd"] {
            object = object.property(name, time(false)).required(name);
        }
        for dimension in Dimension::USAGE {
            let name = camel_case(dimension.as_str());
            object = object.property(&name, dimension_value(dimension)).required(name);
        }
        for metric in Metric::ALL {
            let name = camel_case(metric.as_str());
            object = object.property(&name, integer(true)).required(name);
        }
        for name in ["costUsd", "priceId", "catalogueVersion", "unpricedReason"] {
            object = object.property(name, text(true)).required(name);
        }
        object
            .property("revision", integer(false))
            .required("revision")
            .property("firstStoredAt", time(false))
            .required("firstStoredAt")
            .property("lastRestatedAt", time(true))
            .required("lastRestatedAt")
            .property("runId", integer(false))
            .required("runId")
            .into()
    }
}

impl ToSchema for EventSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UsageEvent")
    }
}

/// The value of a dimension.
pub(super) fn dimension_value(dimension: Dimension) -> ObjectBuilder {
    match dimension {
        Dimension::Batch => ObjectBuilder::new().schema_type(nullable(Type::Boolean, true)),
        _ => text(true),
    }
}

fn text(is_nullable: bool) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(nullable(Type::String, is_nullable))
}

fn time(is_nullable: bool) -> ObjectBuilder {
    text(is_nullable).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
}

/// A whole number.
pub(super) fn integer(is_nullable: bool) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(nullable(Type::Integer, is_nullable))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}

fn nullable(kind: Type, is_nullable: bool) -> SchemaType {
    if is_nullable {
        SchemaType::Array(vec![kind, Type::Null])
    } else {
        SchemaType::new(kind)
    }
}
