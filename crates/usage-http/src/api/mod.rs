//! The API: the ledger for programs. Every route, and the document that describes them, comes from the same list.

mod accounts;
mod answer;
mod body;
mod coverage;
mod document;
mod error;
mod event;
mod export;
mod keys;
mod parameters;
mod prices;
mod proofs;
mod revisions;
mod runs;
mod summary;
mod tokens;
mod usage;

use std::sync::Arc;

use axum::Router;
use tokio_util::task::TaskTracker;
use usage_core::Clock;
use usage_store::Ledger;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::document::OpenProblems;
pub(crate) use self::error::{ASK_AGAIN, ApiError};
pub(crate) use self::prices::PriceCache;
use crate::access::{Guesses, RateLimit, Uses};
use crate::dashboard::{DashboardOperations, Sessions};

/// What the calls work with.
#[derive(Clone)]
pub(crate) struct ApiState {
    pub(crate) ledger: Ledger,
    pub(crate) operations: Arc<dyn DashboardOperations>,
    pub(crate) sessions: Sessions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rate_limit: Arc<RateLimit>,
    pub(crate) guesses: Arc<Guesses>,
    pub(crate) uses: Arc<Uses>,
    pub(crate) prices: Arc<PriceCache>,
    /// What goes on after an answer.
    pub(crate) tasks: TaskTracker,
}

/// Every call, and `/api/openapi.json`, which tells of each.
pub(crate) fn router(state: ApiState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(document::head())
        .routes(routes!(usage::list, usage::start))
        .routes(routes!(summary::summary))
        .routes(routes!(export::export))
        .routes(routes!(keys::list, keys::add))
        .routes(routes!(keys::get, keys::change, keys::remove))
        .routes(routes!(keys::check))
        .routes(routes!(tokens::list, tokens::add))
        .routes(routes!(tokens::revoke))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(coverage::list))
        .routes(routes!(revisions::list))
        .routes(routes!(proofs::parity))
        .routes(routes!(proofs::reconciliation))
        .routes(routes!(accounts::unpriced))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::names))
        .with_state(state)
        .split_for_parts();
    router.merge(document::router(&document::with_names(document)))
}
