//! The report for people.

use std::fmt::{self, Write as _};

use chrono::NaiveDate;
use usage_core::{Decimal, Endpoint};

use super::ReconcileFacts;
use crate::reconcile::group::Class;
use crate::reconcile::invoice::InvoiceComparison;
use crate::reconcile::outcome::{Complaint, Finding, Reconciliation};

/// How many differences are shown; the JSON form has all.
const SHOWN: usize = 20;
/// How many notes of a difference are shown.
const SHOWN_NOTES: usize = 2;
/// How many days of a list are shown as ranges.
const RANGES: usize = 10;
/// More digits of an amount or a rate tell people nothing.
const PLACES: u32 = 9;

impl Reconciliation {
    /// The report in words: what is to be looked at, the bridge, the classes, the largest differences, and the prices
    /// that would close them.
    pub fn text(&self, facts: &ReconcileFacts) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(facts, &mut text);
        text
    }

    fn write_text(&self, facts: &ReconcileFacts, f: &mut String) -> fmt::Result {
        self.write_verdict(facts, f)?;
        self.write_bridge(f)?;
        self.write_classes(f)?;
        if let Some(invoice) = &facts.invoice {
            write_invoice(invoice, facts, f)?;
        }
        self.write_findings(f)?;
        self.write_left_out(facts, f)?;
        self.write_overlay(f)
    }

    fn write_verdict(&self, facts: &ReconcileFacts, f: &mut String) -> fmt::Result {
        let verdict = if self.is_clean(facts) {
            "RECONCILED"
        } else {
            "NOT RECONCILED"
        };
        let variance = match &self.variance.percent {
            Some(percent) => format!(
                "variance {percent} %, {} % allowed: {} USD apart of {} USD charged for priced usage",
                facts.max_variance,
                rounded(&self.variance.absolute_difference),
                rounded(&self.variance.charged),
            ),
            None if self.is_of_nothing() => "nothing was used and nothing charged".to_owned(),
            None => "no priced usage was charged, so there is no variance".to_owned(),
        };
        let provisional = match self.days.provisional.len() {
            0 => String::new(),
            days => format!(", {days} of them provisional"),
        };
        writeln!(
            f,
            "{verdict}: {}, {} to {}, {}{provisional}",
            facts.account,
            facts.first_day,
            facts.last_day,
            count(self.days.compared.len() as u64, "day"),
        )?;
        writeln!(f, "{variance}")?;
        for complaint in facts.complaints(self) {
            writeln!(f, "! {complaint}")?;
        }
        if let Some(invoice) = facts.unexplained_invoice() {
            let charged = if invoice.missing.is_empty() {
                "what was charged"
            } else {
                "what was charged for a part of the month"
            };
            writeln!(f, "! the invoice is {} USD off {charged}", invoice.difference)?;
        }
        Ok(())
    }

    fn write_bridge(&self, f: &mut String) -> fmt::Result {
        let bridge = &self.bridge;
        writeln!(f, "\nFrom priced usage to the provider's total, in USD")?;
        table(
            f,
            &[
                (
                    format!("priced usage, as on {}", count(self.rows.usage, "row")),
                    &bridge.priced,
                ),
                ("+ rounding of the rows".to_owned(), &bridge.rounding),
                (
                    "+ differences within half a cent".to_owned(),
                    &bridge.within_a_cent,
                ),
                ("+ differences beyond it".to_owned(), &bridge.differs),
                ("+ cost without usage".to_owned(), &bridge.cost_without_usage),
                ("- usage without cost".to_owned(), &bridge.usage_without_cost),
                ("= charged by the provider".to_owned(), &bridge.charged),
            ],
        )
    }

    fn write_classes(&self, f: &mut String) -> fmt::Result {
        writeln!(f, "\nClasses")?;
        for (class, tally) in &self.tallies {
            write!(f, "  {class}: {}", count(tally.groups, "group"))?;
            match class {
                Class::Equal => write!(
                    f,
                    ", {} USD, {} to the nano-dollar",
                    rounded(&tally.charged),
                    self.equal_to_the_nano
                )?,
                Class::Differs | Class::ChargedUnpriced => write!(
                    f,
                    ", charged {} USD, priced {} USD, {} USD",
                    rounded(&tally.charged),
                    rounded(&tally.priced),
                    signed(&tally.difference)
                )?,
                Class::NotCharged => write!(f, ", {} USD", rounded(&tally.priced))?,
                Class::Credit | Class::Tax | Class::OtherUnits | Class::Unexplained => {
                    write!(f, ", {} USD", rounded(&tally.charged))?;
                }
                Class::OtherCurrency => {
                    for (currency, amount) in &self.other_currencies {
                        write!(f, ", {amount} {}", currency.to_uppercase())?;
                    }
                }
                Class::Free | Class::Unpriced | Class::WithoutAmount => {}
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_findings(&self, f: &mut String) -> fmt::Result {
        if self.findings.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nDifferences, the largest first")?;
        for finding in self.findings.iter().take(SHOWN) {
            write_finding(finding, f)?;
        }
        let more = self.findings.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(f, "  … and {more} more; the JSON report has all")?;
        }
        Ok(())
    }

    fn write_left_out(&self, facts: &ReconcileFacts, f: &mut String) -> fmt::Result {
        let days = &self.days;
        if !days.open.is_empty() {
            writeln!(f, "\nNot over when read, in no sum: {}", ranges(&days.open))?;
        }
        if !days.without_costs.is_empty() {
            writeln!(
                f,
                "\nCosts not there yet, in no sum: {}",
                ranges(&days.without_costs)
            )?;
        }
        if !self.without_price.is_empty() {
            let names: Vec<&str> = self.without_price.iter().map(String::as_str).collect();
            writeln!(
                f,
                "\nUsage without a price that was not charged, which nothing explains: {}",
                names.join(", ")
            )?;
        }
        if !days.not_covered.is_empty() {
            let mut lacking: Vec<&Endpoint> = days.not_covered.iter().flat_map(|(_, lacks)| lacks).collect();
            lacking.sort();
            lacking.dedup();
            let names: Vec<&str> = lacking.iter().map(|endpoint| endpoint.as_str()).collect();
            let all: Vec<NaiveDate> = days.not_covered.iter().map(|(day, _)| *day).collect();
            writeln!(
                f,
                "\nNot read completely ({}), in no sum: {}\n  usage backfill --start {} --end {}",
                names.join(", "),
                ranges(&all),
                all.iter().min().copied().unwrap_or_default(),
                all.iter().max().copied().unwrap_or_default(),
            )?;
        }
        if !days.provisional.is_empty() {
            writeln!(
                f,
                "\nProvisional, the provider may still change them: {}",
                ranges(&days.provisional)
            )?;
        }
        if !facts.never_read.is_empty() && self.tally(Class::Unexplained).groups > 0 {
            let names: Vec<&str> = facts
                .never_read
                .iter()
                .map(|endpoint| endpoint.as_str())
                .collect();
            writeln!(
                f,
                "\nUsage of {} was never read; cost of it is unexplained",
                names.join(", ")
            )?;
        }
        write_other_widths(facts, f)?;
        if let Some(projects) = &facts.projects {
            writeln!(
                f,
                "\nOnly {} read on both sides; {} of other projects left out",
                match projects.as_slice() {
                    [one] => format!("project {one} is"),
                    several => format!("{} projects are", several.len()),
                },
                count(facts.out_of_scope, "line")
            )?;
        }
        Ok(())
    }

    fn write_overlay(&self, f: &mut String) -> fmt::Result {
        for line in &self.overlay.not_determined {
            writeln!(f, "\nNo price closes the gap of {line}")?;
        }
        if self.overlay.entries.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\nThese prices would close the gap; if they are yours, add them to the file of USAGE_PRICES_FILE:\n\n{}",
            self.overlay.toml().trim_end()
        )
    }
}

