//! Organisations out of nothing: any size, the same every time.

use chrono::NaiveDate;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use usage_core::{Dimensions, Endpoint, Metrics, Window};

use super::generate_others::add_others;
use super::{Organization, UsageLog};

pub(super) const MINUTES_PER_DAY: u64 = 1_440;

/// Models in the order in which organisations get them, with what they read and write.
const MODELS: [(&str, Modality); 8] = [
    ("gpt-5-2025-08-07", Modality::Text),
    ("gpt-5-mini-2025-08-07", Modality::Text),
    ("gpt-4o-audio-preview-2025-06-03", Modality::Audio),
    ("gpt-4.1-2025-04-14", Modality::Image),
    ("gpt-4o-mini-2024-07-18", Modality::Text),
    ("o3-2025-04-16", Modality::Text),
    ("gpt-5-nano-2025-08-07", Modality::Text),
    ("o4-mini-2025-04-16", Modality::Text),
];

/// The service tiers in use, with whether the requests came through the batch API.
const LANES: [(&str, bool); 5] = [
    ("default", false),
    ("incentivized-tier", false),
    ("flex", false),
    ("priority", false),
    ("default", true),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Modality {
    Text,
    Audio,
    Image,
}

/// How to generate an organisation. The same options give the same organisation, to the last token; a day depends
/// on the seed and its date only, not on how many days there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Generate {
    /// The organisation's id.
    pub organization: String,
    /// Where all randomness comes from.
    pub seed: u64,
    /// The first UTC day.
    pub first_day: NaiveDate,
    /// How many days.
    pub days: u32,
    /// How many projects.
    pub projects: u32,
    /// How many API keys a project has; raised if [`Generate::groups_per_day`] needs more.
    pub keys_per_project: u32,
    /// How many users.
    pub users: u32,
    /// How many models.
    pub models: u32,
    /// How many groups a day with usage has, exactly: different sets of project, key, user, model, tier and batch.
    pub groups_per_day: u32,
    /// The usage of a group and day is spread over at most so many minutes; 1 keeps large organisations small.
    pub bursts: u32,
    /// The share of days without usage, in per cent.
    pub idle_days_percent: u32,
    /// Whether input is written to the cache, which newer models report and the dashboard's export does not show.
    pub cache_writes: bool,
    /// Whether there is usage at every endpoint; completions only unless told. Completions are the same either way.
    pub every_endpoint: bool,
}

impl Default for Generate {
    /// A small organisation in September 2025: 24 groups a day, a tenth of the days idle.
    fn default() -> Self {
        Self {
            organization: "org-simulated".to_owned(),
            seed: 1,
            first_day: NaiveDate::from_ymd_opt(2025, 9, 1).unwrap_or_default(),
            days: 31,
            projects: 3,
            keys_per_project: 2,
            users: 4,
            models: 4,
            groups_per_day: 24,
            bursts: 3,
            idle_days_percent: 10,
            cache_writes: false,
            every_endpoint: false,
        }
    }
}

impl Organization {
    /// An organisation of any size, from a seed.
    ///
    /// ```
    /// use usage_core::{Endpoint, WindowRange, parse_day};
    /// use usage_simulator::{Generate, Organization};
    ///
    /// let organization = Organization::generate(&Generate { idle_days_percent: 0, ..Generate::default() });
    /// let month = WindowRange::days(parse_day("2025-09-01")?, parse_day("2025-10-01")?)?;
    /// assert_eq!(organization.usage(Endpoint::Completions).totals(month).rows, 31 * 24);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn generate(options: &Generate) -> Self {
        let mut organization = Self::new(options.organization.clone());
        let generator = Generator::new(options, &mut organization);
        for day in options.first_day.iter_days().take(options.days as usize) {
            generator.add_day(&mut organization, day, options.idle_days_percent);
        }
        organization.invent_directory();
        organization
    }
}

/// Makes the usage of one day after another. A day depends on the seed and its date only.
pub(super) struct Generator<'a> {
    options: &'a Generate,
    pub(super) population: Population,
    /// What completions are used with.
    tuples: Vec<(u32, Modality)>,
}

