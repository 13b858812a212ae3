#![doc = include_str!("../README.md")]

mod accounts;
mod bucket_index;
mod connection;
mod coverage;
mod directory;
mod error;
mod events;
mod keys;
mod lease;
mod ledger;
mod migrate;
mod replace;
mod role;
mod rotate;
mod runs;
mod schema;
mod sql;
mod vault;

pub use accounts::{AccountScope, StoredAccount};
pub use bucket_index::WritePath;
pub use connection::DatabaseKind;
pub use coverage::{Coverage, CoverageQuery};
pub use directory::KnownName;
pub use error::StoreError;
pub use events::{EventPage, EventQuery, EventTotals, RevisionKind, StoredEvent, StoredRevision};
pub use keys::{KeyStatus, NewProviderKey, ProviderKey};
pub use lease::{Lease, LeaseAttempt};
pub use ledger::{Ledger, Migrated, OpenMode};
pub use migrate::SchemaState;
pub use replace::{ReplaceError, Replacement, WindowCounts, WindowOutcome, WindowRows};
pub use role::PUBLIC_VIEWS;
pub use rotate::Resealed;
pub use runs::{NewRun, Run, RunStatus};
pub use vault::{MasterKey, mask_secret};
