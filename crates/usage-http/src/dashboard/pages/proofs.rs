//! What the ledger was held against: the provider's export, and its bill.

use askama::Template;

use super::parts::{Badge, Link};
use crate::dashboard::chrome::Chrome;
use crate::dashboard::display::{At, Count, Dollars, Fact, Html, Percent};

/// The latest comparison with the provider's export.
#[derive(Template)]
#[template(path = "parity.html")]
pub(crate) struct Parity {
    pub(crate) chrome: Chrome,
    /// Each account's.
    pub(crate) accounts: Vec<Link>,
    pub(crate) latest: Option<ParityReport>,
    /// Whether there is a report, and it cannot be read.
    pub(crate) is_unreadable: bool,
}

/// One comparison.
pub(crate) struct ParityReport {
    pub(crate) verdict: Badge,
    pub(crate) at: At,
    /// How long ago, in words.
    pub(crate) ago: String,
    pub(crate) label: Option<String>,
    /// What the verdict means, in a sentence.
    pub(crate) meaning: &'static str,
    /// What was looked at, and how.
    pub(crate) scope: Vec<Fact>,
    /// Whether usage was compared, and not costs alone.
    pub(crate) has_usage: bool,
    pub(crate) counts: Vec<Fact>,
    /// Both sides, metric by metric.
    pub(crate) totals: Vec<BothSides>,
    /// Groups that differ or are on one side only.
    pub(crate) lists: Vec<DifferenceList>,
    /// What was found of costs, if they were compared.
    pub(crate) costs: Option<CostsReport>,
    /// Where the API has the whole report.
    pub(crate) whole: Option<String>,
}

/// What was found of costs.
pub(crate) struct CostsReport {
    pub(crate) verdict: Badge,
    pub(crate) meaning: &'static str,
    pub(crate) scope: Vec<Fact>,
    pub(crate) counts: Vec<Fact>,
    /// Both sides, currency by currency.
    pub(crate) totals: Vec<BothSides>,
    pub(crate) lists: Vec<DifferenceList>,
}

/// One metric on both sides, or one amount.
pub(crate) struct BothSides {
    pub(crate) metric: String,
    pub(crate) export: Html,
    pub(crate) ledger: Html,
    /// The ledger less the export.
    pub(crate) difference: Html,
}

/// Groups that have something in common.
pub(crate) struct DifferenceList {
    pub(crate) id: String,
    pub(crate) title: &'static str,
    /// What it means and what to do, in a sentence.
    pub(crate) meaning: &'static str,
    pub(crate) count: u64,
    pub(crate) rows: Vec<DifferenceRow>,
}

/// One group.
pub(crate) struct DifferenceRow {
    pub(crate) window: Html,
    pub(crate) group: Vec<Fact>,
    pub(crate) metrics: Vec<BothSides>,
    /// Where its windows are in Explore.
    pub(crate) href: String,
    /// What the link is called.
    pub(crate) leads_to: &'static str,
}

/// The latest comparison with the provider's bill.
#[derive(Template)]
#[template(path = "reconciliation.html")]
pub(crate) struct Reconciliation {
    pub(crate) chrome: Chrome,
    /// Each account's.
    pub(crate) accounts: Vec<Link>,
    pub(crate) latest: Option<ReconciliationReport>,
    /// Whether there is a report, and it cannot be read.
    pub(crate) is_unreadable: bool,
}

/// One comparison.
pub(crate) struct ReconciliationReport {
    pub(crate) verdict: Badge,
    pub(crate) at: At,
    pub(crate) ago: String,
    pub(crate) meaning: String,
    /// Why it is not reconciled, a sentence each.
    pub(crate) complaints: Vec<String>,
    pub(crate) scope: Vec<Fact>,
    /// From what the prices say to what was charged, step by step.
    pub(crate) bridge: Vec<BridgeStep>,
    pub(crate) variance: Vec<Fact>,
    pub(crate) classes: Vec<ClassRow>,
    pub(crate) findings: Vec<FindingRow>,
    /// The invoice beside it, if one was named.
    pub(crate) invoice: Option<InvoiceReport>,
    /// Where the API has the whole report.
    pub(crate) whole: Option<String>,
}

/// What was charged beside the total of an invoice.
pub(crate) struct InvoiceReport {
    pub(crate) verdict: Badge,
    pub(crate) steps: Vec<BridgeStep>,
    /// What is not in the sum, and what could explain the difference.
    pub(crate) notes: Vec<String>,
}

/// One step.
pub(crate) struct BridgeStep {
    pub(crate) label: &'static str,
    pub(crate) amount: Dollars,
    pub(crate) is_sum: bool,
}

/// Groups of one class.
pub(crate) struct ClassRow {
    pub(crate) label: &'static str,
    pub(crate) groups: Count,
    pub(crate) priced: Dollars,
    pub(crate) charged: Dollars,
    pub(crate) difference: Dollars,
}

/// A model whose prices and charges differ.
pub(crate) struct FindingRow {
    pub(crate) model: String,
    pub(crate) unit: String,
    pub(crate) days: String,
    pub(crate) priced: Dollars,
    pub(crate) charged: Dollars,
    pub(crate) difference: Dollars,
    pub(crate) list_rate: String,
    pub(crate) implied_rate: String,
    pub(crate) notes: String,
}

/// How each budget stands.
#[derive(Template)]
#[template(path = "budgets.html")]
pub(crate) struct Budgets {
    pub(crate) chrome: Chrome,
    pub(crate) rows: Vec<BudgetRow>,
}

/// One budget.
pub(crate) struct BudgetRow {
    pub(crate) name: String,
    pub(crate) state: Badge,
    /// Whose usage counts, in words.
    pub(crate) of: String,
    pub(crate) period: String,
    pub(crate) spent: Dollars,
    /// Whether more was spent than is known, and why; empty if not.
    pub(crate) at_least: String,
    pub(crate) amount: Dollars,
    pub(crate) share: Percent,
    pub(crate) warn_at: Option<u8>,
}

impl BudgetRow {
    /// The width of its bar.
    pub(crate) fn width(&self) -> String {
        let tenths = self.share.tenths().unwrap_or(0).clamp(0, 1_000);
        format!("{}.{}%", tenths / 10, tenths % 10)
    }
}

impl DifferenceList {
    /// How many there are beyond those shown.
    pub(crate) fn more(&self) -> u64 {
        self.count.saturating_sub(self.rows.len() as u64)
    }
}
