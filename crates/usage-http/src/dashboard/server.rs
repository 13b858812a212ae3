//! The routes of the dashboard.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use secrecy::SecretString;
use tokio_util::task::TaskTracker;
use usage_core::Clock;
use usage_store::{ApiToken, Ledger, StoreError};

use super::assets::asset;
use super::operations::DashboardOperations;
use super::query::Query;
use super::session::Sessions;
use super::views::{KeptFacts, access, budgets, explore, overview, proofs, restatements, runs};
use super::visitor::{Failed, Visitor};
use crate::access::{Guesses, RateLimit, Uses};

/// What the pages are made of.
#[derive(Clone)]
pub(crate) struct DashboardState {
    pub(crate) ledger: Ledger,
    pub(crate) operations: Arc<dyn DashboardOperations>,
    pub(crate) sessions: Sessions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rate_limit: Arc<RateLimit>,
    pub(crate) guesses: Arc<Guesses>,
    pub(crate) uses: Arc<Uses>,
    /// What goes on after an answer.
    pub(crate) tasks: TaskTracker,
    /// What the latest reports came to.
    pub(crate) facts: Arc<KeptFacts>,
}

impl DashboardState {
    /// The token of this number, if the ledger has it; that it was used is noted meanwhile.
    pub(crate) async fn token(&self, id: i64) -> Result<Option<ApiToken>, StoreError> {
        let tokens = self.ledger.api_tokens().await?;
        let Some(token) = tokens.into_iter().find(|token| token.id == id) else {
            return Ok(None);
        };
        self.uses
            .note(&self.ledger, &self.tasks, &token, self.clock.now());
        Ok(Some(token))
    }
}

/// Signs in, unless others presented too many wrong tokens before.
async fn sign_in(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let sent = Query::parse(&body);
    let secret = SecretString::from(sent.get("token").unwrap_or_default().trim());
    if let Err(seconds) = state.guesses.take(&secret) {
        return visitor.answer(Err(Failed::TooMany(seconds)));
    }
    let guesses = state.guesses.clone();
    let response = access::signing::sign_in(State(state), visitor, body).await;
    match response.status() {
        StatusCode::SEE_OTHER => guesses.was_right(&secret),
        StatusCode::UNAUTHORIZED => guesses.was_wrong(&secret),
        _ => {}
    }
    response
}

/// Every page.
pub(crate) fn router(state: DashboardState) -> Router {
    Router::new()
        .route("/", get(overview::overview))
        .route("/explore", get(explore::explore))
        .route("/restatements", get(restatements::restatements))
        .route("/runs", get(runs::runs).post(runs::start))
        .route("/runs/{id}", get(runs::run))
        .route("/parity", get(proofs::parity))
        .route("/reconciliation", get(proofs::reconciliation))
        .route("/budgets", get(budgets::budgets))
        .route("/keys", get(access::keys::list).post(access::keys::add))
        .route("/keys/{id}/check", post(access::keys::check))
        .route(
            "/keys/{id}/rotate",
            get(access::keys::ask_rotate).post(access::keys::rotate),
        )
        .route(
            "/keys/{id}/remove",
            get(access::keys::ask_remove).post(access::keys::remove),
        )
        .route("/tokens", get(access::tokens::list).post(access::tokens::make))
        .route(
            "/tokens/{id}/revoke",
            get(access::tokens::ask_revoke).post(access::tokens::revoke),
        )
        .route("/sign-in", get(access::signing::ask).post(sign_in))
        .route("/sign-out", post(access::signing::sign_out))
        .route("/theme", post(access::signing::theme))
        .route("/assets/{name}", get(asset))
        .with_state(state)
}
