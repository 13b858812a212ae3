//! The document of the API, as `OpenAPI` has it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse as _;
use axum::routing::get;
use serde::Serialize;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, ToSchema};

use crate::dashboard::SESSION;
use crate::routes;

const ABOUT: &str = "What an organisation used of LLM APIs, as its ledger has it. Times are RFC 3339 in UTC, days are UTC days, \
    money is decimal text in US dollars, tokens are whole numbers, and `null` is unknown, never zero. Costs of usage are \
    estimates by the price list.";
const PROBLEM: &str = "application/problem+json";

/// The document without the calls.
pub(super) fn head() -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Usage ledger")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT))
                .build(),
        )
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let cookie = ApiKeyValue::with_description(
        SESSION,
        "Of somebody who is signed in to the dashboard; for reading.",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    components.add_security_scheme(
        "cronSecret",
        SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
    );
    components.schemas.insert(
        ProblemDocument::name().into_owned(),
        <ProblemDocument as utoipa::PartialSchema>::schema(),
    );
    document.merge(routes::document());
    document
}

/// The document with a name for each call, which generated clients call it by: its method and its path. What is read with a token
/// is also read with a session.
pub(super) fn with_names(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let security = item.get.as_mut().and_then(|read| read.security.as_mut());
        if let Some(ways_in) = security
            && ways_in.contains(&SecurityRequirement::new("token", [""; 0]))
        {
            ways_in.push(SecurityRequirement::new("session", [""; 0]));
        }
        let name: String = path
            .split(['/', '-', '.', '{', '}'])
            .filter(|part| !part.is_empty())
            .map(capitalized)
            .collect();
        for (method, operation) in [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ] {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}{name}"));
            }
        }
    }
    document
}

fn capitalized(word: &str) -> String {
    let mut word = word.to_owned();
    if let Some(initial) = word.get_mut(..1) {
        initial.make_ascii_uppercase();
    }
    word
}

/// The route that tells of all others, to everybody: it holds no data.
pub(super) fn router(document: &OpenApi) -> Router {
    let text = document.to_json().unwrap_or_else(|error| {
        // A document made of texts and numbers always has a form in JSON.
        tracing::error!("the OpenAPI document could not be written down: {error}");
        String::new()
    });
    let text = Bytes::from(text);
    Router::new().route(
        "/api/openapi.json",
        get(async move || {
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
            (headers, text).into_response()
        }),
    )
}

/// What went wrong, as RFC 9457 has it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// What kind of problem it is, in a few words.
    title: String,
    /// The status of the response.
    status: u16,
    /// What is wrong and what to do.
    detail: Option<String>,
    /// The id of the request, under which the server's log has more.
    request_id: Option<String>,
}

/// Makes a type of some statuses that are problem documents.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: [$($status:literal),+],)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    [$($status),+].into_iter().map(problem).collect()
                }
            }
        )+
    };
}

problems! {
    /// What every call may answer.
    CallProblems: [400, 401, 403, 408, 413, 429, 500, 503],
    /// What a call about some accounts, or one thing, may answer, too.
    ScopedProblems: [400, 401, 403, 404, 408, 413, 429, 500, 503],
    /// What a change may answer.
    ChangeProblems: [400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503],
    /// What a route that anybody may ask may answer.
    OpenProblems: [400, 408, 413, 500, 503],
}

fn problem(status: u16) -> (String, RefOr<Response>) {
    let meaning = match status {
        400 => "A parameter, or the body, makes no sense; `detail` says which and why.",
        401 => "No valid token was presented.",
        403 => "The token's role, or its accounts, do not suffice.",
        404 => "There is no such thing, or the token does not see it.",
        408 => "The body took too long to arrive.",
        409 => "It cannot be done as things stand; `detail` says why.",
        413 => "The body is too large.",
        415 => "The body is not said to be JSON.",
        422 => "The provider, or the ledger, refuses it; `detail` says why.",
        429 => {
            "The token asks too often, or too many wrong ones were presented; `Retry-After` says how many seconds to wait."
        }
        503 => {
            "The database does not answer or is busy, then with `Retry-After`; or the answer took too long."
        }
        _ => "The server failed; its log says why.",
    };
    let schema = Ref::from_schema_name(ProblemDocument::name());
    let response = ResponseBuilder::new()
        .description(meaning)
        .content(PROBLEM, ContentBuilder::new().schema(Some(schema)).build())
        .build();
    (status.to_string(), response.into())
}
