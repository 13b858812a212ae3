//! The command line: what can be asked for, parsed into the project's own words.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use usage_app::cron::{PassOptions, Surroundings};
use usage_app::logging::LogLevel;
use usage_app::serving::ServeLedger;
use usage_core::{Decimal, Endpoint};
use usage_shell::{OutputFormat, Refusal, SettingsArguments, parse_address, parse_duration, parse_percent};

/// Parses the arguments of a process, its own name first.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    Arguments::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| Refusal::new(error, &Arguments::command(), &arguments))
}

/// Serves the ledger over HTTP: a dashboard for people, and routes for programs.
///
/// The first start prints a token of the role admin, once. Settings come from flags, then the environment, then usage.toml,
/// then defaults, as for `usage`. It keeps no schedule; `usage-cron serve` does.
#[derive(Parser)]
#[command(
    name = "usage-server",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 told to stop, and what was under way is finished; 2 could not serve."
)]
pub(crate) struct Arguments {
    /// Where to listen, as 127.0.0.1:8080 [default: the address of the settings]
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(crate) bind: Option<SocketAddr>,
    /// A proxy that speaks TLS stands before the address, which may then be beyond loopback
    #[arg(long)]
    pub(crate) behind_proxy: bool,
    /// Serve a simulated organisation from a ledger in a temporary folder, on any free port unless --bind is given; no
    /// settings are used, and nothing is left behind
    #[cfg(feature = "demo")]
    #[arg(
        long,
        conflicts_with_all = ["audit_dir", "horizon", "deadline", "exports", "max_variance", "database", "config"]
    )]
    pub(crate) demo: bool,
    /// The folder for evidence, whose latest reports are shown
    #[arg(long, value_name = "DIR", default_value = "audit")]
    audit_dir: PathBuf,
    /// How many days back a pass that is asked for fills gaps
    #[arg(long, value_name = "DAYS", default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=3650))]
    horizon: u32,
    /// How long a pass that is asked for may take, for example 90s, 30m or 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    deadline: Option<Duration>,
    /// A folder with exports of the provider, to which such a pass holds the ledger
    #[arg(long, value_name = "DIR")]
    exports: Option<PathBuf>,
    /// By how much charges and priced usage may be apart in such a pass, in percent
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = parse_percent)]
    max_variance: Decimal,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    /// How much to log: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Global options")]
    pub(crate) log_level: Option<LogLevel>,
    /// How log lines look: text or json
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "json",
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub(crate) log_format: OutputFormat,
}

impl Arguments {
    /// What is asked for.
    pub(crate) fn serve(&self) -> ServeLedger {
        ServeLedger {
            pass: PassOptions {
                accounts: Vec::new(),
                endpoints: Endpoint::ALL.to_vec(),
                horizon_days: self.horizon,
                due: None,
                label: None,
                plan_only: false,
                exports: self.exports.clone(),
                audit_dir: self.audit_dir.clone(),
                max_variance: self.max_variance.clone(),
                keeps_reports: false,
            },
            surroundings: Surroundings {
                deadline: self.deadline,
                textfile: None,
            },
            bind: self.bind,
            behind_proxy: self.behind_proxy,
        }
    }
}
