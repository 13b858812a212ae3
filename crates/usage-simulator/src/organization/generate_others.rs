//! Generated usage of the endpoints besides completions.

use chrono::{DateTime, NaiveDate};
use usage_core::{Dimensions, Endpoint, Metrics, Window};

use super::Organization;
use super::generate::{Generate, MINUTES_PER_DAY, Modality, Population, Random};

const DECISION_MODELS: &[&str] = &["gpt-5-2025-08-07", "gpt-5-mini-2025-08-07"];
const EMBEDDING_MODELS: &[&str] = &["text-embedding-3-large", "text-embedding-3-small"];
const MODERATION_MODELS: &[&str] = &["omni-moderation-2024-09-26", "text-moderation-007"];
const IMAGE_MODELS: &[&str] = &["gpt-image-1", "dall-e-3", "dall-e-2"];
const SPEECH_MODELS: &[&str] = &["gpt-4o-mini-tts", "tts-1", "tts-1-hd"];
const TRANSCRIPTION_MODELS: &[&str] = &["gpt-4o-transcribe", "whisper-1"];
const SEARCH_MODELS: &[&str] = &["gpt-5-2025-08-07", "gpt-4.1-2025-04-14", "o3-2025-04-16"];

const SIZES: &[&str] = &["256x256", "512x512", "1024x1024", "1792x1792", "1024x1792"];
const SOURCES: &[&str] = &["image.generation", "image.edit", "image.variation"];
const CONTEXT_LEVELS: &[&str] = &["low", "medium", "high"];
const TIERS: &[&str] = &["default", "flex", "priority"];
const VECTOR_STORES_PER_PROJECT: u64 = 2;

/// Adds a day's usage at every endpoint but completions. Each endpoint and day has a stream of randomness of its own.
pub(super) fn add_others(
    organization: &mut Organization,
    options: &Generate,
    population: &Population,
    day: NaiveDate,
    idle_percent: u32,
) {
    let midnight = Window::day(day).start_unix();
    let others = Endpoint::USAGE
        .into_iter()
        .filter(|endpoint| *endpoint != Endpoint::Completions);
    for (stream, endpoint) in (1..).zip(others) {
        let log = organization.usage_mut(endpoint);
        let mut random = Random::new(options.seed, midnight + stream);
        if options.groups_per_day == 0 || random.below(100) < u64::from(idle_percent) {
            continue;
        }
        for _ in 0..usages(endpoint, options) {
            let minute = random.below(MINUTES_PER_DAY).cast_signed() * 60;
            let (dimensions, metrics) = usage(endpoint, population, options, &mut random);
            if let Some(at) = DateTime::from_timestamp(midnight + minute, 0) {
                log.add(at, &dimensions, &metrics);
            }
        }
    }
}

/// How often an endpoint is used on a day: less than completions, and tools less than models.
fn usages(endpoint: Endpoint, options: &Generate) -> u32 {
    let share = match endpoint {
        Endpoint::VectorStores | Endpoint::CodeInterpreterSessions => 8,
        Endpoint::Decisions | Endpoint::Embeddings => 2,
        _ => 4,
    };
    (options.groups_per_day / share).max(1)
}

/// One use of an endpoint: by whom and of what, and how much.
pub(super) fn usage(
    endpoint: Endpoint,
    population: &Population,
    options: &Generate,
    random: &mut Random,
) -> (Dimensions, Metrics) {
    let mut dimensions = population.caller(random);
    let mut metrics = Metrics::default();
    let requests = random.amount(1, 60);
    let mut model = |names: &[&str], random: &mut Random| {
        dimensions.model = Some(one_of(names, random));
        metrics.num_model_requests = Some(requests);
    };
    match endpoint {
        Endpoint::Embeddings => {
            model(EMBEDDING_MODELS, random);
            metrics.input_tokens = Some(requests * random.amount(50, 8_000));
        }
        Endpoint::Moderations => {
            model(MODERATION_MODELS, random);
            metrics.input_tokens = Some(requests * random.amount(20, 900));
        }
        Endpoint::Images => {
            model(IMAGE_MODELS, random);
            metrics.images = Some(requests * random.amount(1, 4));
            dimensions.size = Some(one_of(SIZES, random));
            dimensions.source = Some(one_of(SOURCES, random));
        }
        Endpoint::AudioSpeeches => {
            model(SPEECH_MODELS, random);
            metrics.characters = Some(requests * random.amount(30, 4_000));
        }
        Endpoint::AudioTranscriptions => {
            model(TRANSCRIPTION_MODELS, random);
            metrics.seconds = Some(requests * random.amount(5, 1_800));
        }
        Endpoint::VectorStores => {
            metrics.usage_bytes = Some(random.amount(1_000, 4_000_000_000));
            dimensions = of_project(dimensions);
        }
        Endpoint::CodeInterpreterSessions => {
            metrics.num_sessions = Some(random.amount(1, 20));
            dimensions = of_project(dimensions);
        }
        Endpoint::FileSearchCalls => {
            metrics.num_requests = Some(requests);
            let store = random.below(VECTOR_STORES_PER_PROJECT);
            let project = dimensions.project_id.as_deref().unwrap_or_default();
            dimensions.vector_store_id = Some(format!("vs_{}{store}", project.trim_start_matches("proj_")));
        }
        Endpoint::WebSearchCalls => {
            model(SEARCH_MODELS, random);
            metrics.num_requests = Some(requests * random.amount(1, 3));
            dimensions.context_level = Some(one_of(CONTEXT_LEVELS, random));
            dimensions.api_source = (random.below(4) == 0).then(|| "agents_api".to_owned());
        }
        // Decisions, and whatever comes later in the shape of completions.
        _ => {
            dimensions.model = Some(one_of(DECISION_MODELS, random));
            dimensions.service_tier = Some(one_of(TIERS, random));
            dimensions.batch = Some(random.below(5) == 0);
            metrics = random.metrics(Modality::Text, options.cache_writes);
        }
    }
    (dimensions, metrics)
}

fn one_of(values: &[&str], random: &mut Random) -> String {
    let index = usize::try_from(random.below(values.len() as u64)).unwrap_or_default();
    values[index].to_owned()
}

/// What is counted for a project as a whole.
fn of_project(dimensions: Dimensions) -> Dimensions {
    Dimensions {
        project_id: dimensions.project_id,
        ..Dimensions::default()
    }
}
