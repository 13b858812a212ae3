//! Fixtures that can be shared: pseudonyms for who, nothing changed of what and how much.

mod json;
mod pseudonym;
mod rules;
mod secrets;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use self::json::{Place, Rewrite, rewrite};
use self::pseudonym::is_id;
pub use self::pseudonym::{Salt, WeakSalt};
use self::rules::{Rule, is_plain};
use crate::error::{Fault, FixtureError};

/// A file as it may be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SanitizedFile {
    /// Where the text came from.
    pub source: PathBuf,
    /// The text with its replacements; every other byte is as it was.
    pub text: String,
    /// What was replaced, by kind and by the name of the entry.
    pub changes: Vec<Change>,
}

/// Replacements of one kind in the entries of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What was replaced.
    pub kind: ChangeKind,
    /// The name of the entries that held it; empty outside of any.
    pub entry: String,
    /// How many places.
    pub places: u64,
    /// How many different values.
    pub values: u64,
}

/// What was replaced, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// An id, by a pseudonym that keeps the id's beginning (`proj_`, `user-`, …).
    Id,
    /// A name, by a pseudonym.
    Name,
    /// An e-mail address, by a pseudonym under `example.invalid`.
    Email,
    /// What a fine-tuned model says about its owner, by pseudonyms; the base model stays.
    FineTunedModel,
    /// A cursor, by a pseudonym.
    Cursor,
    /// A text of which nobody knows what it is, by a pseudonym.
    Text,
    /// Prompts, answers and traces, by null.
    Content,
    /// A credential, by `[removed]`.
    Credential,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::Email => "e-mail address",
            Self::FineTunedModel => "owner of a fine-tuned model",
            Self::Cursor => "cursor",
            Self::Text => "other text",
            Self::Content => "content",
            Self::Credential => "credential",
        })
    }
}

/// Sanitizes files of one set: one value has one pseudonym in all of them, and in every other set with this salt.
///
/// Names, ids and e-mail addresses get pseudonyms; credentials and contents go; texts under names that nobody knows get
/// pseudonyms too. Numbers, models, tiers, times and the provider's own words stay to the byte. Fails, for all files, if
/// a result still holds something that looks like a credential, or an id or an address of the originals.
///
/// ```
/// use usage_fixtures::{Salt, sanitize};
///
/// let (salt, weak) = Salt::new(b"a salt of more than sixteen bytes");
/// assert!(weak.is_none());
/// let page = r#"{"user_id": "user-AbC123", "model": "gpt-5", "input_tokens": 59200.0}"#;
/// let files = sanitize(vec![("page.json".into(), page.to_owned())], &salt)?;
/// assert!(files[0].text.starts_with(r#"{"user_id": "user-"#) && !files[0].text.contains("AbC123"));
/// assert!(files[0].text.ends_with(r#", "model": "gpt-5", "input_tokens": 59200.0}"#));
/// # Ok::<(), usage_fixtures::FixtureError>(())
/// ```
pub fn sanitize(files: Vec<(PathBuf, String)>, salt: &Salt) -> Result<Vec<SanitizedFile>, FixtureError> {
    let mut originals = HashSet::new();
    let mut sanitized = Vec::with_capacity(files.len());
    for (source, text) in files {
        let mut pass = Pass {
            salt,
            changes: BTreeMap::new(),
            originals: &mut originals,
        };
        let text = rewrite(&text, &mut pass).map_err(|fault| fault.in_file(&source))?;
        let changes = pass.report();
        sanitized.push(SanitizedFile {
            source,
            text,
            changes,
        });
    }
    for file in &sanitized {
        verify(file, &originals).map_err(|fault| fault.in_file(&file.source))?;
    }
    Ok(sanitized)
}

/// One file on its way.
struct Pass<'a> {
    salt: &'a Salt,
    changes: BTreeMap<(ChangeKind, String), Places>,
    /// The ids and addresses that must not be found in any result.
    originals: &'a mut HashSet<String>,
}

#[derive(Default)]
struct Places {
    number: u64,
    values: BTreeSet<String>,
}

