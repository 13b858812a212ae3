use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use usage_core::{
    Account, DedupeKey, Dimension, Dimensions, Endpoint, Metrics, Provider, UsageEvent, Width, Window,
};

/// Everything that names an event.
#[derive(Clone, Debug, PartialEq)]
struct Identity {
    account: Account,
    window: Window,
    dimensions: Dimensions,
}

impl Identity {
    fn key(&self) -> DedupeKey {
        DedupeKey::new(
            &self.account,
            Endpoint::Completions,
            self.window,
            &self.dimensions,
        )
    }

    fn canonical(&self) -> String {
        DedupeKey::canonical(
            &self.account,
            Endpoint::Completions,
            self.window,
            &self.dimensions,
        )
    }

    /// The same identity in its one spelling: an empty text is an absent one.
    fn normal(mut self) -> Self {
        for dimension in TEXTS {
            let text = text_mut(&mut self.dimensions, dimension);
            *text = text.take().filter(|text| !text.is_empty());
        }
        self
    }
}

const TEXTS: [Dimension; 10] = [
    Dimension::ProjectId,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::Model,
    Dimension::ServiceTier,
    Dimension::ApiSource,
    Dimension::VectorStoreId,
    Dimension::Size,
    Dimension::Source,
    Dimension::ContextLevel,
];

fn text_mut(dimensions: &mut Dimensions, dimension: Dimension) -> &mut Option<String> {
    dimensions.text_mut(dimension).expect("a text")
}

/// Texts that an encoding without lengths or quotes would confuse, and any other text.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec![
            "a", "aa", "a a", "A", "true", "false", "\"", "\\", "\\\"", "model=\"a\"", "a\" model=\"a",
            "é", "e\u{301}", "\0", "\n", "null", "0", " ",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>().prop_filter("a value", |text| !text.is_empty()),
    ]
}

fn values() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(String::new())),
        3 => texts().prop_map(Some),
    ]
}

fn identities() -> impl Strategy<Value = Identity> {
    (
        select(vec!["org-a", "org-A", "org-aa"]),
        select(&Width::ALL[..]),
        -3_i64..3,
        vec(values(), TEXTS.len()),
        any::<Option<bool>>(),
    )
        .prop_map(|(organization, width, day, values, batch)| {
            let mut dimensions = Dimensions {
                batch,
                ..Dimensions::default()
            };
            for (dimension, value) in TEXTS.into_iter().zip(values) {
                *text_mut(&mut dimensions, dimension) = value;
            }
            Identity {
                account: Account::new(Provider::OpenAi, organization).unwrap(),
                window: Window::containing(DateTime::from_timestamp(day * 86_400, 0).unwrap(), width),
                dimensions,
            }
        })
}

/// Two identities that agree in most parts, and quite often in all.
fn pairs() -> impl Strategy<Value = (Identity, Identity)> {
    (
        identities(),
        identities(),
        vec(prop::bool::weighted(0.12), TEXTS.len() + 3),
    )
        .prop_map(|(first, other, differs)| {
            let mut second = first.clone();
            for (dimension, _) in TEXTS.into_iter().zip(&differs).filter(|(_, differs)| **differs) {
                *text_mut(&mut second.dimensions, dimension) =
                    text_mut(&mut other.dimensions.clone(), dimension).take();
            }
            if differs[TEXTS.len()] {
                second.dimensions.batch = other.dimensions.batch;
            }
            if differs[TEXTS.len() + 1] {
                second.window = other.window;
            }
            if differs[TEXTS.len() + 2] {
                second.account = other.account;
            }
            (first, second)
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn keys_and_canonical_texts_are_equal_exactly_when_identities_are((first, second) in pairs()) {
        let same = first.clone().normal() == second.clone().normal();
        prop_assert_eq!(first.canonical() == second.canonical(), same);
        prop_assert_eq!(first.key() == second.key(), same);
    }

    #[test]
    fn an_empty_value_is_an_absent_one(identity in identities()) {
        let normal = identity.clone().normal();
        prop_assert_eq!(identity.key(), normal.key());
        prop_assert_eq!(identity.canonical(), normal.canonical());
        prop_assert_eq!(identity.dimensions.present(), normal.dimensions.present());
    }

    #[test]
    fn a_value_moved_to_another_dimension_changes_the_key(
        identity in identities(),
        value in texts(),
        from in select(&TEXTS[..]),
        to in select(&TEXTS[..]),
    ) {
        prop_assume!(from != to);
        let (mut before, mut after) = (identity.clone(), identity);
        (*text_mut(&mut before.dimensions, from), *text_mut(&mut before.dimensions, to)) = (Some(value.clone()), None);
        (*text_mut(&mut after.dimensions, from), *text_mut(&mut after.dimensions, to)) = (None, Some(value));
        prop_assert_ne!(before.key(), after.key());
        prop_assert_ne!(before.canonical(), after.canonical());
    }

    #[test]
    fn canonical_text_is_one_line_with_each_value_once(identity in identities()) {
        let text = identity.canonical();
        prop_assert!(!text.contains(['\n', '\r', '\0']), "{}", text);
        for dimension in Dimension::USAGE {
            let named = identity.dimensions.get(dimension).map(|value| format!(" {dimension}={value:?}"));
            prop_assert_eq!(named.is_none_or(|named| text.contains(&named)), true);
        }
    }

    #[test]
    fn metrics_are_no_part_of_the_key(identity in identities(), requests in any::<i64>()) {
        let event = UsageEvent {
            account: identity.account.clone(),
            endpoint: Endpoint::Completions,
            window: identity.window,
            dimensions: identity.dimensions.clone(),
            metrics: Metrics { num_model_requests: Some(requests), ..Metrics::default() },
        };
        prop_assert_eq!(event.key(), identity.key());
    }

    #[test]
    fn keys_survive_storage(bytes in any::<[u8; 16]>()) {
        let key = DedupeKey::from_bytes(bytes);
        prop_assert_eq!(key.as_bytes(), &bytes);
        prop_assert_eq!(u128::from_str_radix(&key.to_string(), 16), Ok(u128::from_be_bytes(bytes)));
    }
}
