//! What is compared: tokens by direction, and what else is counted.

use std::fmt;

use serde::{Deserialize, Serialize};
use usage_core::{Direction, Endpoint, Metrics, TokenSplit};
use usage_pricing::PriceClass;

/// What both sides count: the direction of tokens, or another unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Unit {
    /// Input tokens, neither read from nor written to the cache.
    Input,
    /// Input tokens read from the cache.
    CachedInput,
    /// Input tokens written to the cache.
    CacheWrites,
    /// Output tokens.
    Output,
    /// Images.
    Images,
    /// Characters read aloud.
    Characters,
    /// Seconds of audio.
    Seconds,
    /// Sessions of a tool.
    Sessions,
    /// Calls of a tool.
    Calls,
    /// Stored bytes.
    Bytes,
}

impl Unit {
    /// Whether it counts tokens.
    pub const fn is_tokens(self) -> bool {
        matches!(
            self,
            Self::Input | Self::CachedInput | Self::CacheWrites | Self::Output
        )
    }

    /// How many of it a rate is for: prices of tokens and characters are for a million.
    pub const fn rate_per(self) -> i64 {
        if self.is_tokens() || matches!(self, Self::Characters) {
            1_000_000
        } else {
            1
        }
    }

    /// The words of reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => Direction::Input.as_str(),
            Self::CachedInput => Direction::CachedInput.as_str(),
            Self::CacheWrites => Direction::CacheWrites.as_str(),
            Self::Output => Direction::Output.as_str(),
            Self::Images => "images",
            Self::Characters => "characters",
            Self::Seconds => "seconds",
            Self::Sessions => "sessions",
            Self::Calls => "calls",
            Self::Bytes => "bytes",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Direction> for Unit {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Input => Self::Input,
            Direction::CachedInput => Self::CachedInput,
            Direction::CacheWrites => Self::CacheWrites,
            Direction::Output => Self::Output,
        }
    }
}

impl From<PriceClass> for Unit {
    fn from(class: PriceClass) -> Self {
        match (class.direction(), class) {
            (Some(direction), _) => direction.into(),
            (None, PriceClass::Images) => Self::Images,
            (None, PriceClass::Characters) => Self::Characters,
            (None, PriceClass::Seconds) => Self::Seconds,
            (None, PriceClass::Sessions) => Self::Sessions,
            (None, _) => Self::Calls,
        }
    }
}

/// How much of each unit a row has, for rows that no price splits; `None` where the provider's numbers do not say.
pub(super) fn counted(endpoint: Endpoint, metrics: &Metrics) -> Vec<(Unit, Option<i64>)> {
    match endpoint {
        Endpoint::Embeddings | Endpoint::Moderations => vec![(Unit::Input, metrics.input_tokens)],
        Endpoint::Images => vec![(Unit::Images, metrics.images)],
        Endpoint::AudioSpeeches => vec![(Unit::Characters, metrics.characters)],
        Endpoint::AudioTranscriptions => vec![(Unit::Seconds, metrics.seconds)],
        Endpoint::VectorStores => vec![(Unit::Bytes, metrics.usage_bytes)],
        Endpoint::CodeInterpreterSessions => vec![(Unit::Sessions, metrics.num_sessions)],
        Endpoint::FileSearchCalls | Endpoint::WebSearchCalls => vec![(Unit::Calls, metrics.num_requests)],
        _ => {
            let split = TokenSplit::of(metrics);
            vec![
                (Unit::Input, split.uncached),
                (Unit::CachedInput, split.cached_read),
                // Responses from before cache writes were reported had none.
                (Unit::CacheWrites, split.cache_write.or(Some(0))),
                (Unit::Output, split.output),
            ]
        }
    }
}
