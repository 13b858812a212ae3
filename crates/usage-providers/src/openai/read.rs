//! One read of usage or costs: page by page, then window by window.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use usage_core::{
    CostRow, Dimension, DimensionSet, Issue, IssueCode, ProjectFilter, Severity, UsageRow, Window,
};

use super::OpenAi;
use super::cursor::CursorChain;
use super::page::{Asked, Bucket, Page, decode_page};
use super::query::{at_page, request_for};
use super::row::{Row, Tally};
use crate::source::{CostsRead, CostsWindow, ReadError, UsageRead, WindowRead};
use crate::transport::{Failure, Refusal};

/// Pages beyond one for each window that are put up with; a provider may end with an empty one.
const SPARE_PAGES: usize = 4;

/// The dimensions without which rows of different owners or prices run together.
///
/// Every usage belongs to a project, if only the default one, and whatever endpoint has a model counts by it: null
/// throughout means that the grouping was not applied, also where the project is all that an endpoint can be grouped by.
/// Of costs, each is charged for something; but all of a quiet day may belong to no project, so that is only a warning.
const INDISPENSABLE: [Dimension; 3] = [Dimension::ProjectId, Dimension::Model, Dimension::LineItem];

/// What becomes of the bodies of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// Each is dropped once it is decoded.
    Dropped,
    /// All are handed out.
    Kept,
}

/// Everything the pages of a read said.
pub(crate) struct Pages<R> {
    windows: BTreeMap<Window, Result<Vec<R>, Issue>>,
    tally: Tally,
    /// How many there were.
    number: usize,
}

/// What they say together, every window of the query accounted for and the grouping verified.
pub(crate) struct Answer<R> {
    windows: Vec<(Window, Result<Vec<R>, Issue>)>,
    grouped_by: DimensionSet,
    empty_dimensions: DimensionSet,
    issues: Vec<Issue>,
    started_at: DateTime<Utc>,
}

impl OpenAi {
    /// Reads all pages of what is asked, and hands out their bodies if they are to be kept.
    pub(super) async fn read_pages<R: Row>(
        &self,
        filter: &ProjectFilter,
        asked: Asked,
        bodies: Bodies,
    ) -> Result<(Pages<R>, Vec<Vec<u8>>), Failure> {
        let first = request_for(
            asked.surface,
            asked.windows,
            filter,
            asked.grouped_by,
            self.array_encoding,
        );
        let mut chain = chain_of(&asked);
        let mut pages = Pages::new();
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

impl<R: Row> Pages<R> {
    pub(super) fn new() -> Self {
        Self {
            windows: BTreeMap::new(),
            tally: Tally::default(),
            number: 0,
        }
    }

    /// Takes what a page holds, and returns what it says about the next one.
    pub(super) fn add(&mut self, page: Page<R>, asked: &Asked) -> (bool, Option<String>) {
        self.number += 1;
        self.tally.merge(&page.tally);
        for bucket in page.buckets {
            self.take(bucket, asked);
        }
        (page.has_more, page.cursor)
    }

    fn take(&mut self, bucket: Bucket<R>, asked: &Asked) {
        let window = bucket.window;
        let place = place(asked, window);
        let rows = if self.windows.contains_key(&window) {
            Err(Issue::new(
                IssueCode::BucketRepeated,
                format!("{place}: the bucket came twice in one read"),
            ))
        } else {
            let page = self.number;
            bucket
                .rows
                .map_err(|fault| Issue::new(fault.code, format!("{place}, page {page}, {}", fault.message)))
        };
        self.windows.insert(window, rows);
    }

    /// The answer to the query.
    pub(crate) fn into_answer(
        mut self,
        asked: &Asked,
        started_at: DateTime<Utc>,
        mut issues: Vec<Issue>,
    ) -> Result<Answer<R>, ReadError> {
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
            .find(|dimension| empty.contains(*dimension) && !may_be_empty(asked, *dimension))
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
            .map(|window| {
                let rows = self.windows.remove(&window);
                let missing = || Err(missing(asked, window, started_at));
                (window, rows.unwrap_or_else(missing))
            })
            .collect();
        Ok(Answer {
            windows,
            grouped_by: asked.grouped_by,
            empty_dimensions: empty,
            issues,
            started_at,
        })
    }
}

impl From<Answer<UsageRow>> for UsageRead {
    fn from(answer: Answer<UsageRow>) -> Self {
        let windows = answer.windows.into_iter();
        Self {
            windows: windows
                .map(|(window, rows)| WindowRead { window, rows })
                .collect(),
            grouped_by: answer.grouped_by,
            empty_dimensions: answer.empty_dimensions,
            issues: answer.issues,
            started_at: answer.started_at,
        }
    }
}

impl From<Answer<CostRow>> for CostsRead {
    fn from(answer: Answer<CostRow>) -> Self {
        let windows = answer.windows.into_iter();
        Self {
            windows: windows
                .map(|(window, rows)| CostsWindow { window, rows })
                .collect(),
            grouped_by: answer.grouped_by,
            empty_dimensions: answer.empty_dimensions,
            issues: answer.issues,
            started_at: answer.started_at,
        }
    }
}

/// Whether an indispensable dimension may be null in every row all the same.
fn may_be_empty(asked: &Asked, dimension: Dimension) -> bool {
    asked.surface.endpoint.is_costs() && dimension == Dimension::ProjectId
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
