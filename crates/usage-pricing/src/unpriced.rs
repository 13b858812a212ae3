//! Why usage has no price.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use usage_core::{Dimension, Drift, Identity};

use crate::class::PriceClass;
use crate::entry::STANDARD;

/// Why the cost of usage is not known. It is never zero for that reason, and never the cost at another price.
///
/// Shown as one line that does not change: ledgers count by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[non_exhaustive]
pub enum Unpriced {
    /// The usage was read without a dimension on which its price depends.
    NotGrouped {
        /// The dimension.
        dimension: Dimension,
    },
    /// The provider named no model.
    NoModel,
    /// No entry is for the model.
    UnknownModel {
        /// The model as the provider spells it.
        model: String,
    },
    /// The model has entries, but none for this tier, this processing and this day.
    NoPrice {
        /// The model as the provider spells it.
        model: String,
        /// The service tier.
        tier: String,
        /// Whether through the batch API.
        batch: bool,
        /// Whether through the decisions API, which has prices of its own.
        decisions: bool,
        /// The day from which there is none, if there was one before.
        from: Option<NaiveDate>,
        /// The day from which there is one again.
        until: Option<NaiveDate>,
    },
    /// The price has no rate for something that was used.
    NoRate {
        /// The model as the price names it.
        model: String,
        /// The service tier.
        tier: String,
        /// Whether through the batch API.
        batch: bool,
        /// What was used.
        class: PriceClass,
    },
    /// The provider's numbers do not say how much of a class was used.
    Undetermined {
        /// The class.
        class: PriceClass,
    },
    /// The price depends on how long cache writes are kept, which the row does not say.
    RetentionUnknown {
        /// The model as the price names it.
        model: String,
    },
    /// A reported total is not the sum of its parts, so the classes are not what they seem.
    Drift {
        /// The equation that fails.
        identity: Identity,
        /// The total, in tokens.
        reported: i64,
        /// The sum of the parts, in tokens.
        sum: i64,
    },
    /// Bytes in vector stores.
    Level,
    /// Costs are charges, not usage.
    Charges,
    /// The cost is beyond 9.2 billion dollars.
    TooLarge,
}

impl From<Drift> for Unpriced {
    fn from(drift: Drift) -> Self {
        Self::Drift {
            identity: drift.identity,
            reported: drift.reported,
            sum: i64::try_from(drift.sum).unwrap_or(i64::MAX),
        }
    }
}

impl fmt::Display for Unpriced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGrouped { dimension } => {
                write!(f, "read without {dimension}, so its price is not known")
            }
            Self::NoModel => f.write_str("the provider named no model"),
            Self::UnknownModel { model } => write!(f, "no price for the model `{model}`"),
            Self::NoPrice {
                model,
                tier,
                batch,
                decisions,
                from,
                until,
            } => {
                let decisions = if *decisions { "decisions " } else { "" };
                match kind(tier, *batch).as_str() {
                    "" => write!(f, "no {decisions}price for `{model}`")?,
                    kind => write!(f, "no {decisions}{kind} price for `{model}`")?,
                }
                match (from, until) {
                    (None, None) => Ok(()),
                    (None, Some(until)) => write!(f, " before {until}"),
                    (Some(from), None) => write!(f, " since {from}"),
                    (Some(from), Some(until)) => write!(f, " from {from} to {until}"),
                }
            }
            Self::NoRate {
                model,
                tier,
                batch,
                class,
            } => match kind(tier, *batch).as_str() {
                "" => write!(f, "`{model}` has no rate for {class}"),
                kind => write!(f, "`{model}` has no {kind} rate for {class}"),
            },
            Self::Undetermined { class } => {
                write!(f, "the provider's numbers do not determine the {class}")
            }
            Self::RetentionUnknown { model } => write!(
                f,
                "`{model}` has two rates for cache writes, and the row does not say how long they are kept"
            ),
            Self::Drift {
                identity,
                reported,
                sum,
            } => Drift {
                identity: *identity,
                reported: *reported,
                sum: i128::from(*sum),
            }
            .fmt(f),
            Self::Level => f.write_str(
                "stored bytes are a level, not a flow; the time basis of usage_bytes is not documented",
            ),
            Self::Charges => f.write_str("costs are charges, which have no price"),
            Self::TooLarge => f.write_str("the cost is beyond 9.2 billion dollars"),
        }
    }
}

impl std::error::Error for Unpriced {}

/// `flex`, `batch`, `flex batch`, or nothing for the standard price.
fn kind(tier: &str, batch: bool) -> String {
    let tier = Some(tier).filter(|tier| *tier != STANDARD);
    let words: Vec<&str> = tier.into_iter().chain(batch.then_some("batch")).collect();
    words.join(" ")
}
