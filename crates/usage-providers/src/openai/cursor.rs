//! Cursors: opaque texts that lead from page to page.

use std::collections::HashSet;

use usage_core::IssueCode;

use crate::transport::DecodeError;

/// The longest cursor that is sent back, in bytes. It travels in a URL.
pub(crate) const LONGEST: usize = 4_096;

/// The cursors of one read. A chain that leads in circles, ends early, or never ends is an error, never an end.
#[derive(Debug)]
pub(crate) struct CursorChain {
    seen: HashSet<String>,
    pages: usize,
    most_pages: usize,
}

impl CursorChain {
    /// A chain that may have this many pages.
    pub(crate) fn new(most_pages: usize) -> Self {
        Self {
            seen: HashSet::new(),
            pages: 0,
            most_pages,
        }
    }

    /// Takes what a page says about the next; `None` when there is none.
    pub(crate) fn next(
        &mut self,
        has_more: bool,
        cursor: Option<String>,
    ) -> Result<Option<String>, DecodeError> {
        self.pages += 1;
        if !has_more {
            return Ok(None);
        }
        let page = self.pages;
        let error = |code, message: String| Err(DecodeError { code, message });
        let Some(cursor) = cursor else {
            return error(
                IssueCode::CursorMissing,
                format!("page {page} announces more pages without a cursor"),
            );
        };
        if let Err(reason) = check_cursor(&cursor) {
            return error(
                IssueCode::CursorInvalid,
                format!("the cursor of page {page} {reason}"),
            );
        }
        if !self.seen.insert(cursor.clone()) {
            return error(
                IssueCode::CursorRepeated,
                format!("the cursor of page {page} came before"),
            );
        }
        if page >= self.most_pages {
            return error(
                IssueCode::TooManyPages,
                format!("{page} pages have been read and more are announced than the range can have"),
            );
        }
        Ok(Some(cursor))
    }
}

/// Whether the text can be a cursor; what is wrong with it if not. It is only ever sent as the page, never followed.
pub(crate) fn check_cursor(cursor: &str) -> Result<(), &'static str> {
    if cursor.is_empty() {
        Err("is empty")
    } else if cursor.len() > LONGEST {
        Err("is longer than 4,096 bytes")
    } else if cursor.chars().any(char::is_whitespace) {
        Err("holds white space")
    } else if cursor.chars().any(char::is_control) {
        Err("holds control characters")
    } else if cursor.contains("://") {
        // It would not be followed in any case; sent as a page, it would only be refused less clearly.
        Err("is a URL and no page token")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(
        chain: &mut CursorChain,
        has_more: bool,
        cursor: Option<&str>,
    ) -> Result<Option<String>, IssueCode> {
        chain
            .next(has_more, cursor.map(str::to_owned))
            .map_err(|error| error.code)
    }

    #[test]
    fn only_plain_short_text_is_a_cursor() {
        for cursor in [
            "page_AAAAAGdGxdEiJdKOAAAAAGcqsYA=",
            "/v1?page=2&limit=9#a+b/c==",
            "é",
            &"a".repeat(4_096),
        ] {
            assert_eq!(check_cursor(cursor), Ok(()));
        }
        for cursor in [
            "",
            " ",
            "a b",
            "a\n",
            "\u{0}",
            "a\u{7f}",
            "a\u{a0}b",
            "\u{2028}",
            "https://evil.example/?page=2",
            &"a".repeat(4_097),
        ] {
            assert!(check_cursor(cursor).is_err(), "{cursor:?}");
        }
    }

    #[test]
    fn a_chain_ends_only_when_the_provider_says_so() {
        let mut chain = CursorChain::new(9);
        assert_eq!(code(&mut chain, true, Some("a")), Ok(Some("a".to_owned())));
        assert_eq!(code(&mut chain, true, Some("b")), Ok(Some("b".to_owned())));
        assert_eq!(code(&mut chain, true, Some("a")), Err(IssueCode::CursorRepeated));
        assert_eq!(code(&mut chain, true, None), Err(IssueCode::CursorMissing));
        assert_eq!(code(&mut chain, true, Some(" c")), Err(IssueCode::CursorInvalid));
        assert_eq!(code(&mut chain, false, Some("left over")), Ok(None));
    }

    #[test]
    fn a_chain_without_end_is_cut() {
        let mut chain = CursorChain::new(2);
        assert!(code(&mut chain, true, Some("a")).is_ok());
        assert_eq!(code(&mut chain, true, Some("b")), Err(IssueCode::TooManyPages));
    }
}
