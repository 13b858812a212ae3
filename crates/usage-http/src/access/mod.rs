//! Who calls the API, and what they may do and see.

mod guesses;
mod rate;
mod uses;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::SecretString;
use usage_store::{AccountScope, ApiToken, TokenRole};

pub(crate) use self::guesses::Guesses;
pub(crate) use self::rate::RateLimit;
pub(crate) use self::uses::Uses;
use crate::api::{ApiError, ApiState};
use crate::problem::Problem;

/// How a token is presented: the scheme's name, in any case, and the token.
const SCHEME: &str = "bearer ";

/// Whoever presented a valid token, within its rate.
pub(crate) struct Caller {
    token: ApiToken,
}

impl Caller {
    /// The number of the token, for the log.
    pub(crate) fn token_id(&self) -> i64 {
        self.token.id
    }

    /// Whose rows the caller may see.
    pub(crate) fn scope(&self) -> &AccountScope {
        &self.token.scope
    }

    /// Fails unless the caller has this role, or one that may more.
    pub(crate) fn must_be(&self, role: TokenRole) -> Result<(), ApiError> {
        if self.token.role >= role {
            return Ok(());
        }
        let detail = format!(
            "this takes a token with the role {role}; yours is {}",
            self.token.role
        );
        Err(Problem::new(StatusCode::FORBIDDEN).with_detail(detail).into())
    }

    /// Fails unless the caller may see every account.
    pub(crate) fn must_see_all(&self) -> Result<(), ApiError> {
        match self.token.scope {
            AccountScope::All => Ok(()),
            AccountScope::Only(_) => Err(Problem::new(StatusCode::FORBIDDEN)
                .with_detail("this takes a token that sees every account; yours sees some")
                .into()),
        }
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Self::Rejection> {
        let now = state.clock.now();
        let token = match presented(&parts.headers) {
            Presented::Token(secret) => {
                state.guesses.take(&secret).map_err(|seconds| {
                    let why = "too many wrong tokens were presented to this server; wait as long as Retry-After says";
                    too_many(why, seconds)
                })?;
                let token = state.ledger.find_api_token(&secret).await?;
                if token.as_ref().is_some_and(|token| token.is_valid(now)) {
                    state.guesses.was_right(&secret);
                } else {
                    state.guesses.was_wrong(&secret);
                }
                token
            }
            // A link on a page of the dashboard, such as a download, has its cookie; changes are never made with one.
            Presented::Nothing if parts.method == Method::GET || parts.method == Method::HEAD => {
                match state.sessions.find(&parts.headers, now) {
                    Some(session) => {
                        let tokens = state.ledger.api_tokens().await?;
                        tokens.into_iter().find(|token| token.id == session.token)
                    }
                    None => None,
                }
            }
            Presented::Nothing | Presented::Garbled => None,
        };
        // One answer for unknown, expired and revoked: who guesses learns nothing.
        let token = token
            .filter(|token| token.is_valid(now))
            .ok_or_else(unauthorized)?;
        state.rate_limit.take(token.id).map_err(|seconds| {
            too_many(
                "this token asks too often; wait as long as Retry-After says",
                seconds,
            )
        })?;
        state.uses.note(&state.ledger, &state.tasks, &token, now);
        Ok(Self { token })
    }
}

enum Presented {
    Token(SecretString),
    /// Something that is no token.
    Garbled,
    Nothing,
}

fn presented(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let header = match (values.next(), values.next()) {
        (None, _) => return Presented::Nothing,
        (Some(header), None) => header.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => return Presented::Garbled,
    };
    let (scheme, token) = header.split_at_checked(SCHEME.len()).unwrap_or(("", ""));
    match token.trim() {
        token if scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty() => {
            Presented::Token(SecretString::from(token))
        }
        _ => Presented::Garbled,
    }
}

fn unauthorized() -> ApiError {
    let problem = Problem::new(StatusCode::UNAUTHORIZED).with_detail(
        "present a valid token as `Authorization: Bearer usage_…`; an administrator makes one on the dashboard or with \
         `usage tokens add`",
    );
    ApiError::from(problem).with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn too_many(why: &'static str, seconds: u64) -> ApiError {
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS).with_detail(why);
    ApiError::from(problem).with_header(RETRY_AFTER, HeaderValue::from(seconds))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_presented_in_one_header() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            match presented(&headers) {
                Presented::Token(secret) => secret.expose_secret().to_owned(),
                Presented::Garbled => "garbled".to_owned(),
                Presented::Nothing => "nothing".to_owned(),
            }
        };
        for header in ["Bearer usage_x", "bearer usage_x", "BEARER  usage_x "] {
            assert_eq!(read(&[header]), "usage_x", "{header}");
        }
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Basic usage_x",
            "usage_x",
            "ä",
            "Bearerä usage_x",
        ] {
            assert_eq!(read(&[header]), "garbled", "{header}");
        }
        assert_eq!(read(&["Bearer usage_x", "Bearer usage_x"]), "garbled");
        assert_eq!(read(&[]), "nothing");
    }
}
