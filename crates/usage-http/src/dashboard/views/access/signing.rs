//! Signing in and out, and the theme.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;

use crate::dashboard::chrome::{Section, Theme};
use crate::dashboard::pages::SignIn;
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page, see, way_back, with_cookie, with_status};

pub(crate) async fn ask(State(_): State<DashboardState>, visitor: Visitor) -> Response {
    let back = way_back(visitor.query.get("back")).to_owned();
    if visitor.token().is_ok() {
        return see(&back);
    }
    page(&form(&visitor, &back, None))
}

fn form(visitor: &Visitor, back: &str, refused: Option<&str>) -> SignIn {
    SignIn {
        chrome: visitor.chrome("Sign in", Section::Elsewhere),
        refused: refused.map(str::to_owned),
        back: back.to_owned(),
    }
}

pub(crate) async fn sign_in(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let result = try_sign_in(&state, &visitor, &body).await;
    visitor.answer(result)
}

async fn try_sign_in(state: &DashboardState, visitor: &Visitor, body: &Bytes) -> Result<Response, Failed> {
    let sent = visitor.form(state, body)?;
    let back = way_back(sent.get("back"));
    let secret = SecretString::from(sent.get("token").unwrap_or_default().trim());
    let now = state.clock.now();
    let token = state.ledger.find_api_token(&secret).await?;
    let Some(token) = token.filter(|token| token.is_valid(now)) else {
        // One sentence for all of it: who guesses learns nothing.
        let refused = "This token is unknown, expired or revoked.";
        return Ok(with_status(
            StatusCode::UNAUTHORIZED,
            page(&form(visitor, back, Some(refused))),
        ));
    };
    let cookie = state.sessions.begin(token.id, now);
    let cookie =
        cookie.map_err(|error| Failed::Broken(format!("the system gives no random bytes: {error}")))?;
    tracing::info!(token = token.id, "signed in to the dashboard");
    Ok(with_cookie(see(back), cookie))
}

pub(crate) async fn sign_out(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let now = state.clock.now();
    let result = visitor
        .form(&state, &body)
        .map(|_| with_cookie(see("/sign-in"), state.sessions.end(visitor.session(), now)));
    visitor.answer(result)
}

pub(crate) async fn theme(State(state): State<DashboardState>, visitor: Visitor, body: Bytes) -> Response {
    let result = visitor.form(&state, &body).map(|sent| {
        let theme = Theme::parse(sent.get("theme").unwrap_or_default());
        with_cookie(
            see(way_back(sent.get("back"))),
            state.sessions.keep_theme(theme.as_str()),
        )
    });
    visitor.answer(result)
}
