//! Sessions: who pasted a token, for how long, and by which forms one knows that a page of ours sent them.
//!
//! A session is a cookie and nothing else: the number of the token, an end, and a code that only this process can make. So a
//! server that begins anew has no sessions, and one that revokes a token has ended those of it. Which sessions were signed out of
//! is kept until their time is over, so that a copy of such a cookie is none.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use subtle::ConstantTimeEq as _;

/// How long one stays signed in.
const LASTS: TimeDelta = TimeDelta::hours(12);
/// How many sessions that were signed out of are kept apart.
const MOST_ENDED: usize = 10_000;
/// The name of the cookie.
pub(crate) const SESSION: &str = "usage_session";
const THEME: &str = "usage_theme";

/// Makes cookies and knows its own again.
#[derive(Clone)]
pub(crate) struct Sessions {
    key: [u8; 32],
    /// Whether cookies are for TLS only: a proxy speaks it to whoever is outside.
    is_secure: bool,
    ended: Arc<Mutex<Ended>>,
}

/// The sessions that were signed out of before their time was over.
#[derive(Default)]
struct Ended {
    /// The end of each, as it would have been, and its nonce.
    sessions: BTreeSet<(i64, String)>,
    /// Every session that would have ended by then is over, too: those for which there was no more room.
    all_until: i64,
}

/// Somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The number of the token.
    pub(crate) token: i64,
    ends: i64,
    nonce: String,
}

