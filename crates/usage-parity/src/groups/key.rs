//! The identity of a group within its window.

use usage_core::{Dimension, DimensionSet, Dimensions};

use super::symbols::{ABSENT, Symbol, Symbols};

/// A symbol for each dimension, in tag order.
pub(crate) type Key = [Symbol; Dimension::USAGE.len()];

/// The key of a row.
pub(crate) fn key_of(dimensions: &Dimensions, symbols: &Symbols) -> Key {
    Dimension::USAGE.map(|dimension| dimensions.get(dimension).map_or(ABSENT, |text| symbols.of(text)))
}

/// The key without the dimensions that are not kept.
pub(crate) fn projected(mut key: Key, kept: DimensionSet) -> Key {
    for (symbol, dimension) in key.iter_mut().zip(Dimension::USAGE) {
        if !kept.contains(dimension) {
            *symbol = ABSENT;
        }
    }
    key
}

/// The dimensions that have a value.
pub(crate) fn used(key: &Key) -> DimensionSet {
    key.iter()
        .zip(Dimension::USAGE)
        .filter(|(symbol, _)| **symbol != ABSENT)
        .map(|(_, dimension)| dimension)
        .collect()
}
