//! What the organisation is charged: for its usage, and besides it.

mod bill;
mod charge;
mod cost;
mod extras;
mod tariff;

use chrono::{DateTime, NaiveDate, Utc};
use usage_core::{Decimal, DimensionSet, PicoUsd, WindowRange, format_instant};

use super::Organization;
use super::aggregate::Selection;
pub(crate) use bill::Bill;
pub use charge::{ChargeQuantity, CostCharge};
pub use cost::Cost;
pub use tariff::PriceShare;
use tariff::Tariff;

/// The currency of everything that is computed.
const USD: &str = "usd";

/// Why usage has no cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The simulator has no price for the model.
    #[error(
        "the simulator has no price for the model `{0}`; add it to its price table or leave its usage out"
    )]
    UnknownModel(String),
    /// Usage in the window with this start that names no model.
    #[error("the usage at {} names no model, so it has no price", format_instant(*.0))]
    NoModel(DateTime<Utc>),
}

/// What costs are made of besides usage.
#[derive(Clone, Debug, Default)]
pub(super) struct Billing {
    tariff: Tariff,
    charges: Vec<CostCharge>,
    lag_days: u32,
    has_long_tails: bool,
}

impl Organization {
    /// What the organisation is charged in a range, in US dollars, exactly and whatever the clock says: the truth that
    /// costs are tested against. It is the sum of the rows of [`Organization::costs`] in that currency, at any
    /// grouping; amounts in others are not in it.
    ///
    /// Prices are the simulator's own and simpler than the provider's: a model has one price each for uncached input,
    /// cached input and output, of any modality. Input written to the cache is charged as uncached; a fine-tuned
    /// model that [`Organization::generate`] invents costs what its base costs. The tier `incentivized-tier` is free;
    /// the batch API (of any tier) and the tier `flex` cost half, the tier `priority` costs double (of `gpt-5-mini`
    /// nine fifths), every other tier
    /// costs what the table says. Embeddings are charged by the token, images by the image, speech by the character,
    /// transcriptions by the second, web searches, file searches and code interpreters by the call or session;
    /// moderation is free, and vector stores are not charged for: give a [`CostCharge`] for storage.
    ///
    /// # Errors
    ///
    /// A model without a price, also where its usage would be free, and usage without a model: never zero.
    ///
    /// ```
    /// use usage_core::{Dimensions, Endpoint, Metrics, Window, WindowRange, parse_day};
    /// use usage_simulator::Organization;
    ///
    /// let day = Window::day(parse_day("2025-09-02")?);
    /// let mut organization = Organization::new("org-demo");
    /// organization.usage_mut(Endpoint::Completions).add(
    ///     day.start(),
    ///     &Dimensions { model: Some("gpt-5-2025-08-07".to_owned()), ..Dimensions::default() },
    ///     &Metrics { output_tokens: Some(3), ..Metrics::default() },
    /// );
    /// let cost = organization.cost(WindowRange::of(day))?;
    /// assert_eq!(cost.to_string(), "0.00003", "3 tokens of 10 USD a million");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cost(&self, windows: WindowRange) -> Result<Decimal, CostError> {
        let costs = self.costs(windows, DimensionSet::EMPTY)?;
        let in_dollars = costs
            .iter()
            .filter(|cost| cost.currency.eq_ignore_ascii_case(USD));
        Ok(in_dollars.filter_map(|cost| cost.amount.as_ref()).sum())
    }

    /// The part of [`Organization::cost`] that usage causes, at the prices that were negotiated and restated: without
    /// anything from [`Organization::charge`].
    pub fn usage_cost(&self, windows: WindowRange) -> Result<PicoUsd, CostError> {
        Bill::usage_cost(self, windows)
    }

    /// The rows of costs of a range, grouped by these dimensions, in the order in which the server sends them; one row
    /// for each currency where it is empty. Of the dimensions, project, API key, user, API source and line item count.
    /// Whatever the clock says, and exact: only [`Cost::amount_text`] knows of [`Organization::add_long_tails`].
    ///
    /// Line items are worded as the provider's: `MODEL, input`, `MODEL, cached input`, `MODEL, cache writes` and
    /// `MODEL, output` in tokens, with `priority | ` before them for that tier and nothing for any other, so that flex
    /// and batch are in the plain lines at their own prices; `MODEL, image`, `MODEL, characters`, `MODEL, duration`,
    /// and the calls of tools without a unit. Quantities are what was paid for: free usage is in none, and leaves only
    /// a row of 0 (`0E-6176` on the wire) in the line of its input.
    ///
    /// Windows are days as the provider has them; narrower ones are charged as the part of their day that they are.
    ///
    /// ```
    /// use usage_core::{Dimension, DimensionSet, WindowRange, parse_day};
    /// use usage_simulator::{Generate, Organization};
    ///
    /// let organization = Organization::generate(&Generate { idle_days_percent: 0, ..Generate::default() });
    /// let day = parse_day("2025-09-02")?;
    /// let by_line_item = DimensionSet::EMPTY.with(Dimension::LineItem);
    /// let costs = organization.costs(WindowRange::days(day, day)?, by_line_item)?;
    /// let line_items: Vec<&str> = costs.iter().filter_map(|cost| cost.line_item.as_deref()).collect();
    /// assert!(line_items.contains(&"gpt-5-2025-08-07, cached input"));
    /// assert!(line_items.contains(&"priority | gpt-5-2025-08-07, output"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn costs(&self, windows: WindowRange, group_by: DimensionSet) -> Result<Vec<Cost>, CostError> {
        let windows = Bill::new(self, &costs_by(group_by), windows).into_priced_windows()?;
        Ok(windows.into_iter().flat_map(|(_, costs)| costs).collect())
    }

    /// Why usage in a range has no price, each reason once: what the server leaves out of the costs it shows, and what
    /// [`Organization::cost`] and [`Organization::costs`] fail with.
    pub fn unpriced(&self, windows: WindowRange) -> Vec<CostError> {
        Bill::new(self, &costs_by(DimensionSet::EMPTY), windows).into_unpriced()
    }

    /// Negotiates a price: from the day on the model costs this share of its list price, at every tier and in the batch
    /// API alike, until a later day that is given for it. Prices are rounded, half to even, to whole pico-dollars a
    /// unit, so amounts stay exact.
    ///
    /// ```
    /// use usage_core::{Dimensions, Endpoint, Metrics, Window, WindowRange, parse_day};
    /// use usage_simulator::{Organization, PriceShare};
    ///
    /// let mut organization = Organization::new("org-demo");
    /// let dimensions = Dimensions { model: Some("gpt-5-2025-08-07".to_owned()), ..Dimensions::default() };
    /// for day in ["2025-09-01", "2025-09-02"] {
    ///     let million = Metrics { output_tokens: Some(1_000_000), ..Metrics::default() };
    ///     let log = organization.usage_mut(Endpoint::Completions);
    ///     log.add(Window::day(parse_day(day)?).start(), &dimensions, &million);
    /// }
    /// organization.discount("gpt-5-2025-08-07", parse_day("2025-09-02")?, PriceShare::of(4, 5));
    /// let both = WindowRange::days(parse_day("2025-09-01")?, parse_day("2025-09-02")?)?;
    /// assert_eq!(organization.cost(both)?.to_string(), "18", "10 USD, then 8");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discount(&mut self, model: impl Into<String>, from_day: NaiveDate, share: PriceShare) {
        self.billing.tariff.discount(model.into(), from_day, share);
    }

    /// Charges something besides usage: a credit, an image, storage, tax.
    pub fn charge(&mut self, charge: CostCharge) {
        self.billing.charges.push(charge);
    }

    /// Everything charged besides usage, in the order in which it was charged.
    pub fn charges(&self) -> &[CostCharge] {
        &self.billing.charges
    }

    /// Takes back the charges that are chosen, to restate them or to let them vanish. Returns how many went.
    pub fn remove_charges(&mut self, mut is_chosen: impl FnMut(&CostCharge) -> bool) -> usize {
        let before = self.billing.charges.len();
        self.billing.charges.retain(|charge| !is_chosen(charge));
        before - self.billing.charges.len()
    }

    /// Restates what usage of a day costs: every price of it becomes so many per cent of what it was. Charges stay.
    pub fn restate_costs(&mut self, day: NaiveDate, percent: u32) {
        self.billing.tariff.restate(Some(day), None, percent);
    }

    /// As [`Organization::restate_costs`], of one line item.
    pub fn restate_line_item(&mut self, day: NaiveDate, line_item: impl Into<String>, percent: u32) {
        self.billing
            .tariff
            .restate(Some(day), Some(line_item.into()), percent);
    }

    /// Restates what all usage costs.
    pub(crate) fn restate_all_costs(&mut self, percent: u32) {
        self.billing.tariff.restate(None, None, percent);
    }

    /// Lets costs lag: the server shows none of the last so many UTC days, today included. 0, as at first, hides none.
    pub fn costs_lag_days(&mut self, days: u32) {
        self.billing.lag_days = days;
    }

    /// Lets computed amounts other than 0 be written with tails of digits that differ from row to row, as those that
    /// the provider computes: less than 10⁻²⁰ beside the exact amount.
    pub fn add_long_tails(&mut self) {
        self.billing.has_long_tails = true;
    }
}

fn costs_by(group_by: DimensionSet) -> Selection {
    Selection {
        group_by,
        ..Selection::everything()
    }
}
