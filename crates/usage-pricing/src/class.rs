//! Price classes: what has a rate of its own.

use std::fmt;

use usage_core::{Direction, Modality};

/// What a price has a rate for. The classes of a row never overlap: each token, image, character, … is in one.
///
/// The number of a variant is its place in [`crate::Rates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PriceClass {
    /// Text input, neither read from nor written to the cache; the input of embeddings.
    Input = 0,
    /// Text input read from the cache.
    CachedInput = 1,
    /// Input written to the cache for the usual time (30 minutes at `OpenAI`).
    CacheWrite = 2,
    /// Input written to the cache for 12 hours.
    #[serde(rename = "cache_write_12h")]
    CacheWrite12h = 3,
    /// Text output.
    Output = 4,
    /// Audio input.
    InputAudio = 5,
    /// Audio input read from the cache.
    CachedInputAudio = 6,
    /// Audio output.
    OutputAudio = 7,
    /// Image input.
    InputImage = 8,
    /// Image input read from the cache.
    CachedInputImage = 9,
    /// Image output.
    OutputImage = 10,
    /// Characters read aloud.
    Characters = 11,
    /// Images made, edited or varied.
    #[serde(rename = "image")]
    Images = 12,
    /// Seconds of audio transcribed.
    #[serde(rename = "second")]
    Seconds = 13,
    /// Sessions of the code interpreter.
    #[serde(rename = "session")]
    Sessions = 14,
    /// Calls of a tool: web search, file search.
    #[serde(rename = "call")]
    Calls = 15,
}

impl PriceClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::Input,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite12h,
        Self::Output,
        Self::InputAudio,
        Self::CachedInputAudio,
        Self::OutputAudio,
        Self::InputImage,
        Self::CachedInputImage,
        Self::OutputImage,
        Self::Characters,
        Self::Images,
        Self::Seconds,
        Self::Sessions,
        Self::Calls,
    ];

    /// Which way tokens of the class go; `None` for what is no token.
    pub const fn direction(self) -> Option<Direction> {
        match self {
            Self::Input | Self::InputAudio | Self::InputImage => Some(Direction::Input),
            Self::CachedInput | Self::CachedInputAudio | Self::CachedInputImage => {
                Some(Direction::CachedInput)
            }
            Self::CacheWrite | Self::CacheWrite12h => Some(Direction::CacheWrites),
            Self::Output | Self::OutputAudio | Self::OutputImage => Some(Direction::Output),
            Self::Characters | Self::Images | Self::Seconds | Self::Sessions | Self::Calls => None,
        }
    }

    /// What tokens of the class are; `None` for what is no token, and for cache writes, whose modality nobody reports.
    pub const fn modality(self) -> Option<Modality> {
        match self {
            Self::Input | Self::CachedInput | Self::Output => Some(Modality::Text),
            Self::InputAudio | Self::CachedInputAudio | Self::OutputAudio => Some(Modality::Audio),
            Self::InputImage | Self::CachedInputImage | Self::OutputImage => Some(Modality::Image),
            Self::CacheWrite
            | Self::CacheWrite12h
            | Self::Characters
            | Self::Images
            | Self::Seconds
            | Self::Sessions
            | Self::Calls => None,
        }
    }

    /// Whether price files give the class in dollars a million, in `usd_per_million`; else it is in `usd_per_unit`.
    pub const fn is_priced_by_million(self) -> bool {
        self.direction().is_some() || matches!(self, Self::Characters)
    }

    /// The name of the class in price files.
    ///
    /// ```
    /// use usage_pricing::PriceClass;
    ///
    /// assert_eq!(PriceClass::CacheWrite12h.field(), "cache_write_12h");
    /// assert_eq!(PriceClass::Seconds.field(), "second");
    /// ```
    pub const fn field(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CachedInput => "cached_input",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite12h => "cache_write_12h",
            Self::Output => "output",
            Self::InputAudio => "input_audio",
            Self::CachedInputAudio => "cached_input_audio",
            Self::OutputAudio => "output_audio",
            Self::InputImage => "input_image",
            Self::CachedInputImage => "cached_input_image",
            Self::OutputImage => "output_image",
            Self::Characters => "characters",
            Self::Images => "image",
            Self::Seconds => "second",
            Self::Sessions => "session",
            Self::Calls => "call",
        }
    }

    /// The words of messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CachedInput => "cached input",
            Self::CacheWrite => "cache writes",
            Self::CacheWrite12h => "cache writes kept 12 hours",
            Self::Output => "output",
            Self::InputAudio => "audio input",
            Self::CachedInputAudio => "cached audio input",
            Self::OutputAudio => "audio output",
            Self::InputImage => "image input",
            Self::CachedInputImage => "cached image input",
            Self::OutputImage => "image output",
            Self::Characters => "characters",
            Self::Images => "images",
            Self::Seconds => "seconds of audio",
            Self::Sessions => "sessions",
            Self::Calls => "calls",
        }
    }
}

impl fmt::Display for PriceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