fn write_finding(finding: &Finding, f: &mut String) -> fmt::Result {
    write!(f, "  {} USD  {}", signed(&finding.difference), finding.model)?;
    if let Some(unit) = finding.unit {
        write!(f, ", {unit}")?;
    }
    if let Some(tier) = &finding.tier {
        write!(f, ", {tier}")?;
    }
    write!(f, ": {}", finding.class)?;
    write!(
        f,
        ", charged {}, priced {}",
        rounded(&finding.charged),
        rounded(&finding.priced)
    )?;
    if let (Some(implied), Some(list)) = (&finding.implied_rate, &finding.list_rate) {
        let per = match finding.rate_per {
            Some(1_000_000) => " a million",
            _ => " each",
        };
        write!(f, "; {}{per} instead of {}", rounded(implied), rounded(list))?;
        if let Some(ratio) = &finding.ratio {
            write!(f, ", {} of it", ratio.rounded(4))?;
        }
    }
    if !finding.price_ids.is_empty() {
        let ids: Vec<&str> = finding.price_ids.iter().map(String::as_str).collect();
        write!(f, "; {}", ids.join(", "))?;
    }
    if finding.first_day == finding.last_day {
        write!(f, "; {}", finding.first_day)?;
    } else {
        write!(f, "; {} to {}", finding.first_day, finding.last_day)?;
    }
    for note in finding.notes.iter().take(SHOWN_NOTES) {
        write!(f, "; {note}")?;
    }
    if finding.notes.len() > SHOWN_NOTES {
        write!(f, "; and {} more", finding.notes.len() - SHOWN_NOTES)?;
    }
    writeln!(f)
}

