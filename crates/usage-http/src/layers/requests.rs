//! Every request has an id and leaves one line in the log.

use std::fmt::Write as _;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
const MAX_LENGTH: usize = 64;
/// What monitoring asks all day long; logged only when it goes wrong, or for whoever looks closely.
const ASKED_BY_MACHINES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

/// The id of a request, by which a client and the log know it.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        // Both ways to get one let only such text in.
        self.0.to_str().unwrap_or_default()
    }

    /// The id that the client, or the proxy before the server, gave it, if that can stand in a log; else a new one.
    fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(HEADER).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_sane(id.as_bytes()) => Self(id.clone()),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let mut bytes = [0; 16];
        let mut text = String::with_capacity(32);
        // A machine without random numbers still serves; its requests are told apart by their time.
        if getrandom::fill(&mut bytes).is_ok() {
            for byte in bytes {
                let _ = write!(text, "{byte:02x}");
            }
        }
        Self(HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("")))
    }
}

fn is_sane(id: &[u8]) -> bool {
    let is_fit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(is_fit)
}

/// Gives the request its id, tells the client, and logs how it ended. Neither paths nor headers are logged as they came,
/// since people paste keys into both: the route says enough.
pub(crate) async fn observe(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let mut line = Line {
        id: id.clone(),
        method: method(request.method()),
        route: request.extensions().get::<MatchedPath>().cloned(),
        began: Instant::now(),
        status: None,
    };
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, id.0);
    line.status = Some(response.status());
    response
}

/// The line of a request, which is written when it ends, also if the client has gone.
struct Line {
    id: RequestId,
    method: &'static str,
    route: Option<MatchedPath>,
    began: Instant,
    status: Option<StatusCode>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let id = self.id.as_str();
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let method = self.method;
        match self.status.map(|status| (status.as_u16(), status.is_success())) {
            None => tracing::info!(id, method, route, milliseconds, "the client left its request"),
            Some((status, true)) if ASKED_BY_MACHINES.contains(&route) => {
                tracing::debug!(id, method, route, status, milliseconds, "request");
            }
            Some((status, _)) => tracing::info!(id, method, route, status, milliseconds, "request"),
        }
    }
}

/// A method's name. Clients may invent methods, and those are not repeated.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_if_it_can_stand_in_a_log() {
        let id_of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            RequestId::of(&headers).as_str().to_owned()
        };
        let longest = "x".repeat(MAX_LENGTH);
        for sane in ["7", "0b5c-4f.A_z", &longest] {
            assert_eq!(id_of(&[sane]), sane);
        }
        let too_long = "x".repeat(MAX_LENGTH + 1);
        for strange in [
            &["a b"] as &[&str],
            &["a\"b"],
            &["ä"],
            &[""],
            &[&too_long],
            &["a", "b"],
            &[],
        ] {
            let made = id_of(strange);
            assert!(
                made.len() == 32 && made.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{made}"
            );
        }
        assert_ne!(id_of(&[]), id_of(&[]));
    }
}
