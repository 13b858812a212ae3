//! What is summed.

use usage_core::{MetricOverflow, Metrics, ModalitySplit, NanoUsd, TokenSplit};

use crate::error::StoreError;

/// The sums of some usage, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageSums {
    /// How many events.
    pub events: u64,
    /// How many of them have no price.
    pub unpriced: u64,
    /// What those with a price cost, by the price list.
    pub cost: NanoUsd,
    /// The reported metrics; `None` where no event has any.
    pub metrics: Metrics,
    /// The sums of the events' token splits: each class over the events of which it is known, `None` where it is of none.
    pub split: TokenSplit,
}

impl UsageSums {
    /// Sums whose classes are derived event by event; the other classes of the split are reported metrics.
    pub(super) fn new(
        events: u64,
        unpriced: u64,
        cost: NanoUsd,
        metrics: &Metrics,
        [uncached, cached_read, cache_write]: [Option<i64>; 3],
    ) -> Self {
        Self {
            events,
            unpriced,
            cost,
            metrics: *metrics,
            split: TokenSplit {
                uncached,
                cached_read,
                cache_write,
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
            },
        }
    }

    /// The classes that are derived event by event.
    pub(super) fn derived(&self) -> [Option<i64>; 3] {
        [
            self.split.uncached,
            self.split.cached_read,
            self.split.cache_write,
        ]
    }

    /// Adds the sums of other usage; fails beyond 64 bits.
    pub fn add(&mut self, other: &Self) -> Result<(), StoreError> {
        let metrics = self
            .metrics
            .checked_add(&other.metrics)
            .map_err(|MetricOverflow(metric)| beyond(metric.as_str()))?;
        let cost = self.cost.checked_add(other.cost).ok_or_else(|| beyond("costs"))?;
        let mut derived = self.derived();
        for (class, more) in derived.iter_mut().zip(other.derived()) {
            *class = match (*class, more) {
                (Some(left), Some(right)) => Some(left.checked_add(right).ok_or_else(|| beyond("tokens"))?),
                (left, right) => left.or(right),
            };
        }
        *self = Self::new(
            self.events + other.events,
            self.unpriced + other.unpriced,
            cost,
            &metrics,
            derived,
        );
        Ok(())
    }
}

pub(super) fn beyond(what: &str) -> StoreError {
    StoreError::Unsupported(format!(
        "the sum of {what} is beyond 64 bits; ask for a shorter time or for less at once"
    ))
}
