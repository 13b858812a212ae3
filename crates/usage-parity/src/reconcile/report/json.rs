//! The report for programs.

use std::io::{self, Write};

use serde::Serialize;
use usage_core::{Decimal, format_instant};

use super::ReconcileFacts;
use crate::reconcile::group::Class;
use crate::reconcile::outcome::{Reconciliation, Tally};
use crate::report::Object;

/// The version of the report's form. It grows when a field changes its meaning or goes, not when one comes.
const VERSION: u32 = 1;

impl Reconciliation {
    /// Writes the report as JSON: one object, with every compared group on a line of its own.
    ///
    /// # Errors
    ///
    /// The output or the temporary file of the groups fails.
    pub fn write_json(&mut self, facts: &ReconcileFacts, out: &mut dyn Write) -> io::Result<()> {
        let mut object = Object::new(out)?;
        object.field("version", &VERSION)?;
        object.field("program", &facts.program)?;
        object.field("generatedAt", &format_instant(facts.now))?;
        object.field("label", &facts.label)?;
        let verdict = if self.is_clean(facts) {
            "reconciled"
        } else {
            "notReconciled"
        };
        object.field("verdict", &verdict)?;
        object.field("complaints", &facts.complaints(self))?;
        object.field("scope", &scope(facts))?;
        object.field("days", &days(self))?;
        object.field("rows", &self.rows)?;
        object.field("bridge", &self.bridge)?;
        object.field("classes", &classes(self))?;
        object.field("variance", &self.variance)?;
        object.field("findings", &self.findings)?;
        object.field("withoutPrice", &self.without_price)?;
        object.field("overlay", &overlay(self))?;
        object.field("invoice", &facts.invoice)?;
        object.list("groups", &mut self.groups)?;
        object.finish()
    }
}

fn scope(facts: &ReconcileFacts) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Scope<'a> {
        account: String,
        database: &'a str,
        start: String,
        end: String,
        max_variance_percent: &'a Decimal,
        never_read: &'a [usage_core::Endpoint],
        other_widths: Vec<OtherWidth>,
        projects: Option<&'a [String]>,
        lines_of_other_projects: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OtherWidth {
        endpoint: usage_core::Endpoint,
        bucket_width: usage_core::Width,
    }
    let other_widths = facts.other_widths.iter().map(|(endpoint, width)| OtherWidth {
        endpoint: *endpoint,
        bucket_width: *width,
    });
    Scope {
        account: facts.account.to_string(),
        database: &facts.database,
        start: facts.first_day.to_string(),
        end: facts.last_day.to_string(),
        max_variance_percent: &facts.max_variance,
        never_read: &facts.never_read,
        other_widths: other_widths.collect(),
        projects: facts.projects.as_deref(),
        lines_of_other_projects: facts.out_of_scope,
    }
}

fn days(found: &Reconciliation) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Days<'a> {
        compared: usize,
        provisional: &'a [chrono::NaiveDate],
        without_costs: &'a [chrono::NaiveDate],
        open: &'a [chrono::NaiveDate],
        not_covered: Vec<NotCovered<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct NotCovered<'a> {
        day: chrono::NaiveDate,
        lacks: &'a [usage_core::Endpoint],
    }
    let days = &found.days;
    Days {
        compared: days.compared.len(),
        provisional: &days.provisional,
        without_costs: &days.without_costs,
        open: &days.open,
        not_covered: days
            .not_covered
            .iter()
            .map(|(day, lacks)| NotCovered { day: *day, lacks })
            .collect(),
    }
}

fn classes(found: &Reconciliation) -> impl Serialize {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Classes<'a> {
        equal: Equal,
        differs: Tally,
        usage_without_cost: WithoutCost,
        cost_without_usage: WithoutUsage,
        other_currency: OtherCurrency<'a>,
        without_amount: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Equal {
        #[serde(flatten)]
        tally: Tally,
        equal_to_the_nano_dollar: u64,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct WithoutCost {
        free: Tally,
        unpriced: Tally,
        not_charged: Tally,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct WithoutUsage {
        credit: Tally,
        tax: Tally,
        other_units: Tally,
        charged_unpriced: Tally,
        unexplained: Tally,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OtherCurrency<'a> {
        groups: u64,
        amounts: &'a std::collections::BTreeMap<String, Decimal>,
    }
    Classes {
        equal: Equal {
            tally: found.tally(Class::Equal),
            equal_to_the_nano_dollar: found.equal_to_the_nano,
        },
        differs: found.tally(Class::Differs),
        usage_without_cost: WithoutCost {
            free: found.tally(Class::Free),
            unpriced: found.tally(Class::Unpriced),
            not_charged: found.tally(Class::NotCharged),
        },
        cost_without_usage: WithoutUsage {
            credit: found.tally(Class::Credit),
            tax: found.tally(Class::Tax),
            other_units: found.tally(Class::OtherUnits),
            charged_unpriced: found.tally(Class::ChargedUnpriced),
            unexplained: found.tally(Class::Unexplained),
        },
        other_currency: OtherCurrency {
            groups: found.tally(Class::OtherCurrency).groups,
            amounts: &found.other_currencies,
        },
        without_amount: found.tally(Class::WithoutAmount).groups,
    }
}

fn overlay(found: &Reconciliation) -> impl Serialize {
    #[derive(Serialize)]
    struct WithText<'a> {
        #[serde(flatten)]
        overlay: &'a crate::reconcile::Overlay,
        toml: String,
    }
    WithText {
        overlay: &found.overlay,
        toml: found.overlay.toml(),
    }
}
