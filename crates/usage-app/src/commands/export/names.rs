//! The names behind ids.

use std::collections::HashMap;

use usage_core::DirectoryKind;
use usage_store::KnownName;

/// The names that people gave to projects and API keys, as far as the ledger knows them.
#[derive(Default)]
pub(super) struct Names {
    names: HashMap<(i64, DirectoryKind), HashMap<String, String>>,
}

impl Names {
    pub(super) fn new(known: Vec<KnownName>) -> Self {
        let mut names = Self::default();
        for KnownName {
            account_id,
            kind,
            id,
            name,
            ..
        } in known
        {
            if let Some(name) = name.filter(|name| !name.trim().is_empty()) {
                names
                    .names
                    .entry((account_id, kind))
                    .or_default()
                    .insert(id, name);
            }
        }
        names
    }

    /// The name of an id of the account.
    pub(super) fn get(&self, account_id: i64, kind: DirectoryKind, id: &str) -> Option<&str> {
        let names = self.names.get(&(account_id, kind))?;
        names.get(id).map(String::as_str)
    }
}
