//! Who asks for a page, and what they get.

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, REFERER, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use usage_store::{AccountScope, ApiToken, StoreError, TokenRole};

use super::chrome::{Chrome, Notice, Section, Theme, Who};
use super::operations::{Refused, WhyRefused};
use super::pages::Failure;
use super::query::Query;
use super::server::DashboardState;
use super::session::{self, Session};
use crate::api::ASK_AGAIN;
use crate::layers::requests::RequestId;
use crate::operations::OperationFailed;

/// Whatever a page needs comes from this server, and nothing runs that stands in the page itself.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// Who asks, signed in or not.
pub(crate) struct Visitor {
    session: Option<Session>,
    token: Option<ApiToken>,
    /// Why they are not let in though they have a session.
    trouble: Option<Trouble>,
    csrf: String,
    theme: Theme,
    here: String,
    /// Where whoever must sign in first goes on: a page, also if a form of it was sent.
    back: String,
    request_id: Option<String>,
    headers: HeaderMap,
    pub(crate) query: Query,
}

/// Why somebody with a session is not let in.
enum Trouble {
    /// Nobody knows whether it is of a token.
    Store(StoreError),
    /// Its token asks too often; with the seconds to wait.
    TooMany(u64),
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Something was asked for that makes no sense; with what is wrong.
    BadRequest(String),
    /// There is no such thing, or none that the visitor may see.
    NotFound,
    /// The visitor's role, or their accounts, do not suffice; with what would.
    Forbidden(&'static str),
    /// A form was too old, or another site's.
    Stale,
    /// The database is away or busy; with what the log is to say.
    Unavailable(String),
    /// They ask too often; with the seconds to wait.
    TooMany(u64),
    /// It is the server's fault; with what the log is to say.
    Broken(String),
    /// The visitor is to look elsewhere; with the path.
    Elsewhere(String),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::NotFound,
            error => Self::of(&error),
        }
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        match refused.why() {
            WhyRefused::Asked => Self::BadRequest(refused.to_string()),
            WhyRefused::Unavailable => Self::Unavailable(refused.to_string()),
            WhyRefused::Broken => Self::Broken(refused.to_string()),
        }
    }
}

impl Failed {
    fn of(error: &StoreError) -> Self {
        if error.is_unavailable() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Broken(error.to_string())
        }
    }
}

impl From<OperationFailed> for Failed {
    fn from(error: OperationFailed) -> Self {
        Self::Broken(error.to_string())
    }
}

impl FromRequestParts<DashboardState> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &DashboardState) -> Result<Self, Self::Rejection> {
        let now = state.clock.now();
        let session = state.sessions.find(&parts.headers, now);
        let (mut token, mut trouble) = (None, None);
        if let Some(session) = &session {
            match state.token(session.token).await {
                Ok(known) => token = known.filter(|token| token.is_valid(now)),
                Err(error) => trouble = Some(Trouble::Store(error)),
            }
        }
        if let Some(Err(seconds)) = token.as_ref().map(|token| state.rate_limit.take(token.id)) {
            token = None;
            trouble = Some(Trouble::TooMany(seconds));
        }
        let session = session.filter(|_| token.is_some() || trouble.is_some());
        let here = parts
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let is_read = parts.method == Method::GET || parts.method == Method::HEAD;
        let back = if is_read {
            here.clone()
        } else {
            page_before(&parts.headers).to_owned()
        };
        Ok(Self {
            csrf: state.sessions.csrf(session.as_ref()),
            session,
            token,
            trouble,
            theme: Theme::parse(session::theme(&parts.headers)),
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|id| id.as_str().to_owned()),
            query: Query::parse(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: parts.headers.clone(),
            here,
            back,
        })
    }
}

impl Visitor {
    /// The token that is signed in, else the way to the page on which one signs in, unless nobody knows.
    pub(crate) fn token(&self) -> Result<&ApiToken, Failed> {
        match &self.trouble {
            Some(Trouble::Store(error)) => return Err(Failed::of(error)),
            Some(Trouble::TooMany(seconds)) => return Err(Failed::TooMany(*seconds)),
            None => {}
        }
        self.token.as_ref().ok_or_else(|| {
            let back = Query::default().with("back", &self.back);
            Failed::Elsewhere(back.href("/sign-in"))
        })
    }

    /// The session that is signed in, if one is.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whose rows they may see.
    pub(crate) fn scope(&self) -> Result<&AccountScope, Failed> {
        Ok(&self.token()?.scope)
    }

    /// Fails unless they have this role or a greater one.
    pub(crate) fn must_be(&self, role: TokenRole) -> Result<(), Failed> {
        if self.token()?.role >= role {
            return Ok(());
        }
        Err(Failed::Forbidden(match role {
            TokenRole::Reader => "It takes a token.",
            TokenRole::Operator => "It takes a token with the role operator or admin.",
            TokenRole::Admin => "It takes a token with the role admin.",
        }))
    }

    /// Fails unless they may see every account.
    pub(crate) fn must_see_all(&self) -> Result<(), Failed> {
        match self.scope()? {
            AccountScope::All => Ok(()),
            AccountScope::Only(_) => Err(Failed::Forbidden(
                "It is about every account, and your token sees only some.",
            )),
        }
    }

    /// The fields of a form of theirs.
    pub(crate) fn form(&self, state: &DashboardState, body: &Bytes) -> Result<Query, Failed> {
        let form = Query::parse(body);
        let csrf = form.get("csrf").unwrap_or_default();
        if state.sessions.is_ours(self.session.as_ref(), csrf, &self.headers) {
            return Ok(form.without(&["csrf"]));
        }
        Err(Failed::Stale)
    }

