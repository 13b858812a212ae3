//! The report for spreadsheets: a line for each compared group.

use std::io::{self, Write};

use crate::provider_csv::io_error;
use crate::reconcile::group::ComparedGroup;
use crate::reconcile::outcome::Reconciliation;

const HEADER: [&str; 20] = [
    "day",
    "projectId",
    "model",
    "unit",
    "tier",
    "class",
    "charged",
    "currency",
    "pricedUsd",
    "differenceUsd",
    "quantity",
    "quantityUnit",
    "used",
    "impliedRateUsd",
    "listRateUsd",
    "ratePer",
    "ratio",
    "priceIds",
    "lineItems",
    "notes",
];

impl Reconciliation {
    /// Writes every compared group as a line of CSV. A text that a spreadsheet would take for a formula is led by an
    /// apostrophe; numbers are exact, and never are one.
    ///
    /// # Errors
    ///
    /// The output or the temporary file of the groups fails.
    pub fn write_csv(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(HEADER).map_err(io_error)?;
        self.groups
            .each(|group| csv.write_record(cells(group)).map_err(io_error))?;
        csv.flush()
    }
}

fn cells(group: &ComparedGroup) -> [String; 20] {
    fn number(value: Option<&impl ToString>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let optional = |text: &Option<String>| text.as_deref().map(text_cell).unwrap_or_default();
    let list = |texts: &[String]| text_cell(&texts.join("; "));
    [
        group.day.to_string(),
        optional(&group.project_id),
        text_cell(&group.model),
        number(group.unit.as_ref()),
        optional(&group.tier),
        group.class.name().to_owned(),
        number(group.charged.as_ref()),
        optional(&group.currency),
        number(group.priced.as_ref()),
        number(group.difference.as_ref()),
        number(group.quantity.as_ref()),
        optional(&group.quantity_unit),
        number(group.used.as_ref()),
        number(group.implied_rate.as_ref()),
        number(group.list_rate.as_ref()),
        number(group.rate_per.as_ref()),
        number(group.ratio.as_ref()),
        list(&group.price_ids),
        list(&group.line_items),
        list(&group.notes),
    ]
}

fn text_cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}
