//! A bill with more on it than usage at list prices.

use chrono::{NaiveDate, TimeDelta};
use usage_core::Endpoint;

use super::{CostCharge, PriceShare};
use crate::organization::Organization;

/// The model whose price is negotiated; every generated organisation uses it.
const NEGOTIATED_MODEL: &str = "gpt-5-2025-08-07";

impl Organization {
    /// Puts on the bill what real bills have besides usage at list prices. From the middle of the days with usage on,
    /// the model `gpt-5-2025-08-07` costs four fifths of its price; on the day in the middle there are a credit of 25
    /// dollars, 42,240 tokens of `gpt-image-1, image output` in the first project that no usage endpoint reports, and a
    /// `tax` of 19 dollars and 90 cents. Returns the middle; `None`, and nothing is changed, without usage.
    ///
    /// ```
    /// use usage_core::{Dimension, DimensionSet, WindowRange};
    /// use usage_simulator::{Generate, Organization};
    ///
    /// let mut organization = Organization::generate(&Generate::default());
    /// let day = organization.add_billing_extras().ok_or("there is usage")?;
    /// let by_line_item = DimensionSet::EMPTY.with(Dimension::LineItem);
    /// let costs = organization.costs(WindowRange::days(day, day)?, by_line_item)?;
    /// let credit = costs.iter().find(|cost| cost.line_item.as_deref() == Some("credit")).ok_or("a credit")?;
    /// assert_eq!(credit.amount_text().as_deref(), Some("-25.00"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_billing_extras(&mut self) -> Option<NaiveDate> {
        let middle = self.middle_day()?;
        self.add_billing_extras_on(middle)
    }

    /// As [`Organization::add_billing_extras`], with a day of one's own in the middle.
    pub(crate) fn add_billing_extras_on(&mut self, middle: NaiveDate) -> Option<NaiveDate> {
        self.discount(NEGOTIATED_MODEL, middle, PriceShare::of(4, 5));
        let mut image = CostCharge::new(middle, "gpt-image-1, image output", "1.6896")
            .and_then(|charge| charge.quantity("42240", Some("tokens")))
            .ok()?;
        image.project_id = self.projects().first().map(|project| project.id.clone());
        self.charge(image);
        for (line_item, amount) in [("credit", "-25.00"), ("tax", "19.90")] {
            self.charge(CostCharge::new(middle, line_item, amount).ok()?);
        }
        Some(middle)
    }

    fn middle_day(&self) -> Option<NaiveDate> {
        let spans = || {
            Endpoint::USAGE
                .into_iter()
                .filter_map(|endpoint| self.usage(endpoint).span())
        };
        let first = spans().map(|(first, _)| first).min()?.date_naive();
        let last = spans().map(|(_, last)| last).max()?.date_naive();
        Some(first + TimeDelta::days((last - first).num_days() / 2))
    }
}
