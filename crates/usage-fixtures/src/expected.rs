//! Totals that a fixture is expected to have.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Fault, FixtureError};
use crate::files::read_text;
use crate::summary::Summary;

/// An expected-totals file. Every field is optional: what is absent or null is not compared.
///
/// ```
/// use usage_fixtures::ExpectedTotals;
///
/// let text = r#"{ "expected": { "eventCount": 31, "totalTokensCached": 56648320, "models": ["gpt-5-2025-08-07"] } }"#;
/// let totals = ExpectedTotals::parse(text, "september.json".as_ref())?;
/// assert_eq!(totals.fixture, None);
/// # Ok::<(), usage_fixtures::FixtureError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedTotals {
    /// The fixture that they are about, as a path from the folder of this file or from the current one.
    #[serde(default)]
    pub fixture: Option<String>,
    expected: Totals,
    /// For people.
    #[serde(default)]
    pub notes: Option<String>,
    /// Where they stand.
    #[serde(skip)]
    path: PathBuf,
}

/// The numbers, under the names of [`Summary`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Totals {
    event_count: Option<i64>,
    window_count: Option<i64>,
    total_tokens_in: Option<i64>,
    total_tokens_out: Option<i64>,
    distinct_projects: Option<i64>,
    distinct_keys: Option<i64>,
    distinct_users: Option<i64>,
    models: Option<BTreeSet<String>>,
    total_tokens_cached: Option<i64>,
    total_tokens_uncached: Option<i64>,
    total_tokens_cache_write: Option<i64>,
    total_requests: Option<i64>,
    row_count: Option<i64>,
    bucket_count: Option<i64>,
}

/// A total that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// Its name in the file, for example `totalTokensIn`.
    pub field: &'static str,
    /// What the file says.
    pub expected: String,
    /// What the fixture has; `null` where no row reports it.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, found {}",
            self.field, self.expected, self.found
        )
    }
}

impl ExpectedTotals {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, FixtureError> {
        Self::parse(&read_text(path)?, path)
    }

    /// Reads the text of a file at this path.
    pub fn parse(text: &str, path: &Path) -> Result<Self, FixtureError> {
        let totals: Self = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            Fault::of_json(&error, &format!("not a file of expected totals: {message}")).in_file(path)
        })?;
        Ok(Self {
            path: path.to_owned(),
            ..totals
        })
    }

    /// Whether they may be about this fixture: they name it, or none.
    pub fn are_about(&self, fixture: &Path) -> bool {
        let Some(named) = &self.fixture else {
            return true;
        };
        let Ok(fixture) = fs::canonicalize(fixture) else {
            return false;
        };
        let beside = self.path.parent().map(|folder| folder.join(named));
        [Some(PathBuf::from(named)), beside]
            .into_iter()
            .flatten()
            .any(|candidate| fs::canonicalize(candidate).is_ok_and(|there| there == fixture))
    }

    /// Fails if they name another fixture.
    pub fn check_about(&self, fixture: &Path) -> Result<(), FixtureError> {
        if self.are_about(fixture) {
            return Ok(());
        }
        let named = self.fixture.as_deref().unwrap_or_default();
        Err(FixtureError::new(
            &self.path,
            format!("the totals are about `{named}`, not about {}", fixture.display()),
        ))
    }

    /// Every total that differs by more than the tolerance. Models are compared as a set.
    pub fn mismatches(&self, found: &Summary, tolerance: u64) -> Vec<Mismatch> {
        let expected = &self.expected;
        let count = |number: u64| i64::try_from(number).ok();
        let numbers = [
            ("eventCount", expected.event_count, count(found.event_count)),
            ("windowCount", expected.window_count, count(found.window_count)),
            ("totalTokensIn", expected.total_tokens_in, found.total_tokens_in),
            (
                "totalTokensOut",
                expected.total_tokens_out,
                found.total_tokens_out,
            ),
            (
                "distinctProjects",
                expected.distinct_projects,
                count(found.distinct_projects),
            ),
            ("distinctKeys", expected.distinct_keys, count(found.distinct_keys)),
            (
                "distinctUsers",
                expected.distinct_users,
                count(found.distinct_users),
            ),
            (
                "totalTokensCached",
                expected.total_tokens_cached,
                found.total_tokens_cached,
            ),
            (
                "totalTokensUncached",
                expected.total_tokens_uncached,
                found.total_tokens_uncached,
            ),
            (
                "totalTokensCacheWrite",
                expected.total_tokens_cache_write,
                found.total_tokens_cache_write,
            ),
            ("totalRequests", expected.total_requests, found.total_requests),
            ("rowCount", expected.row_count, count(found.row_count)),
            ("bucketCount", expected.bucket_count, count(found.bucket_count)),
        ];
        let mut mismatches: Vec<Mismatch> = numbers
            .into_iter()
            .filter_map(|(field, expected, found)| {
                let expected = expected?;
                let within = found.is_some_and(|found| found.abs_diff(expected) <= tolerance);
                (!within).then(|| Mismatch {
                    field,
                    expected: expected.to_string(),
                    found: found.map_or_else(|| "null".to_owned(), |found| found.to_string()),
                })
            })
            .collect();
        let models: BTreeSet<String> = found.models.iter().cloned().collect();
        if let Some(expected) = expected.models.as_ref().filter(|expected| **expected != models) {
            let list = |models: &BTreeSet<String>| models.iter().cloned().collect::<Vec<_>>().join(", ");
            mismatches.push(Mismatch {
                field: "models",
                expected: list(expected),
                found: list(&models),
            });
        }
        mismatches
    }
}

/// A folder of expected-totals files, one for each fixture.
#[derive(Clone, Debug)]
pub struct TotalsFolder<'a>(pub &'a Path);

impl TotalsFolder<'_> {
    /// The file for a fixture `X.json`: the first there is of `X.json`, `X.json.expected.json` and `X.expected.json`.
    pub fn find(&self, fixture: &Path) -> Result<PathBuf, FixtureError> {
        let name = fixture.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(".json").unwrap_or(&name);
        let names = [
            name.to_string(),
            format!("{name}.expected.json"),
            format!("{stem}.expected.json"),
        ];
        names
            .iter()
            .map(|name| self.0.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                FixtureError::new(
                    self.0,
                    format!(
                        "there are no expected totals of {}; name them {}",
                        name,
                        names.join(", or ")
                    ),
                )
            })
    }
}
