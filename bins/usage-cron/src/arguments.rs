//! The command line: what can be asked for, parsed into the project's own words.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use usage_app::cron::{PassOptions, Schedule, ScheduleError, Surroundings};
use usage_app::logging::LogLevel;
use usage_app::rehearsal::RehearsalOptions;
use usage_core::{Account, Decimal, Endpoint, IssueCode, parse_instant};
use usage_shell::{
    OutputFormat, Refusal, SettingsArguments, parse_account, parse_address, parse_duration, parse_label,
    parse_percent,
};

/// Parses the arguments of a process, its own name first.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, Refusal> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    Arguments::command()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| Refusal::new(error, &Arguments::command(), &arguments))
}

/// Keeps the ledger true when nobody looks: reads again what is not settled, fills gaps, and proves the result.
///
/// Settings come from flags, then the environment, then usage.toml, then defaults, as for `usage`. Results go to standard
/// output, a line for each thing that happens to standard error.
#[derive(Parser)]
#[command(
    name = "usage-cron",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done and clean, or another process is doing it; 1 done, but errors or differences were \
                  found; 2 could not be done."
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
    /// How much to log: off, error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<LogLevel>,
    /// How log lines look: text or json
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "json",
        hide_possible_values = true
    )]
    pub(crate) log_format: OutputFormat,
    /// Run on a clock so many times as fast, to rehearse; the provider must be one that does the same
    #[arg(long, global = true, value_name = "NUMBER", default_value_t = NonZeroU32::MIN)]
    pub(crate) clock_scale: NonZeroU32,
    /// When the faster clock shows the real time [default: when the process starts]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_instant)]
    pub(crate) clock_origin: Option<DateTime<Utc>>,
}

/// What can be asked for.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run one pass over every account and end
    Run(RunArguments),
    /// Run a pass whenever the schedule says so, until told to stop
    Serve(ServeArguments),
    /// Run the schedule for some days and judge what it found; goes on with a rehearsal that was interrupted
    Rehearse(RehearseArguments),
}

/// `usage-cron run`
#[derive(Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) pass: PassArguments,
    /// Print what the pass would request, and do nothing
    #[arg(long)]
    plan: bool,
    /// When the pass was due: what any process has read since is not read again [default: when the pass in progress was
    /// due, else now]
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    due: Option<DateTime<Utc>>,
    /// When passes are due, for a pass that a timer starts on several hosts: it is the one that was due last, and what any
    /// process did in it is not done again
    #[arg(long, value_name = "CRON", conflicts_with = "due")]
    schedule: Option<String>,
    /// The time zone of the schedule, as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", requires = "schedule")]
    zone: String,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// `usage-cron serve`
#[derive(Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) pass: PassArguments,
    /// When passes are due: minute, hour, day of month, month, day of week
    #[arg(long, value_name = "CRON", default_value = "0 2 * * *")]
    pub(crate) schedule: String,
    /// The time zone of the schedule, as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) zone: String,
    /// Begin each pass at a random moment up to this long after it is due
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    pub(crate) jitter: Duration,
    /// Do not make up for a pass that was due while nobody ran
    #[arg(long)]
    pub(crate) no_catch_up: bool,
    /// Answer HTTP requests here, as 127.0.0.1:8080: /api/cron/daily-usage, /metrics, /healthz and /readyz [default: the
    /// address of the settings, if one is set; else none are answered]
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub(crate) bind: Option<SocketAddr>,
    /// A proxy that speaks TLS stands before the address, which may then be beyond loopback
    #[arg(long)]
    pub(crate) behind_proxy: bool,
}

/// `usage-cron rehearse`
#[derive(Args)]
pub(crate) struct RehearseArguments {
    #[command(flatten)]
    pub(crate) pass: PassArguments,
    /// For how many hours; the last pass is due at their end
    #[arg(long, value_name = "HOURS", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: u32,
    /// How far passes are apart, for example 24h; the first is due at once
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "24h")]
    every: Duration,
    /// An issue code that may come, and why; may be given more than once
    #[arg(long = "explain", value_name = "CODE=REASON", value_parser = parse_explanation)]
    explained: Vec<(IssueCode, String)>,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

