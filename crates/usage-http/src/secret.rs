//! The secret of the cron routes.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// Whether a text can be the secret of the cron routes: not blank, nor what a script writes for a variable that it lacks.
pub fn is_usable_cron_secret(text: &str) -> bool {
    usable(text.as_bytes()).is_some()
}

/// What a caller of the cron routes must present. Only its hash is kept.
#[derive(Clone)]
pub(crate) struct CronSecret(blake3::Hash);

impl CronSecret {
    /// `None` if the text cannot be a secret.
    pub(crate) fn new(secret: &SecretString) -> Option<Self> {
        usable(secret.expose_secret().as_bytes()).map(|text| Self(blake3::hash(text)))
    }

    /// Whether the request presents it: one `Authorization` header that starts with exactly `Bearer `.
    pub(crate) fn is_presented(&self, headers: &HeaderMap) -> bool {
        let mut presented = headers.get_all(AUTHORIZATION).iter();
        let (Some(header), None) = (presented.next(), presented.next()) else {
            return false;
        };
        let token = header.as_bytes().strip_prefix(b"Bearer ").and_then(usable);
        token.is_some_and(|token| {
            // Hashes are compared, not texts, so that the time tells nothing of the secret's length either.
            let token = blake3::hash(token);
            token.as_bytes().ct_eq(self.0.as_bytes()).into()
        })
    }
}

/// The text without what surrounds it, if it says anything.
fn usable(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    (!matches!(text, b"" | b"undefined" | b"null")).then_some(text)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_secret_says_something() {
        for text in ["", "  ", "\n", "undefined", " null "] {
            assert!(!is_usable_cron_secret(text), "{text:?}");
            assert!(CronSecret::new(&SecretString::from(text)).is_none(), "{text:?}");
        }
        for text in ["x", "UNDEFINED", "nullable", "geheim-ä"] {
            assert!(is_usable_cron_secret(text), "{text:?}");
        }
    }

    #[test]
    fn it_is_presented_in_one_way() {
        let secret = CronSecret::new(&SecretString::from(" not-a-real-secret-ä\n")).unwrap();
        let presented = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            secret.is_presented(&headers)
        };
        for right in ["Bearer not-a-real-secret-ä", "Bearer   not-a-real-secret-ä  "] {
            assert!(presented(&[right]), "{right}");
        }
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer undefined",
            "Bearer null",
            "bearer not-a-real-secret-ä",
            "BEARER not-a-real-secret-ä",
            " Bearer not-a-real-secret-ä",
            "Bearer\tnot-a-real-secret-ä",
            "Basic not-a-real-secret-ä",
            "not-a-real-secret-ä",
            "Bearer not-a-real-secret",
            "Bearer not-a-real-secret-ää",
            "Bearer Not-a-real-secret-ä",
            "Bearer not-a-real-secret-ä, Bearer not-a-real-secret-ä",
        ] {
            assert!(!presented(&[wrong]), "{wrong}");
        }
        assert!(!presented(&[]));
        let right = "Bearer not-a-real-secret-ä";
        assert!(!presented(&[right, right]), "twice is not once");
        assert!(!presented(&[right, "Bearer x"]) && !presented(&["Bearer x", right]));
    }
}
