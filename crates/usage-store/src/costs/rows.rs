//! Costs in the shape of their tables.

use diesel::prelude::*;
use diesel::result::QueryResult;
use usage_core::{CostGroup, CostRow, DedupeKey, DedupeKeys, LineItem, Scope, Window};

use super::{StoredCost, parse_decimal};
use crate::accounts::StoredAccount;
use crate::coverage::{parse_endpoint, parse_window};
use crate::error::StoreError;
use crate::events::{instant, parse_key};
use crate::replace::prepare::Stamp;
use crate::schema::{cost_events, cost_revisions};
use crate::sql::{Row, Value};

/// The columns in the order of the table and of [`StampedCost`].
pub(super) const COLUMNS: &str = "account_id, endpoint, window_start, window_end, dedupe_key, project_id, api_key_id, \
    line_item, currency, amount, amount_nano, quantity, quantity_unit, model, direction, modality, tier, long_context, \
    content_hash, revision, first_stored_at, changed_at, run_id";

/// Declares a struct with a field for each column of a cost, for one of the two tables that have them.
macro_rules! cost_columns {
    ($name:ident, $table:ident $(, $extra:ident: $type:ty)*) => {
        #[derive(Queryable, Selectable)]
        #[diesel(table_name = $table)]
        pub(super) struct $name {
            account_id: i64,
            endpoint: String,
            pub(super) window_start: i64,
            window_end: i64,
            pub(super) dedupe_key: Vec<u8>,
            project_id: Option<String>,
            api_key_id: Option<String>,
            line_item: Option<String>,
            currency: Option<String>,
            amount: Option<String>,
            quantity: Option<String>,
            quantity_unit: Option<String>,
            revision: i64,
            first_stored_at: i64,
            changed_at: i64,
            run_id: i64,
            $(pub(super) $extra: $type,)*
        }

        impl $name {
            pub(super) fn into_cost(self, owners: &[StoredAccount]) -> Result<StoredCost, StoreError> {
                let owner = owners.iter().find(|owner| owner.id == self.account_id);
                let owner = owner.ok_or_else(|| StoreError::corrupt("account", self.account_id))?;
                Ok(StoredCost {
                    account: owner.account.clone(),
                    account_id: self.account_id,
                    key: parse_key(&self.dedupe_key)?,
                    endpoint: parse_endpoint(&self.endpoint)?,
                    window: parse_window(self.window_start, self.window_end - self.window_start)?,
                    row: CostRow {
                        group: CostGroup {
                            project_id: self.project_id,
                            api_key_id: self.api_key_id,
                            line_item: self.line_item,
                            currency: self.currency,
                        },
                        amount: parse_decimal(self.amount)?,
                        quantity: parse_decimal(self.quantity)?,
                        quantity_unit: self.quantity_unit,
                    },
                    revision: self.revision,
                    first_stored_at: instant(self.first_stored_at)?,
                    changed_at: instant(self.changed_at)?,
                    run_id: self.run_id,
                })
            }
        }
    };
}

cost_columns!(CostColumns, cost_events, amount_nano: Option<i64>, content_hash: i64);
cost_columns!(RevisedCost, cost_revisions);

/// A cost ready to be stored.
pub(super) struct PreparedCost {
    pub(super) key: DedupeKey,
    account_id: i64,
    endpoint: &'static str,
    window_start: i64,
    window_end: i64,
    pub(super) row: CostRow,
    pub(super) amount_nano: Option<i64>,
    amount: Option<String>,
    quantity: Option<String>,
    model: Option<String>,
    direction: Option<String>,
    modality: Option<String>,
    tier: Option<String>,
    long_context: Option<bool>,
    pub(super) content_hash: i64,
}