impl<'a> Generator<'a> {
    /// Files what the organisation will use, so that days added later find it.
    pub(super) fn new(options: &'a Generate, organization: &mut Organization) -> Self {
        let population = Population::new(options);
        let log = organization.usage_mut(Endpoint::Completions);
        let tuples = (0..population.size)
            .map(|member| {
                let (dimensions, modality) = population.member(member);
                (log.tuples.intern(&dimensions, 0), modality)
            })
            .collect();
        Self {
            options,
            population,
            tuples,
        }
    }

    /// Adds the usage of a day, unless it is one of so many idle ones in a hundred.
    pub(super) fn add_day(&self, organization: &mut Organization, day: NaiveDate, idle_percent: u32) {
        self.add_completions(organization.usage_mut(Endpoint::Completions), day, idle_percent);
        if self.options.every_endpoint {
            add_others(organization, self.options, &self.population, day, idle_percent);
        }
    }

    fn add_completions(&self, log: &mut UsageLog, day: NaiveDate, idle_percent: u32) {
        let (options, size) = (self.options, self.population.size);
        let midnight = Window::day(day).start_unix();
        let mut random = Random::new(options.seed, midnight);
        if random.below(100) < u64::from(idle_percent) || self.tuples.is_empty() {
            return;
        }
        let first = random.below(size);
        let today = (0..u64::from(options.groups_per_day)).map(|step| (first + step) % size);
        for member in today {
            let (tuple, modality) = self.tuples[usize::try_from(member).unwrap_or_default()];
            for _ in 0..=random.below(u64::from(options.bursts.max(1))) {
                let minute = random.below(MINUTES_PER_DAY).cast_signed() * 60;
                let metrics = random.metrics(modality, options.cache_writes);
                log.push(midnight + minute, tuple, &metrics);
            }
        }
    }
}

/// The tuples an organisation ever uses: a fifth more than on one day, so that groups come and go.
pub(super) struct Population {
    seed: u64,
    pub(super) size: u64,
    pub(super) keys: u64,
    pub(super) keys_per_project: u64,
    pub(super) users: u64,
    models: u64,
    offset: u64,
    stride: u64,
}

impl Population {
    pub(super) fn new(options: &Generate) -> Self {
        let lanes = LANES.len() as u64;
        let projects = u64::from(options.projects.max(1));
        let users = u64::from(options.users.max(1));
        let models = u64::from(options.models.max(1));
        let wanted = u64::from(options.groups_per_day);
        let size = wanted + wanted / 5;
        let for_each_key = users * models * lanes;
        let keys_per_project =
            u64::from(options.keys_per_project.max(1)).max(size.div_ceil(for_each_key * projects));
        let keys = projects * keys_per_project;
        let combinations = keys * for_each_key;
        let mut random = Random::new(options.seed, i64::MIN);
        // Among so many neighbours there is always one without a common divisor.
        let least = 1 + random.below(combinations);
        let stride = (least..=least + combinations)
            .find(|stride| greatest_common_divisor(*stride, combinations) == 1)
            .unwrap_or(1);
        Self {
            seed: options.seed,
            size,
            keys,
            keys_per_project,
            users,
            models,
            offset: random.below(combinations),
            stride,
        }
    }

    /// The dimensions of one member. A stride without a divisor in common with their number visits all
    /// combinations before it repeats one, so members differ.
    pub(super) fn member(&self, member: u64) -> (Dimensions, Modality) {
        let combinations = self.keys * self.users * self.models * LANES.len() as u64;
        let step = u128::from(member) * u128::from(self.stride) + u128::from(self.offset);
        let mut rest = u64::try_from(step % u128::from(combinations)).unwrap_or_default();
        let mut take = |count: u64| {
            let index = rest % count;
            rest /= count;
            index
        };
        let (lane, model, user, key) = (
            take(LANES.len() as u64),
            take(self.models),
            take(self.users),
            take(self.keys),
        );
        let (service_tier, batch) = LANES[usize::try_from(lane).unwrap_or_default()];
        let (model, modality) = model_name(model);
        let dimensions = Dimensions {
            project_id: Some(self.id("proj_", key / self.keys_per_project)),
            api_key_id: Some(self.id("key_", key)),
            user_id: Some(self.id("user-", user)),
            model: Some(model),
            service_tier: Some(service_tier.to_owned()),
            batch: Some(batch),
            ..Dimensions::default()
        };
        (dimensions, modality)
    }

