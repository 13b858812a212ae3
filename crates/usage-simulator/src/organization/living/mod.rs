//! An organisation that goes on living after its history.

mod exports;
mod restatement;

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Timelike, Utc};
use usage_core::{Dimensions, Endpoint, Window, WindowRange};

use super::generate::{Generate, Generator, Modality, Population, Random, model_name};
use super::{ApiKey, KeyOwner, Organization, Project, User};
pub use exports::ExportsError;
use restatement::Restatement;

/// The hour of the day, UTC, at which the last days are restated.
const RESTATED_AT_HOUR: u32 = 1;
/// How often a day is restated: at that hour of each of so many days after it.
const RESTATEMENTS: u32 = 3;
/// How many groups the project has that is added.
const GROUPS_OF_THE_NEW_PROJECT: u64 = 3;

/// Streams of randomness of a day, beside those that generate its usage. Midnights are 86,400 apart.
const NEW_PROJECT_STREAM: i64 = 1_000;
const RESTATEMENT_STREAM: i64 = 2_000;

/// An organisation that keeps using, by whatever clock it is asked with.
///
/// Up to its origin it is what [`Organization::generate`] makes of the options. From then on:
///
/// * every UTC day has usage, which those who ask see minute by minute as it happens;
/// * at 01:00 UTC the last three days are restated at every endpoint: some groups grow, some shrink, the smallest vanishes,
///   and usage of another group comes late; days that are older never change;
/// * at the first midnight after the origin there is one more project, with an API key and, from that day on, usage of
///   completions every hour;
/// * at the second midnight an API key is deleted: it vanishes from the directory and uses nothing any more, and its usage
///   so far stays.
///
/// Costs follow from the usage. Nothing is remembered between two questions: the same options, origin and time give the
/// same organisation, whoever asks and however often.
///
/// ```
/// use usage_core::{Endpoint, parse_day, parse_instant};
/// use usage_simulator::{Generate, LivingOrganization};
///
/// let options = Generate { first_day: parse_day("2025-09-01")?, ..Generate::default() };
/// let living = LivingOrganization::new(options, parse_instant("2025-10-01T08:00:00Z")?);
/// let requests = |time: &str| -> Result<usize, Box<dyn std::error::Error>> {
///     Ok(living.at(parse_instant(time)?).usage(Endpoint::Completions).len())
/// };
/// assert!(requests("2025-10-03T12:00:00Z")? < requests("2025-10-03T13:00:00Z")?);
/// assert_eq!(living.at(parse_instant("2025-10-03T00:00:00Z")?).projects().len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LivingOrganization {
    options: Generate,
    origin: DateTime<Utc>,
    deleted_key: String,
    costs_lag_days: u32,
    has_billing_extras: bool,
}

impl LivingOrganization {
    /// An organisation whose history begins with the options' first day and whose life begins at the origin. How many days
    /// the options have does not matter.
    pub fn new(options: Generate, origin: DateTime<Utc>) -> Self {
        Self {
            deleted_key: a_used_key(&options),
            options,
            origin,
            costs_lag_days: 0,
            has_billing_extras: false,
        }
    }

    /// Lets costs lag, as [`Organization::costs_lag_days`] does.
    #[must_use]
    pub fn costs_lag_days(self, days: u32) -> Self {
        Self {
            costs_lag_days: days,
            ..self
        }
    }

    /// Puts on the bill what [`Organization::add_billing_extras`] does, at the day in the middle of the history.
    #[must_use]
    pub fn billing_extras(self) -> Self {
        Self {
            has_billing_extras: true,
            ..self
        }
    }

    /// The first day of the history.
    pub const fn first_day(&self) -> NaiveDate {
        self.options.first_day
    }

    /// The day at whose beginning the project is added; on the next one the API key is deleted.
    pub fn first_living_day(&self) -> NaiveDate {
        day_after(self.origin.date_naive(), 1)
    }

    /// The API key that is deleted.
    pub fn deleted_key(&self) -> &str {
        &self.deleted_key
    }

