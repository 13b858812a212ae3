//! The two layers that let faults happen.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use serde_json::Value;

use super::chosen::Chosen;
use super::connection::{Connection, Ending};
use super::{bodies, gzip, page, refusals};
use crate::faults::Fault;
use crate::server::api_error::ApiError;
use crate::server::shared::{Shared, http_date};

/// Chooses the faults of a request, and spoils the way of the answer to the client. Everything that is logged is
/// inside of it, so that a request without an answer is logged too.
pub(in crate::server) async fn outer(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let chosen = Chosen::meet(&shared, &request);
    let connection = request.extensions().get::<ConnectInfo<Connection>>().cloned();
    let shift = chosen.as_ref().map(Chosen::clock_shift).unwrap_or_default();
    if let Some(chosen) = &chosen {
        request.extensions_mut().insert(shift);
        request.extensions_mut().insert(chosen.clone());
    }
    let mut response = next.run(request).await;
    let date = http_date(shared.clock.now() + TimeDelta::seconds(shift.0));
    set(&mut response, DATE, &date);
    if let Some(chosen) = chosen
        && let Some(ConnectInfo(connection)) = connection
        && let Some(fault) = chosen.faults.iter().find(|fault| is_of_transport(**fault))
    {
        return spoil(*fault, response, &shared, &connection).await;
    }
    response
}

/// Refuses, or lets answer and changes what is said.
pub(in crate::server) async fn inner(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(chosen) = request.extensions().get::<Chosen>().cloned() else {
        return next.run(request).await;
    };
    if let Some(refusal) = refusals::refusal(&chosen, &shared, &request) {
        return refusal;
    }
    if chosen.is_repeated() {
        let target = format!("{}?{}", request.uri().path(), chosen.query_without_page());
        match target.parse::<PathAndQuery>() {
            Ok(target) => *request.uri_mut() = Uri::from(target),
            Err(error) => return ApiError::internal(&error.to_string()).into_response(),
        }
    }
    let response = next.run(request).await;
    if response.status() != StatusCode::OK {
        return response;
    }
    for fault in &chosen.faults {
        if let Fault::Restatement(percent) = fault {
            let mut organization = shared.organization_mut();
            if chosen.surface.is_costs() {
                organization.restate_all_costs(*percent);
            } else {
                organization
                    .usage_mut(chosen.surface.endpoint)
                    .scale_all(*percent);
            }
        }
    }
    if chosen.faults.iter().any(|fault| page::changes(*fault)) {
        return rewrite(&chosen, response).await.unwrap_or_else(|error| {
            let message = format!("the fault could not be put into the page: {error}");
            ApiError::internal(&message).into_response()
        });
    }
    response
}

async fn rewrite(chosen: &Chosen, response: Response) -> Result<Response, Box<dyn std::error::Error>> {
    let (parts, body) = response.into_parts();
    let mut json: Value = serde_json::from_slice(&to_bytes(body, usize::MAX).await?)?;
    for fault in &chosen.faults {
        page::change(*fault, &mut json, chosen);
    }
    Ok(Response::from_parts(parts, Body::from(page::spell(&json)?)))
}

const fn is_of_transport(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::ResetBeforeBody
            | Fault::ResetInsideBody
            | Fault::ShortBody
            | Fault::TruncatedJson
            | Fault::InvalidJson
            | Fault::Html
            | Fault::Gzip
            | Fault::CorruptGzip
            | Fault::GzipBomb
            | Fault::SlowBytes
            | Fault::Silence
            | Fault::HugeBody
    )
}

async fn spoil(fault: Fault, response: Response, shared: &Shared, connection: &Connection) -> Response {
    let (parts, body) = response.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => return ApiError::internal(&error.to_string()).into_response(),
    };
    let mut response = Response::from_parts(parts, Body::empty());
    let length = body.len();
    let compressed = |mut response: Response, bytes: Vec<u8>| {
        set(&mut response, CONTENT_ENCODING, "gzip");
        set(&mut response, CONTENT_LENGTH, &bytes.len().to_string());
        response.map(|_| Body::from(bytes))
    };
    match fault {
        Fault::ResetBeforeBody => {
            connection.end(Ending::ResetNow);
            response
        }
        Fault::ResetInsideBody => half(response, &body, connection, Ending::ResetAfterFlush),
        Fault::ShortBody => half(response, &body, connection, Ending::CloseAfterFlush),
        Fault::TruncatedJson => sized(response, body.slice(..length / 2)),
        Fault::InvalidJson => sized(response, body.slice(1.min(length)..)),
        Fault::Html => {
            set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
            *response.status_mut() = StatusCode::OK;
            let html =
                "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body></body></html>\n";
            sized(response, Bytes::from_static(html.as_bytes()))
        }
        Fault::Gzip => compressed(response, gzip::stored(&body)),
        Fault::CorruptGzip => compressed(response, gzip::corrupt(&body)),
        Fault::GzipBomb => compressed(response, gzip::bomb(&body)),
        Fault::SlowBytes => {
            set(&mut response, CONTENT_LENGTH, &length.to_string());
            response.map(|_| bodies::slowly(body, shared.stopping()))
        }
        Fault::HugeBody => {
            let length = bodies::HUGE + length as u64;
            set(&mut response, CONTENT_LENGTH, &length.to_string());
            response.map(|_| bodies::huge(body, shared.stopping()))
        }
        Fault::Silence => {
            shared.stopping().await;
            sized(response, body)
        }
        _ => sized(response, body),
    }
}

fn half(mut response: Response, body: &Bytes, connection: &Connection, ending: Ending) -> Response {
    set(&mut response, CONTENT_LENGTH, &body.len().to_string());
    response.map(|_| bodies::first_half(body, connection.clone(), ending))
}

fn sized(mut response: Response, body: Bytes) -> Response {
    set(&mut response, CONTENT_LENGTH, &body.len().to_string());
    response.map(|_| Body::from(body))
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
