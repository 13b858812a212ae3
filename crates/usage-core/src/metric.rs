//! Reported metrics: the integers as the provider sent them.

use std::fmt;

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident $field:ident $name:literal,)+) => {
        /// One number that a provider reports for a group.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $($(#[$doc])* $variant,)+
        }

        impl Metric {
            /// Every metric, in the order of columns and exports.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The name in columns and in `OpenAI`'s responses and exports.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        /// The numbers of one group as the provider sent them; `None` where it sent none, which is not zero.
        #[derive(Clone, Copy, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "camelCase", default))]
        pub struct Metrics {
            $($(#[$doc])* pub $field: Option<i64>,)+
        }

        impl Metrics {
            /// The value of one metric.
            pub const fn get(&self, metric: Metric) -> Option<i64> {
                match metric {
                    $(Metric::$variant => self.$field,)+
                }
            }

            /// The place of one metric, to be filled.
            pub const fn get_mut(&mut self, metric: Metric) -> &mut Option<i64> {
                match metric {
                    $(Metric::$variant => &mut self.$field,)+
                }
            }
        }
    };
}

metrics! {
    /// All input tokens. At `OpenAI` this includes cached reads and cache writes.
    InputTokens input_tokens "input_tokens",
    /// All output tokens.
    OutputTokens output_tokens "output_tokens",
    /// Input tokens read from the cache, over all modalities.
    InputCachedTokens input_cached_tokens "input_cached_tokens",
    /// Input tokens neither read from nor written to the cache.
    InputUncachedTokens input_uncached_tokens "input_uncached_tokens",
    /// Input tokens written to the cache, whatever their retention.
    InputCacheWriteTokens input_cache_write_tokens "input_cache_write_tokens",
    /// Cache writes kept for 30 minutes.
    InputCacheWrite30mTokens input_cache_write_30m_tokens "input_cache_write_30m_tokens",
    /// Cache writes kept for 12 hours.
    InputCacheWrite12hTokens input_cache_write_12h_tokens "input_cache_write_12h_tokens",
    /// Uncached text input.
    InputTextTokens input_text_tokens "input_text_tokens",
    /// Text output.
    OutputTextTokens output_text_tokens "output_text_tokens",
    /// Cached text input.
    InputCachedTextTokens input_cached_text_tokens "input_cached_text_tokens",
    /// Uncached audio input.
    InputAudioTokens input_audio_tokens "input_audio_tokens",
    /// Cached audio input.
    InputCachedAudioTokens input_cached_audio_tokens "input_cached_audio_tokens",
    /// Audio output.
    OutputAudioTokens output_audio_tokens "output_audio_tokens",
    /// Uncached image input.
    InputImageTokens input_image_tokens "input_image_tokens",
    /// Cached image input.
    InputCachedImageTokens input_cached_image_tokens "input_cached_image_tokens",
    /// Image output.
    OutputImageTokens output_image_tokens "output_image_tokens",
    /// Requests made to models.
    NumModelRequests num_model_requests "num_model_requests",
    /// Images.
    Images images "images",
    /// Characters of speech input.
    Characters characters "characters",
    /// Seconds of transcribed audio.
    Seconds seconds "seconds",
    /// Bytes stored: a level, not a flow.
    UsageBytes usage_bytes "usage_bytes",
    /// Sessions.
    NumSessions num_sessions "num_sessions",
    /// Calls of a tool.
    NumRequests num_requests "num_requests",
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Metrics {
    /// The sum of two groups. Absent plus absent stays absent; absent plus a number is the number.
    ///
    /// ```
    /// use usage_core::Metrics;
    ///
    /// let eight = Metrics { num_model_requests: Some(8), ..Metrics::default() };
    /// let one = Metrics { num_model_requests: Some(1), input_tokens: Some(5), ..Metrics::default() };
    /// let sum = eight.checked_add(&one)?;
    /// assert_eq!((sum.num_model_requests, sum.input_tokens, sum.output_tokens), (Some(9), Some(5), None));
    /// # Ok::<(), usage_core::MetricOverflow>(())
    /// ```
    pub fn checked_add(&self, other: &Self) -> Result<Self, MetricOverflow> {
        let mut sum = *self;
        for metric in Metric::ALL {
            let place = sum.get_mut(metric);
            *place = match (*place, other.get(metric)) {
                (Some(left), Some(right)) => Some(left.checked_add(right).ok_or(MetricOverflow(metric))?),
                (left, right) => left.or(right),
            };
        }
        Ok(sum)
    }

    /// Input and output tokens together: the measure by which a loss of tokens is judged.
    ///
    /// A provider that reports disjoint classes sends no `input_tokens`; then its classes are summed.
    pub fn tokens(&self) -> i128 {
        let wide = |value: Option<i64>| i128::from(value.unwrap_or(0));
        let input = self.input_tokens.map_or_else(
            || {
                wide(self.input_uncached_tokens)
                    + wide(self.input_cached_tokens)
                    + wide(self.input_cache_write_tokens)
            },
            i128::from,
        );
        input + wide(self.output_tokens)
    }

    /// What is counted in other units than tokens: images, characters, seconds, bytes, sessions, calls. An endpoint
    /// reports one of them.
    pub fn units(&self) -> i128 {
        [
            self.images,
            self.characters,
            self.seconds,
            self.usage_bytes,
            self.num_sessions,
            self.num_requests,
        ]
        .into_iter()
        .flatten()
        .map(i128::from)
        .sum()
    }

    /// The metrics whose sums differ, where absent counts as zero: what a control total compares.
    pub fn differing(&self, other: &Self) -> Vec<Metric> {
        Metric::ALL
            .into_iter()
            .filter(|metric| self.get(*metric).unwrap_or(0) != other.get(*metric).unwrap_or(0))
            .collect()
    }

    /// A 64-bit hash of exactly these numbers, which tells a changed row from an unchanged one.
    ///
    /// Absent and zero differ. Only the reported metrics count, so that a new price never looks like new usage.
    pub fn content_hash(&self) -> i64 {
        const PLACES: usize = Metric::ALL.len();
        let mut bytes = [0_u8; PLACES * 9];
        for (place, metric) in bytes.chunks_exact_mut(9).zip(Metric::ALL) {
            if let Some(value) = self.get(metric) {
                place[0] = 1;
                place[1..].copy_from_slice(&value.to_be_bytes());
            }
        }
        // Metrics are only ever added at the end; trailing absent ones must not change the hash of older rows.
        let used = bytes
            .chunks_exact(9)
            .rposition(|place| place[0] == 1)
            .map_or(0, |last| (last + 1) * 9);
        let hash = blake3::hash(&bytes[..used]);
        let mut head = [0_u8; 8];
        head.copy_from_slice(&hash.as_bytes()[..8]);
        i64::from_be_bytes(head)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for metric in Metric::ALL {
            if let Some(value) = self.get(metric) {
                map.entry(&format_args!("{metric}"), &value);
            }
        }
        map.finish()
    }
}

/// A sum passed 9,223,372,036,854,775,807.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sum of {0} is beyond 64 bits")]
pub struct MetricOverflow(pub Metric);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_zero_have_different_hashes() {
        let zero = Metrics {
            output_audio_tokens: Some(0),
            ..Metrics::default()
        };
        assert_ne!(zero.content_hash(), Metrics::default().content_hash());
    }

    #[test]
    fn sums_beyond_64_bits_are_errors() {
        let huge = Metrics {
            seconds: Some(i64::MAX),
            ..Metrics::default()
        };
        let one = Metrics {
            seconds: Some(1),
            ..Metrics::default()
        };
        assert_eq!(huge.checked_add(&one), Err(MetricOverflow(Metric::Seconds)));
    }

    #[test]
    fn the_hash_of_stored_rows_is_pinned() {
        let row = Metrics {
            input_tokens: Some(25_076),
            output_tokens: Some(4_737),
            ..Metrics::default()
        };
        insta::assert_snapshot!(row.content_hash(), @"-473618969244787231");
    }
}
