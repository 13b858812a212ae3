//! Cursors: opaque to clients, bound to the exact query they continue.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::api_error::ApiError;

const PREFIX: &str = "page_";
const SEAL_BYTES: usize = 4;

/// Where a query goes on. Twenty bytes in base64, in the shape of the provider's: the end of the query, a seal, and
/// the start of the next bucket. The end is in it since a query without one ends when it was first asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The end of the query in Unix seconds, exclusive.
    pub(super) end: i64,
    /// The start of the next bucket in Unix seconds.
    pub(super) next: i64,
}

impl Cursor {
    /// The text of the cursor for a query. The standard alphabet of base64 has `+`, `/` and `=`, which a client that
    /// forgets to encode them for a URL will notice.
    pub(super) fn encode(self, query: &str) -> String {
        let mut bytes = Vec::with_capacity(8 + SEAL_BYTES + 8);
        bytes.extend(self.end.to_be_bytes());
        bytes.extend(self.seal(query));
        bytes.extend(self.next.to_be_bytes());
        format!("{PREFIX}{}", STANDARD.encode(bytes))
    }

    /// Reads a cursor that must be one this query was given.
    pub(super) fn decode(text: &str, query: &str) -> Result<Self, ApiError> {
        Self::read(text)
            .filter(|cursor| cursor.encode(query) == text)
            .ok_or_else(|| {
                ApiError::invalid(
                    "page",
                    "invalid_value",
                    "Invalid page token: it does not belong to this query. Repeat every other parameter as it was.",
                )
            })
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (end, rest) = bytes.split_first_chunk()?;
        let (_seal, next) = rest.split_first_chunk::<SEAL_BYTES>()?;
        Some(Self {
            end: i64::from_be_bytes(*end),
            next: i64::from_be_bytes(next.try_into().ok()?),
        })
    }

    fn seal(self, query: &str) -> [u8; SEAL_BYTES] {
        let sealed = format!("{}\n{}\n{query}", self.end, self.next);
        let mut seal = [0; SEAL_BYTES];
        seal.copy_from_slice(&blake3::hash(sealed.as_bytes()).as_bytes()[..SEAL_BYTES]);
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_query_only() {
        let cursor = Cursor {
            end: 1_759_363_200,
            next: 1_757_289_600,
        };
        let text = cursor.encode("the query");
        assert!(text.starts_with("page_AAAA") && text.ends_with('='), "{text}");
        assert_eq!(Cursor::decode(&text, "the query"), Ok(cursor));
        assert!(Cursor::decode(&text, "another query").is_err());
    }

    #[test]
    fn a_cursor_that_was_tampered_with_is_refused() {
        let text = Cursor { end: 120, next: 60 }.encode("q");
        let forged = Cursor { end: 120, next: 0 }.encode("another");
        for wrong in ["", "page_", "page_%", &forged, &text[5..], &format!("{text}=")] {
            assert!(Cursor::decode(wrong, "q").is_err(), "{wrong}");
        }
    }
}
