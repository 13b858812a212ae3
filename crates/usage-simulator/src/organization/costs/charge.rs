//! Charges besides those for usage.

use chrono::NaiveDate;
use usage_core::{DecimalText, Dimension, ParseDecimalError};

use super::USD;

/// Something charged on a day besides what usage costs: a credit (with a minus), an image, storage, tax.
///
/// Where it is the only thing behind a row, the row has its amount verbatim.
///
/// ```
/// use usage_core::{WindowRange, parse_day};
/// use usage_simulator::{CostCharge, Organization};
///
/// let day = parse_day("2025-09-02")?;
/// let mut organization = Organization::new("org-demo");
/// organization.charge(CostCharge::new(day, "credit", "-12.50")?);
/// organization.charge(
///     CostCharge::new(day, "gpt-image-1, image output", "1.6896")?
///         .project("proj_a")
///         .quantity("42240", Some("tokens"))?,
/// );
/// organization.charge(CostCharge::new(day, "support", "100")?.currency("eur"));
/// assert_eq!(organization.cost(WindowRange::days(day, day)?)?.to_string(), "-10.8104", "dollars only");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostCharge {
    /// The UTC day.
    pub day: NaiveDate,
    /// What it is for, as the provider would word it; `None` for a row without a line item.
    pub line_item: Option<String>,
    /// How much; `None` for a row whose amount is null.
    pub amount: Option<DecimalText>,
    /// The currency as the provider would write it; `usd` unless told.
    pub currency: String,
    /// The project; `None` for a charge to the organisation as a whole.
    pub project_id: Option<String>,
    /// The API key.
    pub api_key_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// How much it is a charge for, where that is told.
    pub quantity: Option<ChargeQuantity>,
}

/// How much of something, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChargeQuantity {
    /// The number.
    pub number: DecimalText,
    /// `tokens`, `images`, `gibibyte_hours`, …; `None` where no single unit fits.
    pub unit: Option<String>,
}

impl CostCharge {
    /// A charge to the organisation as a whole, in `usd`.
    ///
    /// # Errors
    ///
    /// An amount that is no decimal number.
    pub fn new(
        day: NaiveDate,
        line_item: impl Into<String>,
        amount: &str,
    ) -> Result<Self, ParseDecimalError> {
        Ok(Self {
            day,
            line_item: Some(line_item.into()),
            amount: Some(amount.parse()?),
            currency: USD.to_owned(),
            project_id: None,
            api_key_id: None,
            user_id: None,
            quantity: None,
        })
    }

    /// The charge to a project.
    #[must_use]
    pub fn project(mut self, id: impl Into<String>) -> Self {
        self.project_id = Some(id.into());
        self
    }

    /// The charge to an API key.
    #[must_use]
    pub fn api_key(mut self, id: impl Into<String>) -> Self {
        self.api_key_id = Some(id.into());
        self
    }

    /// The charge to a user.
    #[must_use]
    pub fn user(mut self, id: impl Into<String>) -> Self {
        self.user_id = Some(id.into());
        self
    }

    /// The charge in another currency, as the provider would write it.
    #[must_use]
    pub fn currency(mut self, currency: impl Into<String>) -> Self {
        self.currency = currency.into();
        self
    }

    /// The charge for so much.
    ///
    /// # Errors
    ///
    /// A number that is no decimal number.
    pub fn quantity(mut self, number: &str, unit: Option<&str>) -> Result<Self, ParseDecimalError> {
        self.quantity = Some(ChargeQuantity {
            number: number.parse()?,
            unit: unit.map(str::to_owned),
        });
        Ok(self)
    }

    /// The charge without an amount: null on the wire, blank in an export.
    #[must_use]
    pub fn without_amount(mut self) -> Self {
        self.amount = None;
        self
    }

    /// Its value of a dimension of costs.
    pub(super) fn get(&self, dimension: Dimension) -> Option<&str> {
        match dimension {
            Dimension::ProjectId => self.project_id.as_deref(),
            Dimension::ApiKeyId => self.api_key_id.as_deref(),
            Dimension::UserId => self.user_id.as_deref(),
            Dimension::LineItem => self.line_item.as_deref(),
            _ => None,
        }
    }
}
