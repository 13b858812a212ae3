//! Dimensions: what a provider groups usage by.

use std::fmt;
use std::str::FromStr;

/// One thing a provider can group usage by.
///
/// The number of a variant is its tag in [`crate::DedupeKey`] and its bit in [`DimensionSet`], both of which are
/// stored: numbers are given once and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
#[non_exhaustive]
pub enum Dimension {
    /// The project (workspace at other providers).
    ProjectId = 0,
    /// The API key.
    ApiKeyId = 1,
    /// The user: the caller, or the owner of the key; the provider does not say which.
    UserId = 2,
    /// The model, as the provider spells it.
    Model = 3,
    /// `default`, `flex`, `priority`, `scale`, `incentivized-tier`, … An open list.
    ServiceTier = 4,
    /// Whether the requests came through the batch API.
    Batch = 5,
    /// `OpenAI`: `agents_api` or `unlabeled`.
    ApiSource = 6,
    /// `OpenAI`: the vector store that a file search looked into.
    VectorStoreId = 7,
    /// `OpenAI`: the size of an image, for example `1024x1024`.
    Size = 8,
    /// `OpenAI`: where an image came from: `image.generation`, `image.edit`, `image.variation`.
    Source = 9,
    /// `OpenAI`: how much context a web search takes: `low`, `medium`, `high`.
    ContextLevel = 10,
    /// What a cost is charged for, as the provider words it. Costs have it, usage does not.
    LineItem = 11,
}

impl Dimension {
    /// Every dimension of usage, in tag order.
    pub const USAGE: [Self; 11] = [
        Self::ProjectId,
        Self::ApiKeyId,
        Self::UserId,
        Self::Model,
        Self::ServiceTier,
        Self::Batch,
        Self::ApiSource,
        Self::VectorStoreId,
        Self::Size,
        Self::Source,
        Self::ContextLevel,
    ];

    /// Every dimension, of usage and of costs, in tag order.
    pub const ALL: [Self; 12] = [
        Self::ProjectId,
        Self::ApiKeyId,
        Self::UserId,
        Self::Model,
        Self::ServiceTier,
        Self::Batch,
        Self::ApiSource,
        Self::VectorStoreId,
        Self::Size,
        Self::Source,
        Self::ContextLevel,
        Self::LineItem,
    ];

    /// The name in columns, exports and `OpenAI`'s requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProjectId => "project_id",
            Self::ApiKeyId => "api_key_id",
            Self::UserId => "user_id",
            Self::Model => "model",
            Self::ServiceTier => "service_tier",
            Self::Batch => "batch",
            Self::ApiSource => "api_source",
            Self::VectorStoreId => "vector_store_id",
            Self::Size => "size",
            Self::Source => "source",
            Self::ContextLevel => "context_level",
            Self::LineItem => "line_item",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dimension {
    type Err = UnknownDimension;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.as_str() == text)
            .ok_or_else(|| UnknownDimension(text.to_owned()))
    }
}

/// The text names no dimension.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dimension `{0}`")]
pub struct UnknownDimension(pub String);

/// A set of dimensions, for example those a read was grouped by. Stored as a number.
///
/// ```
/// use usage_core::{Dimension, DimensionSet};
///
/// let asked = DimensionSet::from_iter([Dimension::Model, Dimension::ServiceTier]);
/// let granted = asked.without(Dimension::ServiceTier);
/// assert!(granted.is_subset(asked) && !asked.is_subset(granted));
/// assert_eq!(asked.to_string(), "model,service_tier");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DimensionSet(u32);

impl DimensionSet {
    /// No dimension: a read of totals.
    pub const EMPTY: Self = Self(0);

    /// Whether the dimension is in the set.
    pub const fn contains(self, dimension: Dimension) -> bool {
        self.0 & dimension.bit() != 0
    }

    /// The set with the dimension.
    #[must_use]
    pub const fn with(self, dimension: Dimension) -> Self {
        Self(self.0 | dimension.bit())
    }

    /// The set without the dimension.
    #[must_use]
    pub const fn without(self, dimension: Dimension) -> Self {
        Self(self.0 & !dimension.bit())
    }

