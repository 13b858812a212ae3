//! Adding up what is charged, window by window.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use usage_core::{Decimal, Dimension, DimensionSet, Dimensions, Endpoint, PicoUsd, Window, WindowRange};

use super::charge::{ChargeQuantity, CostCharge};
use super::cost::{Cost, Spelling};
use super::{CostError, USD};
use crate::organization::Organization;
use crate::organization::aggregate::{Aggregation, Selection};
use crate::organization::prices::{Charged, NoPrice, charged};

/// What costs can be grouped by, in the order in which they decide about the order of rows.
const ROW_ORDER: [Dimension; 5] = [
    Dimension::ProjectId,
    Dimension::LineItem,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::ApiSource,
];

/// What prices depend on.
const PRICED_BY: DimensionSet = DimensionSet::EMPTY
    .with(Dimension::Model)
    .with(Dimension::ServiceTier)
    .with(Dimension::Batch);

/// What the provider calls usage that no special API made.
const UNLABELED: &str = "unlabeled";

const SECONDS_PER_DAY: i64 = 86_400;

/// The costs of the windows of a range.
pub(crate) struct Bill {
    windows: Vec<(Window, Vec<Cost>)>,
    unpriced: Vec<CostError>,
}

impl Bill {
    /// Adds up the costs of a selection. Windows that lag behind its `now` have none; a charge is in its day from the
    /// beginning.
    pub(crate) fn new(organization: &Organization, selection: &Selection, range: WindowRange) -> Self {
        let mut sheets: Vec<Sheet> = range
            .windows()
            .map(|window| Sheet::new(window, selection.group_by))
            .collect();
        let unpriced = add_usage(&mut sheets, organization, selection, range);
        add_charges(&mut sheets, organization, selection);
        let costs = |sheet: Sheet| {
            if organization.lags(sheet.window, selection.now) {
                Vec::new()
            } else {
                sheet.into_costs(organization.billing.has_long_tails)
            }
        };
        let windows = sheets.into_iter().map(|sheet| (sheet.window, costs(sheet)));
        Self {
            windows: windows.collect(),
            unpriced,
        }
    }

    /// What the usage of a range costs.
    pub(crate) fn usage_cost(organization: &Organization, range: WindowRange) -> Result<PicoUsd, CostError> {
        let selection = super::costs_by(DimensionSet::EMPTY);
        let mut sum = Ok(PicoUsd(0));
        each_charged(organization, &selection, range, |_, _, usage| {
            sum = sum.clone().and_then(|sum| Ok(sum + usage?.amount));
        });
        sum
    }

    /// The rows of every window, in order. Usage without a price is not in them.
    pub(crate) fn into_windows(self) -> Vec<(Window, Vec<Cost>)> {
        if let Some(error) = self.unpriced.first() {
            tracing::warn!(%error, groups = self.unpriced.len(), "usage without a price costs nothing");
        }
        self.windows
    }

    /// Why usage has no price, each reason once, in the order in which it was met.
    pub(crate) fn into_unpriced(self) -> Vec<CostError> {
        let mut reasons: Vec<CostError> = Vec::new();
        for reason in self.unpriced {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// The rows of every window, in order, unless there is usage without a price.
    pub(crate) fn into_priced_windows(self) -> Result<Vec<(Window, Vec<Cost>)>, CostError> {
        match self.unpriced.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(self.windows),
        }
    }
}

impl Organization {
    fn priced(&self, day: NaiveDate, dimensions: &Dimensions, charged: Charged) -> Priced {
        let model = dimensions.model.as_deref();
        let tariff = &self.billing.tariff;
        let price = tariff.price(day, model, &charged.line_item, charged.pico_usd);
        let amount = PicoUsd(price.saturating_mul(i128::from(charged.quantity)));
        Priced { charged, amount }
    }

