//! What credentials look like.

/// A kind of credential that is known by how it begins.
struct Shape {
    prefix: &'static str,
    /// How many characters must follow for it to be one.
    least: usize,
}

const fn shape(prefix: &'static str, least: usize) -> Shape {
    Shape { prefix, least }
}

/// Every known beginning. Upper and lower case count as one.
const SHAPES: &[Shape] = &[
    // OpenAI, Anthropic: sk-…, sk-proj-…, sk-admin-…, sk-svcacct-…, sk-ant-…; also when the middle is masked.
    shape("sk-", 3),
    shape("sk_live_", 4),
    shape("sk_test_", 4),
    shape("rk_live_", 4),
    shape("rk_test_", 4),
    shape("sess-", 16),
    // Keys of an organisation, in the spellings that gateways use.
    shape("org-key-", 4),
    shape("org_key_", 4),
    shape("orgkey-", 4),
    shape("orgkey_", 4),
    shape("bearer ", 6),
    shape("basic ", 12),
    // JSON web tokens, and other JSON in base64.
    shape("eyj", 10),
    shape("akia", 12),
    shape("aiza", 20),
    shape("ya29.", 10),
    shape("ghp_", 4),
    shape("gho_", 4),
    shape("ghu_", 4),
    shape("ghs_", 4),
    shape("ghr_", 4),
    shape("github_pat_", 4),
    shape("glpat-", 4),
    shape("hf_", 16),
    shape("npm_", 16),
    shape("whsec_", 8),
    shape("xoxa-", 4),
    shape("xoxb-", 4),
    shape("xoxe-", 4),
    shape("xoxp-", 4),
    shape("xoxr-", 4),
    shape("xoxs-", 4),
];

const KEY_BLOCK: &str = "-----BEGIN ";

/// What stands in the place of a credential.
pub(super) const REMOVED: &str = "[removed]";

/// The text without the credentials in it; `None` if there are none.
pub(super) fn remove(text: &str) -> Option<String> {
    let mut cleaned = String::new();
    let mut copied = 0;
    while let Some((begin, end)) = find(text, copied) {
        cleaned.push_str(&text[copied..begin]);
        cleaned.push_str(REMOVED);
        copied = end;
    }
    if copied == 0 {
        return None;
    }
    cleaned.push_str(&text[copied..]);
    Some(cleaned)
}

/// Whether the text still looks like it holds a credential of any kind, known by its beginning or not.
pub(super) fn is_suspicious(text: &str) -> bool {
    find(text, 0).is_some()
        || text
            .split(|character: char| !character.is_ascii_alphanumeric())
            .any(looks_random)
}

/// A long run of letters and digits as no word, model or id of ours has it.
fn looks_random(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    let digits = has(u8::is_ascii_digit);
    let mixed = digits && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let letters = has(u8::is_ascii_alphabetic);
    (word.len() >= 20 && mixed) || (word.len() >= 32 && digits && letters)
}

/// The first credential from this byte on, as a range of bytes.
fn find(text: &str, from: usize) -> Option<(usize, usize)> {
    let starts = text[from..].char_indices().map(|(offset, _)| from + offset);
    for begin in starts {
        let rest = &text[begin..];
        if let Some(length) = key_block(rest).or_else(|| url_with_password(text, begin)) {
            return Some((begin, begin + length));
        }
        let in_word = text[..begin]
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric);
        if in_word {
            continue;
        }
        if let Some(length) = SHAPES.iter().find_map(|shape| shape.length(rest)) {
            return Some((begin, begin + length));
        }
    }
    None
}

impl Shape {
    /// The length of the credential that the text begins with, in bytes.
    fn length(&self, text: &str) -> Option<usize> {
        let head = text.get(..self.prefix.len())?;
        if !head.eq_ignore_ascii_case(self.prefix) {
            return None;
        }
        let body = &text[head.len()..];
        let length = body
            .find(|character: char| !is_of_token(character))
            .unwrap_or(body.len());
        (body[..length].chars().count() >= self.least).then_some(head.len() + length)
    }
}

