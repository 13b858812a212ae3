//! The command line: what can be asked for, parsed into the project's own words.

mod alerts;
mod cleanup;
mod copy;
mod fixtures;
mod import;
mod keys;
mod metrics;
mod names;
mod parity;
mod prices;
mod reconcile;
mod tokens;

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{Days, NaiveDate};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use usage_app::logging::LogLevel;
use usage_core::{Account, Dimension, Endpoint, InvalidRange, Width, WindowRange};
use usage_shell::{OutputFormat, Refusal, SettingsArguments, parse_account, parse_duration, parse_label};

pub(crate) use alerts::{AlertsCommand, BudgetsArguments};
pub(crate) use cleanup::{BlankMetadataArguments, CleanupCommand};
pub(crate) use copy::CopyArguments;
pub(crate) use fixtures::{CaptureArguments, FixturesCommand, SanitizeArguments, SummarizeArguments};
pub(crate) use import::{CognitrackArguments, ImportCommand};
pub(crate) use keys::{AddKeyArguments, KeysCommand};
pub(crate) use metrics::MetricsArguments;
pub(crate) use names::NamesCommand;
pub(crate) use parity::ParityArguments;
pub(crate) use prices::{PricesCommand, RepriceArguments};
pub(crate) use reconcile::{ReconcileArguments, ReportFormat};
pub(crate) use tokens::{AddTokenArguments, TokensCommand};

/// How many days `usage backfill` reads when nobody says which, today included.
const DEFAULT_DAYS: u64 = 30;

/// Parses the arguments of a process, its own name first.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    Arguments::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| Refusal::new(error, &Arguments::command(), &arguments))
}

/// Copies an organisation's LLM usage from its provider into your own database, and proves the copy.
///
/// Settings come from flags, then the environment, then usage.toml, then defaults; `usage doctor` prints each with
/// where it came from. Results go to standard output, everything else to standard error.
#[derive(Parser)]
#[command(
    name = "usage",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done and clean; 1 done, but errors or differences were found; 2 could not be done."
)]
pub(crate) struct Arguments {
    /// Flags of every command.
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    /// How much to log: off, error, warn, info, debug or trace [default: warn]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<LogLevel>,
    /// How log lines look.
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        help = "How log lines look: text or json"
    )]
    pub(crate) log_format: OutputFormat,
}