impl PreparedCost {
    /// The row as it is stored; fails with the amount if that is beyond 64 bits of billionths.
    pub(super) fn new(
        keys: &mut DedupeKeys,
        account_id: i64,
        scope: &Scope,
        window: Window,
        row: CostRow,
    ) -> Result<Self, String> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        let row = CostRow {
            group: CostGroup {
                project_id: present(row.group.project_id),
                api_key_id: present(row.group.api_key_id),
                line_item: present(row.group.line_item),
                currency: present(row.group.currency),
            },
            quantity_unit: present(row.quantity_unit),
            ..row
        };
        let amount_nano = match &row.amount {
            None => None,
            Some(amount) => Some(
                amount
                    .value()
                    .to_nanos()
                    .ok_or_else(|| amount.text().to_owned())?,
            ),
        };
        let item = row
            .group
            .line_item
            .as_deref()
            .map(LineItem::parse)
            .unwrap_or_default();
        let text = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            key: keys.cost_key(&row.group),
            account_id,
            endpoint: scope.endpoint.as_str(),
            window_start: window.start_unix(),
            window_end: window.end_unix(),
            amount_nano,
            amount: row.amount.as_ref().map(|amount| amount.text().to_owned()),
            quantity: row.quantity.as_ref().map(|quantity| quantity.text().to_owned()),
            model: text(item.model),
            direction: text(item.direction.map(usage_core::Direction::as_str)),
            modality: text(item.modality.map(usage_core::Modality::as_str)),
            tier: text(item.tier),
            long_context: Some(item.long_context),
            content_hash: row.content_hash(),
            row,
        })
    }
}

/// A cost with what the transaction adds to it.
pub(super) struct StampedCost<'a> {
    cost: &'a PreparedCost,
    added: Added,
}

/// What a transaction adds to a cost.
struct Added {
    revision: i64,
    stamp: Stamp,
}

impl<'a> StampedCost<'a> {
    pub(super) const fn new(cost: &'a PreparedCost, stamp: Stamp) -> Self {
        Self {
            cost,
            added: Added { revision: 1, stamp },
        }
    }
}

impl Row for StampedCost<'_> {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        visit(self.cost, &self.added, each)
    }
}

fn visit<'a>(
    cost: &'a PreparedCost,
    added: &'a Added,
    each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>,
) -> QueryResult<()> {
    each(Value::Integer(&cost.account_id))?;
    each(Value::Text(cost.endpoint))?;
    each(Value::Integer(&cost.window_start))?;
    each(Value::Integer(&cost.window_end))?;
    each(Value::Bytes(cost.key.as_bytes()))?;
    let group = &cost.row.group;
    each(Value::OptionalText(&group.project_id))?;
    each(Value::OptionalText(&group.api_key_id))?;
    each(Value::OptionalText(&group.line_item))?;
    each(Value::OptionalText(&group.currency))?;
    each(Value::OptionalText(&cost.amount))?;
    each(Value::OptionalInteger(&cost.amount_nano))?;
    each(Value::OptionalText(&cost.quantity))?;
    each(Value::OptionalText(&cost.row.quantity_unit))?;
    each(Value::OptionalText(&cost.model))?;
    each(Value::OptionalText(&cost.direction))?;
    each(Value::OptionalText(&cost.modality))?;
    each(Value::OptionalText(&cost.tier))?;
    each(Value::OptionalBool(&cost.long_context))?;
    each(Value::Integer(&cost.content_hash))?;
    each(Value::Integer(&added.revision))?;
    each(Value::Integer(&added.stamp.now))?;
    each(Value::Integer(&added.stamp.now))?;
    each(Value::Integer(&added.stamp.run_id))
}

/// The mark of a cost that a restatement added: its identity, with no amount and revision 0, for there was none.
pub(super) struct AddedCost<'a> {
    marked: PreparedCost,
    kind: &'a str,
    added: Added,
}

impl<'a> AddedCost<'a> {
    pub(super) fn new(cost: &PreparedCost, kind: &'a str, stamp: Stamp) -> Self {
        let row = CostRow {
            group: cost.row.group.clone(),
            ..CostRow::default()
        };
        Self {
            marked: PreparedCost {
                key: cost.key,
                account_id: cost.account_id,
                endpoint: cost.endpoint,
                window_start: cost.window_start,
                window_end: cost.window_end,
                amount_nano: None,
                amount: None,
                quantity: None,
                model: cost.model.clone(),
                direction: cost.direction.clone(),
                modality: cost.modality.clone(),
                tier: cost.tier.clone(),
                long_context: cost.long_context,
                content_hash: row.content_hash(),
                row,
            },
            kind,
            added: Added { revision: 0, stamp },
        }
    }
}

impl Row for AddedCost<'_> {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        each(Value::Text(self.kind))?;
        each(Value::Integer(&self.added.stamp.now))?;
        each(Value::Integer(&self.added.stamp.run_id))?;
        visit(&self.marked, &self.added, each)
    }
}
