//! Signing in, provider keys and API tokens.

pub(crate) mod keys;
pub(crate) mod signing;
pub(crate) mod tokens;
