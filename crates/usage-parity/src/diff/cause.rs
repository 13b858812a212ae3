//! Why a group differs, where the numbers say so.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use usage_core::{Dimension, format_instant};

/// A probable cause. It is a hint for people: the verdict never depends on it, but for
/// [`Cause::RestatedSince`], which is proved by the ledger's revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The export has what the ledger had before a restatement.
    RestatedSince {
        /// When the ledger took it in, UTC.
        at: DateTime<Utc>,
        /// The run that did.
        run_id: i64,
    },
    /// The other side has the same numbers under another value of one dimension.
    OtherValue {
        /// The dimension.
        dimension: Dimension,
        /// The export's value.
        csv: Option<String>,
        /// The ledger's value.
        db: Option<String>,
    },
    /// The ledger's input is the export's with the cached tokens once more.
    CachedCountedTwice,
    /// Every number of the ledger is twice the export's.
    CountedTwice,
    /// The window was read within the provider's settling time.
    Provisional,
}

impl Cause {
    const fn name(&self) -> &'static str {
        match self {
            Self::RestatedSince { .. } => "restatedSince",
            Self::OtherValue { .. } => "otherValue",
            Self::CachedCountedTwice => "cachedCountedTwice",
            Self::CountedTwice => "countedTwice",
            Self::Provisional => "provisional",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |value: &Option<String>| match value {
            Some(value) => format!("`{value}`"),
            None => "no value".to_owned(),
        };
        match self {
            Self::RestatedSince { at, run_id } => write!(
                f,
                "the export is older than what run {run_id} read at {}: download it again",
                format_instant(*at)
            ),
            Self::OtherValue { dimension, csv, db } => write!(
                f,
                "the same numbers under another {dimension}: the export has {}, the ledger {}",
                word(csv),
                word(db)
            ),
            Self::CachedCountedTwice => write!(f, "the ledger's input counts the cached tokens twice"),
            Self::CountedTwice => write!(f, "the ledger has everything twice"),
            Self::Provisional => write!(
                f,
                "the ledger read this window before the provider settled it: backfill it again"
            ),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.name())?;
        map.serialize_entry("text", &self.to_string())?;
        match self {
            Self::RestatedSince { at, run_id } => {
                map.serialize_entry("at", &format_instant(*at))?;
                map.serialize_entry("runId", run_id)?;
            }
            Self::OtherValue { dimension, csv, db } => {
                map.serialize_entry("dimension", dimension)?;
                map.serialize_entry("csv", csv)?;
                map.serialize_entry("db", db)?;
            }
            Self::CachedCountedTwice | Self::CountedTwice | Self::Provisional => {}
        }
        map.end()
    }
}