    /// Whether the costs of a window are not out yet at this time, in Unix seconds.
    fn lags(&self, window: Window, now: i64) -> bool {
        if now == i64::MAX {
            return false;
        }
        let tomorrow = now.div_euclid(SECONDS_PER_DAY) + 1;
        let shown_until = (tomorrow - i64::from(self.billing.lag_days)) * SECONDS_PER_DAY;
        window.start_unix() >= shown_until
    }
}

/// Adds what usage costs. Returns why some of it has no price.
fn add_usage(
    sheets: &mut [Sheet],
    organization: &Organization,
    selection: &Selection,
    range: WindowRange,
) -> Vec<CostError> {
    let mut filters = selection.filters.iter();
    let line_items = filters.find(|filter| filter.dimension == Dimension::LineItem);
    let is_asked_for =
        |priced: &Priced| line_items.is_none_or(|filter| filter.any_of.contains(&priced.charged.line_item));
    let mut unpriced = Vec::new();
    each_charged(
        organization,
        selection,
        range,
        |number, dimensions, usage| match usage {
            Ok(priced) if is_asked_for(&priced) => sheets[number].add_usage(dimensions, &priced),
            Ok(_) => {}
            Err(error) => unpriced.push(error),
        },
    );
    unpriced
}

/// Adds what is charged besides usage, each charge in the window that its day begins in.
fn add_charges(sheets: &mut [Sheet], organization: &Organization, selection: &Selection) {
    for charge in &organization.billing.charges {
        let passes = selection.filters.iter().all(|filter| {
            let value = charge.get(filter.dimension);
            filter.any_of.iter().any(|asked| Some(asked.as_str()) == value)
        });
        let midnight = Window::day(charge.day).start();
        let sheet = sheets.iter_mut().find(|sheet| sheet.window.contains(midnight));
        if let Some(sheet) = sheet.filter(|_| passes) {
            sheet.add_charge(charge);
        }
    }
}

/// A line item that some usage adds to, at the price of its day.
struct Priced {
    charged: Charged,
    amount: PicoUsd,
}

/// Goes through everything that usage is charged for, by the number of its window.
fn each_charged(
    organization: &Organization,
    selection: &Selection,
    range: WindowRange,
    mut found: impl FnMut(usize, &Dimensions, Result<Priced, CostError>),
) {
    let mut filters = selection.filters.clone();
    filters.retain(|filter| filter.dimension != Dimension::LineItem);
    let priced_by = Selection {
        group_by: selection.group_by.union(PRICED_BY),
        filters,
        now: selection.now,
    };
    for endpoint in Endpoint::USAGE {
        let mut aggregation = Aggregation::new(organization.usage(endpoint), &priced_by, range);
        for (number, window) in range.windows().enumerate() {
            for (dimensions, sum) in aggregation.rows(window) {
                match charged(endpoint, dimensions, &sum) {
                    Ok(list) => {
                        for charged in list {
                            let priced = organization.priced(window.utc_day(), dimensions, charged);
                            found(number, dimensions, Ok(priced));
                        }
                    }
                    Err(no_price) => found(number, dimensions, Err(no_price.at(window))),
                }
            }
        }
    }
}

impl NoPrice {
    fn at(self, window: Window) -> CostError {
        match self {
            Self::UnknownModel(model) => CostError::UnknownModel(model),
            Self::NoModel => CostError::NoModel(window.start()),
        }
    }
}

/// The rows of one window that are being added up, by their values in the order of rows and their currency.
struct Sheet {
    window: Window,
    group_by: DimensionSet,
    cells: BTreeMap<([Option<String>; ROW_ORDER.len()], String), Cell>,
}

/// One row that is being added up. Amounts of usage and of charges are kept apart: whole numbers are added faster.
#[derive(Default)]
struct Cell {
    usage: PicoUsd,
    charges: Decimal,
    has_amount: bool,
    /// The text of the charge that is all there is.
    verbatim: Option<String>,
    parts: usize,
    units_used: i64,
    units_charged: Decimal,
    has_quantity: bool,
    unit: Option<String>,
    has_many_units: bool,
}

impl Sheet {
    fn new(window: Window, group_by: DimensionSet) -> Self {
        Self {
            window,
            group_by,
            cells: BTreeMap::new(),
        }
    }

    fn add_usage(&mut self, dimensions: &Dimensions, priced: &Priced) {
        let charged = &priced.charged;
        let cell = self.cell(USD, |dimension| match dimension {
            Dimension::LineItem => Some(charged.line_item.as_str()),
            Dimension::ApiSource => Some(dimensions.get(dimension).unwrap_or(UNLABELED)),
            _ => dimensions.get(dimension),
        });
        cell.usage = cell.usage + priced.amount;
        cell.has_amount = true;
        cell.add_unit(charged.unit);
        cell.units_used = cell.units_used.saturating_add(charged.quantity);
        cell.parts += 1;
    }

    fn add_charge(&mut self, charge: &CostCharge) {
        let cell = self.cell(&charge.currency, |dimension| charge.get(dimension));
        if let Some(amount) = &charge.amount {
            cell.charges += amount.value();
            cell.has_amount = true;
            cell.verbatim = Some(amount.text().to_owned());
        }
        if let Some(ChargeQuantity { number, unit }) = &charge.quantity {
            cell.add_unit(unit.as_deref());
            cell.units_charged += number.value();
        }
        cell.parts += 1;
    }

    fn cell<'a>(&mut self, currency: &str, value: impl Fn(Dimension) -> Option<&'a str>) -> &mut Cell {
        let values = ROW_ORDER.map(|dimension| {
            let is_kept = self.group_by.contains(dimension);
            value(dimension).filter(|_| is_kept).map(str::to_owned)
        });
        self.cells.entry((values, currency.to_owned())).or_default()
    }

    fn into_costs(self, has_long_tails: bool) -> Vec<Cost> {
        let (window, by_line_item) = (self.window, self.group_by.contains(Dimension::LineItem));
        let cost = |((values, currency), cell): (_, Cell)| {
            let row = format!("{} {values:?} {currency}", window.start_unix());
            let [project_id, line_item, api_key_id, user_id, api_source] = values;
            let has_quantity = cell.has_quantity && by_line_item && !cell.has_many_units;
            let mut amount = Decimal::from(cell.usage);
            amount += &cell.charges;
            let mut quantity = Decimal::from(cell.units_used);
            quantity += &cell.units_charged;
            Cost {
                day: window.utc_day(),
                project_id,
                line_item,
                api_key_id,
                user_id,
                api_source,
                amount: cell.has_amount.then_some(amount),
                currency,
                quantity: has_quantity.then_some(quantity),
                quantity_unit: cell.unit.filter(|_| has_quantity),
                spelling: match cell.verbatim {
                    Some(text) if cell.parts == 1 => Spelling::Verbatim(text),
                    _ => Spelling::of(&row, has_long_tails),
                },
            }
        };
        self.cells.into_iter().map(cost).collect()
    }
}

impl Cell {
    fn add_unit(&mut self, unit: Option<&str>) {
        if self.has_quantity && self.unit.as_deref() != unit {
            self.has_many_units = true;
        }
        self.unit = unit.map(str::to_owned);
        self.has_quantity = true;
    }
}
