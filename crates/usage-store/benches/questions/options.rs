//! What the command line may change.

use std::path::PathBuf;

use crate::Outcome;

/// The size of a run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Events of the ledger.
    pub(crate) events: usize,
    /// How often one client asks each question.
    pub(crate) asked: usize,
    /// How many clients ask at once.
    pub(crate) clients: usize,
    /// How often each question is asked in bare SQL.
    pub(crate) bare: usize,
    /// Rows that are stored with sums and without; 0 leaves that out.
    pub(crate) ingest_rows: usize,
    /// How many of them a day has.
    pub(crate) rows_a_day: usize,
    /// How often they are.
    pub(crate) rounds: usize,
    /// `sqlite`, `postgres` or both.
    pub(crate) databases: Vec<String>,
    /// The folder in which the SQLite ledger stays, for others to look at; it goes if none is named.
    pub(crate) keep: Option<PathBuf>,
}

const USAGE: &str = "[--events N] [--asked N] [--clients N] [--bare N] [--ingest-rows N] [--rows-a-day N] \
                     [--rounds N] [--database sqlite|postgres] [--keep FOLDER]";

impl Options {
    pub(crate) fn from_arguments() -> Outcome<Self> {
        let mut options = Self {
            events: 10_000_000,
            asked: 200,
            clients: 16,
            bare: 3,
            ingest_rows: 60_000,
            rows_a_day: 3_000,
            rounds: 5,
            databases: vec!["sqlite".to_owned(), "postgres".to_owned()],
            keep: None,
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
                "--events" => options.events = number()?.max(1),
                "--asked" => options.asked = number()?.max(1),
                "--clients" => options.clients = number()?.max(1),
                "--bare" => options.bare = number()?.max(1),
                "--ingest-rows" => options.ingest_rows = number()?,
                "--rows-a-day" => options.rows_a_day = number()?.max(1),
                "--rounds" => options.rounds = number()?.max(1),
                "--keep" => options.keep = Some(value.into()),
                "--database" if ["sqlite", "postgres"].contains(&value.as_str()) => {
                    options.databases = vec![value];
                }
                _ => return Err(format!("unknown option {name} {value}; options are {USAGE}").into()),
            }
        }
        Ok(options)
    }
}