/// What was read by the hour or minute alone looks as if it had not been read, so it is told even if nothing lacks it.
fn write_other_widths(facts: &ReconcileFacts, f: &mut String) -> fmt::Result {
    if facts.other_widths.is_empty() {
        return Ok(());
    }
    let read = facts.other_widths.iter();
    let names: Vec<String> = read
        .map(|(endpoint, width)| format!("{endpoint} by {width}"))
        .collect();
    let mut endpoints: Vec<&str> = facts.other_widths.iter().map(|(of, _)| of.as_str()).collect();
    endpoints.dedup();
    writeln!(
        f,
        "\nNot read by the day, as costs are, and so in no sum: {}\n  usage backfill --start {} --end {} --endpoint {}",
        names.join(", "),
        facts.first_day,
        facts.last_day,
        endpoints.join(" --endpoint "),
    )
}

fn write_invoice(invoice: &InvoiceComparison, facts: &ReconcileFacts, f: &mut String) -> fmt::Result {
    writeln!(f, "\nThe invoice of {}, in USD", facts.first_day.format("%Y-%m"))?;
    table(
        f,
        &[
            ("charges".to_owned(), &invoice.charges),
            ("credits".to_owned(), &invoice.credits),
            ("tax, by the words of the line items".to_owned(), &invoice.tax),
            ("sum of the costs".to_owned(), &invoice.sum),
            ("invoice".to_owned(), &invoice.invoice),
            ("difference".to_owned(), &invoice.difference),
        ],
    )?;
    for missing in &invoice.missing {
        writeln!(f, "  Not in the sum: {missing}")?;
    }
    for explanation in &invoice.explanations {
        let verb = if invoice.is_explained {
            "Explained by"
        } else {
            "Could be"
        };
        writeln!(f, "  {verb} {explanation}")?;
    }
    Ok(())
}

/// Amounts under each other, the points too.
fn table(f: &mut String, rows: &[(String, &Decimal)]) -> fmt::Result {
    let cells: Vec<(&str, String)> = rows
        .iter()
        .map(|(words, amount)| (words.as_str(), amount.to_string()))
        .collect();
    let whole = |amount: &str| amount.find('.').unwrap_or(amount.len());
    let widest = cells.iter().map(|(words, _)| words.len()).max().unwrap_or(0);
    let places = cells.iter().map(|(_, amount)| whole(amount)).max().unwrap_or(0);
    for (words, amount) in &cells {
        let indent = places - whole(amount);
        writeln!(f, "  {words:<widest$}  {:indent$}{amount}", "")?;
    }
    Ok(())
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variance { percent, limit } => write!(f, "the variance of {percent} % passes {limit} %"),
            Self::Unexplained { class, amount } => write!(f, "{class}: {} USD", rounded(amount)),
            Self::NothingCompared => f.write_str(
                "nothing was compared: no line has both a price and a charge, or a rule that explains it",
            ),
            Self::NotCovered { days } => {
                let verb = if *days == 1 { "was" } else { "were" };
                write!(
                    f,
                    "{} that are over {verb} not read completely",
                    count(*days as u64, "day")
                )
            }
        }
    }
}

fn rounded(amount: &Decimal) -> Decimal {
    amount.rounded(PLACES)
}

/// With its sign, also that of a gain.
fn signed(amount: &Decimal) -> String {
    let sign = if amount.is_negative() { "" } else { "+" };
    format!("{sign}{}", rounded(amount))
}

/// `2025-09-01 to 2025-09-03, 2025-09-07`.
fn ranges(days: &[NaiveDate]) -> String {
    let mut ranges: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for day in days {
        match ranges.last_mut() {
            Some((_, last)) if last.succ_opt() == Some(*day) => *last = *day,
            _ => ranges.push((*day, *day)),
        }
    }
    let mut words: Vec<String> = ranges
        .iter()
        .take(RANGES)
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first} to {last}")
            }
        })
        .collect();
    if ranges.len() > RANGES {
        words.push(format!("and {} more ranges", ranges.len() - RANGES));
    }
    words.join(", ")
}

fn count(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}
