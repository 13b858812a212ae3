//! By what sums are told apart: the dimensions of usage, its surface, and whose it is.

use usage_core::Dimension;
use usage_store::{AccountScope, StoredAccount, SummaryBy, SummaryRow, UsageFilter};

use super::names::Names;
use crate::dashboard::display::Named;
use crate::dashboard::query::{DIMENSIONS, NONE};

/// One way to tell sums apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Divide {
    /// The name in a query, which is that of the filter, too.
    pub(super) name: &'static str,
    /// What people call it, for example `project`.
    pub(super) label: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dimension(Dimension),
    Endpoint,
    Account,
    Provider,
}

impl Divide {
    /// Every way, in the order in which they are offered.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let dimensions = DIMENSIONS.iter().map(|(dimension, name, label)| Self {
            name,
            label,
            kind: Kind::Dimension(*dimension),
        });
        let others = [
            ("endpoint", "endpoint", Kind::Endpoint),
            ("account", "account", Kind::Account),
            ("provider", "provider", Kind::Provider),
        ];
        dimensions.chain(others.map(|(name, label, kind)| Self { name, label, kind }))
    }

    /// The one of this name in a query.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::all().find(|divide| divide.name == name)
    }

    /// What the ledger is asked for.
    pub(super) const fn summary_by(self) -> SummaryBy {
        match self.kind {
            Kind::Dimension(dimension) => SummaryBy::Dimension(dimension),
            Kind::Endpoint => SummaryBy::Endpoint,
            Kind::Account | Kind::Provider => SummaryBy::Account,
        }
    }

    /// The value of a sum, as a filter has it; `None` is usage without one.
    pub(super) fn key(self, row: &SummaryRow, accounts: &[StoredAccount]) -> Option<String> {
        match self.kind {
            Kind::Dimension(dimension) => row.dimensions.get(&dimension).cloned().flatten(),
            Kind::Endpoint => row.endpoint.map(|endpoint| endpoint.to_string()),
            Kind::Account => row.account_id.map(|id| id.to_string()),
            Kind::Provider => accounts
                .iter()
                .find(|account| Some(account.id) == row.account_id)
                .map(|account| account.account.provider().as_str().to_owned()),
        }
    }

    /// What a value is called, with its id where that is another.
    pub(super) fn name(self, key: Option<&str>, names: &Names, accounts: &[StoredAccount]) -> Named {
        if key.is_none() {
            return Named {
                id: None,
                name: Some("none".to_owned()),
            };
        }
        match self.kind {
            Kind::Dimension(Dimension::Batch) => Named {
                id: None,
                name: key.map(|key| if key == "true" { "batch" } else { "not batch" }.to_owned()),
            },
            Kind::Dimension(dimension) => names.of(dimension, key),
            Kind::Endpoint | Kind::Provider => Named {
                id: None,
                name: key.map(str::to_owned),
            },
            Kind::Account => {
                let account = accounts
                    .iter()
                    .find(|account| key == Some(account.id.to_string().as_str()));
                let name = account.map(|account| account.account.to_string());
                Named {
                    id: None,
                    name: name.or_else(|| key.map(str::to_owned)),
                }
            }
        }
    }

    /// Narrows a filter to some of the values that were found within it.
    pub(super) fn narrowed(self, mut filter: UsageFilter, keys: &[Option<String>]) -> UsageFilter {
        let texts = || keys.iter().flatten();
        match self.kind {
            Kind::Dimension(dimension) => {
                filter.dimensions.insert(dimension, keys.to_vec());
            }
            Kind::Endpoint => filter.endpoints = texts().filter_map(|text| text.parse().ok()).collect(),
            Kind::Provider => filter.providers = texts().filter_map(|text| text.parse().ok()).collect(),
            Kind::Account => {
                filter.scope = AccountScope::Only(texts().filter_map(|text| text.parse().ok()).collect());
            }
        }
        filter
    }

    /// The value of the filter that lets this value through.
    pub(super) fn filter_value(key: Option<&str>) -> &str {
        key.unwrap_or(NONE)
    }
}