impl Pass<'_> {
    fn report(self) -> Vec<Change> {
        self.changes
            .into_iter()
            .map(|((kind, entry), places)| Change {
                kind,
                entry,
                places: places.number,
                values: places.values.len() as u64,
            })
            .collect()
    }

    fn note(&mut self, kind: ChangeKind, entry: &str, value: &str) {
        // A name that holds what it should not is shown by nobody.
        let entry = if self.scrub(entry).is_some() {
            "(a name)"
        } else {
            entry
        };
        let places = self.changes.entry((kind, entry.to_owned())).or_default();
        places.number += 1;
        places.values.insert(value.to_owned());
    }

    /// Ids that are plain words or numbers, as `default`, stand elsewhere with another meaning.
    fn remember(&mut self, original: &str) {
        let has = |is: fn(&u8) -> bool| original.as_bytes().iter().any(is);
        let is_telling = original.contains('@') || is_id(original) || has(u8::is_ascii_digit);
        if original.len() >= 6 && has(u8::is_ascii_alphabetic) && is_telling {
            self.originals.insert(original.to_lowercase());
        }
    }

    fn replace(&mut self, kind: ChangeKind, entry: &str, value: &str, by: String) -> String {
        self.note(kind, entry, value);
        by
    }

    fn id(&mut self, entry: &str, id: &str) -> String {
        self.remember(id);
        self.replace(ChangeKind::Id, entry, id, self.salt.id(id))
    }

    fn email(&mut self, entry: &str, email: &str) -> String {
        self.remember(email);
        self.replace(ChangeKind::Email, entry, email, self.salt.email(email))
    }

    /// A word of the provider's, without what does not belong into one.
    fn word(&mut self, entry: &str, text: &str) -> Option<String> {
        if is_id(text) {
            return Some(self.id(entry, text));
        }
        if is_email(text) {
            return Some(self.email(entry, text));
        }
        let scrubbed = self.scrub(text)?;
        Some(self.replace(scrubbed.kind, entry, text, scrubbed.text))
    }

    fn model(&mut self, entry: &str, model: &str) -> Option<String> {
        let renamed = fine_tuned(model, self.salt).filter(|_| secrets::remove(model).is_none());
        match renamed {
            Some(renamed) => Some(self.replace(ChangeKind::FineTunedModel, entry, model, renamed)),
            None => self.word(entry, model),
        }
    }

    fn unknown(&mut self, entry: &str, text: &str) -> Option<String> {
        if is_plain(text) {
            return None;
        }
        if is_id(text) {
            return Some(self.id(entry, text));
        }
        if is_email(text) {
            return Some(self.email(entry, text));
        }
        if secrets::remove(text).is_some() {
            return Some(self.replace(ChangeKind::Credential, entry, text, secrets::REMOVED.to_owned()));
        }
        Some(self.replace(ChangeKind::Text, entry, text, self.salt.text(text)))
    }

    /// The text without credentials and addresses; `None` if it has none.
    fn scrub(&self, text: &str) -> Option<Scrubbed> {
        let without_credentials = secrets::remove(text);
        let text = without_credentials.as_deref().unwrap_or(text);
        let words: Vec<String> = text
            .split(' ')
            .map(|word| {
                let core = word.trim_matches(|character: char| "<>()[],;:.'\"".contains(character));
                if is_email(core) {
                    word.replace(core, &self.salt.email(core))
                } else if let Some(renamed) = fine_tuned(core, self.salt) {
                    word.replace(core, &renamed)
                } else if is_id(core) {
                    word.replace(core, &self.salt.id(core))
                } else {
                    word.to_owned()
                }
            })
            .collect();
        let cleaned = words.join(" ");
        let kind = match (&without_credentials, cleaned == text) {
            (None, true) => return None,
            (Some(_), _) => ChangeKind::Credential,
            (None, false) => ChangeKind::Text,
        };
        Some(Scrubbed { kind, text: cleaned })
    }
}

