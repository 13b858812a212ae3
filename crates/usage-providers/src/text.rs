//! Text of strangers, made fit for a message.

/// The longest text of a provider that is repeated in a message, in characters.
const MESSAGE_LIMIT: usize = 300;

/// The provider's words on one line, short, with everything that looks like a key masked.
///
/// `secret` is masked wherever it stands, whatever it looks like.
pub(crate) fn sanitize(text: &str, secret: &str) -> String {
    let text = if secret.is_empty() {
        text.to_owned()
    } else {
        text.replace(secret, "[key]")
    };
    let masked = mask_keys(&one_line(&text));
    shorten(&masked, MESSAGE_LIMIT)
}

/// A name that a provider chose, such as that of an unknown field, short and on one line.
pub(crate) fn sanitize_name(text: &str) -> String {
    shorten(&mask_keys(&one_line(text)), 64)
}

/// Whether the text can be stored by any database and shown on one line.
pub(crate) fn is_storable(text: &str) -> bool {
    // Almost every text is short ASCII; the bytes are looked at first since millions of them pass here.
    if text.is_ascii() {
        return text.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
    }
    !text.chars().any(char::is_control)
}

fn one_line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Characters that reorder or hide what stands around them on a terminal.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Replaces every `sk-…` that starts a word.
fn mask_keys(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find_key(rest) {
        masked.push_str(&rest[..at]);
        masked.push_str("sk-…");
        rest = rest[at..].trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_*.…".contains(c));
    }
    masked.push_str(rest);
    masked
}

/// Where `sk-` starts a word.
fn find_key(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len().saturating_sub(2)).find(|&at| {
        bytes[at..at + 3].eq_ignore_ascii_case(b"sk-") && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
    })
}

fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn masks_whatever_looks_like_a_key() {
        for (text, clean) in [
            (
                "Incorrect API key provided: sk-admin-abc123.",
                "Incorrect API key provided: sk-…",
            ),
            ("(SK-proj-*****XYZ) and 'sk-a'", "(sk-…) and 'sk-…'"),
            ("sk-sk-abc sk-def", "sk-… sk-…"),
            (
                "a task-force and a risk-free disk-drive",
                "a task-force and a risk-free disk-drive",
            ),
            ("äsk-abc", "äsk-…"),
            ("sk", "sk"),
        ] {
            assert_eq!(sanitize(text, ""), clean, "{text}");
        }
        assert_eq!(
            sanitize("you sent opaque-token-1!", "opaque-token-1"),
            "you sent [key]!"
        );
    }

    #[test]
    fn makes_one_short_line() {
        assert_eq!(sanitize("a\r\n\tb\u{0}c\u{202e}d", ""), "a b c d");
        let long = sanitize(&"ä".repeat(1_000), "");
        assert_eq!(long.chars().count(), MESSAGE_LIMIT);
        assert!(long.ends_with('…'));
        assert_eq!(sanitize(&"b".repeat(MESSAGE_LIMIT), "").len(), MESSAGE_LIMIT);
    }

    #[test]
    fn tells_what_a_database_can_store() {
        for text in ["", "gpt-5", "mödel 日本", "a b"] {
            assert!(is_storable(text), "{text:?}");
        }
        for text in ["\u{0}", "a\nb", "a\u{7f}", "ä\u{85}", "ä\u{0}"] {
            assert!(!is_storable(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_short_line_without_the_key(before in ".*", after in "[^a-z]*", fill in ".{0,400}") {
            let key = "sk-admin-test-not-a-real-key";
            let clean = sanitize(&format!("{before}{key}{after}{fill}"), key);
            prop_assert!(!clean.contains("admin-test"), "{}", clean);
            prop_assert!(!clean.chars().any(char::is_control) && clean.chars().count() <= MESSAGE_LIMIT);
        }
    }
}
