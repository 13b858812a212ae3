//! The command line.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use usage_core::{Endpoint, Width, parse_day, parse_instant};
use usage_simulator::CostLayout;
use usage_simulator::faults::Injection;

/// Serves a simulated OpenAI organisation over HTTP, or writes its exports.
#[derive(Debug, Parser)]
#[command(name = "usage-simulator", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the admin API on 127.0.0.1 until interrupted; prints the base URL when it listens
    Serve(Serve),
    /// Write the export of usage or costs that the provider's dashboard would give
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) organization: OrganizationArguments,
    /// The port; 0 takes any free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// The file with the admin key to accept
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) key_file: Option<PathBuf>,
    /// The admin key to accept; a fake one, printed on standard error, unless given
    #[arg(long, value_name = "TEXT")]
    pub(crate) key: Option<String>,
    /// The time the provider believes it is, for example 2025-10-05T12:00:00Z; the machine's unless given
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_instant,
        conflicts_with_all = ["clock_scale", "clock_origin", "living"]
    )]
    pub(crate) now: Option<DateTime<Utc>>,
    /// Run on a clock so many times as fast, to rehearse; the client must be one that does the same
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::MIN)]
    pub(crate) clock_scale: NonZeroU32,
    /// When the faster clock shows the real time, and from when on a living organisation lives unless --living-from says
    /// otherwise [default: when the process starts]
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    pub(crate) clock_origin: Option<DateTime<Utc>>,
    /// From when on a living organisation lives, if not from the clock's origin: what befalls it at its first midnights then
    /// falls into a rehearsal
    #[arg(long, value_name = "TIME", value_parser = parse_instant, requires = "living")]
    pub(crate) living_from: Option<DateTime<Utc>>,
    /// Let a fault happen; may be given more than once
    ///
    /// FAULT[@every=K|@from=N|@once=N][@grouped][:ENDPOINT]: at all matching requests for usage or costs, at every
    /// K-th, from the N-th on, or at the N-th only; @grouped matches only grouped requests, :ENDPOINT only those to
    /// one endpoint. For example `reset-inside-body@every=3`, `unauthorized@from=10`,
    /// `dimension-null-model@once=1:completions`. An unknown FAULT is answered with the list of all.
    #[arg(long = "fault", value_name = "FAULT", value_parser = Injection::from_str)]
    pub(crate) faults: Vec<Injection>,
    /// Answer 429 to more requests than this in a minute of real time, times the scale of the clock
    #[arg(long, value_name = "NUMBER")]
    pub(crate) requests_per_minute: Option<u32>,
    /// Show no costs of the last so many UTC days, today included, as a provider that is late
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) costs_lag_days: u32,
    /// Write the exports of a living organisation into this folder, at the start and after each restatement
    ///
    /// One file for each endpoint and one for costs, of the last 35 UTC days up to the day before, each replaced in one
    /// step.
    #[arg(long, value_name = "DIR", requires = "living")]
    pub(crate) exports: Option<PathBuf>,
    /// Append each request, once answered, to this file as a line of JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) request_log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) organization: OrganizationArguments,
    /// The endpoint, or costs; any usage other than of completions needs --every-endpoint
    #[arg(long, value_name = "ENDPOINT", default_value_t = Endpoint::Completions)]
    pub(crate) endpoint: Endpoint,
    /// How wide the windows are: days, hours or minutes; costs come by days only
    #[arg(long, value_name = "WIDTH", default_value = "1d", value_parser = width_parser())]
    pub(crate) bucket_width: Width,
    /// How many columns an export of costs has: 10, as before September 2026, or 17
    #[arg(long, value_name = "NUMBER", default_value = "17", value_parser = layout_parser())]
    pub(crate) cost_columns: CostLayout,
    /// The first UTC day; that of the first usage unless given
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub(crate) start: Option<NaiveDate>,
    /// The last UTC day, included; that of the last usage unless given
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub(crate) end: Option<NaiveDate>,
    /// From when on the living organisation lives
    #[arg(long, value_name = "TIME", value_parser = parse_instant, requires = "living")]
    pub(crate) clock_origin: Option<DateTime<Utc>>,
    /// When the living organisation is looked at: what it used later is not in the export
    #[arg(long, value_name = "TIME", value_parser = parse_instant, requires = "living")]
    pub(crate) at: Option<DateTime<Utc>>,
    /// Where to write it; standard output unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Whose usage: that of exports, or of a generated organisation.
#[derive(Debug, Args)]
pub(crate) struct OrganizationArguments {
    /// A completions export to take as the truth; may be given more than once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "days", "groups_per_day", "models", "first_day", "living"])]
    pub(crate) csv: Vec<PathBuf>,
    /// The seed of a generated organisation
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// How many days to generate; of a living organisation, how many before the day of its origin [default: 31; 35 of a
    /// living one]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) days: Option<u32>,
    /// How many groups a generated day has
    #[arg(long, value_name = "NUMBER")]
    pub(crate) groups_per_day: Option<u32>,
    /// How many models completions are generated for; the price lists of a client may not have all of them
    #[arg(long, value_name = "NUMBER")]
    pub(crate) models: Option<u32>,
    /// The first generated UTC day
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub(crate) first_day: Option<NaiveDate>,
    /// Let the generated organisation live from the clock's origin on: it uses something every day, restates the last three
    /// days at 01:00 UTC, adds a project at the first midnight and deletes an API key at the second
    #[arg(long)]
    pub(crate) living: bool,
    /// Generate usage at every usage endpoint, not at completions only
    #[arg(long, conflicts_with = "csv")]
    pub(crate) every_endpoint: bool,
    /// Put on the bill, besides usage at list prices: a discount on gpt-5-2025-08-07 from the day in the middle, and on
    /// that day a credit, an image line without usage, and tax
    #[arg(long)]
    pub(crate) billing_extras: bool,
    /// The organisation's id
    #[arg(long, value_name = "ID", default_value = "org-simulated")]
    pub(crate) organization: String,
}

/// The provider's names of the widths.
fn width_parser() -> impl TypedValueParser<Value = Width> {
    PossibleValuesParser::new(["1d", "1h", "1m"]).try_map(|text| text.parse::<Width>())
}

/// The layouts of exports of costs by how many columns they have.
fn layout_parser() -> impl TypedValueParser<Value = CostLayout> {
    PossibleValuesParser::new(["10", "17"]).map(|text| match text.as_str() {
        "10" => CostLayout::TenColumns,
        _ => CostLayout::SeventeenColumns,
    })
}
