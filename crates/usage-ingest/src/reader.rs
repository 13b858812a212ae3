//! Readers: keys with their clients, and what they read.

use std::fmt;
use std::sync::Arc;

use usage_core::ProjectFilter;
use usage_providers::UsageSource;
use usage_store::StoredAccount;

/// Something that can read an account: a provider key with its client and the projects it asks for, and the keys that
/// stand in for it.
#[derive(Clone)]
pub struct Reader {
    /// Whose usage it reads.
    pub account: StoredAccount,
    /// The projects it asks for.
    pub filter: ProjectFilter,
    /// The key that reads.
    pub key: ReadingKey,
    /// Keys that can read the same: if the provider does not accept the key, the first of them goes on.
    pub spare_keys: Vec<ReadingKey>,
}

/// A provider key with its client.
#[derive(Clone)]
pub struct ReadingKey {
    /// Its number in the ledger.
    pub id: i64,
    /// Its name for people.
    pub label: Option<String>,
    /// The client.
    pub source: Arc<dyn UsageSource>,
}

impl Reader {
    /// The same with the first spare key; `None` if there is none.
    pub(crate) fn with_next_key(&self) -> Option<Self> {
        let (key, spare_keys) = self.spare_keys.split_first()?;
        Some(Self {
            account: self.account.clone(),
            filter: self.filter.clone(),
            key: key.clone(),
            spare_keys: spare_keys.to_vec(),
        })
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("account", &self.account.account)
            .field("filter", &self.filter)
            .field("key", &self.key)
            .field("spare_keys", &self.spare_keys)
            .finish()
    }
}

impl fmt::Debug for ReadingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// For example `key 3 (finance)`.
impl fmt::Display for ReadingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.id)?;
        match &self.label {
            Some(label) => write!(f, " ({label})"),
            None => Ok(()),
        }
    }
}
