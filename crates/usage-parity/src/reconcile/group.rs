//! What a comparison found of one group.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use usage_core::Decimal;

use super::unit::Unit;

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Class {
    /// Charged and priced usage differ by at most half a cent.
    Equal,
    /// They differ by more.
    Differs,
    /// Usage without cost: free by the rule of its tier, or at a price of zero.
    Free,
    /// Usage without cost: without a price.
    Unpriced,
    /// Usage without cost: it has a price, and the provider charged nothing.
    NotCharged,
    /// Cost without usage: a negative amount.
    Credit,
    /// Cost without usage: the line item says that it is a tax.
    Tax,
    /// Cost without usage: of something that no usage surface that was read counts, such as storage, or images of newer
    /// models.
    OtherUnits,
    /// Cost of usage that has no price, so that nobody can say whether it is right.
    ChargedUnpriced,
    /// Cost without usage that nothing explains: tokens that no usage has, usage that is free, what a surface
    /// that was read did not count, unknown words.
    Unexplained,
    /// A charge in another currency than dollars: kept, never added.
    OtherCurrency,
    /// A cost whose amount the provider sent as null.
    WithoutAmount,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::Equal,
        Self::Differs,
        Self::Free,
        Self::Unpriced,
        Self::NotCharged,
        Self::Credit,
        Self::Tax,
        Self::OtherUnits,
        Self::ChargedUnpriced,
        Self::Unexplained,
        Self::OtherCurrency,
        Self::WithoutAmount,
    ];

    /// Whether both sides have a number, so that it counts in the variance.
    pub const fn is_matched(self) -> bool {
        matches!(self, Self::Equal | Self::Differs)
    }

    /// Whether its difference must be looked at by somebody.
    pub const fn is_unexplained(self) -> bool {
        matches!(self, Self::NotCharged | Self::ChargedUnpriced | Self::Unexplained)
    }

    /// Whether both sides were compared, or a rule says why there is one alone.
    pub const fn is_compared(self) -> bool {
        matches!(
            self,
            Self::Equal | Self::Differs | Self::Free | Self::Credit | Self::Tax | Self::OtherUnits
        )
    }

    /// The words of reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal to the cent",
            Self::Differs => "differs",
            Self::Free => "usage without cost: free",
            Self::Unpriced => "usage without cost: unpriced",
            Self::NotCharged => "usage without cost: priced, not charged",
            Self::Credit => "cost without usage: credits",
            Self::Tax => "cost without usage: tax",
            Self::OtherUnits => "cost without usage: images, storage, tools, …",
            Self::ChargedUnpriced => "cost of usage that has no price",
            Self::Unexplained => "cost without usage: unexplained",
            Self::OtherCurrency => "other currencies, not added",
            Self::WithoutAmount => "costs without an amount",
        }
    }

    /// The name in files for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Differs => "differs",
            Self::Free => "free",
            Self::Unpriced => "unpriced",
            Self::NotCharged => "notCharged",
            Self::Credit => "credit",
            Self::Tax => "tax",
            Self::OtherUnits => "otherUnits",
            Self::ChargedUnpriced => "chargedUnpriced",
            Self::Unexplained => "unexplained",
            Self::OtherCurrency => "otherCurrency",
            Self::WithoutAmount => "withoutAmount",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One UTC day × project × model × unit, and what it costs on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedGroup {
    /// The UTC day.
    pub day: NaiveDate,
    /// The project.
    pub project_id: Option<String>,
    /// The model; the surface where charges name none; the line item where it names neither.
    pub model: String,
    /// The direction of tokens, or another unit.
    pub unit: Option<Unit>,
    /// The tier, where a line item of the model names one.
    pub tier: Option<String>,
    /// What became of it.
    pub class: Class,
    /// What the provider charged; in USD unless the currency says otherwise.
    pub charged: Option<Decimal>,
    /// The currency of the charge, in lower case.
    pub currency: Option<String>,
    /// What the usage costs by its prices, exactly, in USD.
    pub priced: Option<Decimal>,
    /// Charged less priced, in USD.
    pub difference: Option<Decimal>,
    /// The quantity of the line items, in tokens where they count tokens.
    pub quantity: Option<Decimal>,
    /// What the quantity counts.
    pub quantity_unit: Option<String>,
    /// How much was used.
    pub used: Option<i64>,
    /// Charged over quantity, in USD for as many as `rate_per` says.
    pub implied_rate: Option<Decimal>,
    /// Priced over used, likewise.
    pub list_rate: Option<Decimal>,
    /// The implied rate over the list rate.
    pub ratio: Option<Decimal>,
    /// A million for tokens and characters, else 1.
    pub rate_per: Option<i64>,
    /// The prices of the usage.
    pub price_ids: Vec<String>,
    /// The tiers and processings of the usage.
    pub usage_kinds: Vec<String>,
    /// The models of the usage as the provider spells them, where the two sides differ.
    pub usage_models: Vec<String>,
    /// The line items, in the provider's words.
    pub line_items: Vec<String>,
    /// What must be known to judge it.
    pub notes: Vec<String>,
}