    /// What every page has.
    pub(crate) fn chrome(&self, title: &str, section: Section) -> Chrome {
        Chrome {
            title: title.to_owned(),
            section,
            who: self.token.as_ref().map(|token| Who {
                name: token.name.clone(),
                role: token.role.as_str(),
                may_operate: token.role >= TokenRole::Operator,
                may_administer: token.role >= TokenRole::Admin,
            }),
            theme: self.theme,
            csrf: self.csrf.clone(),
            here: self.here.clone(),
            notice: self.notice(),
        }
    }

    /// What a form has come to, which stands in the address of the page that follows it: one of a few sentences, so that
    /// nobody puts words of their own into it.
    fn notice(&self) -> Option<Notice> {
        let text = match self.query.get("done")? {
            "run" => "The run has begun. This page shows how far it is when it is loaded again.",
            "key-added" => "The provider accepts the key, and it is sealed.",
            "key-checked" => "The provider was asked about the key.",
            "key-rotated" => "The key has its new secret.",
            "key-removed" => "The key is removed. The history of its account stays.",
            "token-revoked" => "The token is revoked.",
            _ => return None,
        };
        Some(Notice {
            is_good: true,
            text: text.to_owned(),
        })
    }

    /// The page, or why there is none.
    pub(crate) fn answer(&self, result: Result<Response, Failed>) -> Response {
        let failed = match result {
            Ok(response) => return response,
            Err(failed) => failed,
        };
        let retry_after = match &failed {
            Failed::Unavailable(_) => Some(ASK_AGAIN),
            Failed::TooMany(seconds) => Some(*seconds),
            _ => None,
        };
        let (status, heading, detail) = match failed {
            Failed::BadRequest(wrong) => (StatusCode::BAD_REQUEST, "This cannot be shown", wrong),
            Failed::NotFound => (
                StatusCode::NOT_FOUND,
                "There is no such page",
                "It may have been removed, or it is of an account that your token does not see.".to_owned(),
            ),
            Failed::Forbidden(what) => (
                StatusCode::FORBIDDEN,
                "You may not see or do this",
                what.to_owned(),
            ),
            Failed::Stale => (
                StatusCode::FORBIDDEN,
                "This form is too old",
                "Nothing was changed. Go back, load the page again, and send the form once more.".to_owned(),
            ),
            Failed::TooMany(seconds) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                format!("Wait {seconds} s and load the page again."),
            ),
            Failed::Unavailable(reason) => {
                tracing::error!("a page of the dashboard could not be made: {reason}");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The ledger cannot be read now",
                    "Its database is away or busy. Load the page again in a moment; you are still signed in."
                        .to_owned(),
                )
            }
            Failed::Broken(reason) => {
                tracing::error!("a page of the dashboard could not be made: {reason}");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This page could not be made",
                    "It is no fault of yours; the server's log says why.".to_owned(),
                )
            }
            Failed::Elsewhere(path) => return see(&path),
        };
        let failure = Failure {
            chrome: self.chrome(heading, Section::Elsewhere),
            status: status.as_u16(),
            heading: heading.to_owned(),
            detail,
            request_id: self.request_id.clone(),
        };
        let mut response = with_status(status, page(&failure));
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The page as a response.
pub(crate) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            [
                (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
                (CONTENT_SECURITY_POLICY, POLICY),
                (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
                (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
            Body::from(html),
        )
            .into_response(),
        Err(error) => {
            tracing::error!("a page of the dashboard could not be written: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The response with another status.
pub(crate) fn with_status(status: StatusCode, mut response: Response) -> Response {
    if response.status().is_success() {
        *response.status_mut() = status;
    }
    response
}

/// Sends the visitor to another page, which they get with GET.
pub(crate) fn see(path: &str) -> Response {
    // What is no header is no path of ours either.
    let location = HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// The response with a cookie.
pub(crate) fn with_cookie(mut response: Response, cookie: HeaderValue) -> Response {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// The page of this server on which a form was sent, as far as the browser tells.
fn page_before(headers: &HeaderMap) -> &str {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let path = || {
        let (_, address) = text(REFERER)?.split_once("://")?;
        address.strip_prefix(text(HOST)?)
    };
    way_back(path())
}

/// A path of this server to go back to, and never one elsewhere.
pub(crate) fn way_back(path: Option<&str>) -> &str {
    let inside = |path: &&str| {
        path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    path.filter(inside).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_sent_a_form_goes_on_with_its_page() {
        for (referer, way) in [
            ("http://localhost:8080/keys?account=1", "/keys?account=1"),
            ("http://localhost:8080", "/"),
            ("http://localhost:80801/keys", "/"),
            ("http://localhost:8080.evil.example/keys", "/"),
            ("http://evil.example/keys", "/"),
            ("", "/"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost:8080"));
            headers.insert(REFERER, HeaderValue::from_str(referer).unwrap());
            assert_eq!(page_before(&headers), way, "{referer}");
        }
        assert_eq!(page_before(&HeaderMap::new()), "/");
    }

    #[test]
    fn nobody_is_sent_to_another_server() {
        for (path, way) in [
            ("/explore?model=a", "/explore?model=a"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x=1", "/"),
            ("", "/"),
        ] {
            assert_eq!(way_back(Some(path)), way, "{path:?}");
        }
    }
}
