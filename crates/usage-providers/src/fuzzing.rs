//! What `crates/fuzz` calls: the pure functions that read what a provider sends. No part of the contract.

use usage_core::{CostRow, DimensionSet, Endpoint, IssueCode, UsageRow, Window, WindowRange};

use crate::openai::{self, Asked, CursorChain, Row, Surface};

/// The longest cursor that is sent back, in bytes.
pub const LONGEST_CURSOR: usize = openai::LONGEST_CURSOR;

/// A page of usage or costs that was accepted.
#[derive(Debug)]
pub struct Page<R> {
    /// Its buckets in the order they came, with their rows or the code of the first fault in them.
    pub buckets: Vec<(Window, Result<Vec<R>, IssueCode>)>,
    /// Whether it announces another page.
    pub has_more: bool,
    /// Its `next_page`, unchecked.
    pub cursor: Option<String>,
    /// How many rows it has, those of faulty buckets among them.
    pub rows: usize,
    /// The dimensions that have a value in at least one of them.
    pub present: DimensionSet,
}

/// Reads one page of a usage endpoint, asked for with these windows and this grouping.
pub fn decode_page(
    endpoint: Endpoint,
    windows: WindowRange,
    grouped_by: DimensionSet,
    body: &[u8],
) -> Result<Page<UsageRow>, IssueCode> {
    decode(endpoint, windows, grouped_by, body)
}

/// Reads one page of costs, asked for with these windows and this grouping.
pub fn decode_costs_page(
    windows: WindowRange,
    grouped_by: DimensionSet,
    body: &[u8],
) -> Result<Page<CostRow>, IssueCode> {
    decode(Endpoint::Costs, windows, grouped_by, body)
}

fn decode<R: Row>(
    endpoint: Endpoint,
    windows: WindowRange,
    grouped_by: DimensionSet,
    body: &[u8],
) -> Result<Page<R>, IssueCode> {
    let asked = Asked {
        surface: Surface::of(endpoint).ok_or(IssueCode::RequestRefused)?,
        windows,
        grouped_by,
    };
    let page = openai::decode_page::<R>(body, &asked).map_err(|error| error.code)?;
    Ok(Page {
        buckets: page
            .buckets
            .into_iter()
            .map(|bucket| (bucket.window, bucket.rows.map_err(|fault| fault.code)))
            .collect(),
        has_more: page.has_more,
        cursor: page.cursor,
        rows: page.tally.rows,
        present: page.tally.present,
    })
}

/// Whether the text can be a cursor; what is wrong with it if not.
pub fn check_cursor(cursor: &str) -> Result<(), &'static str> {
    openai::check_cursor(cursor)
}

/// The cursors of one read.
#[derive(Debug)]
pub struct Cursors(CursorChain);

impl Cursors {
    /// A chain that may have this many pages.
    pub fn new(most_pages: usize) -> Self {
        Self(CursorChain::new(most_pages))
    }

    /// Takes what a page says about the next; `None` when there is none.
    pub fn next_page(&mut self, has_more: bool, cursor: Option<String>) -> Result<Option<String>, IssueCode> {
        self.0.next(has_more, cursor).map_err(|error| error.code)
    }
}
