//! What the command line may change.

use std::path::PathBuf;

use crate::Outcome;

/// The size of a run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Rows of the first load and of each re-read.
    pub(crate) rows: usize,
    /// Rows of a window, which is a UTC day.
    pub(crate) window: usize,
    /// Rows the old way stores; it is too slow for more.
    pub(crate) old_rows: usize,
    /// How often everything is measured.
    pub(crate) rounds: usize,
    /// How many months the longer of the two memory runs loads, the other half as many; 0 leaves both out.
    pub(crate) months: usize,
    /// Where the JSON goes.
    pub(crate) json: Option<PathBuf>,
}

const USAGE: &str = "[--rows N] [--window N] [--old-rows N] [--rounds N] [--months N] [--json FILE]";

impl Options {
    pub(crate) fn from_arguments() -> Outcome<Self> {
        let mut options = Self {
            rows: 100_000,
            window: 3_000,
            old_rows: 2_000,
            rounds: 3,
            months: 24,
            json: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            // Cargo adds `--bench` of its own accord.
            if name == "--bench" {
                continue;
            }
            let value = arguments
                .next()
                .ok_or_else(|| format!("{name}: value missing; options are {USAGE}"))?;
            let number = || {
                let parsed = value.replace(['_', ','], "").parse::<usize>();
                parsed.map_err(|error| format!("{name} {value}: {error}"))
            };
            match name.as_str() {
                "--rows" => options.rows = number()?.max(1),
                "--window" => options.window = number()?.max(1),
                "--old-rows" => options.old_rows = number()?.max(1),
                "--rounds" => options.rounds = number()?.max(1),
                "--months" => options.months = number()?,
                "--json" => options.json = Some(PathBuf::from(value)),
                _ => return Err(format!("unknown option {name}; options are {USAGE}").into()),
            }
        }
        Ok(options)
    }
}
