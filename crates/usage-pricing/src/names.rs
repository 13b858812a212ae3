//! Names of models: exact, alias, dated snapshot, in that order, and never a lucky prefix.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use chrono::NaiveDate;

use crate::entry::{Entry, Layer, LayerEntries, Subject};
use crate::error::{CatalogueError, Problem};

/// How a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Matched {
    /// It is the name of an entry.
    Exact,
    /// It is another name of an entry.
    Alias,
    /// Without the date at its end it is one of the two.
    Snapshot,
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact name",
            Self::Alias => "alias",
            Self::Snapshot => "dated snapshot",
        })
    }
}

/// The model that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedModel {
    /// The model as the catalogue names it.
    pub model: String,
    /// How it was found.
    pub matched: Matched,
}

/// A model by its number in the index.
pub(crate) type ModelNumber = usize;

/// A name as each layer knows it, lowest layer first.
///
/// A layer knows its own names and those of the layers below it, so that a price for `gpt-5` in the user's file also
/// prices the names that the layers below have for that model; what it does not know at all it takes from above.
pub(crate) type Views = [Option<(ModelNumber, Matched)>; Layer::ALL.len()];

/// The names of one provider's models.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    models: Vec<String>,
    known: HashMap<String, Views>,
}

impl Names {
    pub(crate) fn new<'a>(
        layers: &'a [LayerEntries],
        is_ours: impl Fn(&Entry) -> bool,
    ) -> Result<Self, CatalogueError> {
        let mut names = Self::default();
        let mut views: Vec<View<'a>> = Vec::new();
        for layer in layers {
            let below = views.last().cloned().unwrap_or_default();
            let entries = layer.entries.iter().filter(|entry| is_ours(entry));
            views.push(below.with_layer(entries, &layer.file, &mut names)?);
        }
        let known = views
            .iter()
            .flat_map(|view| view.exact.keys().chain(view.aliases.keys()));
        for name in known {
            let mut seen = Views::default();
            let mut from_above = None;
            for (layer, view) in views.iter().enumerate().rev() {
                let snapshot = || {
                    let (number, _) = view.find(without_date(name)?)?;
                    Some((number, Matched::Snapshot))
                };
                seen[layer] = view.find(name).or_else(snapshot).or(from_above);
                from_above = seen[layer];
            }
            names.known.insert((*name).to_owned(), seen);
        }
        Ok(names)
    }

    /// What a name stands for, as each layer knows it; `None` if no layer does.
    ///
    /// `ft:BASE:…`, a fine-tuned model, is looked up whole and then as `ft:BASE`: never as its base model, whose price
    /// is another.
    pub(crate) fn resolve(&self, name: &str) -> Option<Views> {
        self.by_three_steps(name)
            .or_else(|| self.by_three_steps(fine_tuned_base(name)?))
    }

    fn add(&mut self, model: &str) -> ModelNumber {
        self.number(model).unwrap_or_else(|| {
            self.models.push(model.to_owned());
            self.models.len() - 1
        })
    }

    pub(crate) fn model(&self, number: ModelNumber) -> &str {
        &self.models[number]
    }

    pub(crate) fn count(&self) -> usize {
        self.models.len()
    }

    pub(crate) fn number(&self, model: &str) -> Option<ModelNumber> {
        self.models.iter().position(|known| known == model)
    }

    fn by_three_steps(&self, name: &str) -> Option<Views> {
        if let Some(views) = self.known.get(name) {
            return Some(*views);
        }
        let stem = *self.known.get(without_date(name)?)?;
        let views = stem.map(|view| {
            let (number, matched) = view?;
            (matched != Matched::Snapshot).then_some((number, Matched::Snapshot))
        });
        views.iter().any(Option::is_some).then_some(views)
    }
}

/// The names that a layer knows: its own and those of the layers below.
#[derive(Clone, Debug, Default)]
struct View<'a> {
    exact: HashMap<&'a str, ModelNumber>,
    aliases: HashMap<&'a str, ModelNumber>,
}

impl<'a> View<'a> {
    fn find(&self, name: &str) -> Option<(ModelNumber, Matched)> {
        let exact = self.exact.get(name).map(|number| (*number, Matched::Exact));
        exact.or_else(|| self.aliases.get(name).map(|number| (*number, Matched::Alias)))
    }

    /// Adds the names of the next layer up. Its aliases go before those below, but never before the name of a model.
    fn with_layer(
        mut self,
        entries: impl Iterator<Item = &'a Entry>,
        file: &str,
        names: &mut Names,
    ) -> Result<Self, CatalogueError> {
        let mut aliases: BTreeMap<&'a str, (ModelNumber, &'a Entry)> = BTreeMap::new();
        for entry in entries {
            let Subject::Model(model) = &entry.key.subject else {
                continue;
            };
            let number = names.add(model);
            self.exact.insert(model, number);
            for alias in &entry.aliases {
                let (claimed, _) = *aliases.entry(alias).or_insert((number, entry));
                if claimed != number {
                    let problem = Problem::AmbiguousAlias {
                        alias: alias.clone(),
                        model: names.models[claimed].clone(),
                        other: model.clone(),
                    };
                    return Err(CatalogueError::new(file, entry.line, &problem));
                }
            }
        }
        for (alias, (number, entry)) in aliases {
            if self.exact.get(alias).is_some_and(|model| *model != number) {
                let problem = Problem::AliasIsModel {
                    alias: alias.to_owned(),
                    model: names.models[number].clone(),
                };
                return Err(CatalogueError::new(file, entry.line, &problem));
            }
            self.aliases.insert(alias, number);
        }
        Ok(self)
    }
}

/// `NAME` of `NAME-YYYY-MM-DD`.
fn without_date(name: &str) -> Option<&str> {
    let at = name.len().checked_sub("-YYYY-MM-DD".len())?;
    let date = name.get(at..)?.strip_prefix('-')?;
    let is_date = date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && NaiveDate::parse_from_str(date, "%Y-%m-%d").is_ok();
    (is_date && at > 0).then(|| &name[..at])
}

/// `ft:BASE` of `ft:BASE:organisation:…`.
fn fine_tuned_base(name: &str) -> Option<&str> {
    let (base, _) = name.strip_prefix("ft:")?.split_once(':')?;
    Some(&name[.."ft:".len() + base.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_ends_in_a_date_of_the_calendar() {
        for (name, stem) in [
            ("gpt-5-2025-08-07", Some("gpt-5")),
            ("ft:gpt-4o-2024-08-06", Some("ft:gpt-4o")),
            ("gpt-5-2025-13-07", None),
            ("gpt-5-2025-8-07", None),
            ("gpt-5-20250807", None),
            ("gpt-5-2025-08-07-x", None),
            ("-2025-08-07", None),
            ("gpt-5+2025-08-07", None),
            ("é025-08-07", None),
            ("", None),
        ] {
            assert_eq!(without_date(name), stem, "{name}");
        }
    }

    #[test]
    fn a_fine_tuned_model_has_an_organisation() {
        assert_eq!(
            fine_tuned_base("ft:gpt-4o-2024-08-06:acme:x:1"),
            Some("ft:gpt-4o-2024-08-06")
        );
        assert_eq!(fine_tuned_base("ft:gpt-4o"), None);
        assert_eq!(fine_tuned_base("gpt-4o:extended"), None);
    }
}
