//! The pages of a fixture: cut out of the file as they stand, and looked over.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use usage_core::{Endpoint, Issue, IssueCode, Severity, Width, Window, WindowRange, parse_instant};
use usage_providers::OpenAi;

use crate::error::Fault;
use crate::files::line_at;

const PAGE_SHAPE: &str =
    "not a page of usage: a page has `data`, a list of buckets with `start_time`, `end_time` and `results`";
const FIXTURE_SHAPE: &str = "not a fixture: a fixture is one page of usage or a list of pages";

/// Ten weeks of minutes: a bucket of another century must not make a million missing ones.
const MOST_WINDOWS: usize = 100_000;

/// The pages of a fixture, each exactly as it stands in the text.
#[derive(Debug)]
pub(crate) struct Pages<'a> {
    pub(crate) bodies: Vec<&'a str>,
    outlines: Vec<(usize, PageOutline)>,
}

/// What the pages were asked for, as far as they show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// `None` if there is no row that would tell.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) windows: WindowRange,
    pub(crate) buckets: usize,
}

#[derive(Debug, Deserialize)]
struct PageOutline {
    data: Vec<BucketOutline>,
}

#[derive(Debug, Deserialize)]
struct BucketOutline {
    #[serde(default)]
    start_time: Option<i64>,
    #[serde(default)]
    end_time: Option<i64>,
    #[serde(default)]
    start_time_iso: Option<String>,
    #[serde(default)]
    end_time_iso: Option<String>,
    #[serde(default, alias = "result")]
    results: Vec<RowOutline>,
}

#[derive(Debug, Deserialize)]
struct RowOutline {
    #[serde(default)]
    object: Option<String>,
}

impl<'a> Pages<'a> {
    /// Cuts a text into its pages.
    pub(crate) fn of(text: &'a str) -> Result<Self, Fault> {
        let raw: Vec<&RawValue> = match text.trim_start().bytes().next() {
            Some(b'[') => {
                serde_json::from_str(text).map_err(|error| Fault::of_json(&error, FIXTURE_SHAPE))?
            }
            _ => vec![serde_json::from_str(text).map_err(|error| Fault::of_json(&error, FIXTURE_SHAPE))?],
        };
        let mut pages = Self {
            bodies: Vec::with_capacity(raw.len()),
            outlines: Vec::with_capacity(raw.len()),
        };
        for page in raw {
            let body = page.get();
            // The page is a part of the text, so the distance of their beginnings is its place.
            let place = body.as_ptr() as usize - text.as_ptr() as usize;
            let first_line = line_at(text.as_bytes(), place);
            if !body.starts_with('{') {
                return Err(Fault {
                    line: first_line,
                    reason: FIXTURE_SHAPE.to_owned(),
                });
            }
            let outline = serde_json::from_str(body).map_err(|error| {
                let fault = Fault::of_json(&error, PAGE_SHAPE);
                Fault {
                    line: fault.line + first_line - 1,
                    ..fault
                }
            })?;
            pages.bodies.push(body);
            pages.outlines.push((first_line, outline));
        }
        if pages.outlines.iter().all(|(_, page)| page.data.is_empty()) {
            return Err(Fault {
                line: 1,
                reason: "not a fixture: there is no page with a bucket in it".to_owned(),
            });
        }
        Ok(pages)
    }

    /// The query that these pages answer. Rows of an endpoint that this version does not read, or of several, are a
    /// fault; buckets that are no windows, or not in order, are issues: with an error among them there is no query.
    pub(crate) fn asked(&self) -> Result<Result<(Asked, Vec<Issue>), Issue>, Fault> {
        let endpoint = self.endpoint()?;
        let buckets: Vec<&BucketOutline> = self.outlines.iter().flat_map(|(_, page)| &page.data).collect();
        let mut windows = Vec::with_capacity(buckets.len());
        for bucket in &buckets {
            match bucket.window() {
                Some(window) => windows.push(window),
                None => return Ok(Err(Issue::new(IssueCode::BucketOutOfRange, bucket.complaint()))),
            }
        }
        let mut issues = Vec::new();
        for pair in windows.windows(2) {
            if pair[1].start_unix() < pair[0].start_unix() {
                let mut issue = Issue::new(
                    IssueCode::BucketOutOfRange,
                    format!("the bucket {} comes after {}: buckets ascend", pair[1], pair[0]),
                );
                issue.severity = Severity::Error;
                issues.push(issue);
            }
        }
        let (first, last) = (windows.iter().min(), windows.iter().max());
        let range = first
            .zip(last)
            .and_then(|(first, last)| WindowRange::new(first.start(), last.end(), first.width()).ok());
        let Some(windows) = range.filter(|range| range.len() <= MOST_WINDOWS) else {
            let message =
                format!("the buckets are of different widths, or span more than {MOST_WINDOWS} windows");
            return Ok(Err(Issue::new(IssueCode::BucketOutOfRange, message)));
        };
        let asked = Asked {
            endpoint,
            windows,
            buckets: buckets.len(),
        };
        Ok(Ok((asked, issues)))
    }

    fn endpoint(&self) -> Result<Option<Endpoint>, Fault> {
        let mut found = None;
        for (line, page) in &self.outlines {
            let fault = |reason: String| Fault { line: *line, reason };
            for object in page.data.iter().flat_map(|bucket| &bucket.results) {
                let Some(object) = object.object.as_deref() else {
                    continue;
                };
                let Some(endpoint) = OpenAi::endpoint_of_result(object) else {
                    return Err(fault(
                        "the page holds results of an endpoint that this version does not read".to_owned(),
                    ));
                };
                match found {
                    Some(before) if before != endpoint => {
                        return Err(fault(format!(
                            "the fixture holds results of {before} and of {endpoint}; make two of it"
                        )));
                    }
                    _ => found = Some(endpoint),
                }
            }
        }
        let has_rows = self
            .outlines
            .iter()
            .flat_map(|(_, page)| &page.data)
            .any(|bucket| !bucket.results.is_empty());
        match found {
            None if has_rows => Err(Fault {
                line: 1,
                reason: "no result says in `object` which endpoint it is of".to_owned(),
            }),
            found => Ok(found),
        }
    }
}

impl BucketOutline {
    fn window(&self) -> Option<Window> {
        let (start, end) = (self.start()?, self.end()?);
        let width = [Width::Minute, Width::Hour, Width::Day]
            .into_iter()
            .find(|width| start.checked_add(width.seconds()) == Some(end))?;
        Window::from_unix(start, width).ok()
    }

    fn start(&self) -> Option<i64> {
        self.start_time
            .or_else(|| seconds(self.start_time_iso.as_deref()))
    }

    fn end(&self) -> Option<i64> {
        self.end_time.or_else(|| seconds(self.end_time_iso.as_deref()))
    }

    fn complaint(&self) -> String {
        let name = |seconds: Option<i64>| {
            seconds
                .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
                .map_or_else(|| "no usable time".to_owned(), usage_core::format_instant)
        };
        format!(
            "the bucket from {} to {} is no UTC minute, hour or day",
            name(self.start()),
            name(self.end())
        )
    }
}

fn seconds(text: Option<&str>) -> Option<i64> {
    text.and_then(|text| parse_instant(text).ok())
        .map(|at| at.timestamp())
}
