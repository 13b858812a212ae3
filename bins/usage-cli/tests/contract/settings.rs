//! Which fixtures are held to the contract, and where the run is written down.

use std::path::{Path, PathBuf};

/// Fixtures and what they are expected to hold.
pub(crate) struct Fixtures {
    pub(crate) folder: PathBuf,
    pub(crate) totals: PathBuf,
    pub(crate) tolerance: String,
}

/// The root of the repository's own.
pub(crate) fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../audit/golden-fixtures")
}

/// Those of the repository, and those of whoever runs the tests.
pub(crate) fn all_fixtures() -> Vec<Fixtures> {
    let mut fixtures = vec![Fixtures {
        folder: golden().join("daily-usage"),
        totals: golden().join("expected-totals"),
        tolerance: "0".to_owned(),
    }];
    match variable("DAILY_USAGE_CONTRACT_FIXTURES_READY").as_deref() {
        None | Some("false") => {}
        Some("true") => {
            let folder =
                |name: &str| from_root(&variable(name).unwrap_or_else(|| panic!("{name} is not set")));
            fixtures.push(Fixtures {
                folder: folder("DAILY_USAGE_CONTRACT_FIXTURES_DIR"),
                totals: folder("DAILY_USAGE_CONTRACT_EXPECTED_TOTALS_DIR"),
                tolerance: variable("DAILY_USAGE_CONTRACT_EXPECTED_TOLERANCE").unwrap_or("0".to_owned()),
            });
        }
        Some(other) => panic!("DAILY_USAGE_CONTRACT_FIXTURES_READY is neither true nor false: {other}"),
    }
    fixtures
}

/// The folder for a log of the run; none unless asked for, since a test leaves the checkout as it was.
pub(crate) fn log_folder() -> Option<PathBuf> {
    variable("DAILY_USAGE_CONTRACT_LOG_DIR").map(|folder| from_root(&folder))
}

/// Whether the repository's fixtures are to be written anew instead of compared.
pub(crate) fn updates_golden_fixtures() -> bool {
    variable("USAGE_UPDATE_GOLDEN_FIXTURES").is_some_and(|value| value == "true")
}

/// Cargo runs tests in the folder of their crate; whoever names a folder stands at the root.
fn from_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "fixtures of their own are named by whoever starts the tests"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
