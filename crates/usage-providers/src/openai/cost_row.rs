//! A result of costs.

use serde::de::MapAccess;
use usage_core::{CostRow, Dimension, DimensionSet, Endpoint, IssueCode};

use super::amount::{Amount, Money};
use super::row::{Known, Row, Told};
use super::scalar::Scalar;
use super::unknown::UnknownFields;

/// Fields that are sent too, most of them undocumented, and that the ledger has no place for: names, which the directory
/// gives, and what costs are not grouped by.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use usage_core::{CostGroup, DecimalText, WindowRange, parse_day};

    use super::super::page::{Asked, Page, decode_page};
    use super::super::surface::Surface;
    use super::*;

    const DAY: i64 = 86_400;
    /// 2025-09-01T00:00:00Z
    const FIRST: i64 = 1_756_684_800;

    fn decode(grouped_by: DimensionSet, body: &[u8]) -> Option<Page<CostRow>> {
        let day = parse_day("2025-09-01").unwrap();
        let asked = Asked {
            surface: Surface::of(Endpoint::Costs).unwrap(),
            windows: WindowRange::days(day, day).unwrap(),
            grouped_by,
        };
        decode_page(body, &asked).ok()
    }

    fn page_of(rows: &[CostRow]) -> String {
        let results: Vec<_> = rows.iter().map(wire).collect();
        let bucket = json!({"start_time": FIRST, "end_time": FIRST + DAY, "results": results});
        json!({"data": [bucket], "has_more": false}).to_string()
    }

    /// The wire form of a row, absent values as null.
    fn wire(row: &CostRow) -> Value {
        let decimal =
            |decimal: &Option<DecimalText>| decimal.as_ref().map(DecimalText::text).map(str::to_owned);
        json!({
            "object": "organization.costs.result",
            "amount": {"value": decimal(&row.amount), "currency": row.group.currency},
            "project_id": row.group.project_id,
            "api_key_id": row.group.api_key_id,
            "line_item": row.group.line_item,
            "quantity": decimal(&row.quantity),
            "quantity_unit": row.quantity_unit,
        })
    }

    /// The row as a read sees it that is grouped by less.
    fn seen(row: &CostRow, grouped_by: DimensionSet) -> CostRow {
        let mut row = row.clone();
        if !grouped_by.contains(Dimension::ProjectId) {
            row.group.project_id = None;
        }
        if !grouped_by.contains(Dimension::ApiKeyId) {
            row.group.api_key_id = None;
        }
        if !grouped_by.contains(Dimension::LineItem) {
            (row.group.line_item, row.quantity, row.quantity_unit) = (None, None, None);
        }
        row
    }

    fn any_row() -> impl Strategy<Value = CostRow> {
        let text = || proptest::option::of("[^\\p{Cc}]{1,12}");
        let decimal = || {
            let text = "-?[0-9]{1,9}(\\.[0-9]{1,39})?(E-[0-9]{1,3})?";
            proptest::option::of(text.prop_map(|text| text.parse::<DecimalText>().unwrap()))
        };
        let group = (text(), text(), text(), text());
        (group, decimal(), decimal(), text()).prop_map(|(group, amount, quantity, quantity_unit)| {
            let (project_id, api_key_id, line_item, currency) = group;
            CostRow {
                group: CostGroup {
                    project_id,
                    api_key_id,
                    line_item,
                    currency,
                },
                amount,
                quantity,
                quantity_unit,
            }
        })
    }

    fn any_grouping() -> impl Strategy<Value = DimensionSet> {
        let dimensions: Vec<_> = Endpoint::Costs.dimensions().iter().collect();
        proptest::sample::subsequence(dimensions, 0..=3).prop_map(DimensionSet::from_iter)
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_were_sent_and_asked(
            rows in proptest::collection::vec(any_row(), 0..6),
            grouped_by in any_grouping(),
        ) {
            let page = decode(grouped_by, page_of(&rows).as_bytes()).unwrap();
            let expected: Vec<_> = rows.iter().map(|row| seen(row, grouped_by)).collect();
            let present = expected.iter().map(Row::present).fold(DimensionSet::EMPTY, DimensionSet::union);
            prop_assert_eq!(page.buckets[0].rows.as_ref().unwrap(), &expected);
            prop_assert_eq!((page.tally.rows, page.tally.present), (rows.len(), present));
            prop_assert!(page.tally.unknown.is_empty());
        }

        #[test]
        fn a_damaged_page_is_an_error_or_has_amounts_that_can_be_summed(
            rows in proptest::collection::vec(any_row(), 1..3),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut body = page_of(&rows).into_bytes();
            let at = at.index(body.len());
            body[at] = byte;
            let page = decode(Endpoint::Costs.dimensions(), &body);
            let buckets = page.into_iter().flat_map(|page| page.buckets);
            for row in buckets.filter_map(|bucket| bucket.rows.ok()).flatten() {
                prop_assert!(row.amount.iter().all(|amount| amount.value().to_nanos().is_some()));
            }
        }
    }
}