    /// The organisation at a time, with everything that it used until then and nothing later.
    pub fn at(&self, time: DateTime<Utc>) -> Organization {
        self.since(self.options.first_day, time)
    }

    /// As [`LivingOrganization::at`], without the usage before a day: that of a few days is made faster than a long life.
    pub fn since(&self, first_day: NaiveDate, time: DateTime<Utc>) -> Organization {
        let mut organization = self.foreseen(first_day, time);
        organization.forget_usage_after(time);
        organization
    }

    /// As [`LivingOrganization::since`], with the usage of the rest of the day and of the next one: who shows it knows the
    /// time, and need not ask again before something else than that changes.
    pub(crate) fn foreseen(&self, first_day: NaiveDate, time: DateTime<Utc>) -> Organization {
        let mut organization = Organization::new(self.options.organization.clone());
        let generator = Generator::new(&self.options, &mut organization);
        let last_day = day_after(time.date_naive(), 1);
        for day in first_day.max(self.options.first_day).iter_days() {
            if day > last_day {
                break;
            }
            self.add_day(&mut organization, &generator, day);
            for number in 1..=RESTATEMENTS {
                if self.has_restated(day, number, time) {
                    self.restatement(day, number)
                        .apply(&mut organization, &generator.population);
                }
            }
        }
        self.add_directory(&mut organization, &generator.population, time.date_naive());
        organization.costs_lag_days(self.costs_lag_days);
        if self.has_billing_extras {
            organization.add_billing_extras_on(self.middle_day());
        }
        organization
    }

    /// When something other than usage that happens last changed: at midnight the names, at 01:00 the last days.
    pub(crate) fn last_change(time: DateTime<Utc>) -> DateTime<Utc> {
        let midnight = Window::day(time.date_naive()).start();
        let restated_at = restated_at(time.date_naive());
        if restated_at <= time {
            restated_at
        } else {
            midnight
        }
    }

    /// The next time, after this one, at which the last days are restated.
    pub fn next_restatement(time: DateTime<Utc>) -> DateTime<Utc> {
        let today = time.date_naive();
        let candidates = [today, day_after(today, 1)].map(restated_at);
        let mut later = candidates.into_iter().filter(|at| *at > time);
        later.next().unwrap_or(time)
    }

    fn add_day(&self, organization: &mut Organization, generator: &Generator<'_>, day: NaiveDate) {
        let is_living = day >= self.first_living_day();
        let idle_percent = if is_living {
            0
        } else {
            self.options.idle_days_percent
        };
        generator.add_day(organization, day, idle_percent);
        if is_living {
            self.add_new_project_usage(organization, &generator.population, day);
        }
        if day >= self.deletion_day() {
            let is_of_it =
                |dimensions: &Dimensions| dimensions.api_key_id.as_ref() == Some(&self.deleted_key);
            for endpoint in Endpoint::USAGE {
                organization
                    .usage_mut(endpoint)
                    .remove(Window::day(day), is_of_it);
            }
        }
    }

    /// Some usage every hour.
    fn add_new_project_usage(
        &self,
        organization: &mut Organization,
        population: &Population,
        day: NaiveDate,
    ) {
        let log = organization.usage_mut(Endpoint::Completions);
        let mut random = Random::new(
            self.options.seed,
            Window::day(day).start_unix() + NEW_PROJECT_STREAM,
        );
        for hour in 0..24 {
            let number = hour % GROUPS_OF_THE_NEW_PROJECT;
            let dimensions = Dimensions {
                project_id: Some(new_project(population)),
                api_key_id: Some(new_key(population)),
                user_id: Some(population.id("user-", 0)),
                model: Some(model_name(number % 2).0),
                service_tier: Some(if number == 2 { "flex" } else { "default" }.to_owned()),
                batch: Some(false),
                ..Dimensions::default()
            };
            let minute = TimeDelta::hours(hour.cast_signed()) + TimeDelta::minutes(random.amount(0, 59));
            let metrics = random.metrics(Modality::Text, self.options.cache_writes);
            log.add(Window::day(day).start() + minute, &dimensions, &metrics);
        }
    }

