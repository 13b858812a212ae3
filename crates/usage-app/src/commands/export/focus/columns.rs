//! The columns of the file, each with what it is filled from.

use usage_core::{Decimal, DecimalText, format_instant};

use super::super::cells;
use super::charge::{Category, Charge};
use super::quantity::{Measured, Quantities};
use super::sku::Sku;

/// One column.
struct Column {
    name: &'static str,
    fill: fn(&Row<'_>) -> Cell,
}

/// What a column has in one row.
enum Cell {
    /// Null: the ledger does not know, or FOCUS asks for nothing here.
    Absent,
    /// A number, written as it is.
    Number(String),
    /// A text, which a spreadsheet must not run.
    Text(String),
}

/// A charge with what several columns share.
struct Row<'a> {
    charge: &'a Charge<'a>,
    sku: Option<Sku<'a>>,
    quantities: Option<Quantities>,
}

/// The 21 columns that every file has, those of the others that costs can fill, and ours behind them.
///
/// There is no unit price: the provider says none of its charges, and a list that others keep is not its own.
const COLUMNS: [Column; 40] = [
    column("BilledCost", |row| number(row.charge.amount)),
    column("BillingAccountId", |row| {
        text(row.charge.cost.account.organization())
    }),
    column("BillingAccountName", |row| {
        text(row.charge.cost.account.organization())
    }),
    column("BillingCurrency", |row| text(&row.charge.currency)),
    column("BillingPeriodEnd", |row| {
        text(&format_instant(row.charge.billing_period().1))
    }),
    column("BillingPeriodStart", |row| {
        text(&format_instant(row.charge.billing_period().0))
    }),
    column("ChargeCategory", |row| text(row.charge.category().as_str())),
    // A restated cost stands instead of the old one; it corrects no invoice beside it.
    column("ChargeClass", |_| Cell::Absent),
    column("ChargeDescription", |row| optional(row.charge.line_item)),
    column("ChargeFrequency", |row| text(row.charge.category().frequency())),
    column("ChargePeriodEnd", |row| {
        text(&format_instant(row.charge.window().end()))
    }),
    column("ChargePeriodStart", |row| {
        text(&format_instant(row.charge.window().start()))
    }),
    column("ConsumedQuantity", |row| quantity(row.consumed())),
    column("ConsumedUnit", |row| unit(row.consumed())),
    column("ContractedCost", |row| number(row.charge.amount)),
    column("EffectiveCost", |row| number(row.charge.amount)),
    column("HostProviderName", |row| text(row.charge.sold().by)),
    column("InvoiceIssuerName", |row| text(row.charge.sold().by)),
    column("ListCost", |row| number(row.charge.amount)),
    column("PricingCategory", |row| {
        optional(row.sku.as_ref().map(|_| "Standard"))
    }),
    column("PricingQuantity", |row| quantity(row.priced())),
    column("PricingUnit", |row| unit(row.priced())),
    column("ResourceId", |row| {
        optional(row.charge.cost.row.group.api_key_id())
    }),
    column("ResourceName", |row| optional(row.charge.api_key_name())),
    column("ResourceType", |row| {
        optional(row.charge.cost.row.group.api_key_id().map(|_| "API Key"))
    }),
    column("ServiceCategory", |_| text("AI and Machine Learning")),
    column("ServiceName", |row| text(row.charge.sold().service)),
    column("ServiceProviderName", |row| text(row.charge.sold().by)),
    column("ServiceSubcategory", |_| text("Generative AI")),
    column("SkuId", |row| optional(row.sku.as_ref().map(Sku::id).as_deref())),
    column("SkuMeter", |row| {
        optional(row.sku.as_ref().map(Sku::meter).as_deref())
    }),
    column("SkuPriceDetails", |row| {
        optional(row.sku.as_ref().and_then(Sku::price_details).as_deref())
    }),
    column("SkuPriceId", |row| {
        optional(row.sku.as_ref().map(Sku::price_id).as_deref())
    }),
    column("SubAccountId", |row| {
        optional(row.charge.cost.row.group.project_id())
    }),
    column("SubAccountName", |row| optional(row.charge.project_name())),
    column("SubAccountType", |row| {
        optional(row.charge.cost.row.group.project_id().map(|_| "Project"))
    }),
    column("x_Amount", |row| verbatim(row.charge.cost.row.amount.as_ref())),
    column("x_LineItem", |row| optional(row.charge.line_item)),
    column("x_Quantity", |row| {
        verbatim(row.charge.cost.row.quantity.as_ref())
    }),
    column("x_QuantityUnit", |row| {
        optional(row.charge.cost.row.quantity_unit.as_deref())
    }),
];

/// The names of the columns.
pub(super) fn header() -> Vec<String> {
    COLUMNS.iter().map(|column| column.name.to_owned()).collect()
}

/// The cells of one charge.
pub(super) fn cells(charge: &Charge<'_>) -> Vec<String> {
    let row = Row::new(charge);
    COLUMNS
        .iter()
        .map(|column| match (column.fill)(&row) {
            Cell::Absent => String::new(),
            Cell::Number(number) => number,
            Cell::Text(text) => cells::text(&text),
        })
        .collect()
}

