//! What the command line may change.

use crate::Outcome;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// The size of a run.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// About how many events the ledger has: as many in each day of each account.
    pub(crate) events: usize,
    /// How many accounts share them.
    pub(crate) accounts: usize,
    /// Over how many days.
    pub(crate) days: usize,
    /// How often one client asks each question.
    pub(crate) asks: usize,
    /// How often the bare SQL is asked each question.
    pub(crate) bare_asks: usize,
    /// How many clients ask at once.
    pub(crate) clients: usize,
    /// On which databases.
    pub(crate) databases: Vec<Database>,
}

const USAGE: &str =
    "[--events N] [--accounts N] [--days N] [--asks N] [--bare-asks N] [--clients N] [--on sqlite|postgres]";

impl Options {
    pub(crate) fn from_arguments() -> Outcome<Self> {
        let mut options = Self {
            events: 10_000_000,
            accounts: 5,
            days: 731,
            asks: 200,
            bare_asks: 5,
            clients: 16,
            databases: vec![Database::Sqlite, Database::Postgres],
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
                parsed
                    .map(|number| number.max(1))
                    .map_err(|error| format!("{name} {value}: {error}"))
            };
            match (name.as_str(), value.as_str()) {
                ("--events", _) => options.events = number()?,
                ("--accounts", _) => options.accounts = number()?,
                // The longest question is of 90 days, each time of others.
                ("--days", _) => options.days = number()?.max(120),
                ("--asks", _) => options.asks = number()?,
                ("--bare-asks", _) => options.bare_asks = number()?,
                ("--clients", _) => options.clients = number()?,
                ("--on", "sqlite") => options.databases = vec![Database::Sqlite],
                ("--on", "postgres") => options.databases = vec![Database::Postgres],
                _ => return Err(format!("unknown option {name} {value}; options are {USAGE}").into()),
            }
        }
        Ok(options)
    }

    /// How many events a day of an account has.
    pub(crate) fn events_a_day(&self) -> usize {
        (self.events / self.accounts / self.days).max(1)
    }
}