/// A fine-tuned model without what its owner named: `ft:BASE:OWNER:NAME:ID`, or of old `BASE:ft-OWNER-TIME`.
fn fine_tuned(model: &str, salt: &Salt) -> Option<String> {
    if let Some((base, owned)) = model.split_once(":ft-") {
        return Some(format!("{base}:ft-{}", salt.name(owned)));
    }
    let mut parts = model.strip_prefix("ft:")?.split(':');
    let mut renamed = format!("ft:{}", parts.next().unwrap_or_default());
    for part in parts {
        renamed.push(':');
        if !part.is_empty() {
            renamed.push_str(&salt.name(part));
        }
    }
    Some(renamed)
}

struct Scrubbed {
    kind: ChangeKind,
    text: String,
}

impl Rewrite for Pass<'_> {
    fn name(&mut self, _: Place<'_>, name: &str) -> Result<Option<String>, Fault> {
        let word = self.word("(names)", name);
        // The provider's own names have no blanks; what has is somebody's.
        if word.is_none() && name.contains(char::is_whitespace) {
            let replaced = self.salt.name(name);
            return Ok(Some(self.replace(ChangeKind::Name, "(names)", name, replaced)));
        }
        Ok(word)
    }

    fn text(&mut self, place: Place<'_>, text: &str) -> Result<Option<String>, Fault> {
        let entry = place.name;
        if text.is_empty() {
            return Ok(None);
        }
        Ok(match Rule::of(entry) {
            // Dropped before it comes here.
            Rule::Content => None,
            Rule::Credential => {
                Some(self.replace(ChangeKind::Credential, entry, text, secrets::REMOVED.to_owned()))
            }
            Rule::Id => Some(self.id(entry, text)),
            Rule::Email => Some(self.email(entry, text)),
            Rule::Name => Some(self.replace(ChangeKind::Name, entry, text, self.salt.name(text))),
            Rule::Cursor => Some(self.replace(ChangeKind::Cursor, entry, text, self.salt.cursor(text))),
            Rule::Word => self.word(entry, text),
            Rule::Model => self.model(entry, text),
            Rule::Unknown => self.unknown(entry, text),
        })
    }

    fn drops(&mut self, place: Place<'_>, is_text: bool) -> bool {
        let kind = match Rule::of(place.name) {
            Rule::Content => ChangeKind::Content,
            // What is inside may have harmless names.
            Rule::Credential if !is_text => ChangeKind::Credential,
            _ => return false,
        };
        self.note(kind, place.name, "");
        true
    }
}

/// Looks at a result as a stranger would.
fn verify(file: &SanitizedFile, originals: &HashSet<String>) -> Result<(), Fault> {
    struct Verification<'a>(&'a HashSet<String>);

    impl Verification<'_> {
        fn check(&self, place: Place<'_>, text: &str) -> Result<(), Fault> {
            let fault = |what: &str| {
                Err(Fault {
                    line: place.line,
                    reason: format!(
                        "a text under `{}` {what}, so nothing was written; remove it by hand first",
                        place.name
                    ),
                })
            };
            if secrets::is_suspicious(text) {
                return fault("still looks like a credential");
            }
            let of_word = |character: char| character.is_ascii_alphanumeric() || "_-@.+%".contains(character);
            let mut words = text.split(|character| !of_word(character));
            if words.any(|word| self.0.contains(&word.to_lowercase())) {
                return fault("is an id or an address that was replaced elsewhere");
            }
            Ok(())
        }
    }

    impl Rewrite for Verification<'_> {
        fn name(&mut self, place: Place<'_>, name: &str) -> Result<Option<String>, Fault> {
            let unnamed = Place {
                name: "(names)",
                ..place
            };
            self.check(unnamed, name).map(|()| None)
        }

        fn text(&mut self, place: Place<'_>, text: &str) -> Result<Option<String>, Fault> {
            self.check(place, text).map(|()| None)
        }

        fn drops(&mut self, _: Place<'_>, _: bool) -> bool {
            false
        }
    }

    rewrite(&file.text, &mut Verification(originals)).map(drop)
}

/// `local@domain.tld` and nothing else.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let top = domain.rsplit_once('.').map_or("", |(_, top)| top);
    !local.is_empty()
        && !text.contains(char::is_whitespace)
        && !text.contains("://")
        && top.chars().count() >= 2
        && top.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests;