/// Letters, digits, what base64 and its variants use, and what a mask is made of.
fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.+/=~*…".contains(character)
}

/// A PEM block with a private key, to its end or to that of the text.
fn key_block(text: &str) -> Option<usize> {
    let rest = text.strip_prefix(KEY_BLOCK)?;
    let label = &rest[..rest.find("-----")?];
    if !label.contains("PRIVATE KEY") {
        return None;
    }
    let closing = format!("-----END {label}-----");
    Some(
        text.find(&closing)
            .map_or(text.len(), |place| place + closing.len()),
    )
}

/// `scheme://user:password@host`: the part between the slashes and the host.
fn url_with_password(text: &str, begin: usize) -> Option<usize> {
    if !text[..begin].ends_with("://") {
        return None;
    }
    let rest = &text[begin..];
    let authority = &rest[..rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len())];
    let user = &authority[..authority.rfind('@')?];
    user.contains(':').then_some(user.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_kind_is_removed_wherever_it_stands() {
        for (text, cleaned) in [
            ("sk-test-not-a-real-key", "[removed]"),
            ("sk-admin-test-not-a-real-key", "[removed]"),
            ("sk-proj-test_not_a_real_key", "[removed]"),
            ("sk-ant-admin01-not-a-real-key", "[removed]"),
            ("SK-LIVE-NOTAREALKEY", "[removed]"),
            ("sk-admin-...fake", "[removed]"),
            ("sk-…fake", "[removed]"),
            ("org-sk-not-a-real-key", "org-[removed]"),
            ("org-key-not-a-real-one", "[removed]"),
            (
                "Authorization: Bearer not.a.real.token",
                "Authorization: [removed]",
            ),
            ("eyJub3QiOiJyZWFsIn0.e30.fake", "[removed]"),
            ("AKIANOTAREALKEY00", "[removed]"),
            ("token=ghp_notarealtoken;", "token=[removed];"),
            ("xoxb-not-real xoxp-not-real", "[removed] [removed]"),
            (
                "a -----BEGIN RSA PRIVATE KEY-----\nbm90\n-----END RSA PRIVATE KEY----- b",
                "a [removed] b",
            ),
            ("-----BEGIN PRIVATE KEY-----\ncut off", "[removed]"),
            ("postgres://me:hunter2@db/usage", "postgres://[removed]@db/usage"),
        ] {
            assert_eq!(remove(text).as_deref(), Some(cleaned), "{text}");
            assert!(is_suspicious(text) && !is_suspicious(cleaned), "{text}");
        }
    }

    #[test]
    fn what_is_no_credential_stays() {
        for text in [
            "",
            "gpt-5-2025-08-07",
            "ft:gpt-4o-mini-2024-07-18",
            "Llama-4-Maverick-17B-128E-Instruct-FP8",
            "claude-opus-4-1-20250805",
            "incentivized-tier",
            "a task-force on disk-1",
            "bearer",
            "organization.usage.completions.result",
            "2025-09-01T00:00:00+00:00",
            "0E-6176",
            "key_0123456789abcdef",
            "https://api.openai.com/v1?page=2",
            "-----BEGIN CERTIFICATE-----",
        ] {
            assert_eq!(remove(text), None, "{text}");
            assert!(!is_suspicious(text), "{text}");
        }
    }

    #[test]
    fn long_random_words_are_suspicious_although_nobody_knows_their_kind() {
        for text in [
            "Zm9vYmFyYmF6cXV4Cg1notreal",
            "0123456789abcdef0123456789abcdef",
            "gpt-Zm9vYmFyYmF6cXV4Cg1notreal",
        ] {
            assert!(remove(text).is_none() && is_suspicious(text), "{text}");
        }
    }
}