    /// A project, one of its keys and some user.
    pub(super) fn caller(&self, random: &mut Random) -> Dimensions {
        let key = random.below(self.keys);
        Dimensions {
            project_id: Some(self.id("proj_", key / self.keys_per_project)),
            api_key_id: Some(self.id("key_", key)),
            user_id: Some(self.id("user-", random.below(self.users))),
            ..Dimensions::default()
        }
    }

    /// Ids look like the provider's and sort in the order of their numbers.
    pub(super) fn id(&self, prefix: &str, number: u64) -> String {
        format!("{prefix}sim{:04x}{number:05}", self.seed & 0xffff)
    }
}

pub(super) fn model_name(number: u64) -> (String, Modality) {
    let count = MODELS.len() as u64;
    let (name, modality) = MODELS[usize::try_from(number % count).unwrap_or_default()];
    match number / count {
        0 => (name.to_owned(), modality),
        generation => (format!("ft:{name}:simulated::{generation:04}"), modality),
    }
}

fn greatest_common_divisor(left: u64, right: u64) -> u64 {
    if right == 0 {
        left
    } else {
        greatest_common_divisor(right, left % right)
    }
}

pub(super) struct Random(ChaCha8Rng);

impl Random {
    /// Each day has a stream of its own, so that it does not depend on the days before it.
    pub(super) fn new(seed: u64, stream: i64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream.cast_unsigned());
        Self(random)
    }

    /// A number below the bound, or 0 if there is none below it.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    pub(super) fn amount(&mut self, least: u64, most: u64) -> i64 {
        (least + self.below(most - least + 1)).cast_signed()
    }

    /// The numbers of some requests, with every identity of the provider kept.
    pub(super) fn metrics(&mut self, modality: Modality, cache_writes: bool) -> Metrics {
        let requests = self.amount(1, 60);
        let per_request = self.amount(200, 6_000);
        let prompt = requests * per_request + self.amount(0, 199);
        let cached = prompt * self.amount(0, 90) / 100;
        let written = if cache_writes {
            (prompt - cached) * self.amount(0, 50) / 100
        } else {
            0
        };
        let uncached = prompt - cached - written;
        let output = requests * self.amount(20, 900) + self.amount(0, 19);

        let other_share = if modality == Modality::Text {
            0
        } else {
            self.amount(5, 60)
        };
        let [cached_other, uncached_other, output_other] =
            [cached, uncached, output].map(|tokens| tokens * other_share / 100);
        let audio = |tokens| if modality == Modality::Audio { tokens } else { 0 };
        let image = |tokens| if modality == Modality::Image { tokens } else { 0 };
        let written_30m = written - written / 4;
        Metrics {
            input_tokens: Some(prompt),
            output_tokens: Some(output),
            input_cached_tokens: Some(cached),
            input_uncached_tokens: Some(uncached),
            input_cache_write_tokens: cache_writes.then_some(written),
            input_cache_write_30m_tokens: cache_writes.then_some(written_30m),
            input_cache_write_12h_tokens: cache_writes.then_some(written - written_30m),
            input_text_tokens: Some(uncached - uncached_other),
            output_text_tokens: Some(output - output_other),
            input_cached_text_tokens: Some(cached - cached_other),
            input_audio_tokens: Some(audio(uncached_other)),
            input_cached_audio_tokens: Some(audio(cached_other)),
            output_audio_tokens: Some(audio(output_other)),
            input_image_tokens: Some(image(uncached_other)),
            input_cached_image_tokens: Some(image(cached_other)),
            output_image_tokens: Some(image(output_other)),
            num_model_requests: Some(requests),
            ..Metrics::default()
        }
    }
}
