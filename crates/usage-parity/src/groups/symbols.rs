//! Texts kept once, as numbers.

use std::hash::BuildHasher as _;
use std::sync::{PoisonError, RwLock};

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of a text; 0 stands for no text.
pub(crate) type Symbol = u32;

/// No value.
pub(crate) const ABSENT: Symbol = 0;

/// Every distinct text of both sides once, so that a group is a few numbers whichever side it comes from.
///
/// Memory grows with the number of distinct ids and names, not with rows.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    table: RwLock<Table>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Default)]
struct Table {
    texts: Vec<Box<str>>,
    places: HashTable<Symbol>,
}

impl Symbols {
    /// The number of the text, the same every time; [`ABSENT`] for an empty one.
    pub(crate) fn of(&self, text: &str) -> Symbol {
        if text.is_empty() {
            return ABSENT;
        }
        let hash = self.hasher.hash_one(text);
        let known = self
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .find(hash, text);
        known.unwrap_or_else(|| self.add(hash, text))
    }

    /// The text of a number that [`Symbols::of`] gave.
    pub(crate) fn text(&self, symbol: Symbol) -> Option<String> {
        let index = usize::try_from(symbol).ok()?.checked_sub(1)?;
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.texts.get(index).map(ToString::to_string)
    }

    fn add(&self, hash: u64, text: &str) -> Symbol {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        // The other side may have added it in the meantime.
        if let Some(symbol) = table.find(hash, text) {
            return symbol;
        }
        let Table { texts, places } = &mut *table;
        texts.push(text.into());
        let symbol = Symbol::try_from(texts.len()).unwrap_or(Symbol::MAX);
        let hasher = &self.hasher;
        places.insert_unique(hash, symbol, |symbol| {
            hasher.hash_one(texts[*symbol as usize - 1].as_ref())
        });
        symbol
    }
}

impl Table {
    fn find(&self, hash: u64, text: &str) -> Option<Symbol> {
        self.places
            .find(hash, |symbol| *self.texts[*symbol as usize - 1] == *text)
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_a_number_one_text() {
        let symbols = Symbols::default();
        let first = symbols.of("proj_a");
        assert_eq!(symbols.of(""), ABSENT);
        assert_eq!(symbols.text(ABSENT), None);
        for index in 0..10_000 {
            assert_ne!(symbols.of(&format!("user-{index}")), first);
        }
        assert_eq!(symbols.of("proj_a"), first);
        assert_eq!(symbols.text(symbols.of("user-77")).as_deref(), Some("user-77"));
    }
}
