//! The words of line items that are no line of tokens: which usage they charge for. Best effort, in one table.

use usage_core::Endpoint;

/// What the words of a line item say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wording {
    /// The words, in lower case, each at the beginning of a word.
    words: &'static str,
    /// The surface whose usage is charged, if one counts it.
    pub(super) surface: Option<Endpoint>,
    /// What it is, for people.
    pub(super) what: &'static str,
}

const fn charged_for(words: &'static str, surface: Endpoint, what: &'static str) -> Wording {
    Wording {
        words,
        surface: Some(surface),
        what,
    }
}

/// No surface of usage counts it, or none in the unit that is charged.
const fn only_charged(words: &'static str, what: &'static str) -> Wording {
    Wording {
        words,
        surface: None,
        what,
    }
}

/// The first that fits holds.
const WORDINGS: &[Wording] = &[
    charged_for("web search", Endpoint::WebSearchCalls, "tools"),
    charged_for("file search", Endpoint::FileSearchCalls, "tools"),
    charged_for("code interpreter", Endpoint::CodeInterpreterSessions, "tools"),
    // Stored bytes are a level, which nothing prices.
    only_charged("storage", "storage"),
    only_charged("vector store", "storage"),
    only_charged("image", "images"),
    only_charged("dall-e", "images"),
    only_charged("video", "video"),
    only_charged("sora", "video"),
    only_charged("speech", "audio"),
    only_charged("tts", "audio"),
    only_charged("transcri", "audio"),
    only_charged("whisper", "audio"),
    only_charged("container", "tools"),
    only_charged("tool call", "tools"),
    only_charged("session", "tools"),
    only_charged("training", "training"),
    only_charged("fine-tuning", "training"),
];

/// Units of quantities that no surface of usage counts as tokens.
const UNITS: &[(&str, &str)] = &[
    ("gibibyte_hours", "storage"),
    ("images", "images"),
    ("characters", "audio"),
    ("duration_seconds", "audio"),
    ("duration_minutes", "audio"),
    ("duration_hours", "audio"),
];

const TAXES: &[&str] = &["tax", "taxes", "vat", "gst"];

/// What a line item says, if the table has its words.
pub(super) fn wording(line_item: &str) -> Option<Wording> {
    let text = line_item.to_lowercase();
    WORDINGS
        .iter()
        .find(|wording| begins_a_word(&text, wording.words))
        .copied()
}

/// What a unit of quantity says, if it is one that usage does not have.
pub(super) fn unit_wording(quantity_unit: &str) -> Option<&'static str> {
    UNITS
        .iter()
        .find(|(unit, _)| *unit == quantity_unit)
        .map(|(_, what)| *what)
}

/// Whether the line item says that it is a tax.
pub(super) fn is_tax(line_item: &str) -> bool {
    line_item
        .split(|character: char| !character.is_alphanumeric())
        .any(|word| TAXES.iter().any(|tax| word.eq_ignore_ascii_case(tax)))
}

/// Whether a line item begins with the name of a model, and not with that of a longer one.
pub(super) fn begins_with_model(line_item: &str, model: &str) -> bool {
    !model.is_empty()
        && line_item.strip_prefix(model).is_some_and(|rest| {
            let next = rest.chars().next();
            next.is_none_or(|next| !next.is_alphanumeric() && !matches!(next, '-' | '.' | '_'))
        })
}

fn begins_a_word(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_what_is_charged() {
        for (text, surface, what) in [
            ("web search tool calls", Some(Endpoint::WebSearchCalls), "tools"),
            ("File search tool calls", Some(Endpoint::FileSearchCalls), "tools"),
            (
                "code interpreter sessions",
                Some(Endpoint::CodeInterpreterSessions),
                "tools",
            ),
            ("file storage, gibibyte hours", None, "storage"),
            ("gpt-image-1, image output", None, "images"),
            ("dall-e-3, 1024x1024", None, "images"),
        ] {
            let found = wording(text).unwrap();
            assert_eq!((found.surface, found.what), (surface, what), "{text}");
        }
        assert_eq!(wording("gpt-5, input"), None);
        assert_eq!(wording("preimages"), None, "inside a word");
    }

    #[test]
    fn a_tax_is_a_word() {
        for (text, tax) in [
            ("Sales tax (CA)", true),
            ("VAT 19 %", true),
            ("taxonomy-1, input", false),
            ("gpt-5, input", false),
        ] {
            assert_eq!(is_tax(text), tax, "{text}");
        }
    }

    #[test]
    fn a_model_is_not_the_beginning_of_a_longer_one() {
        assert!(begins_with_model("tts-1, characters", "tts-1"));
        assert!(begins_with_model("whisper-1", "whisper-1"));
        assert!(!begins_with_model("tts-1-hd, characters", "tts-1"));
        assert!(!begins_with_model("anything", ""));
    }
}
