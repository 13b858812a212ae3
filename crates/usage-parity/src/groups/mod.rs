//! The groups of a window, of either side, in a form that is small and quick to compare.

mod key;
mod symbols;
mod window_groups;

pub(crate) use key::{Key, key_of, projected};
pub(crate) use symbols::{ABSENT, Symbol, Symbols};
pub(crate) use window_groups::{Group, WindowGroups};
