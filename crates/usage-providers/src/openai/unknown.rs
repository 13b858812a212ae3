//! What an answer holds that this version does not know.

use std::collections::BTreeMap;
use std::fmt;

use crate::text::sanitize_name;

/// How many different names are remembered.
const MOST_NAMES: usize = 16;
/// How many of them are named in a message.
const NAMED: usize = 5;

/// Unknown fields and kinds by name, with how often each came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UnknownFields {
    names: BTreeMap<String, u64>,
    /// How many came after the names ran out.
    others: u64,
}

impl UnknownFields {
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Counts one field.
    pub(crate) fn note(&mut self, name: &str) {
        self.add(name, 1);
    }

    /// Counts an object that says to be of an unexpected kind.
    pub(crate) fn note_kind(&mut self, kind: &str) {
        self.add(&format!("object={kind}"), 1);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, count) in &other.names {
            self.add(name, *count);
        }
        self.others += other.others;
    }

    fn add(&mut self, name: &str, count: u64) {
        if let Some(known) = self.names.get_mut(name) {
            *known += count;
        } else if self.names.len() < MOST_NAMES {
            self.names.insert(name.to_owned(), count);
        } else {
            self.others += count;
        }
    }
}

impl fmt::Display for UnknownFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.names.iter().take(NAMED).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} ({count}×)", sanitize_name(name))?;
        }
        let unnamed: u64 = self.names.values().skip(NAMED).sum::<u64>() + self.others;
        if unnamed > 0 {
            write!(f, " and {unnamed}× others")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_few_and_counts_all() {
        let mut fields = UnknownFields::default();
        for index in 0..20 {
            fields.note(&format!("field_{index:02}"));
            fields.note("field_00");
        }
        let mut twice = fields.clone();
        twice.merge(&fields);
        assert_eq!(
            twice.to_string(),
            "field_00 (42×), field_01 (2×), field_02 (2×), field_03 (2×), field_04 (2×) and 30× others"
        );
    }
}
