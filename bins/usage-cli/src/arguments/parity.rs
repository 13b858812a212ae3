//! `usage parity`

use std::path::PathBuf;

use chrono::{DateTime, Days, NaiveTime, Utc};
use clap::Args;
use usage_app::commands::parity::{ExportScope, ParityOptions, TimeRange};

use usage_core::{Account, Endpoint, InvalidRange, parse_day, parse_instant};

use super::{OutputFormat, each_once, parse_account, parse_label};

/// `usage parity`
#[derive(Args)]
pub(crate) struct ParityArguments {
    /// An export of the provider's usage page; may be repeated
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "csv_dir")]
    csv: Vec<PathBuf>,
    /// A folder with exports: every *.csv directly in it
    #[arg(long, value_name = "DIR", conflicts_with = "csv")]
    csv_dir: Option<PathBuf>,
    /// Whose ledger, as org-AbC123 or openai/org-AbC123; needed if it has several accounts
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
    account: Option<Account>,
    /// The endpoint of exports whose columns leave a choice, such as embeddings and moderations
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<Endpoint>,
    /// From which UTC day or instant on [default: where the export begins]
    #[arg(long, value_name = "TIME", value_parser = parse_from)]
    from: Option<DateTime<Utc>>,
    /// To which UTC day, included, or instant, excluded [default: where the export ends]
    #[arg(long, value_name = "TIME", value_parser = parse_to)]
    to: Option<DateTime<Utc>>,
    /// A project to which the export was filtered when it was downloaded; may be repeated
    #[arg(long = "project", value_name = "ID")]
    projects: Vec<String>,
    /// A user to whom the export was filtered when it was downloaded; may be repeated
    #[arg(long = "user", value_name = "ID")]
    users: Vec<String>,
    /// By how much a number may differ and still count as equal
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse_tolerance, allow_negative_numbers = true)]
    tolerance: u64,
    /// Accept equality after summing over a dimension that the ledger does not tell apart
    #[arg(long)]
    allow_coarse: bool,
    /// A name to know the report by
    #[arg(long, value_parser = parse_label)]
    label: Option<String>,
    /// The report, written exactly there [default: a dated file and latest.json below --audit-dir]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The folder for evidence
    #[arg(long, value_name = "DIR", default_value = "audit")]
    audit_dir: PathBuf,
    /// Only sum the export up, and read no ledger
    #[arg(long)]
    skip_db: bool,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: OutputFormat,
}

impl ParityArguments {
    /// What is asked for.
    pub(crate) fn options(self) -> Result<ParityOptions, InvalidRange> {
        if let (Some(start), Some(end)) = (self.from, self.to)
            && start >= end
        {
            return Err(InvalidRange::Empty { start, end });
        }
        Ok(ParityOptions {
            files: self.csv,
            folder: self.csv_dir,
            account: self.account,
            endpoint: self.endpoint,
            range: TimeRange {
                from: self.from,
                to: self.to,
            },
            scope: ExportScope {
                projects: each_once(self.projects),
                users: each_once(self.users),
            },
            label: self.label,
            tolerance: self.tolerance,
            allow_coarse: self.allow_coarse,
            output: self.output,
            audit_dir: self.audit_dir,
            skip_ledger: self.skip_db,
        })
    }
}

fn parse_from(text: &str) -> Result<DateTime<Utc>, String> {
    parse_time(text, Days::new(0))
}

/// A day is included, so the range ends where the next begins.
fn parse_to(text: &str) -> Result<DateTime<Utc>, String> {
    parse_time(text, Days::new(1))
}

fn parse_time(text: &str, after: Days) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = parse_day(text) {
        let day = day.checked_add_days(after).unwrap_or(day);
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    parse_instant(text).map_err(|_| {
        format!("`{text}` is neither a day nor an instant; write 2025-09-01 or 2025-09-01T00:00:00Z")
    })
}

fn parse_tolerance(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no tolerance; write a whole number, 0 or more"))
}
