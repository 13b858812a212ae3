//! `usage reconcile`

use std::path::PathBuf;

use chrono::{Months, NaiveDate};
use clap::{Args, ValueEnum};
use usage_app::commands::reconcile::ReconcileOptions;
use usage_core::{Account, Decimal, parse_day};

use usage_shell::{parse_account, parse_label, parse_percent};

/// `usage reconcile`
#[derive(Args)]
pub(crate) struct ReconcileArguments {
    /// The first UTC day
    #[arg(long, value_name = "DAY", value_parser = parse_day, required_unless_present = "month", requires = "end")]
    start: Option<NaiveDate>,
    /// The last UTC day, included
    #[arg(long, value_name = "DAY", value_parser = parse_day, required_unless_present = "month", requires = "start")]
    end: Option<NaiveDate>,
    /// A UTC month instead, as 2025-09
    #[arg(long, value_name = "MONTH", value_parser = parse_month, conflicts_with_all = ["start", "end"])]
    month: Option<Month>,
    /// The total of the month's invoice in USD, to set the costs beside it
    #[arg(
        long,
        value_name = "USD",
        value_parser = parse_amount,
        allow_negative_numbers = true,
        requires = "month",
        conflicts_with_all = ["start", "end"]
    )]
    invoice: Option<Decimal>,
    /// Whose ledger, as org-AbC123 or openai/org-AbC123; needed if it has several accounts
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_account)]
    account: Option<Account>,
    /// By how much charges and priced usage may be apart, in percent of what was charged
    #[arg(long, value_name = "PERCENT", default_value = "2%", value_parser = parse_percent, allow_negative_numbers = true)]
    max_variance: Decimal,
    /// A name to know the report by
    #[arg(long, value_parser = parse_label)]
    label: Option<String>,
    /// The report as JSON, written exactly there [default: a dated file and latest.json below --audit-dir]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The folder for evidence
    #[arg(long, value_name = "DIR", default_value = "audit")]
    audit_dir: PathBuf,
    /// How the result is written
    #[arg(long, default_value = "text")]
    pub(crate) format: ReportFormat,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// For spreadsheets: a line for each compared group
    Csv,
}

/// A UTC month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Month {
    first: NaiveDate,
    last: NaiveDate,
}

impl ReconcileArguments {
    /// What is asked for.
    pub(crate) fn options(self) -> ReconcileOptions {
        let days = self.month.map(|month| (month.first, month.last));
        // Without a month the parser demands both days.
        let (first_day, last_day) =
            days.unwrap_or((self.start.unwrap_or_default(), self.end.unwrap_or_default()));
        ReconcileOptions {
            first_day,
            last_day,
            invoice: self.invoice,
            account: self.account,
            max_variance: self.max_variance,
            label: self.label,
            output: self.output,
            audit_dir: self.audit_dir,
        }
    }
}

fn parse_month(text: &str) -> Result<Month, String> {
    let refusal = || format!("`{text}` is no month; write a year and a month, for example 2025-09");
    let first = parse_day(&format!("{text}-01")).map_err(|_| refusal())?;
    let last = first
        .checked_add_months(Months::new(1))
        .and_then(|next| next.pred_opt())
        .ok_or_else(refusal)?;
    Ok(Month { first, last })
}

fn parse_amount(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is no amount of dollars; write digits and a point, for example 1234.56")
    })
}
