//! What the provider changed after the fact.

use askama::Template;

use super::parts::{Badge, Link, Pages, RangeChoice};
use crate::dashboard::chrome::Chrome;
use crate::dashboard::display::{At, Day, Fact, Html, Named};

/// The list of restatements.
#[derive(Template)]
#[template(path = "restatements.html")]
pub(crate) struct Restatements {
    pub(crate) chrome: Chrome,
    pub(crate) range: RangeChoice,
    /// Which kinds are shown.
    pub(crate) kinds: Vec<Link>,
    /// Whether one of them was asked for.
    pub(crate) is_one_kind: bool,
    pub(crate) totals: Vec<Fact>,
    pub(crate) rows: Vec<RestatementRow>,
    /// The latest changes of what was charged, on the first page.
    pub(crate) charges: Vec<ChargeRow>,
    /// How many there are beyond those.
    pub(crate) more_charges: u64,
    pub(crate) pages: Pages,
}

/// One change of what was charged.
pub(crate) struct ChargeRow {
    pub(crate) at: At,
    pub(crate) day: Day,
    pub(crate) item: String,
    pub(crate) project: Named,
    /// The currency, unless it is dollars.
    pub(crate) currency: Option<String>,
    pub(crate) before: Html,
    pub(crate) after: Html,
    pub(crate) run: Html,
}

/// One change to one group.
pub(crate) struct RestatementRow {
    pub(crate) at: At,
    pub(crate) kind: Badge,
    pub(crate) window: At,
    pub(crate) endpoint: String,
    pub(crate) project: Named,
    pub(crate) key: Named,
    pub(crate) user: Named,
    pub(crate) model: Named,
    /// From what to what: the metrics that say most, and the cost.
    pub(crate) changes: Vec<MetricChange>,
    /// The other metrics that changed.
    pub(crate) others: Vec<MetricChange>,
    pub(crate) run: Html,
}

/// One metric, before and after.
pub(crate) struct MetricChange {
    pub(crate) label: String,
    pub(crate) before: Html,
    pub(crate) after: Html,
    /// The difference, with its sign.
    pub(crate) difference: String,
}