/// What can be asked for.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show it all on a simulated organisation, without a key and without leaving anything behind
    ///
    /// Starts a fake provider on this machine, reads 31 days from it over HTTP into a ledger in a temporary folder,
    /// and prints what it did. No settings are used.
    #[cfg(feature = "demo")]
    Demo,
    /// Bring the database's schema up to date
    ///
    /// The first command that opens an empty database does this by itself; an older schema is only ever changed here.
    Migrate(MigrateArguments),
    /// Add, list, check, rotate and remove the admin keys that read usage, and change the master key
    #[command(subcommand, arg_required_else_help = true)]
    Keys(KeysCommand),
    /// Read a range of days from the provider into the ledger
    ///
    /// Reads whole UTC days, both --start and --end included, and replaces what the ledger has of them. Days that
    /// were read after the provider settled them are skipped unless --force is given, so a backfill that was
    /// interrupted goes on where it stopped.
    #[command(
        after_help = "Example: usage backfill --start 2025-09-01 --end 2025-10-01 --endpoint completions --label september"
    )]
    Backfill(BackfillArguments),
    /// Show which days the ledger covers, the gaps, and the last runs
    Status(StatusArguments),
    /// Print metrics of every run, coverage and restatements for Prometheus
    ///
    /// They are computed from the ledger, so they are the same whichever process is asked; docs/MONITORING.md says what
    /// they mean.
    #[command(after_help = "Example: usage metrics --output /var/lib/prometheus/node-exporter/usage.prom")]
    Metrics(MetricsArguments),
    /// Show prices, and find usage that has none
    #[command(subcommand, arg_required_else_help = true)]
    Prices(PricesCommand),
    /// Price usage anew by the price list as it is now
    ///
    /// Usage is priced when it is first stored and keeps that price: reading it again never changes it. This does, says
    /// what it changed, and keeps the events as they stood as revisions.
    #[command(after_help = "Example: usage reprice --start 2025-09-01 --end 2025-09-30 --dry-run")]
    Reprice(RepriceArguments),
    /// Compare the ledger with the provider's own CSV export, group by group
    ///
    /// Every group of every window that the export spans must be in the ledger with the same numbers, and the other way
    /// round. The report goes below --audit-dir. 0: something was compared, and all of it is equal; 1: there are
    /// differences, or windows that the ledger never read; 2: nothing could be compared.
    #[command(
        after_help = "Example: usage parity --csv completions_usage_2025-09-01_2025-10-01.csv --label september"
    )]
    Parity(ParityArguments),
    /// Compare what usage costs by its prices with what the provider says it charged
    ///
    /// Day by day, for every project, model and direction of tokens: equal to the cent, different and by which price, usage
    /// without cost, cost without usage. All classes with the rounding sum to the provider's total exactly. The report
    /// goes below --audit-dir. 0: reconciled; 1: the variance passes --max-variance, something is unexplained, a day that
    /// is over was not read, or the invoice is another; 2: nothing could be reconciled.
    #[command(
        after_help = "Examples: usage reconcile --start 2025-09-01 --end 2025-09-30\n          \
                            usage reconcile --month 2025-09 --invoice 1234.56"
    )]
    Reconcile(ReconcileArguments),
    /// Test the webhooks, and show what they are told of
    #[command(subcommand, arg_required_else_help = true)]
    Alerts(AlertsCommand),
    /// Show what is spent of each budget in usage.toml
    ///
    /// It is what the usage costs by the price list, in the UTC day, ISO week or month that is running: what the provider
    /// charges is known only days later. 0: no budget is passed; 1: one is.
    Budgets(BudgetsArguments),
    /// Make, list and revoke tokens for the server's API and dashboard
    #[command(subcommand, arg_required_else_help = true)]
    Tokens(TokensCommand),
    /// Write usage events or costs as JSON lines, as CSV, as the provider's own CSV export, or as FOCUS
    ///
    /// Usage events unless --endpoint costs is named; a FOCUS file (version 1.4, Cost and Usage) is always of costs. What
    /// is not in that file is told on standard error: usage that was not charged, and days whose costs were not read.
    #[command(after_help = "Example: usage export --format csv --start 2025-09-01 --output september.csv")]
    Export(ExportArguments),
    /// Bring in what another system stored
    #[command(subcommand, arg_required_else_help = true)]
    Import(ImportCommand),
    /// List and delete rows that count usage twice
    #[command(subcommand, arg_required_else_help = true)]
    Cleanup(CleanupCommand),
    /// Capture raw pages of usage, sanitize them, and hold them against totals
    #[command(subcommand, arg_required_else_help = true)]
    Fixtures(FixturesCommand),
    /// Erase the names of people
    #[command(subcommand, arg_required_else_help = true)]
    Names(NamesCommand),
    /// Copy a SQLite ledger into a new file, while others go on writing
    ///
    /// The copy is one moment of the ledger, checked before it gets its name, readable by its owner only. It replaces
    /// nothing. The master key is not in it.
    #[command(after_help = "Example: usage backup /var/backups/usage-2025-10-01.db")]
    Backup {
        /// The file to make; it must not exist
        file: PathBuf,
    },
    /// Copy the whole ledger into another, empty database, and compare every row
    ///
    /// From SQLite to PostgreSQL or any other way. The copy is one moment of the ledger, which is only read; it is all in the
    /// target, read again and equal in every field, or nothing of it is. The same master key opens the provider keys there.
    /// It is refused while another process writes the ledger: stop what starts runs first.
    #[command(after_help = "Example: usage copy --to postgres://usage@localhost/usage\n\n\
                            Other users of a machine can see arguments: leave the password out of the URL and put it \
                            into ~/.pgpass.")]
    Copy(CopyArguments),
    /// Check settings, database, master key and provider keys, and say what is wrong
    Doctor(DoctorArguments),
    /// Print a script that completes this command line in a shell
    #[command(after_help = "Example: usage completions fish > ~/.config/fish/completions/usage.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// `usage migrate`
#[derive(Args)]
pub(crate) struct MigrateArguments {
    /// Also let this PostgreSQL role read the views of docs/SQL.md and nothing else; it is made if it is missing
    #[arg(long, value_name = "ROLE")]
    pub(crate) read_only_role: Option<String>,
}

/// `usage backfill`
#[derive(Args)]
pub(crate) struct BackfillArguments {
    /// The first UTC day [default: without --start and --end, the last 30 days]
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day)]
    pub(crate) start: Option<NaiveDate>,
    /// The last UTC day, included [default: today]
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day, requires = "start")]
    pub(crate) end: Option<NaiveDate>,
    /// How wide the windows are: days, hours or minutes
    ///
    /// Windows of different widths stand side by side in the ledger and are never added up. Days are what exports and
    /// bills are compared with; hours and minutes take many more requests.
    #[arg(long, value_name = "WIDTH", default_value = "1d", value_parser = width_parser())]
    pub(crate) bucket_width: Width,
    /// How many days to ask for at once [default: as many as the provider puts on a page]
    #[arg(long, value_name = "N", value_parser = parse_chunk_days, allow_negative_numbers = true)]
    pub(crate) chunk_days: Option<NonZeroU32>,
    /// How long the run may take, for example 90s, 30m or 2h: no request is sent and no wait begun that would pass it
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) deadline: Option<Duration>,
    /// A name to know the run by
    #[arg(long, value_parser = parse_label)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Print the plan and what it would request, and do nothing
    #[arg(long)]
    pub(crate) plan: bool,
    /// Also read days again that are settled
    #[arg(long)]
    pub(crate) force: bool,
    /// Let the provider take back more than half of a day, which is held otherwise
    #[arg(long)]
    pub(crate) accept_retractions: bool,
    /// Write a dated record of the run below --audit-dir
    #[arg(long)]
    pub(crate) artifact: bool,
    /// The folder for records of runs
    #[arg(long, value_name = "DIR", default_value = "audit")]
    pub(crate) audit_dir: PathBuf,
    /// The dimensions to group by, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', hide = true)]
    pub(crate) group_by: Vec<Dimension>,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