/// What a pass does.
#[derive(Args)]
pub(crate) struct PassArguments {
    /// How long a pass may take, for example 90s, 30m or 2h: no request is sent and no wait begun that would pass it
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    deadline: Option<Duration>,
    /// Whose usage, as org-AbC123 or openai/org-AbC123; may be given more than once [default: every account with a key]
    #[arg(long = "account", value_name = "ACCOUNT", value_parser = parse_account)]
    accounts: Vec<Account>,
    /// The surface; may be given more than once [default: every one]
    #[arg(long = "endpoint", value_name = "ENDPOINT")]
    endpoints: Vec<Endpoint>,
    /// How many days back gaps are filled
    #[arg(long, value_name = "DAYS", default_value_t = 35, value_parser = clap::value_parser!(u32).range(1..=3650))]
    horizon: u32,
    /// A name to know the runs by
    #[arg(long, value_parser = parse_label)]
    label: Option<String>,
    /// A folder with exports of the provider to hold the ledger against; exports of several accounts lie in folders named
    /// like their organisations
    #[arg(long, value_name = "DIR")]
    exports: Option<PathBuf>,
    /// By how much charges and priced usage may be apart, in percent
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = parse_percent)]
    max_variance: Decimal,
    /// The folder for evidence
    #[arg(long, value_name = "DIR", default_value = "audit")]
    pub(crate) audit_dir: PathBuf,
    /// Write the ledger's metrics to this file after each pass, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE")]
    textfile: Option<PathBuf>,
}

impl RunArguments {
    /// What is asked for, now.
    pub(crate) fn options(&self, now: DateTime<Utc>) -> Result<PassOptions, ScheduleError> {
        let due = match &self.schedule {
            None => self.due,
            Some(schedule) => Schedule::cron(schedule, Some(&self.zone))?.due_when_started(now),
        };
        Ok(PassOptions {
            plan_only: self.plan,
            due,
            ..self.pass.options()
        })
    }
}

impl RehearseArguments {
    /// What is asked for, on a clock with this origin.
    pub(crate) fn options(&self, clock_origin: Option<DateTime<Utc>>) -> RehearsalOptions {
        let explained = self.explained.iter();
        RehearsalOptions {
            hours: self.hours,
            every: self.every,
            clock_origin,
            pass: self.pass.options(),
            explained: explained
                .map(|(code, reason)| (code.as_str().to_owned(), reason.clone()))
                .collect(),
        }
    }
}

impl PassArguments {
    /// What is asked for.
    pub(crate) fn options(&self) -> PassOptions {
        PassOptions {
            accounts: self.accounts.clone(),
            endpoints: if self.endpoints.is_empty() {
                Endpoint::ALL.to_vec()
            } else {
                self.endpoints.clone()
            },
            horizon_days: self.horizon,
            due: None,
            label: self.label.clone(),
            plan_only: false,
            exports: self.exports.clone(),
            audit_dir: self.audit_dir.clone(),
            max_variance: self.max_variance.clone(),
            keeps_reports: false,
        }
    }

    /// What surrounds it.
    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            deadline: self.deadline,
            textfile: self.textfile.clone(),
        }
    }
}

/// A duration that passes can be apart.
fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("passes are at least a second apart; write for example 24h".to_owned()),
        interval => Ok(interval),
    }
}

/// `COST_VARIANCE=the discount begins in May`
fn parse_explanation(text: &str) -> Result<(IssueCode, String), String> {
    let (code, reason) = text
        .split_once('=')
        .map(|(code, reason)| (code.trim(), reason.trim()))
        .filter(|(_, reason)| !reason.is_empty())
        .ok_or_else(|| {
            format!("`{text}` explains nothing; write a code and a reason, as COST_VARIANCE=new discount")
        })?;
    let known = IssueCode::ALL.iter().find(|known| known.as_str() == code);
    let code = known.ok_or_else(|| format!("`{code}` is no issue code; docs/FAULTS.md lists them"))?;
    Ok((*code, parse_label(reason)?))
}