const fn column(name: &'static str, fill: fn(&Row<'_>) -> Cell) -> Column {
    Column { name, fill }
}

impl<'a> Row<'a> {
    fn new(charge: &'a Charge<'a>) -> Self {
        let row = &charge.cost.row;
        let sku = Sku::of(charge);
        // FOCUS has quantities of SKUs only.
        let quantities = sku.as_ref().and_then(|_| {
            let quantity = row.quantity.as_ref()?.value();
            Quantities::of(quantity, row.quantity_unit.as_deref()?)
        });
        debug_assert!(charge.category() == Category::Usage || quantities.is_none());
        Self {
            charge,
            sku,
            quantities,
        }
    }

    fn consumed(&self) -> Option<&Measured> {
        self.quantities.as_ref().map(|quantities| &quantities.consumed)
    }

    fn priced(&self) -> Option<&Measured> {
        self.quantities.as_ref().map(|quantities| &quantities.priced)
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn optional(optional: Option<&str>) -> Cell {
    optional.map_or(Cell::Absent, text)
}

fn number(number: &Decimal) -> Cell {
    Cell::Number(number.to_string())
}

fn verbatim(number: Option<&DecimalText>) -> Cell {
    number.map_or(Cell::Absent, |number| Cell::Number(number.text().to_owned()))
}

fn quantity(measured: Option<&Measured>) -> Cell {
    measured.map_or(Cell::Absent, |measured| number(&measured.quantity))
}

fn unit(measured: Option<&Measured>) -> Cell {
    measured.map_or(Cell::Absent, |measured| text(&measured.unit))
}

#[cfg(test)]
mod tests {
    use usage_core::DirectoryKind;
    use usage_store::{KnownName, StoredCost};

    use super::super::super::names::Names;
    use super::super::super::testing::cost;
    use super::*;

    const MANDATORY: [&str; 21] = [
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingCurrency",
        "BillingPeriodEnd",
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ChargePeriodEnd",
        "ChargePeriodStart",
        "ContractedCost",
        "EffectiveCost",
        "HostProviderName",
        "InvoiceIssuerName",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "ServiceCategory",
        "ServiceName",
        "ServiceProviderName",
    ];

    fn names() -> Names {
        let seen = usage_core::parse_instant("2025-09-01T00:00:00Z").unwrap();
        let known = |kind, id: &str, name: &str| KnownName {
            account_id: 1,
            kind,
            id: id.to_owned(),
            name: Some(name.to_owned()),
            email: None,
            project_id: None,
            first_seen_at: seen,
            last_seen_at: seen,
        };
        Names::new(vec![
            known(DirectoryKind::Project, "proj_a", "=cmd|' /C calc'!A0"),
            known(DirectoryKind::ApiKey, "key_b", "nightly, batch"),
        ])
    }

    /// The filled columns of a cost, a line each.
    fn filled(cost: &StoredCost) -> String {
        let names = names();
        let Ok(charge) = Charge::of(cost, &names) else {
            panic!("{cost:?} is no charge");
        };
        let lines = header().into_iter().zip(cells(&charge));
        lines
            .filter(|(_, cell)| !cell.is_empty())
            .flat_map(|(name, cell)| [name, ": ".to_owned(), cell, "\n".to_owned()])
            .collect()
    }

    #[test]
    fn every_mandatory_column_is_there_and_ours_are_marked() {
        let header = header();
        for name in MANDATORY {
            assert!(header.iter().any(|column| column == name), "{name}");
        }
        let is_ours = |name: &String| name.starts_with("x_");
        let first = header.iter().position(is_ours).unwrap();
        assert!(header[first..].iter().all(is_ours), "{header:?}");
        assert!(
            header[..first].is_sorted() && header[first..].is_sorted(),
            "{header:?}"
        );
    }

    #[test]
    fn charges_of_every_kind() {
        let mut shared = cost(
            "file storage, gibibyte hours",
            "0.1",
            Some(("24", "gibibyte_hours")),
        );
        shared.row.group.project_id = None;
        shared.row.group.api_key_id = None;
        let mut named = cost("gpt-image-1, image output", "0.04", Some(("1056", "tokens")));
        named.row.group.api_key_id = Some("key_b".to_owned());
        named.row.group.currency = Some("eur".to_owned());
        let mut whole = cost("", "3", Some(("9", "tokens")));
        whole.row.group.line_item = None;
        let texts: Vec<String> = [
            cost(
                "priority | gpt-5.5, cached input, long context",
                "0.060000000000000000000000000000000000001",
                Some(("1000001", "tokens")),
            ),
            cost("gpt-5, output", "0E-6176", None),
            named,
            shared,
            cost("=2+5, credit", "-12.50", Some(("-3", "images"))),
            cost("tax", "19.90", None),
            whole,
        ]
        .iter()
        .map(filled)
        .collect();
        insta::assert_snapshot!(texts.join("\n"));
    }
}
