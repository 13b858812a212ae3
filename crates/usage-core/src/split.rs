//! The token split: disjoint classes derived from the reported metrics.

use std::fmt;

use crate::metric::{Metric, Metrics};

/// Tokens in classes that never overlap, so that each can be priced on its own and their sum is the total.
///
/// A class is `None` when the provider's numbers do not determine it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct TokenSplit {
    /// Input at the full price: neither read from nor written to the cache.
    pub uncached: Option<i64>,
    /// Input read from the cache.
    pub cached_read: Option<i64>,
    /// Input written to the cache.
    pub cache_write: Option<i64>,
    /// Output.
    pub output: Option<i64>,
    /// [`TokenSplit::uncached`] by modality.
    pub uncached_by_modality: ModalitySplit,
    /// [`TokenSplit::cached_read`] by modality.
    pub cached_read_by_modality: ModalitySplit,
    /// [`TokenSplit::output`] by modality.
    pub output_by_modality: ModalitySplit,
}

/// One class by modality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub struct ModalitySplit {
    /// Text tokens.
    pub text: Option<i64>,
    /// Audio tokens.
    pub audio: Option<i64>,
    /// Image tokens.
    pub image: Option<i64>,
}

impl TokenSplit {
    /// Derives the split from what the provider reported.
    ///
    /// A class the provider names is taken as it stands. One that it does not name follows from the others where
    /// they determine it: `OpenAI`'s input includes cached reads and cache writes, so uncached is what remains.
    /// Responses from before cache writes were reported carry none, and had none.
    ///
    /// ```
    /// use usage_core::{Metrics, TokenSplit};
    ///
    /// let reported = Metrics {
    ///     input_tokens: Some(1_000),
    ///     input_cached_tokens: Some(400),
    ///     input_cache_write_tokens: Some(100),
    ///     output_tokens: Some(50),
    ///     ..Metrics::default()
    /// };
    /// let split = TokenSplit::of(&reported);
    /// assert_eq!(split.uncached, Some(500), "cached tokens are never counted twice");
    /// assert_eq!(split.output, Some(50));
    /// ```
    pub fn of(metrics: &Metrics) -> Self {
        let total = metrics.input_tokens;
        let write = metrics.input_cache_write_tokens.or_else(|| {
            sum([
                metrics.input_cache_write_30m_tokens,
                metrics.input_cache_write_12h_tokens,
            ])
        });
        let rest = |known: Option<i64>| {
            Some(total?.checked_sub(known?)?.checked_sub(write.unwrap_or(0))?).filter(|rest| *rest >= 0)
        };
        Self {
            uncached: metrics
                .input_uncached_tokens
                .or_else(|| rest(metrics.input_cached_tokens)),
            cached_read: metrics
                .input_cached_tokens
                .or_else(|| rest(metrics.input_uncached_tokens)),
            cache_write: write,
            output: metrics.output_tokens,
            uncached_by_modality: ModalitySplit {
                text: metrics.input_text_tokens,
                audio: metrics.input_audio_tokens,
                image: metrics.input_image_tokens,
            },
            cached_read_by_modality: ModalitySplit {
                text: metrics.input_cached_text_tokens,
                audio: metrics.input_cached_audio_tokens,
                image: metrics.input_cached_image_tokens,
            },
            output_by_modality: ModalitySplit {
                text: metrics.output_text_tokens,
                audio: metrics.output_audio_tokens,
                image: metrics.output_image_tokens,
            },
        }
    }
}

/// An equation between reported metrics that the provider's documentation and every row seen so far satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "camelCase"))]
pub enum Identity {
    /// Input = uncached + cached read + cache write.
    Input,
    /// Cache write = 30-minute + 12-hour writes.
    CacheWrite,
    /// Uncached = text + audio + image.
    Uncached,
    /// Cached read = text + audio + image.
    CachedRead,
    /// Output = text + audio + image.
    Output,
}

impl Identity {
    /// Every identity.
    pub const ALL: [Self; 5] = [
        Self::Input,
        Self::CacheWrite,
        Self::Uncached,
        Self::CachedRead,
        Self::Output,
    ];

    /// The metric that should equal the sum.
    pub const fn total(self) -> Metric {
        match self {
            Self::Input => Metric::InputTokens,
            Self::CacheWrite => Metric::InputCacheWriteTokens,
            Self::Uncached => Metric::InputUncachedTokens,
            Self::CachedRead => Metric::InputCachedTokens,
            Self::Output => Metric::OutputTokens,
        }
    }

    /// The metrics that should sum to it.
    pub const fn parts(self) -> &'static [Metric] {
        match self {
            Self::Input => &[
                Metric::InputUncachedTokens,
                Metric::InputCachedTokens,
                Metric::InputCacheWriteTokens,
            ],
            Self::CacheWrite => &[Metric::InputCacheWrite30mTokens, Metric::InputCacheWrite12hTokens],
            Self::Uncached => &[
                Metric::InputTextTokens,
                Metric::InputAudioTokens,
                Metric::InputImageTokens,
            ],
            Self::CachedRead => &[
                Metric::InputCachedTextTokens,
                Metric::InputCachedAudioTokens,
                Metric::InputCachedImageTokens,
            ],
            Self::Output => &[
                Metric::OutputTextTokens,
                Metric::OutputAudioTokens,
                Metric::OutputImageTokens,
            ],
        }
    }

    /// Compares the reported total with the sum of the reported parts.
    ///
    /// Nothing is compared when the total or any part is absent: unknown is not zero. Cache writes are the exception,
    /// since responses from before they were reported had none.
    pub fn check(self, metrics: &Metrics) -> Option<Drift> {
        let reported = metrics.get(self.total())?;
        let parts = self.parts().iter().map(|part| match (metrics.get(*part), *part) {
            (None, Metric::InputCacheWriteTokens) => Some(0),
            (value, _) => value.map(i128::from),
        });
        let sum = parts.sum::<Option<i128>>()?;
        (i128::from(reported) != sum).then_some(Drift {
            identity: self,
            reported,
            sum,
        })
    }
}

/// A reported total that its parts do not sum to: the provider changed a meaning, or a number is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The equation that fails.
    pub identity: Identity,
    /// The total as reported, in tokens.
    pub reported: i64,
    /// The sum of the parts, in tokens.
    pub sum: i128,
}

impl Drift {
    /// Every identity that the metrics break.
    ///
    /// ```
    /// use usage_core::{Drift, Metrics};
    ///
    /// let metrics = Metrics {
    ///     input_tokens: Some(1_000),
    ///     input_uncached_tokens: Some(900),
    ///     input_cached_tokens: Some(400),
    ///     ..Metrics::default()
    /// };
    /// let drifts: Vec<String> = Drift::all(&metrics).map(|drift| drift.to_string()).collect();
    /// assert_eq!(drifts, ["input_tokens is 1000 but its parts sum to 1300"]);
    /// ```
    pub fn all(metrics: &Metrics) -> impl Iterator<Item = Self> {
        Identity::ALL
            .into_iter()
            .filter_map(|identity| identity.check(metrics))
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {} but its parts sum to {}",
            self.identity.total(),
            self.reported,
            self.sum
        )
    }
}

/// The sum of what is present; `None` when nothing is, or when the sum is beyond 64 bits.
fn sum<const N: usize>(values: [Option<i64>; N]) -> Option<i64> {
    let mut present = values.into_iter().flatten();
    let first = present.next()?;
    present.try_fold(first, i64::checked_add)
}
