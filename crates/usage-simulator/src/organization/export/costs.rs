//! The export of costs.

use usage_core::{Decimal, Dimension, Window, WindowRange};

use super::file::{File, is_kept, quoted};
use super::quirks::Quirks;
use crate::organization::aggregate::Selection;
use crate::organization::{Bill, Cost, CostError, Organization};

/// The places behind the point that amounts of real exports have.
const PLACES: usize = 30;

/// Which columns an export of costs has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CostLayout {
    /// The 10 columns of exports before September 2026.
    TenColumns,
    /// The 17 columns of those since.
    #[default]
    SeventeenColumns,
}

/// One column behind the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    AmountValue,
    AmountCurrency,
    Quantity,
    QuantityUnit,
    By(Dimension),
    OrganizationId,
    OrganizationName,
    ProjectName,
    UserEmail,
}

const TEN: &[Column] = &[
    Column::AmountValue,
    Column::AmountCurrency,
    Column::By(Dimension::LineItem),
    Column::By(Dimension::ProjectId),
    Column::OrganizationId,
    Column::OrganizationName,
];

const SEVENTEEN: &[Column] = &[
    Column::AmountValue,
    Column::AmountCurrency,
    Column::Quantity,
    Column::QuantityUnit,
    Column::By(Dimension::LineItem),
    Column::By(Dimension::UserId),
    Column::By(Dimension::ApiKeyId),
    Column::By(Dimension::ProjectId),
    Column::OrganizationId,
    Column::ProjectName,
    Column::OrganizationName,
    Column::UserEmail,
    Column::By(Dimension::ApiSource),
];

impl Organization {
    /// The provider's export of the costs of a range of days, whatever the clock says: a row for every group of every
    /// day, and for a day without costs one with nothing but its times; the time columns only if there are no costs at
    /// all. Amounts have up to 30 places.
    ///
    /// ```
    /// use usage_core::{WindowRange, parse_day};
    /// use usage_simulator::{CostCharge, CostLayout, Organization};
    ///
    /// let day = parse_day("2025-09-01")?;
    /// let mut organization = Organization::new("org-demo");
    /// organization.charge(CostCharge::new(day, "gpt-image-1, image output", "1.6896")?.project("proj_a"));
    /// let csv = organization.costs_csv(WindowRange::days(day, day)?, CostLayout::TenColumns)?;
    /// assert_eq!(
    ///     csv,
    ///     "start_time,end_time,start_time_iso,end_time_iso,\
    ///      amount_value,amount_currency,line_item,project_id,organization_id,organization_name\n\
    ///      1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00,\
    ///      1.6896,usd,\"gpt-image-1, image output\",proj_a,org-demo,Organization org-demo\n"
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Usage without a price, as in [`Organization::cost`].
    pub fn costs_csv(&self, range: WindowRange, layout: CostLayout) -> Result<String, CostError> {
        self.quirky_costs_csv(range, layout, &Quirks::default())
    }

    /// As [`Organization::costs_csv`], with what real files do besides.
    pub fn quirky_costs_csv(
        &self,
        range: WindowRange,
        layout: CostLayout,
        quirks: &Quirks,
    ) -> Result<String, CostError> {
        let columns: Vec<Column> = layout
            .columns()
            .iter()
            .copied()
            .filter(|column| is_kept(column.name(), quirks))
            .collect();
        let selection = Selection {
            group_by: columns.iter().filter_map(|column| column.dimension()).collect(),
            filters: super::filters(quirks),
            ..Selection::everything()
        };
        let windows = Bill::new(self, &selection, range).into_priced_windows()?;
        let has_rows = windows.iter().any(|(_, costs)| !costs.is_empty());
        let mut text = Vec::new();
        let names = columns.iter().map(|column| column.name()).collect();
        let mut file = File::new(names, has_rows, quirks, &mut text);
        // Neither a `Vec` nor text made of text can fail.
        let _ = file.write_header();
        for (window, costs) in windows {
            if costs.is_empty() {
                let _ = file.write_idle(window);
            }
            for cost in costs {
                let rows = if quirks.split_rows {
                    let (large, small) = cost.split();
                    vec![large, small]
                } else {
                    vec![cost]
                };
                for row in rows {
                    let cells = columns.iter().map(|column| column.cell(self, &row, quirks));
                    let _ = file.write_row(window, cells.collect());
                }
            }
        }
        Ok(String::from_utf8(text).unwrap_or_default())
    }

    /// How the dashboard names the export of a range: `cost_<from>_<to>.csv`, by its first and its last UTC day.
    ///
    /// ```
    /// use usage_core::{WindowRange, parse_day};
    /// use usage_simulator::Organization;
    ///
    /// let month = WindowRange::days(parse_day("2025-09-01")?, parse_day("2025-09-30")?)?;
    /// assert_eq!(Organization::costs_csv_name(month), "cost_2025-09-01_2025-09-30.csv");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn costs_csv_name(range: WindowRange) -> String {
        let mut windows = range.windows();
        let first = range.start().date_naive();
        let last = windows.next_back().map_or(first, Window::utc_day);
        format!("cost_{first}_{last}.csv")
    }
}

impl CostLayout {
    const fn columns(self) -> &'static [Column] {
        match self {
            Self::TenColumns => TEN,
            Self::SeventeenColumns => SEVENTEEN,
        }
    }
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::AmountValue => "amount_value",
            Self::AmountCurrency => "amount_currency",
            Self::Quantity => "quantity",
            Self::QuantityUnit => "quantity_unit",
            Self::By(dimension) => dimension.as_str(),
            Self::OrganizationId => "organization_id",
            Self::OrganizationName => "organization_name",
            Self::ProjectName => "project_name",
            Self::UserEmail => "user_email",
        }
    }

    const fn dimension(self) -> Option<Dimension> {
        match self {
            Self::By(dimension) => Some(dimension),
            _ => None,
        }
    }

    fn cell(self, organization: &Organization, cost: &Cost, quirks: &Quirks) -> String {
        match self {
            Self::AmountValue => {
                let is_blank = |amount: &Decimal| quirks.blank_optional_zeros && amount.is_zero();
                match cost.amount.as_ref().filter(|amount| !is_blank(amount)) {
                    Some(_) => cost.amount_to(PLACES).unwrap_or_default(),
                    None => String::new(),
                }
            }
            Self::AmountCurrency => quoted(&cost.currency),
            Self::Quantity => cost
                .quantity
                .as_ref()
                .map(|quantity| number(quantity, quirks))
                .unwrap_or_default(),
            Self::QuantityUnit => quoted(cost.quantity_unit.as_deref().unwrap_or_default()),
            Self::By(dimension) => quoted(cost.get(dimension).unwrap_or_default()),
            Self::OrganizationId => quoted(organization.id()),
            Self::OrganizationName => quoted(&organization.name()),
            Self::ProjectName => quoted(organization.project_name(cost).unwrap_or_default()),
            Self::UserEmail => quoted(organization.user_email(cost).unwrap_or_default()),
        }
    }
}

fn number(quantity: &Decimal, quirks: &Quirks) -> String {
    let text = quantity.to_string();
    if quirks.integers_as_floats && !text.contains('.') {
        format!("{text}.0")
    } else {
        text
    }
}
