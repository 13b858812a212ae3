//! A result of costs.

use serde::de::MapAccess;
use usage_core::{CostRow, Dimension, DimensionSet, Endpoint, IssueCode};

use super::amount::{Amount, Money};
use super::row::{Known, Row, Told};
use super::scalar::Scalar;
use super::unknown::UnknownFields;

/// Fields that are sent too and that the ledger has no place for: names, which the directory gives, and what costs are
/// not grouped by. Most are undocumented, so their absence says nothing either.
const READ_PAST: [&str; 6] = [
    "organization_id",
    "organization_name",
    "project_name",
    "user_email",
    "user_id",
    "api_source",
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum CostField {
    Amount,
    Quantity,
    QuantityUnit,
    ProjectId,
    ApiKeyId,
    LineItem,
}

impl Row for CostRow {
    type Field = CostField;

    const SUBJECT: &'static str = "costs";

    const FIELD_FAULT: IssueCode = IssueCode::AmountInvalid;

    fn comes_from(endpoint: Endpoint) -> bool {
        endpoint.is_costs()
    }

    fn fields(_: Endpoint, grouped_by: DimensionSet) -> Vec<(&'static str, Known<CostField>)> {
        let grouped = |dimension: Dimension, field: CostField| {
            if grouped_by.contains(dimension) {
                Known::Kept(field)
            } else {
                Known::ReadPast
            }
        };
        let fields = [
            ("amount", Known::Kept(CostField::Amount)),
            ("project_id", grouped(Dimension::ProjectId, CostField::ProjectId)),
            ("api_key_id", grouped(Dimension::ApiKeyId, CostField::ApiKeyId)),
            ("line_item", grouped(Dimension::LineItem, CostField::LineItem)),
            // Quantities of different line items have no sum.
            ("quantity", grouped(Dimension::LineItem, CostField::Quantity)),
            (
                "quantity_unit",
                grouped(Dimension::LineItem, CostField::QuantityUnit),
            ),
        ];
        let read_past = READ_PAST.into_iter().map(|name| (name, Known::ReadPast));
        fields.into_iter().chain(read_past).collect()
    }

    fn read_field<'de, A: MapAccess<'de>>(
        &mut self,
        field: CostField,
        entries: &mut A,
        unknown: &mut UnknownFields,
    ) -> Result<Told, A::Error> {
        Ok(match field {
            CostField::Amount => set_money(self, entries.next_value()?, unknown),
            CostField::Quantity => set_quantity(self, entries.next_value()?),
            CostField::QuantityUnit => set_text(&mut self.quantity_unit, entries.next_value()?),
            CostField::ProjectId => set_text(&mut self.group.project_id, entries.next_value()?),
            CostField::ApiKeyId => set_text(&mut self.group.api_key_id, entries.next_value()?),
            CostField::LineItem => set_text(&mut self.group.line_item, entries.next_value()?),
        })
    }

    /// No field must be there: the provider's specification requires none, and an amount that is not sent is as unknown
    /// as one that is null.
    fn missing_field(&self, _: Endpoint) -> Option<&'static str> {
        None
    }

    fn present(&self) -> DimensionSet {
        let group = &self.group;
        [
            (Dimension::ProjectId, group.project_id()),
            (Dimension::ApiKeyId, group.api_key_id()),
            (Dimension::LineItem, group.line_item()),
        ]
        .into_iter()
        .filter_map(|(dimension, value)| value.map(|_| dimension))
        .collect()
    }
}

fn set_money(row: &mut CostRow, money: Money, unknown: &mut UnknownFields) -> Told {
    unknown.merge(&money.unknown);
    let (amount, currency) = money.read?;
    row.amount = amount;
    row.group.currency = currency;
    Ok(())
}

fn set_quantity(row: &mut CostRow, quantity: Amount) -> Told {
    row.quantity = quantity.into_decimal()?;
    Ok(())
}

fn set_text(place: &mut Option<String>, value: Scalar) -> Told {
    *place = value
        .into_text()
        .map_err(|reason| (IssueCode::TextInvalid, reason))?;
    Ok(())
}
