//! What holds for every route.

pub(crate) mod body;
pub(crate) mod panics;
pub(crate) mod problems;
pub(crate) mod requests;
