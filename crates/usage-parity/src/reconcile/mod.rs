//! Reconciliation: priced usage against what the provider says it charged.
//!
//! Both sides come in day by day, and only one day and the sums are in memory. Within a day they are compared by project,
//! model and direction of tokens (or another unit, where tokens are not what is counted); API keys and users are summed
//! over. Usage is split by the classes of its price, exactly: a row's rounding stands on a line of its own.
//!
//! ```
//! use usage_core::{Dimensions, Endpoint, Metrics, Provider, parse_day};
//! use usage_parity::reconcile::{Class, CostLine, Day, Reconciler, UsageLine};
//! use usage_pricing::{Catalogue, Usage};
//!
//! let catalogue = Catalogue::bundled()?;
//! let day = parse_day("2025-09-02")?;
//! let metrics = Metrics {
//!     input_tokens: Some(2_000_000),
//!     input_cached_tokens: Some(0),
//!     output_tokens: Some(0),
//!     ..Metrics::default()
//! };
//! let dimensions = Dimensions { model: Some("gpt-5-2025-08-07".to_owned()), ..Dimensions::default() };
//! let priced = catalogue.price(&Usage {
//!     endpoint: Endpoint::Completions,
//!     day,
//!     dimensions: &dimensions,
//!     metrics: &metrics,
//!     grouped_by: Endpoint::Completions.dimensions(),
//! });
//!
//! let mut lines = Day::new(day, false);
//! lines.add_usage(&UsageLine {
//!     day,
//!     project_id: None,
//!     endpoint: Endpoint::Completions,
//!     model: dimensions.model,
//!     service_tier: None,
//!     batch: false,
//!     metrics,
//!     cost: priced.cost.ok().map(|cost| cost.rounded),
//!     price: Some(priced.price),
//! })?;
//! lines.add_cost(&CostLine {
//!     day,
//!     line_item: Some("gpt-5-2025-08-07, input".to_owned()),
//!     currency: Some("usd".to_owned()),
//!     amount: Some("2.0".parse()?),
//!     ..CostLine::default()
//! })?;
//! let mut reconciler = Reconciler::new(catalogue, Provider::OpenAi);
//! reconciler.compare(lines)?;
//! let found = reconciler.finish()?;
//! assert_eq!(found.tally(Class::Differs).difference.to_string(), "-0.5");
//! assert_eq!(found.overlay.entries[0].rates[0].usd, "1", "instead of 1.25 a million");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod comparison;
mod day;
mod group;
mod invoice;
mod lines;
mod matching;
mod outcome;
mod overlay;
mod reconciler;
mod report;
mod unit;
mod words;

pub use day::Day;
pub use group::{Class, ComparedGroup};
pub use invoice::InvoiceComparison;
pub use lines::{CostLine, ReconcileError, UsageLine};
pub use outcome::{Bridge, Complaint, Days, Finding, LeftOut, Reconciliation, RowCounts, Tally, Variance};
pub use overlay::{Overlay, OverlayEntry, OverlayRate};
pub use reconciler::Reconciler;
pub use report::ReconcileFacts;
pub use unit::Unit;
