#![doc = include_str!("../README.md")]
#![deny(clippy::float_arithmetic)]

mod amount;
mod catalogue;
mod class;
mod cost;
mod entry;
mod error;
mod exact;
mod index;
mod listing;
mod names;
mod price_file;
mod rates;
mod record;
mod seed;
mod shares;
mod unpriced;

pub use catalogue::{Catalogue, Priced, Usage};
pub use class::PriceClass;
pub use cost::{ClassCost, Cost};
pub use entry::Layer;
pub use error::CatalogueError;
pub use exact::ExactUsd;
pub use listing::{ListedPrice, StalePrice};
pub use names::{Matched, ResolvedModel};
pub use rates::{Per, Rates, UnitRate};
pub use record::{PriceBasis, PriceRecord, PriceRef};
pub use shares::units_by_class;
pub use unpriced::Unpriced;
