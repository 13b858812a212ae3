//! The report of a reconciliation, for people, for programs, and for spreadsheets.

mod json;
mod spreadsheet;
mod text;

use chrono::{DateTime, NaiveDate, Utc};
use usage_core::{Account, Decimal, Endpoint, Width};

use super::invoice::InvoiceComparison;
use super::outcome::{Complaint, Reconciliation};

/// What a report says besides what was found.
#[derive(Clone, Debug)]
pub struct ReconcileFacts {
    /// The program and its version.
    pub program: String,
    /// When it was made, UTC.
    pub now: DateTime<Utc>,
    /// Whose ledger it is.
    pub account: Account,
    /// The database, without its password.
    pub database: String,
    /// The label of the report.
    pub label: Option<String>,
    /// The first UTC day asked for.
    pub first_day: NaiveDate,
    /// The last UTC day asked for.
    pub last_day: NaiveDate,
    /// How large the variance may be, in percent.
    pub max_variance: Decimal,
    /// Surfaces of usage that the ledger never read in the range, so that their costs find no usage.
    pub never_read: Vec<Endpoint>,
    /// Surfaces of usage that the ledger read in the range, but not by the day, with each width by which it did: costs
    /// are of days, so their usage is not compared.
    pub other_widths: Vec<(Endpoint, Width)>,
    /// The projects that were compared, where not every project was read; the lines of others were left out.
    pub projects: Option<Vec<String>>,
    /// How many lines of other projects were left out.
    pub out_of_scope: u64,
    /// The month's invoice, if one was named.
    pub invoice: Option<InvoiceComparison>,
}

impl ReconcileFacts {
    /// Notes that of a day only these projects were compared; `None` for every project.
    pub fn limit_to<'a>(&mut self, projects: Option<impl IntoIterator<Item = &'a String>>) {
        let Some(projects) = projects else { return };
        let known = self.projects.get_or_insert_default();
        known.extend(projects.into_iter().cloned());
        known.sort();
        known.dedup();
    }

    fn complaints(&self, found: &Reconciliation) -> Vec<Complaint> {
        found.complaints(&self.max_variance)
    }

    fn unexplained_invoice(&self) -> Option<&InvoiceComparison> {
        self.invoice.as_ref().filter(|invoice| !invoice.is_explained)
    }
}

impl Reconciliation {
    /// Whether nothing has to be looked at: the variance is within its limit, nothing is unexplained, every day that is
    /// over was read, and the invoice, if there is one, is what was charged.
    pub fn is_clean(&self, facts: &ReconcileFacts) -> bool {
        facts.complaints(self).is_empty() && facts.unexplained_invoice().is_none()
    }
}
