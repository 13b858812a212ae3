//! The names behind ids, as the directory has them.

use std::collections::HashMap;

use usage_core::{Dimension, DirectoryKind};
use usage_store::{AccountScope, KnownName, Ledger, StoreError};

use crate::dashboard::display::Named;

/// The names of the accounts in scope.
pub(crate) struct Names(HashMap<(DirectoryKind, String), String>);

impl Names {
    /// Reads them.
    pub(crate) async fn load(ledger: &Ledger, scope: &AccountScope) -> Result<Self, StoreError> {
        let known = ledger.names(scope.clone()).await?;
        let named = known.into_iter().filter_map(|known: KnownName| {
            let name = known.name.or(known.email)?;
            Some(((known.kind, known.id), name))
        });
        Ok(Self(named.collect()))
    }

    /// No names.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(HashMap::new())
    }

    /// A value of a dimension, with its name if it has one.
    pub(crate) fn of(&self, dimension: Dimension, value: Option<&str>) -> Named {
        let kind = match dimension {
            Dimension::ProjectId => DirectoryKind::Project,
            Dimension::ApiKeyId => DirectoryKind::ApiKey,
            Dimension::UserId => DirectoryKind::User,
            // Others name themselves.
            _ => {
                return Named {
                    id: None,
                    name: value.map(str::to_owned),
                };
            }
        };
        let name = value.and_then(|id| self.0.get(&(kind, id.to_owned())));
        Named::new(value, name.map(String::as_str))
    }
}