    /// Whether a restatement of a day has happened by a time. What was due before the origin is part of the history.
    fn has_restated(&self, day: NaiveDate, number: u32, time: DateTime<Utc>) -> bool {
        let due = restated_at(day_after(day, number.into()));
        self.origin < due && due <= time
    }

    fn restatement(&self, day: NaiveDate, number: u32) -> Restatement<'_> {
        Restatement {
            options: &self.options,
            day,
            number,
            stopped_key: (day >= self.deletion_day()).then_some(&self.deleted_key),
        }
    }

    /// Names of everything that is ever used, so that they are the same whichever days are looked at.
    fn add_directory(&self, organization: &mut Organization, population: &Population, today: NaiveDate) {
        let created_at = Window::day(self.options.first_day).start() - TimeDelta::days(30);
        for number in 0..population.users {
            organization.add_user(User {
                id: population.id("user-", number),
                name: Some(format!("User {}", number + 1)),
                email: format!("user-{}@example.test", number + 1),
                is_owner: number == 0,
                added_at: created_at,
            });
        }
        let project = |id: String, number: u64, created_at, api_keys| Project {
            id,
            name: format!("Project {}", number + 1),
            created_at,
            archived_at: None,
            api_keys,
        };
        let key = |id: String, number: u64, created_at| ApiKey {
            id,
            name: format!("Key {}", number + 1),
            created_at,
            last_used_at: None,
            owner: KeyOwner::User(population.id("user-", number % population.users)),
            owner_has_access: true,
        };
        let projects = population.keys / population.keys_per_project;
        for number in 0..projects {
            let first = number * population.keys_per_project;
            let keys = (first..first + population.keys_per_project)
                .map(|number| key(population.id("key_", number), number, created_at));
            organization.add_project(project(
                population.id("proj_", number),
                number,
                created_at,
                keys.collect(),
            ));
        }
        if today >= self.first_living_day() {
            let since = Window::day(self.first_living_day()).start();
            let only_key = key(new_key(population), population.keys, since);
            organization.add_project(project(new_project(population), projects, since, vec![only_key]));
        }
        if today >= self.deletion_day() {
            organization.delete_api_key(&self.deleted_key);
        }
    }

    fn deletion_day(&self) -> NaiveDate {
        day_after(self.first_living_day(), 1)
    }

    fn middle_day(&self) -> NaiveDate {
        let (first, last) = (self.options.first_day, self.origin.date_naive());
        first + TimeDelta::days((last - first).num_days() / 2)
    }
}

/// The days so many before a time, up to the day before it.
fn days_before(time: DateTime<Utc>, first: u32, last: u32) -> Option<WindowRange> {
    let today = time.date_naive();
    let first = today.checked_sub_days(Days::new(first.into()))?;
    let last = today.checked_sub_days(Days::new(last.into()))?;
    WindowRange::days(first, last).ok()
}

fn restated_at(day: NaiveDate) -> DateTime<Utc> {
    let midnight = Window::day(day).start();
    midnight.with_hour(RESTATED_AT_HOUR).unwrap_or(midnight)
}

/// A day beyond the end of the calendar is its last one.
fn day_after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX)
}

/// Numbers of projects and keys begin at 0, so theirs count them.
fn new_project(population: &Population) -> String {
    population.id("proj_", population.keys / population.keys_per_project)
}

fn new_key(population: &Population) -> String {
    population.id("key_", population.keys)
}

/// The key with the least usage there is, so that much goes on without it; if one has it all, another.
fn a_used_key(options: &Generate) -> String {
    let population = Population::new(options);
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for member in 0..population.size {
        if let Some(key) = population.member(member).0.api_key_id {
            *uses.entry(key).or_default() += 1;
        }
    }
    let least = uses.iter().min_by_key(|(_, uses)| **uses);
    match least.filter(|_| uses.len() > 1) {
        Some((key, _)) => key.clone(),
        None => (0..population.keys)
            .map(|number| population.id("key_", number))
            .find(|key| !uses.contains_key(key))
            .unwrap_or_default(),
    }
}
