//! What becomes of a text, by the name of the entry that holds it.

/// What an entry holds, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// What people asked and models answered, or what only the provider's support needs: removed as a whole.
    Content,
    /// A credential: removed, whatever it looks like.
    Credential,
    /// An id of something of the organisation's.
    Id,
    /// What people call something.
    Name,
    /// An e-mail address.
    Email,
    /// What leads to the next page.
    Cursor,
    /// A word of the provider's: kept.
    Word,
    /// A model: kept, apart from what a fine-tuned one says about its owner.
    Model,
    /// Unknown, and so treated as private unless it is a number, a time or a yes or no.
    Unknown,
}

/// Content and traces.
const CONTENT: [&str; 10] = [
    "request_id",
    "policy_id",
    "raw_prompt",
    "raw_completion",
    "input_text",
    "output_text",
    "prompt",
    "completion",
    "messages",
    "debug",
];

/// Parts of names of what is a secret.
const CREDENTIAL_PARTS: [&str; 8] = [
    "secret",
    "password",
    "passphrase",
    "authorization",
    "private_key",
    "access_token",
    "refresh_token",
    "redacted_value",
];

/// Words of the provider's, from lists that it may extend.
const WORDS: [&str; 27] = [
    "object",
    "type",
    "status",
    "role",
    "service_tier",
    "tier",
    "api_source",
    "source",
    "size",
    "context_level",
    "context_window",
    "currency",
    "value",
    "amount",
    "quantity",
    "quantity_unit",
    "unit",
    "line_item",
    "bucket_width",
    "operation",
    "provider",
    "token_type",
    "cost_type",
    "inference_geo",
    "speed",
    "residency",
    "code",
];

impl Rule {
    /// The rule for a name, in snake case or camel case.
    pub(super) fn of(name: &str) -> Self {
        let name = snake_case(name);
        let name = name.as_str();
        if CONTENT.contains(&name) {
            Self::Content
        } else if CREDENTIAL_PARTS.iter().any(|part| name.contains(part))
            || name == "token"
            || name == "api_key"
        {
            Self::Credential
        } else if name == "model" || name == "models" || name == "model_name" || name == "model_id" {
            Self::Model
        } else if name == "next_page" || name == "page" || name == "cursor" {
            Self::Cursor
        } else if name == "email" || name == "emails" || name.ends_with("_email") || name.ends_with("_emails")
        {
            Self::Email
        } else if name == "name" || name.ends_with("_name") || name.ends_with("_names") {
            Self::Name
        } else if name == "id" || name == "ids" || name.ends_with("_id") || name.ends_with("_ids") {
            Self::Id
        } else if WORDS.contains(&name) {
            Self::Word
        } else {
            Self::Unknown
        }
    }
}

/// `projectId` as `project_id`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_small {
            snake.push('_');
        }
        after_small = character.is_ascii_lowercase() || character.is_ascii_digit();
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// Whether a text says nothing about anybody: a number, a time, or a yes or no.
pub(super) fn is_plain(text: &str) -> bool {
    matches!(text, "" | "true" | "false" | "null")
        || is_number(text)
        || usage_core::parse_day(text).is_ok()
        || usage_core::parse_instant(text).is_ok()
}

/// A decimal number of any length, as the provider writes money: `0E-6176`, `0.06`, `-12`.
fn is_number(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_digit() || first == '-' || first == '.')
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_decide_whatever_their_spelling() {
        for (names, rule) in [
            (
                "project_id projectId api_key_id user_id id first_id project_ids organizationId",
                Rule::Id,
            ),
            ("name project_name organizationName user_name", Rule::Name),
            ("email user_email actorEmail", Rule::Email),
            ("model models", Rule::Model),
            ("object service_tier serviceTier line_item value", Rule::Word),
            ("next_page", Rule::Cursor),
            ("raw_prompt input_text debug request_id", Rule::Content),
            (
                "redacted_value client_secret token api_key authorization",
                Rule::Credential,
            ),
            ("title team description start_time_iso", Rule::Unknown),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(Rule::of(name), rule, "{name}");
            }
        }
    }

    #[test]
    fn numbers_and_times_are_plain() {
        for text in [
            "",
            "0E-6176",
            "-0.06",
            "12345678",
            "2025-09-01",
            "2025-09-01T00:00:00",
            "2025-09-01T00:00:00+00:00",
            "true",
        ] {
            assert!(is_plain(text), "{text}");
        }
        for text in ["e", "Ann", "1 Main Street", "gpt-5", "2025-09-01T00:00:00 Ann"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
