//! The provider's costs export: what an organisation was charged, as the dashboard writes it.
//!
//! [`CostCsvReader`] goes by the names in the header, so it reads the layout of 10 columns, the one of 17 that followed
//! in 2026, and whatever comes next; [`CostCsvWriter`] writes both. Amounts keep the provider's own text and are exact:
//! they have up to 39 decimals, and zeros such as `0E-6176`.
//!
//! [`compare_costs`] holds [`CostExport`]s against the costs of a ledger, which it reads through [`CostLedger`].
//!
//! ```
//! use usage_parity::costs::{CostCsvReader, CostSums};
//!
//! let file = "start_time,end_time,amount_value,amount_currency,line_item\n\
//!             1756684800,1756771200,0.060000000000000000000000000000000000001,usd,\"gpt-5, input\"\n\
//!             1756684800,1756771200,-0.01,usd,\"gpt-5, output\"\n\
//!             1756771200,1756857600,,,\n";
//! let mut sums = CostSums::default();
//! for row in CostCsvReader::new(file.as_bytes())? {
//!     sums.add(&row?);
//! }
//! let usd = sums.get(Some("usd")).map(ToString::to_string);
//! assert_eq!(usd.as_deref(), Some("0.050000000000000000000000000000000000001"));
//! assert_eq!((sums.rows(), sums.rows_without_amount()), (3, 1), "a blank amount is not zero");
//! # Ok::<(), usage_parity::costs::CostCsvError>(())
//! ```

mod compare;
mod error;
mod export;
mod layout;
mod ledger;
mod line_starts;
mod reader;
mod row;
mod sums;
mod writer;

pub use compare::{
    CostComparison, CostCounts, CostDifference, CostGroupKey, CostRecord, CostSurface, CostTolerance,
    compare_costs, summarize_costs,
};
pub use error::CostCsvError;
pub use export::CostExport;
pub use layout::{CostColumn, CostLayout};
pub use ledger::{CostChange, CostLedger, CostValue, LedgerCost};
pub use reader::CostCsvReader;
pub use row::CostRow;
pub use sums::CostSums;
pub use writer::{CostCsvWriteError, CostCsvWriter};
