//! The disjoint shares of a row: how much of it is in which price class.

use usage_core::{Drift, Endpoint, Identity, Metrics, ModalitySplit, TokenSplit};

use crate::class::PriceClass;
use crate::unpriced::Unpriced;

/// How much of each price class a row has, whatever it costs; classes without usage are left out.
///
/// Fails as pricing the row would where its numbers do not say it.
pub fn units_by_class(endpoint: Endpoint, metrics: &Metrics) -> Result<Vec<(PriceClass, i64)>, Unpriced> {
    Ok(Shares::of(endpoint, metrics)?.used().collect())
}

/// How many units of each class a row has.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    units: [i64; PriceClass::ALL.len()],
    /// Whether there are cache writes of which the row does not say how long they are kept.
    pub(crate) is_retention_unknown: bool,
}

impl Shares {
    pub(crate) fn of(endpoint: Endpoint, metrics: &Metrics) -> Result<Self, Unpriced> {
        let single = |class, reported: Option<i64>| -> Result<Self, Unpriced> {
            let mut shares = Self::default();
            shares.units[class as usize] = determined(class, reported)?;
            Ok(shares)
        };
        match endpoint {
            Endpoint::Embeddings | Endpoint::Moderations => single(PriceClass::Input, metrics.input_tokens),
            Endpoint::Images => single(PriceClass::Images, metrics.images),
            Endpoint::AudioSpeeches => single(PriceClass::Characters, metrics.characters),
            Endpoint::AudioTranscriptions => single(PriceClass::Seconds, metrics.seconds),
            Endpoint::CodeInterpreterSessions => single(PriceClass::Sessions, metrics.num_sessions),
            Endpoint::FileSearchCalls | Endpoint::WebSearchCalls => {
                single(PriceClass::Calls, metrics.num_requests)
            }
            Endpoint::VectorStores => Err(Unpriced::Level),
            Endpoint::Costs => Err(Unpriced::Charges),
            // Completions, decisions, and whatever else has the shape of tokens.
            _ => Self::of_tokens(metrics),
        }
    }

    fn of_tokens(metrics: &Metrics) -> Result<Self, Unpriced> {
        for identity in [Identity::Input, Identity::CacheWrite] {
            if let Some(drift) = identity.check(metrics) {
                return Err(drift.into());
            }
        }
        let split = TokenSplit::of(metrics);
        let no_input = metrics.input_tokens == Some(0);
        let input = |share: Option<i64>| share.or(no_input.then_some(0));
        let mut shares = Self::default();
        shares.add_modalities(&UNCACHED, input(split.uncached), split.uncached_by_modality)?;
        shares.add_modalities(
            &CACHED_READ,
            input(split.cached_read),
            split.cached_read_by_modality,
        )?;
        shares.add_modalities(&OUTPUT, split.output, split.output_by_modality)?;
        shares.add_cache_writes(metrics, split.cache_write.unwrap_or(0))?;
        Ok(shares)
    }

    fn add_modalities(
        &mut self,
        classes: &Modalities,
        total: Option<i64>,
        parts: ModalitySplit,
    ) -> Result<(), Unpriced> {
        let total = determined(classes.text, total)?;
        let (text, audio, image) = by_modality(classes, total, &parts)?;
        self.units[classes.text as usize] = text;
        self.units[classes.audio as usize] = audio;
        self.units[classes.image as usize] = image;
        Ok(())
    }

    fn add_cache_writes(&mut self, metrics: &Metrics, total: i64) -> Result<(), Unpriced> {
        let total = determined(PriceClass::CacheWrite, Some(total))?;
        let usual = metrics.input_cache_write_30m_tokens;
        let long = metrics
            .input_cache_write_12h_tokens
            .or_else(|| total.checked_sub(usual?));
        let long = match long {
            Some(long) => determined(PriceClass::CacheWrite12h, Some(long))?,
            None => 0,
        };
        self.is_retention_unknown =
            total > 0 && usual.is_none() && metrics.input_cache_write_12h_tokens.is_none();
        self.units[PriceClass::CacheWrite12h as usize] = long;
        self.units[PriceClass::CacheWrite as usize] =
            determined(PriceClass::CacheWrite, total.checked_sub(long))?;
        Ok(())
    }

    /// The classes of which there is some, in order.
    pub(crate) fn used(&self) -> impl Iterator<Item = (PriceClass, i64)> {
        PriceClass::ALL
            .into_iter()
            .zip(self.units)
            .filter(|(_, units)| *units > 0)
    }
}

/// The classes that one class of the token split falls into.
struct Modalities {
    text: PriceClass,
    audio: PriceClass,
    image: PriceClass,
    identity: Identity,
}

const UNCACHED: Modalities = Modalities {
    text: PriceClass::Input,
    audio: PriceClass::InputAudio,
    image: PriceClass::InputImage,
    identity: Identity::Uncached,
};
const CACHED_READ: Modalities = Modalities {
    text: PriceClass::CachedInput,
    audio: PriceClass::CachedInputAudio,
    image: PriceClass::CachedInputImage,
    identity: Identity::CachedRead,
};
const OUTPUT: Modalities = Modalities {
    text: PriceClass::Output,
    audio: PriceClass::OutputAudio,
    image: PriceClass::OutputImage,
    identity: Identity::Output,
};

/// Text, audio and image tokens of a class.
///
/// Without audio and images all of it is text, whatever the text metric says: older responses do not split it.
fn by_modality(classes: &Modalities, total: i64, parts: &ModalitySplit) -> Result<(i64, i64, i64), Unpriced> {
    let is_text_alone = parts.audio.unwrap_or(0) == 0 && parts.image.unwrap_or(0) == 0;
    if is_text_alone {
        return Ok((total, 0, 0));
    }
    let named = [parts.text, parts.audio, parts.image];
    let sum: i128 = named.into_iter().flatten().map(i128::from).sum();
    let rest = i128::from(total) - sum;
    let missing = named.iter().filter(|part| part.is_none()).count();
    if rest < 0 || (rest > 0 && missing == 0) {
        return Err(Unpriced::from(Drift {
            identity: classes.identity,
            reported: total,
            sum,
        }));
    }
    // What is left belongs to the one part that is not named; where two are not, nobody knows whose it is.
    if rest > 0 && missing > 1 {
        return Err(Unpriced::Undetermined { class: classes.text });
    }
    let rest = i64::try_from(rest).ok();
    let part = |class, named: Option<i64>| determined(class, named.or(rest));
    Ok((
        part(classes.text, parts.text)?,
        part(classes.audio, parts.audio)?,
        part(classes.image, parts.image)?,
    ))
}

/// A count that is there and is one.
fn determined(class: PriceClass, count: Option<i64>) -> Result<i64, Unpriced> {
    count
        .filter(|count| *count >= 0)
        .ok_or(Unpriced::Undetermined { class })
}
