//! One read of usage: page by page, then window by window.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{Dimension, DimensionSet, Issue, IssueCode, Severity, UsageRow, Window};

use super::OpenAi;
use super::cursor::CursorChain;
use super::page::{Asked, Bucket, Page, decode_page};
use super::query::{at_page, usage_request};
use super::row::Tally;
use crate::source::{ReadError, UsageQuery, UsageRead, WindowRead};
use crate::transport::{Failure, Refusal};

/// Pages beyond one for each window that are put up with; a provider may end with an empty one.
const SPARE_PAGES: usize = 4;

/// The dimensions without which rows of different owners or prices run together.
///
/// Every usage belongs to a project, if only the default one, and whatever endpoint has a model counts by it: null
/// throughout means that the grouping was not applied, also where the project is all that an endpoint can be grouped by.
const INDISPENSABLE: [Dimension; 2] = [Dimension::ProjectId, Dimension::Model];

/// What becomes of the bodies of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// Each is dropped once it is decoded.
    Dropped,
    /// All are handed out.
    Kept,
}

/// Everything the pages of a read said.
#[derive(Default)]
pub(crate) struct Pages {
    windows: BTreeMap<Window, Result<Vec<UsageRow>, Issue>>,
    tally: Tally,
}

impl OpenAi {
    /// Reads all pages of a query with this grouping, and hands out their bodies if they are to be kept.
    pub(super) async fn read_pages(
        &self,
        query: &UsageQuery,
        asked: Asked,
        bodies: Bodies,
    ) -> Result<(Pages, Vec<Vec<u8>>), Failure> {
        let first = usage_request(
            asked.surface,
            query.windows,
            &query.filter,
            asked.grouped_by,
            self.array_encoding,
        );
        let mut chain = chain_of(&asked);
        let mut pages = Pages::default();
        let mut kept = Vec::new();
        let mut request = first.clone();
        loop {
            let (page, body) = self
                .transport
                .get(&request, move |body| {
                    let page = decode_page(body, &asked)?;
                    Ok((page, (bodies == Bodies::Kept).then(|| body.to_vec())))
                })
                .await?;
            kept.extend(body);
            let (has_more, cursor) = pages.add(page, &asked);
            let next = chain.next(has_more, cursor).map_err(|fault| Failure {
                error: ReadError::new(fault.code, format!("{}: {}", first.about, fault.message)),
                refusal: Refusal::default(),
            })?;
            match next {
                Some(cursor) => request = at_page(&first, &cursor),
                None => return Ok((pages, kept)),
            }
        }
    }
}

/// The cursors of a read: it cannot take many more pages than it has windows.
pub(super) fn chain_of(asked: &Asked) -> CursorChain {
    CursorChain::new(asked.windows.len().saturating_add(SPARE_PAGES))
}

impl Pages {
    /// Takes what a page holds, and returns what it says about the next one.
    pub(super) fn add(&mut self, page: Page, asked: &Asked) -> (bool, Option<String>) {
        self.tally.merge(&page.tally);
        for bucket in page.buckets {
            self.take(bucket, asked);
        }
        (page.has_more, page.cursor)
    }

    fn take(&mut self, bucket: Bucket, asked: &Asked) {
        let window = bucket.window;
        let place = place(asked, window);
        let rows = if self.windows.contains_key(&window) {
            Err(Issue::new(
                IssueCode::BucketRepeated,
                format!("{place}: the bucket came twice in one read"),
            ))
        } else {
            bucket
                .rows
                .map_err(|fault| Issue::new(fault.code, format!("{place}, {}", fault.message)))
        };
        self.windows.insert(window, rows);
    }

    /// The answer to the query, every window of it accounted for.
    pub(crate) fn into_read(
        mut self,
        asked: &Asked,
        started_at: DateTime<Utc>,
        mut issues: Vec<Issue>,
    ) -> Result<UsageRead, ReadError> {
        let about = format!(
            "{} {} {}",
            asked.surface.endpoint.provider(),
            asked.surface.endpoint,
            asked.windows
        );
        let empty = match self.tally.rows {
            0 => DimensionSet::EMPTY,
            _ => asked.grouped_by.difference(self.tally.present),
        };
        if let Some(dimension) = INDISPENSABLE
            .into_iter()
            .find(|dimension| empty.contains(*dimension))
        {
            return Err(ReadError::new(
                IssueCode::GroupingNotApplied,
                format!(
                    "{about}: {dimension} was asked for and is null in all {} rows; set USAGE_OPENAI_ARRAY_ENCODING to another form",
                    self.tally.rows
                ),
            ));
        }
        if !empty.is_empty() {
            issues.push(Issue::new(
                IssueCode::DimensionEmpty,
                format!(
                    "{about}: asked for and null in all {} rows: {empty}",
                    self.tally.rows
                ),
            ));
        }
        if !self.tally.unknown.is_empty() {
            issues.push(Issue::new(
                IssueCode::UnknownField,
                format!(
                    "{about}: fields this version does not know: {}",
                    self.tally.unknown
                ),
            ));
        }
        let windows = asked
            .windows
            .windows()
            .map(|window| WindowRead {
                window,
                rows: self
                    .windows
                    .remove(&window)
                    .unwrap_or_else(|| Err(missing(asked, window, started_at))),
            })
            .collect();
        Ok(UsageRead {
            windows,
            grouped_by: asked.grouped_by,
            empty_dimensions: empty,
            issues,
            started_at,
        })
    }
}

/// Whether a read can do without grouping by the dimension.
pub(crate) fn is_dispensable(dimension: Dimension) -> bool {
    !INDISPENSABLE.contains(&dimension)
}

fn missing(asked: &Asked, window: Window, started_at: DateTime<Utc>) -> Issue {
    let mut issue = Issue::new(
        IssueCode::BucketMissing,
        format!("{}: the answer has no bucket for it", place(asked, window)),
    );
    if window.end() > started_at {
        // A provider may leave out what has not happened yet.
        issue.severity = Severity::Warning;
    }
    issue
}

fn place(asked: &Asked, window: Window) -> String {
    let endpoint = asked.surface.endpoint;
    format!("{} {endpoint} window {window}", endpoint.provider())
}
