//! The columns of the costs export.

use std::fmt;

use CostColumn::{
    Amount, ApiKeyId, ApiSource, Currency, LineItem, OrganizationId, OrganizationName, ProjectId,
    ProjectName, Quantity, QuantityUnit, UserEmail, UserId,
};

/// One column behind the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CostColumn {
    /// `amount_value`: what was charged; less than zero for a credit.
    Amount,
    /// `amount_currency`: in which currency, `usd` in every file seen.
    Currency,
    /// `quantity`: how much was used, in the unit beside it.
    Quantity,
    /// `quantity_unit`: `tokens`, `images`, `gibibyte_hours`, … An open list.
    QuantityUnit,
    /// `line_item`: what was charged for, for example `gpt-5, input`.
    LineItem,
    /// `user_id`
    UserId,
    /// `api_key_id`
    ApiKeyId,
    /// `project_id`
    ProjectId,
    /// `organization_id`
    OrganizationId,
    /// `project_name`
    ProjectName,
    /// `organization_name`
    OrganizationName,
    /// `user_email`
    UserEmail,
    /// `api_source`
    ApiSource,
}

impl CostColumn {
    /// Every column, in the order of the newer layout.
    pub const ALL: [Self; 13] = [
        Amount,
        Currency,
        Quantity,
        QuantityUnit,
        LineItem,
        UserId,
        ApiKeyId,
        ProjectId,
        OrganizationId,
        ProjectName,
        OrganizationName,
        UserEmail,
        ApiSource,
    ];

    /// The name in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Amount => "amount_value",
            Currency => "amount_currency",
            Quantity => "quantity",
            QuantityUnit => "quantity_unit",
            LineItem => "line_item",
            UserId => "user_id",
            ApiKeyId => "api_key_id",
            ProjectId => "project_id",
            OrganizationId => "organization_id",
            ProjectName => "project_name",
            OrganizationName => "organization_name",
            UserEmail => "user_email",
            ApiSource => "api_source",
        }
    }
}

impl fmt::Display for CostColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The two layouts that the provider has written so far, by the number of their columns, times included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostLayout {
    /// The older one: an amount, a line item and a project.
    TenColumns,
    /// The one of September 2026: with quantities, users, API keys and API sources.
    SeventeenColumns,
}

impl CostLayout {
    /// Both layouts, older first.
    pub const ALL: [Self; 2] = [Self::TenColumns, Self::SeventeenColumns];

    /// The columns behind the times, in the provider's order.
    pub const fn columns(self) -> &'static [CostColumn] {
        match self {
            Self::TenColumns => &[
                Amount,
                Currency,
                LineItem,
                ProjectId,
                OrganizationId,
                OrganizationName,
            ],
            Self::SeventeenColumns => &CostColumn::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts_have_the_columns_of_real_files() {
        let names = |layout: CostLayout| {
            let columns = layout.columns().iter().map(|column| column.as_str());
            crate::TIME_COLUMNS
                .into_iter()
                .chain(columns)
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(
            names(CostLayout::TenColumns),
            "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,\
             organization_id,organization_name"
        );
        assert_eq!(
            names(CostLayout::SeventeenColumns),
            "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,\
             line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source"
        );
    }
}
