//! One row of the costs export.

use usage_core::{DecimalText, ParseDecimalError, Window};

use super::layout::CostColumn;

/// What was charged for one line item in one window, as far as the file tells it apart.
///
/// `None` is a blank cell or a column that the file lacks; neither means zero. An empty text counts as none. A row with
/// nothing but its window says that nothing was charged in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostRow {
    /// When; UTC. The width is that of the row's own times.
    pub window: Window,
    /// See [`CostColumn::Amount`].
    pub amount: Option<DecimalText>,
    /// See [`CostColumn::Currency`].
    pub currency: Option<String>,
    /// See [`CostColumn::Quantity`].
    pub quantity: Option<DecimalText>,
    /// See [`CostColumn::QuantityUnit`].
    pub quantity_unit: Option<String>,
    /// See [`CostColumn::LineItem`].
    pub line_item: Option<String>,
    /// See [`CostColumn::ProjectId`].
    pub project_id: Option<String>,
    /// See [`CostColumn::UserId`].
    pub user_id: Option<String>,
    /// See [`CostColumn::ApiKeyId`].
    pub api_key_id: Option<String>,
    /// See [`CostColumn::ApiSource`].
    pub api_source: Option<String>,
    /// See [`CostColumn::OrganizationId`].
    pub organization_id: Option<String>,
    /// See [`CostColumn::OrganizationName`].
    pub organization_name: Option<String>,
    /// See [`CostColumn::ProjectName`].
    pub project_name: Option<String>,
    /// See [`CostColumn::UserEmail`].
    pub user_email: Option<String>,
    /// The cells of columns that this version does not know, in the order of
    /// [`super::CostCsvReader::unknown_columns`]; blank ones are empty.
    pub unknown: Vec<String>,
}

impl CostRow {
    /// A row with nothing but its window.
    pub const fn idle(window: Window) -> Self {
        Self {
            window,
            amount: None,
            currency: None,
            quantity: None,
            quantity_unit: None,
            line_item: None,
            project_id: None,
            user_id: None,
            api_key_id: None,
            api_source: None,
            organization_id: None,
            organization_name: None,
            project_name: None,
            user_email: None,
            unknown: Vec::new(),
        }
    }

    /// Whether the row has nothing but its window.
    pub fn is_idle(&self) -> bool {
        CostColumn::ALL
            .into_iter()
            .all(|column| self.get(column).is_none())
            && self.unknown.iter().all(String::is_empty)
    }

    /// The text of one cell, numbers as the provider wrote them; `None` when absent or empty.
    pub fn get(&self, column: CostColumn) -> Option<&str> {
        match column {
            CostColumn::Amount => self.amount.as_ref().map(DecimalText::text),
            CostColumn::Currency => self.currency.as_deref(),
            CostColumn::Quantity => self.quantity.as_ref().map(DecimalText::text),
            CostColumn::QuantityUnit => self.quantity_unit.as_deref(),
            CostColumn::LineItem => self.line_item.as_deref(),
            CostColumn::UserId => self.user_id.as_deref(),
            CostColumn::ApiKeyId => self.api_key_id.as_deref(),
            CostColumn::ProjectId => self.project_id.as_deref(),
            CostColumn::OrganizationId => self.organization_id.as_deref(),
            CostColumn::ProjectName => self.project_name.as_deref(),
            CostColumn::OrganizationName => self.organization_name.as_deref(),
            CostColumn::UserEmail => self.user_email.as_deref(),
            CostColumn::ApiSource => self.api_source.as_deref(),
        }
        .filter(|text| !text.is_empty())
    }

    /// Fills one cell from its text, which is not empty.
    pub(super) fn set(&mut self, column: CostColumn, text: &str) -> Result<(), ParseDecimalError> {
        let place = match column {
            CostColumn::Amount => {
                self.amount = Some(text.parse()?);
                return Ok(());
            }
            CostColumn::Quantity => {
                self.quantity = Some(text.parse()?);
                return Ok(());
            }
            CostColumn::Currency => &mut self.currency,
            CostColumn::QuantityUnit => &mut self.quantity_unit,
            CostColumn::LineItem => &mut self.line_item,
            CostColumn::UserId => &mut self.user_id,
            CostColumn::ApiKeyId => &mut self.api_key_id,
            CostColumn::ProjectId => &mut self.project_id,
            CostColumn::OrganizationId => &mut self.organization_id,
            CostColumn::ProjectName => &mut self.project_name,
            CostColumn::OrganizationName => &mut self.organization_name,
            CostColumn::UserEmail => &mut self.user_email,
            CostColumn::ApiSource => &mut self.api_source,
        };
        *place = Some(text.to_owned());
        Ok(())
    }
}
