//! The costs of a month beside the total of an invoice.

use serde::Serialize;
use usage_core::Decimal;

use super::comparison::is_half_a_cent;
use super::group::Class;
use super::outcome::Reconciliation;

/// The costs of a month beside the total of an invoice; all in USD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceComparison {
    /// The invoice's total.
    pub invoice: Decimal,
    /// What was charged, without credits and tax.
    pub charges: Decimal,
    /// Lines with a negative amount; zero or less.
    pub credits: Decimal,
    /// Lines that say that they are a tax.
    pub tax: Decimal,
    /// The three together.
    pub sum: Decimal,
    /// The invoice less the sum.
    pub difference: Decimal,
    /// What of the month is not in the sum; one line each. A sum of a part explains no invoice, even where it equals it.
    pub missing: Vec<String>,
    /// Whether nothing is missing and the difference is at most half a cent, or exactly what credits or tax make.
    pub is_explained: bool,
    /// What could explain the difference; one line each.
    pub explanations: Vec<String>,
}

impl InvoiceComparison {
    /// Sets the reconciled costs beside the total; those of these projects alone, unless every project was read.
    pub fn new(found: &Reconciliation, projects: Option<&[String]>, invoice: Decimal) -> Self {
        let credits = found.tally(Class::Credit).charged;
        let tax = found.tally(Class::Tax).charged;
        let sum = found.bridge.charged.clone();
        let charges = &(&sum - &credits) - &tax;
        let difference = &invoice - &sum;
        let mut comparison = Self {
            invoice,
            charges,
            credits,
            tax,
            sum,
            difference,
            missing: missing(found, projects),
            is_explained: false,
            explanations: Vec::new(),
        };
        comparison.explain(found);
        comparison
    }

    fn explain(&mut self, found: &Reconciliation) {
        if !self.missing.is_empty() {
            self.explanations = self.guesses(found, true);
            return;
        }
        if is_half_a_cent(&self.difference) {
            self.is_explained = true;
            return;
        }
        let without = |parts: &[&Decimal]| {
            let mut rest = self.sum.clone();
            for part in parts {
                rest -= part;
            }
            rest
        };
        let (has_credits, has_tax) = (!self.credits.is_zero(), !self.tax.is_zero());
        let mut exact = Vec::new();
        for (is_there, rest, words) in [
            (
                has_credits,
                without(&[&self.credits]),
                "the credits: the invoice is the charges and the tax, without them",
            ),
            (
                has_tax,
                without(&[&self.tax]),
                "the tax: the invoice is the charges and the credits, without it",
            ),
            (
                has_credits && has_tax,
                without(&[&self.credits, &self.tax]),
                "the credits and the tax: the invoice is the charges alone",
            ),
        ] {
            if is_there && is_half_a_cent(&(&self.invoice - &rest)) {
                exact.push(words.to_owned());
            }
        }
        self.is_explained = !exact.is_empty();
        self.explanations = exact;
        if !self.is_explained {
            self.explanations = self.guesses(found, has_tax);
        }
    }

    /// A percentage is no guess of a tax where a line says tax, or where something else is missing.
    fn guesses(&self, found: &Reconciliation, is_taxed: bool) -> Vec<String> {
        let mut guesses = Vec::new();
        if is_half_a_cent(&self.difference) {
            return guesses;
        }
        let hundredth = self.sum.over(&Decimal::from(100), 30);
        if !is_taxed
            && !self.difference.is_negative()
            && let Some(percent) = hundredth.and_then(|hundredth| self.difference.over(&hundredth, 2))
        {
            guesses.push(format!(
                "tax: no line item says tax, and the invoice is {percent} % more than the costs"
            ));
        }
        if self.difference.is_negative() {
            guesses.push("credits or a prepaid balance that the costs do not show".to_owned());
        }
        for (currency, amount) in &found.other_currencies {
            guesses.push(format!(
                "{amount} {} of costs, which are not added to dollars",
                currency.to_uppercase()
            ));
        }
        let without_amount = found.tally(Class::WithoutAmount).groups;
        if without_amount > 0 {
            guesses.push(format!(
                "{without_amount} costs whose amount the provider sent as null"
            ));
        }
        if !found.days.provisional.is_empty() {
            guesses.push(format!(
                "{} days that the provider may still change",
                found.days.provisional.len()
            ));
        }
        guesses
    }
}

/// What of the month is in no sum.
fn missing(found: &Reconciliation, projects: Option<&[String]>) -> Vec<String> {
    let days = &found.days;
    let mut missing = Vec::new();
    for (count, what) in [
        (days.open.len(), "not over when they were read"),
        (days.not_covered.len(), "not read completely"),
        (days.without_costs.len(), "whose costs are not there yet"),
    ] {
        if count > 0 {
            missing.push(format!("days {what}: {count}"));
        }
    }
    if let Some(projects) = projects {
        missing.push(format!("projects that were not read: all but {}", projects.len()));
    }
    missing
}
