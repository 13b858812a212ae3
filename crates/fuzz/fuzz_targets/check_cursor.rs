//! A chain of cursors ends, and hands on only what can travel as a parameter.
//!
//! The first byte of the input is the number of pages the chain may have; each further line is one page. A line that
//! begins with `.` says that it is the last page, one that begins with `0` that it has no cursor, any other line that
//! the rest of it is the cursor. A backslash stands for a line break, which a line cannot hold.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use usage_providers::fuzzing::{Cursors, LONGEST_CURSOR, check_cursor};

fuzz_target!(|input: &[u8]| {
    let Some((&most_pages, lines)) = input.split_first() else {
        return;
    };
    let most_pages = usize::from(most_pages);
    let mut cursors = Cursors::new(most_pages);
    let mut accepted = HashSet::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Some((&kind, rest)) = line.split_first() else {
            continue;
        };
        let cursor = String::from_utf8_lossy(rest).replace('\\', "\n");
        let is_sound = check_cursor(&cursor).is_ok();
        if is_sound {
            check_sound(&cursor);
        }
        let (has_more, sent) = match kind {
            b'.' => (false, Some(cursor.clone())),
            b'0' => (true, None),
            _ => (true, Some(cursor.clone())),
        };
        match cursors.next_page(has_more, sent) {
            Ok(Some(next)) => {
                assert!(has_more && kind != b'0' && is_sound);
                assert_eq!(next, cursor, "a cursor goes back as it came");
                assert!(accepted.insert(next), "no cursor is used twice");
                assert!(accepted.len() < most_pages, "a chain is no longer than it may be");
            }
            Ok(None) => {
                assert!(!has_more, "only the provider ends a chain");
                return;
            }
            // A read ends with its first error.
            Err(_) => {
                assert!(has_more, "the last page needs no cursor");
                return;
            }
        }
    }
});

fn check_sound(cursor: &str) {
    assert!(!cursor.is_empty() && cursor.len() <= LONGEST_CURSOR);
    assert!(!cursor.contains(|c: char| c.is_whitespace() || c.is_control()));
    assert!(!cursor.contains("://"), "a URL is no page token");
}
