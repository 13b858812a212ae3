//! The words of line items that are no line of tokens: which usage they charge for. Best effort, in one table.

use usage_core::Endpoint;

/// What the words of a line item say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wording {
    /// The words, in lower case, each at the beginning of a word.
    words: &'static str,
    /// The surface whose usage is charged, where the words alone tell it apart.
    pub(super) surface: Option<Endpoint>,
    /// The surface that would count it: if that was read and has nothing, the charge is unexplained.
    pub(super) counted_by: Option<Endpoint>,
    /// What it is, for people.
    pub(super) what: &'static str,
}

const fn charged_for(words: &'static str, surface: Endpoint, what: &'static str) -> Wording {
    Wording {
        words,
        surface: Some(surface),
        counted_by: Some(surface),
        what,
    }
}

/// Usage of it bears the name of a model.
const fn counted_by(words: &'static str, surface: Endpoint, what: &'static str) -> Wording {
    Wording {
        words,
        surface: None,
        counted_by: Some(surface),
        what,
    }
}

/// No surface of usage counts it, or none in the unit that is charged.
const fn only_charged(words: &'static str, what: &'static str) -> Wording {
    Wording {
        words,
        surface: None,
        counted_by: None,
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
    counted_by("dall-e", Endpoint::Images, "images"),
    // Images of newer models are charged without usage.
    only_charged("image", "images"),
    only_charged("video", "video"),
    only_charged("sora", "video"),
    counted_by("speech", Endpoint::AudioSpeeches, "audio"),
    counted_by("tts", Endpoint::AudioSpeeches, "audio"),
    counted_by("transcri", Endpoint::AudioTranscriptions, "audio"),
    counted_by("whisper", Endpoint::AudioTranscriptions, "audio"),
    only_charged("container", "tools"),
    only_charged("tool call", "tools"),
    only_charged("session", "tools"),
    only_charged("training", "training"),
    only_charged("fine-tuning", "training"),
];

/// Units of quantities that are no tokens.
const UNITS: &[Wording] = &[
    only_charged("gibibyte_hours", "storage"),
    only_charged("images", "images"),
    counted_by("characters", Endpoint::AudioSpeeches, "audio"),
    counted_by("duration_seconds", Endpoint::AudioTranscriptions, "audio"),
    counted_by("duration_minutes", Endpoint::AudioTranscriptions, "audio"),
    counted_by("duration_hours", Endpoint::AudioTranscriptions, "audio"),
];

/// What a line item says, if the table has its words.
pub(super) fn wording(line_item: &str) -> Option<Wording> {
    let text = line_item.to_lowercase();
    WORDINGS
        .iter()
        .find(|wording| begins_a_word(&text, wording.words))
        .copied()
}

/// What a unit of quantity says, if the table has it.
pub(super) fn unit_wording(quantity_unit: &str) -> Option<Wording> {
    UNITS.iter().find(|unit| unit.words == quantity_unit).copied()
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
    fn a_model_is_not_the_beginning_of_a_longer_one() {
        assert!(begins_with_model("tts-1, characters", "tts-1"));
        assert!(begins_with_model("whisper-1", "whisper-1"));
        assert!(!begins_with_model("tts-1-hd, characters", "tts-1"));
        assert!(!begins_with_model("anything", ""));
    }
}