impl Sessions {
    /// With a key of its own.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub(crate) fn new(is_secure: bool) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key,
            is_secure,
            ended: Arc::default(),
        })
    }

    /// A cookie for whoever presented the token of this number.
    ///
    /// # Errors
    ///
    /// The system gives no random bytes.
    pub(crate) fn begin(&self, token: i64, now: DateTime<Utc>) -> Result<HeaderValue, getrandom::Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let session = Session {
            token,
            ends: (now + LASTS).timestamp(),
            nonce: URL_SAFE_NO_PAD.encode(nonce),
        };
        let text = session.text();
        let code = URL_SAFE_NO_PAD.encode(self.code("session", &text));
        Ok(self.cookie(SESSION, &format!("{text}.{code}"), LASTS.num_seconds(), true))
    }

    /// Ends the session, wherever its cookie was copied to; returns the cookie that removes it.
    pub(crate) fn end(&self, session: Option<&Session>, now: DateTime<Utc>) -> HeaderValue {
        if let Some(session) = session {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.add(session, now.timestamp(), MOST_ENDED);
        }
        self.cookie(SESSION, "", 0, true)
    }

    /// The session that the request is part of, unless its time is over.
    pub(crate) fn find(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Session> {
        let value = cookie(headers, SESSION)?;
        let (text, code) = value.rsplit_once('.')?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let is_ours: bool = code.ct_eq(&self.code("session", text)).into();
        let session = Session::parse(text).filter(|_| is_ours)?;
        if now.timestamp() >= session.ends {
            return None;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        (!ended.has(&session)).then_some(session)
    }

    /// What the forms of the session carry.
    pub(crate) fn csrf(&self, session: Option<&Session>) -> String {
        let text = session.map_or_else(String::new, Session::text);
        URL_SAFE_NO_PAD.encode(self.code("csrf", &text))
    }

    /// Whether a form of the session, on a page of this server, was sent.
    pub(crate) fn is_ours(&self, session: Option<&Session>, csrf: &str, headers: &HeaderMap) -> bool {
        let expected = self.csrf(session);
        let is_equal: bool = expected.as_bytes().ct_eq(csrf.as_bytes()).into();
        is_equal && comes_from_here(headers)
    }

    /// A cookie that keeps the theme for a year.
    pub(crate) fn keep_theme(&self, theme: &str) -> HeaderValue {
        self.cookie(THEME, theme, TimeDelta::days(365).num_seconds(), false)
    }

    fn code(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(purpose.as_bytes());
        hasher.update(b"\0");
        hasher.update(text.as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn cookie(&self, name: &str, value: &str, seconds: i64, is_secret: bool) -> HeaderValue {
        let http_only = if is_secret { "; HttpOnly" } else { "" };
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Strict{http_only}{secure}");
        // Letters, digits and a few signs are always a header.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl Ended {
    fn add(&mut self, session: &Session, now: i64, most: usize) {
        self.sessions.insert((session.ends, session.nonce.clone()));
        while let Some((ends, _)) = self.sessions.first() {
            if *ends > now && self.sessions.len() <= most {
                break;
            }
            // Others that would have ended with it are signed out early: better than to forget that it is over.
            self.all_until = self.all_until.max(*ends);
            self.sessions.pop_first();
        }
    }

    fn has(&self, session: &Session) -> bool {
        session.ends <= self.all_until || self.sessions.contains(&(session.ends, session.nonce.clone()))
    }
}

impl Session {
    fn text(&self) -> String {
        format!("{}.{}.{}", self.token, self.ends, self.nonce)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let session = Self {
            token: parts.next()?.parse().ok()?,
            ends: parts.next()?.parse().ok()?,
            nonce: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(session)
    }
}

/// The theme that the request asks for, as text.
pub(crate) fn theme(headers: &HeaderMap) -> &str {
    cookie(headers, THEME).unwrap_or_default()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Whether the browser says that a page of this server sent the request; one that says nothing is believed, since the code
/// of the session is asked for, too.
fn comes_from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let (Some(origin), Some(host)) = (headers.get(ORIGIN), headers.get(HOST)) else {
        return true;
    };
    let (Ok(origin), Ok(host)) = (origin.to_str(), host.to_str()) else {
        return false;
    };
    origin
        .split_once("://")
        .is_some_and(|(_, authority)| authority == host)
}

#[cfg(test)]
mod tests {
    use usage_core::parse_instant;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse_instant(text).unwrap()
    }

    fn carrying(cookie: &HeaderValue) -> HeaderMap {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(
            COOKIE,
            HeaderValue::from_str(&format!("other=1; {pair}")).unwrap(),
        );
        headers
    }

    #[test]
    fn a_session_is_known_again_until_its_end_and_by_its_maker_only() {
        let sessions = Sessions::new(false).unwrap();
        let begun = at("2025-10-01T08:00:00Z");
        let cookie = sessions.begin(7, begun).unwrap();
        let text = cookie.to_str().unwrap();
        assert!(
            text.contains("; HttpOnly") && text.contains("; SameSite=Strict") && !text.contains("Secure")
        );
        let headers = carrying(&cookie);
        let found = |sessions: &Sessions, now| sessions.find(&headers, at(now)).map(|session| session.token);
        assert_eq!(found(&sessions, "2025-10-01T19:59:59Z"), Some(7));
        assert_eq!(found(&sessions, "2025-10-01T20:00:00Z"), None);
        assert_eq!(
            found(&Sessions::new(false).unwrap(), "2025-10-01T08:00:00Z"),
            None
        );
        assert!(
            Sessions::new(true)
                .unwrap()
                .end(None, at("2025-10-01T08:00:00Z"))
                .to_str()
                .unwrap()
                .contains("; Secure")
        );
    }

    #[test]
    fn a_copy_of_a_cookie_is_none_once_one_signed_out() {
        let sessions = Sessions::new(false).unwrap();
        let now = at("2025-10-01T08:00:00Z");
        let [mine, other] = [(); 2].map(|()| carrying(&sessions.begin(7, now).unwrap()));
        let session = sessions.find(&mine, now);
        assert!(session.is_some());
        // Clones are of one server.
        sessions.clone().end(session.as_ref(), now);
        assert_eq!(sessions.find(&mine, now), None);
        assert!(
            sessions.find(&other, now).is_some(),
            "another session of the same token"
        );
    }

    #[test]
    fn what_was_signed_out_of_is_kept_until_its_end_and_within_a_bound() {
        let session = |ends: i64, nonce: &str| Session {
            token: 7,
            ends,
            nonce: nonce.to_owned(),
        };
        let mut ended = Ended::default();
        for ends in [30, 20, 40] {
            ended.add(&session(ends, "out"), 10, 2);
        }
        assert_eq!(ended.sessions.len(), 2);
        // The one for which there was no more room is over all the same, and so are others of its time.
        assert!([20, 30, 40].iter().all(|ends| ended.has(&session(*ends, "out"))));
        assert!(ended.has(&session(20, "in")) && !ended.has(&session(30, "in")));
        ended.add(&session(50, "out"), 40, 2);
        assert_eq!(ended.sessions.len(), 1, "those whose time is over are forgotten");
        assert!(!ended.has(&session(50, "in")));
    }

    #[test]
    fn a_session_that_somebody_changed_is_none() {
        let sessions = Sessions::new(false).unwrap();
        let now = at("2025-10-01T08:00:00Z");
        let cookie = sessions.begin(7, now).unwrap();
        let changed = cookie.to_str().unwrap().replacen("=7.", "=8.", 1);
        for text in [
            changed.as_str(),
            "usage_session=7",
            "usage_session=",
            "usage_session=7.1.x.y",
        ] {
            let headers = carrying(&HeaderValue::from_str(text).unwrap());
            assert_eq!(sessions.find(&headers, now), None, "{text}");
        }
    }

    #[test]
    fn a_form_of_another_session_or_site_is_refused() {
        let sessions = Sessions::new(false).unwrap();
        let now = at("2025-10-01T08:00:00Z");
        let session = |sessions: &Sessions| sessions.find(&carrying(&sessions.begin(7, now).unwrap()), now);
        let (mine, other) = (session(&sessions), session(&sessions));
        let csrf = sessions.csrf(mine.as_ref());
        let mut headers = HeaderMap::new();
        assert!(sessions.is_ours(mine.as_ref(), &csrf, &headers));
        assert!(!sessions.is_ours(other.as_ref(), &csrf, &headers));
        assert!(!sessions.is_ours(None, &csrf, &headers));
        assert!(!sessions.is_ours(mine.as_ref(), "", &headers));
        headers.insert(HOST, HeaderValue::from_static("ledger.example:8080"));
        headers.insert(ORIGIN, HeaderValue::from_static("https://ledger.example:8080"));
        assert!(sessions.is_ours(mine.as_ref(), &csrf, &headers));
        headers.insert(ORIGIN, HeaderValue::from_static("https://evil.example"));
        assert!(!sessions.is_ours(mine.as_ref(), &csrf, &headers));
        headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        assert!(sessions.is_ours(mine.as_ref(), &csrf, &headers));
        headers.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert!(!sessions.is_ours(mine.as_ref(), &csrf, &headers));
    }
}
