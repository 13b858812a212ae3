use proptest::prelude::*;
use proptest::sample::select;
use usage_core::{Drift, Metric, Metrics, TokenSplit};

/// Eleven counts, eight classes of which sum to the rest as `OpenAI` documents it.
fn consistent() -> impl Strategy<Value = Metrics> {
    prop::array::uniform11(prop_oneof![2 => Just(0), 5 => 0..1_i64 << 50]).prop_map(
        |[
            text,
            audio,
            image,
            cached_text,
            cached_audio,
            cached_image,
            out_text,
            out_audio,
            out_image,
            write_30m,
            write_12h,
        ]| {
            let (uncached, cached, write) = (
                text + audio + image,
                cached_text + cached_audio + cached_image,
                write_30m + write_12h,
            );
            Metrics {
                input_tokens: Some(uncached + cached + write),
                input_uncached_tokens: Some(uncached),
                input_cached_tokens: Some(cached),
                input_cache_write_tokens: Some(write),
                input_cache_write_30m_tokens: Some(write_30m),
                input_cache_write_12h_tokens: Some(write_12h),
                input_text_tokens: Some(text),
                input_audio_tokens: Some(audio),
                input_image_tokens: Some(image),
                input_cached_text_tokens: Some(cached_text),
                input_cached_audio_tokens: Some(cached_audio),
                input_cached_image_tokens: Some(cached_image),
                output_tokens: Some(out_text + out_audio + out_image),
                output_text_tokens: Some(out_text),
                output_audio_tokens: Some(out_audio),
                output_image_tokens: Some(out_image),
                ..Metrics::default()
            }
        },
    )
}

/// Every metric that an identity speaks of.
const TOKENS: &[Metric] = &[
    Metric::InputTokens,
    Metric::InputUncachedTokens,
    Metric::InputCachedTokens,
    Metric::InputCacheWriteTokens,
    Metric::InputCacheWrite30mTokens,
    Metric::InputCacheWrite12hTokens,
    Metric::InputTextTokens,
    Metric::InputAudioTokens,
    Metric::InputImageTokens,
    Metric::InputCachedTextTokens,
    Metric::InputCachedAudioTokens,
    Metric::InputCachedImageTokens,
    Metric::OutputTokens,
    Metric::OutputTextTokens,
    Metric::OutputAudioTokens,
    Metric::OutputImageTokens,
];

proptest! {
    #[test]
    fn classes_sum_to_what_was_reported(metrics in consistent()) {
        let split = TokenSplit::of(&metrics);
        let sum = |classes: &[Option<i64>]| classes.iter().copied().sum::<Option<i64>>();
        prop_assert_eq!(sum(&[split.uncached, split.cached_read, split.cache_write]), metrics.input_tokens);
        prop_assert_eq!(split.output, metrics.output_tokens);
        for (class, by) in [
            (split.uncached, split.uncached_by_modality),
            (split.cached_read, split.cached_read_by_modality),
            (split.output, split.output_by_modality),
        ] {
            prop_assert_eq!(sum(&[by.text, by.audio, by.image]), class);
        }
    }

    #[test]
    fn metrics_that_add_up_do_not_drift(metrics in consistent(), unreported in proptest::sample::subsequence(TOKENS, 0..TOKENS.len())) {
        prop_assert_eq!(Drift::all(&metrics).count(), 0);
        // Unknown is not zero: what is not reported breaks no identity, except that writes not reported were none.
        let mut partial = metrics;
        for metric in unreported.iter().filter(|metric| **metric != Metric::InputCacheWriteTokens) {
            *partial.get_mut(*metric) = None;
        }
        prop_assert_eq!(Drift::all(&partial).count(), 0);
    }

    #[test]
    fn one_number_that_is_off_is_a_drift(metrics in consistent(), metric in select(TOKENS), off in prop_oneof![-9_i64..0, 1_i64..9]) {
        let mut wrong = metrics;
        *wrong.get_mut(metric) = metrics.get(metric).map(|value| value + off);
        let drifts: Vec<Drift> = Drift::all(&wrong).collect();
        prop_assert!(!drifts.is_empty());
        for drift in drifts {
            prop_assert!(drift.identity.total() == metric || drift.identity.parts().contains(&metric));
            prop_assert_eq!((i128::from(drift.reported) - drift.sum).abs(), i128::from(off.abs()));
        }
    }

    #[test]
    fn a_class_that_is_not_reported_follows_from_the_others(metrics in consistent()) {
        let whole = TokenSplit::of(&metrics);
        let without = |absent: &[Metric]| {
            let mut partial = metrics;
            for metric in absent {
                *partial.get_mut(*metric) = None;
            }
            TokenSplit::of(&partial)
        };
        prop_assert_eq!(without(&[Metric::InputUncachedTokens]), whole);
        prop_assert_eq!(without(&[Metric::InputCachedTokens]), whole);
        prop_assert_eq!(without(&[Metric::InputCacheWriteTokens]), whole);
        let undetermined = without(&[Metric::InputUncachedTokens, Metric::InputCachedTokens]);
        prop_assert_eq!((undetermined.uncached, undetermined.cached_read), (None, None));
    }

    #[test]
    fn no_class_is_negative_whatever_was_reported(input in any::<Option<u32>>(), cached in any::<Option<u32>>(), write in any::<Option<u32>>()) {
        let split = TokenSplit::of(&Metrics {
            input_tokens: input.map(i64::from),
            input_cached_tokens: cached.map(i64::from),
            input_cache_write_tokens: write.map(i64::from),
            ..Metrics::default()
        });
        let classes = [split.uncached, split.cached_read, split.cache_write];
        prop_assert!(classes.into_iter().flatten().all(|class| class >= 0), "{:?}", split);
    }
}
