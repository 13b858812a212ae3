//! The pages: for each, what it shows, as plain values, and the template that makes HTML of them.

mod access;
mod explore;
mod overview;
mod parts;
mod proofs;
mod restatements;
mod runs;

pub(crate) use access::{
    AddKey, Failure, KeyAction, KeyPage, KeyRow, Keys, SignIn, TokenMade, TokenRevoke, TokenRow, Tokens,
};
pub(crate) use explore::{EventRow, Explore, Filter, FilterOption, SplitCell, SumRow, Sums, Total};
pub(crate) use overview::{Card, Claim, Overview, Top, TopRow, Value};
pub(crate) use parts::{Badge, Choice, Link, Pages, RangeChoice, Standing};
pub(crate) use proofs::{
    BothSides, BridgeStep, BudgetRow, Budgets, ClassRow, CostsReport, DifferenceList, DifferenceRow,
    FindingRow, InvoiceReport, Parity, ParityReport, Reconciliation, ReconciliationReport,
};
pub(crate) use restatements::{ChargeRow, MetricChange, RestatementRow, Restatements};
pub(crate) use runs::{IssueRow, RunPage, RunRow, Runs};
