//! Numbers, dates and messages for people.

use chrono::{DateTime, NaiveDate, Utc};
use usage_core::WindowRange;

/// 173264675 as `173,264,675`.
pub(crate) fn thousands(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 window`, `2 windows`.
pub(crate) fn count(number: impl Into<i128>, noun: &str) -> String {
    let number: i128 = number.into();
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// The first and the last day of a range, both included.
pub(crate) fn days(range: WindowRange) -> (NaiveDate, NaiveDate) {
    let last = range
        .windows()
        .next_back()
        .map_or_else(|| range.start(), usage_core::Window::start);
    (range.start().date_naive(), last.date_naive())
}

/// Replaces what looks like a provider's key or a URL with a user in it: people paste those into the wrong place.
/// White space of every kind becomes one blank, and control characters vanish.
///
/// ```
/// assert_eq!(usage_app::hide_secrets("`sk-admin-AbC` is no\nkey id"), "`(hidden)` is no key id");
/// ```
pub fn hide_secrets(message: &str) -> String {
    let words: Vec<String> = message
        .split_whitespace()
        .map(|word| {
            let word: String = word.chars().filter(|character| !character.is_control()).collect();
            let core = word.trim_matches(|character: char| "'`\"<>()[],;:".contains(character));
            let url = core.contains("://") && core.contains('@');
            if url || names_key(core) {
                word.replace(core, "(hidden)")
            } else {
                word
            }
        })
        .collect();
    words.join(" ")
}

/// Whether something in the text is spelt like a provider's key or an API token of a ledger. `sk-…`, which stands for a
/// hidden key, is not.
pub(crate) fn names_key(text: &str) -> bool {
    names_provider_key(text) || names_token(text)
}

/// `usage_` and the 43 characters of 32 bytes in base64url.
fn names_token(text: &str) -> bool {
    text.match_indices("usage_").any(|(at, prefix)| {
        let secret = &text.as_bytes()[at + prefix.len()..];
        secret.len() >= 43
            && secret[..43]
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
    })
}

fn names_provider_key(text: &str) -> bool {
    text.match_indices("sk-").any(|(at, prefix)| {
        let before = text[..at].chars().next_back();
        let after = text[at + prefix.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)
    })
}

/// `2025-09-01 00:00:00 UTC`.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_urls_with_users_are_hidden_wherever_they_stand() {
        for (message, shown) in [
            ("`sk-admin-x` is no key id", "`(hidden)` is no key id"),
            (
                "`usage_AAAAAAAAAAAAAAAAAAAA-fake-token-AAAAAAAAAAA` is no id",
                "`(hidden)` is no id",
            ),
            ("usage_days is a table", "usage_days is a table"),
            ("--label=sk-admin-x: unknown", "(hidden): unknown"),
            ("write sqlite:sk-proj-x", "write (hidden)"),
            (
                "cannot read keys/sk-admin-x: no file",
                "cannot read (hidden): no file",
            ),
            ("at postgres://me:hunter2@db/usage;", "at (hidden);"),
            ("key provided: sk-… (1 attempt)", "key provided: sk-… (1 attempt)"),
            ("the task-list on disk-1", "the task-list on disk-1"),
            ("two\n lines\u{1b}", "two lines"),
        ] {
            assert_eq!(hide_secrets(message), shown);
        }
    }

    #[test]
    fn groups_digits_by_three() {
        let texts: Vec<String> = [0, 7, 999, 1_000, 173_264_675, -1_437]
            .map(|number: i64| thousands(number))
            .into();
        assert_eq!(texts, ["0", "7", "999", "1,000", "173,264,675", "-1,437"]);
        assert_eq!(
            (count(1, "window"), count(31, "window")),
            ("1 window".to_owned(), "31 windows".to_owned())
        );
    }
}
