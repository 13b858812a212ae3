#![doc = include_str!("../README.md")]

mod account;
mod clock;
mod cost;
mod decimal;
mod dimension;
mod directory;
mod endpoint;
mod event;
mod instant;
mod issue;
mod key;
mod metric;
mod money;
mod scope;
mod split;
mod window;

pub use account::{Account, ParseAccountError, Provider, normalize_project_id};
pub use clock::{CLOCK_TOLERANCE, Clock, ManualClock, ScaledClock, SystemClock};
pub use cost::{CostGroup, CostRow, Direction, LineItem, Modality};
pub use decimal::{Decimal, DecimalText, ParseDecimalError};
pub use dimension::{Dimension, DimensionSet, Dimensions, UnknownDimension};
pub use directory::{Directory, DirectoryEntry, DirectoryKind};
pub use endpoint::{Endpoint, UnknownEndpoint};
pub use event::{UsageEvent, UsageRow, WindowState};
pub use instant::{ParseInstantError, format_instant, parse_day, parse_instant};
pub use issue::{Issue, IssueCode, Severity};
pub use key::{DedupeKey, DedupeKeys};
pub use metric::{Metric, MetricOverflow, Metrics};
pub use money::{NanoUsd, ParseMoneyError, PicoUsd, Rate};
pub use scope::{ProjectFilter, Scope};
pub use split::{Drift, Identity, ModalitySplit, TokenSplit};
pub use window::{InvalidRange, Width, Window, WindowRange};