    /// Whether every dimension of this set is in the other.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The dimensions of this set that the other lacks.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The dimensions of either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The dimensions of both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many dimensions the set has.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The dimensions in tag order.
    pub fn iter(self) -> impl Iterator<Item = Dimension> {
        Dimension::ALL
            .into_iter()
            .filter(move |dimension| self.contains(*dimension))
    }

    /// The number a database stores. Bits of dimensions that a newer version added survive a round trip.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set with this number.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

impl FromIterator<Dimension> for DimensionSet {
    fn from_iter<T: IntoIterator<Item = Dimension>>(dimensions: T) -> Self {
        dimensions.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for DimensionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, dimension) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{dimension}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for DimensionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for DimensionSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for DimensionSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Dimension>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// One set of dimension values: with its window, a group.
///
/// `None` means that the provider sent no value, either since the read was not grouped by the dimension or since
/// there is none to send; the scope of the read tells which. An empty text counts as none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
pub struct Dimensions {
    /// See [`Dimension::ProjectId`].
    pub project_id: Option<String>,
    /// See [`Dimension::ApiKeyId`].
    pub api_key_id: Option<String>,
    /// See [`Dimension::UserId`].
    pub user_id: Option<String>,
    /// See [`Dimension::Model`].
    pub model: Option<String>,
    /// See [`Dimension::ServiceTier`].
    pub service_tier: Option<String>,
    /// See [`Dimension::Batch`].
    pub batch: Option<bool>,
    /// See [`Dimension::ApiSource`].
    pub api_source: Option<String>,
    /// See [`Dimension::VectorStoreId`].
    pub vector_store_id: Option<String>,
    /// See [`Dimension::Size`].
    pub size: Option<String>,
    /// See [`Dimension::Source`].
    pub source: Option<String>,
    /// See [`Dimension::ContextLevel`].
    pub context_level: Option<String>,
}

impl Dimensions {
    /// The value of one dimension as text; `None` when absent or empty, and for [`Dimension::LineItem`], which usage
    /// does not have.
    pub fn get(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::ProjectId => self.project_id.as_deref(),
            Dimension::ApiKeyId => self.api_key_id.as_deref(),
            Dimension::UserId => self.user_id.as_deref(),
            Dimension::Model => self.model.as_deref(),
            Dimension::ServiceTier => self.service_tier.as_deref(),
            Dimension::Batch => self.batch.map(|batch| if batch { "true" } else { "false" }),
            Dimension::ApiSource => self.api_source.as_deref(),
            Dimension::VectorStoreId => self.vector_store_id.as_deref(),
            Dimension::Size => self.size.as_deref(),
            Dimension::Source => self.source.as_deref(),
            Dimension::ContextLevel => self.context_level.as_deref(),
            Dimension::LineItem => None,
        }
        .filter(|value| !value.is_empty())
    }

    /// The place of a dimension whose values are texts, to be filled; `None` for [`Dimension::Batch`], which is a
    /// yes or no, and for [`Dimension::LineItem`], which usage does not have.
    pub fn text_mut(&mut self, dimension: Dimension) -> Option<&mut Option<String>> {
        match dimension {
            Dimension::ProjectId => Some(&mut self.project_id),
            Dimension::ApiKeyId => Some(&mut self.api_key_id),
            Dimension::UserId => Some(&mut self.user_id),
            Dimension::Model => Some(&mut self.model),
            Dimension::ServiceTier => Some(&mut self.service_tier),
            Dimension::Batch | Dimension::LineItem => None,
            Dimension::ApiSource => Some(&mut self.api_source),
            Dimension::VectorStoreId => Some(&mut self.vector_store_id),
            Dimension::Size => Some(&mut self.size),
            Dimension::Source => Some(&mut self.source),
            Dimension::ContextLevel => Some(&mut self.context_level),
        }
    }

    /// The dimensions that have a value.
    pub fn present(&self) -> DimensionSet {
        Dimension::USAGE
            .into_iter()
            .filter(|dimension| self.get(*dimension).is_some())
            .collect()
    }
}