impl BackfillArguments {
    /// The days to read, given the UTC day that it is now.
    pub(crate) fn range(&self, today: NaiveDate) -> Result<WindowRange, InvalidRange> {
        let last = self.end.unwrap_or(today);
        let first = match self.start {
            Some(day) => day,
            None => last.checked_sub_days(Days::new(DEFAULT_DAYS - 1)).unwrap_or(last),
        };
        let days = WindowRange::days(first, last)?;
        WindowRange::new(days.start(), days.end(), self.bucket_width)
    }

    /// How many windows to ask for at once, if that was said.
    pub(crate) fn chunk_windows(&self) -> Option<usize> {
        let windows_a_day = usize::try_from(Width::Day.seconds() / self.bucket_width.seconds()).ok()?;
        let days = self.chunk_days?.get() as usize;
        Some(days.saturating_mul(windows_a_day))
    }
}

/// `usage status`
#[derive(Args)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// `usage export`
#[derive(Args)]
pub(crate) struct ExportArguments {
    /// How the events or costs are written
    #[arg(long)]
    pub(crate) format: ExportFormat,
    /// The first UTC day [default: the first in the ledger]
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day)]
    pub(crate) start: Option<NaiveDate>,
    /// The last UTC day, included [default: the last in the ledger]
    #[arg(long, value_name = "DAY", value_parser = usage_core::parse_day)]
    pub(crate) end: Option<NaiveDate>,
    /// How wide the windows of the events are: those of two widths are never in one export
    #[arg(long, value_name = "WIDTH", default_value = "1d", value_parser = width_parser())]
    pub(crate) bucket_width: Width,
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

impl ExportArguments {
    /// Fails if both days are given and the last lies before the first.
    pub(crate) fn check_range(&self) -> Result<(), InvalidRange> {
        match (self.start, self.end) {
            (Some(first), Some(last)) => WindowRange::days(first, last).map(drop),
            _ => Ok(()),
        }
    }
}

/// `usage doctor`
#[derive(Args)]
pub(crate) struct DoctorArguments {
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// Which part of the ledger is meant.
#[derive(Args)]
pub(crate) struct Selection {
    /// An endpoint, for example completions; may be repeated [default: all]
    #[arg(long = "endpoint", value_name = "ENDPOINT")]
    endpoints: Vec<Endpoint>,
    /// An account, as org-AbC123 or openai/org-AbC123; may be repeated [default: all]
    #[arg(long = "account", value_name = "ACCOUNT", value_parser = parse_account)]
    accounts: Vec<Account>,
}

impl Selection {
    /// The endpoints asked for, each once; every one where none was named.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        self.endpoints_or(|_| true)
    }

    /// The endpoints asked for, each once; every one of usage where none was named.
    pub(crate) fn usage_endpoints(&self) -> Vec<Endpoint> {
        self.endpoints_or(|endpoint| !endpoint.is_costs())
    }

    /// The endpoints asked for, each once; none where none was named.
    pub(crate) fn named_endpoints(&self) -> Vec<Endpoint> {
        each_once(self.endpoints.clone())
    }

    /// The endpoints asked for, each once; where none was named, every one that can be asked for windows of the width.
    pub(crate) fn endpoints_of(&self, width: Width) -> Vec<Endpoint> {
        self.endpoints_or(|endpoint| endpoint.has_width(width))
    }

    fn endpoints_or(&self, is_meant: impl Fn(Endpoint) -> bool) -> Vec<Endpoint> {
        if self.endpoints.is_empty() {
            return Endpoint::ALL
                .into_iter()
                .filter(|endpoint| is_meant(*endpoint))
                .collect();
        }
        each_once(self.endpoints.clone())
    }

    /// The accounts asked for, each once; empty for every account of the ledger.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        each_once(self.accounts.clone())
    }
}

/// How usage events and costs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One JSON object a line
    Jsonl,
    /// One row an event or a cost, with the names of the JSON form
    Csv,
    /// As the provider's own export of one endpoint, column for column; completions unless one is named
    ProviderCsv,
    /// Costs as the FinOps Open Cost and Usage Specification 1.4 has them, as CSV
    Focus,
}

/// The provider's names of the widths, for messages and for shells that complete them.
fn width_parser() -> impl TypedValueParser<Value = Width> {
    PossibleValuesParser::new(["1d", "1h", "1m"]).try_map(|text| text.parse::<Width>())
}

fn parse_chunk_days(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number of days; write a whole number, 1 or more"))
}

fn each_once<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort();
    values.dedup();
    values
}

#[cfg(test)]
mod tests;
