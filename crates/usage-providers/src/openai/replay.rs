//! Pages that are in hand already, read as if they had just come.

use chrono::{DateTime, Utc};
use usage_core::{Endpoint, IssueCode, UsageRow};

use super::OpenAi;
use super::page::{Asked, decode_page};
use super::read::{Pages, chain_of};
use super::surface::Surface;
use crate::source::{ReadError, UsageQuery, UsageRead};

impl OpenAi {
    /// Reads recorded pages as [`crate::UsageSource::read_usage`] reads those that it asked for: the same decoding, the
    /// same cursor chain, the same verification of buckets and grouping. Nothing is sent.
    ///
    /// The pages must be all of the query's, in the order of their cursors. `started_at` is when they were asked for: a
    /// window that was over by then must be among them. The messages count pages from 1.
    ///
    /// ```
    /// use usage_core::{Endpoint, ProjectFilter, WindowRange, parse_day, parse_instant};
    /// use usage_providers::{OpenAi, UsageQuery};
    ///
    /// let page = r#"{"object":"page","data":[{"object":"bucket","start_time":1756684800,"end_time":1756771200,
    ///     "results":[{"object":"organization.usage.vector_stores.result","usage_bytes":7,"project_id":"proj_a"}]}],
    ///     "has_more":false,"next_page":null}"#;
    /// let query = UsageQuery {
    ///     endpoint: Endpoint::VectorStores,
    ///     windows: WindowRange::days(parse_day("2025-09-01")?, parse_day("2025-09-01")?)?,
    ///     filter: ProjectFilter::ALL,
    ///     group_by: Endpoint::VectorStores.dimensions(),
    /// };
    /// let read = OpenAi::replay_usage(&query, &[page.as_bytes()], parse_instant("2025-09-05T00:00:00Z")?)?;
    /// assert_eq!(read.windows[0].rows.as_ref().map(Vec::len), Ok(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replay_usage(
        query: &UsageQuery,
        pages: &[&[u8]],
        started_at: DateTime<Utc>,
    ) -> Result<UsageRead, ReadError> {
        let asked = Asked::by::<UsageRow>(query)?;
        let failed = |code, message: String| {
            let about = format!(
                "{} {} {}",
                query.endpoint.provider(),
                query.endpoint,
                query.windows
            );
            ReadError::new(code, format!("{about}: {message}"))
        };
        let mut chain = chain_of(&asked);
        let mut read = Pages::<UsageRow>::new();
        let mut is_complete = false;
        for (body, number) in pages.iter().zip(1_usize..) {
            if is_complete {
                let message = format!("page {number} comes after one that says it is the last");
                return Err(failed(IssueCode::BodyInvalid, message));
            }
            let page = decode_page(body, &asked)
                .map_err(|fault| failed(fault.code, format!("page {number}: {}", fault.message)))?;
            let (has_more, cursor) = read.add(page, &asked);
            let next = chain
                .next(has_more, cursor)
                .map_err(|fault| failed(fault.code, fault.message))?;
            is_complete = next.is_none();
        }
        if !is_complete {
            let message = match pages.len() {
                0 => "there is no page".to_owned(),
                last => format!("page {last} announces another, which is not there"),
            };
            return Err(failed(IssueCode::CursorMissing, message));
        }
        Ok(read.into_answer(&asked, started_at, Vec::new())?.into())
    }

    /// The usage endpoint whose results call themselves so in `object`, for example
    /// `organization.usage.images.result`. Pages of costs cannot be replayed.
    pub fn endpoint_of_result(object: &str) -> Option<Endpoint> {
        Surface::of_result(object)
            .map(|surface| surface.endpoint)
            .filter(|endpoint| !endpoint.is_costs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usage_core::{ProjectFilter, WindowRange, parse_day};

    macro_rules! recorded {
        ($name:literal) => {
            include_bytes!(concat!(
                "../../../../fixtures/openai/recorded/",
                $name,
                ".json"
            ))
        };
    }

    fn replay(pages: &[&[u8]]) -> Result<UsageRead, ReadError> {
        let [first, last] = ["2024-11-01", "2024-11-02"].map(|day| parse_day(day).unwrap());
        let windows = WindowRange::days(first, last).unwrap();
        let query = UsageQuery {
            endpoint: Endpoint::Embeddings,
            windows,
            filter: ProjectFilter::ALL,
            group_by: Endpoint::Embeddings.dimensions(),
        };
        OpenAi::replay_usage(&query, pages, windows.end())
    }

    #[test]
    fn recorded_pages_are_read_like_fresh_ones_and_must_be_all_there() {
        let [first, second, url_cursor]: [&[u8]; 3] = [
            recorded!("embeddings_page_1"),
            recorded!("embeddings_page_2"),
            recorded!("embeddings_url_cursor"),
        ];
        let read = replay(&[first, second]).unwrap();
        let rows = read
            .windows
            .iter()
            .map(|window| window.rows.as_ref().unwrap().len());
        assert_eq!(rows.sum::<usize>(), 3);
        for (pages, code, message) in [
            (&[][..], IssueCode::CursorMissing, "there is no page"),
            (
                &[first][..],
                IssueCode::CursorMissing,
                "page 1 announces another, which is not there",
            ),
            (
                &[first, second, second][..],
                IssueCode::BodyInvalid,
                "page 3 comes after one that says it is the last",
            ),
            (
                &[url_cursor][..],
                IssueCode::CursorInvalid,
                "the cursor of page 1 is a URL and no page token",
            ),
            (
                &[first, b"{"][..],
                IssueCode::BodyInvalid,
                "page 2: the body ends too early (line 1, column 1)",
            ),
        ] {
            let error = replay(pages).unwrap_err();
            assert_eq!(error.issue.code, code, "{error}");
            assert!(error.issue.message.ends_with(message), "{error}");
        }
    }

    #[test]
    fn results_name_their_endpoint() {
        for (object, endpoint) in [
            (
                "organization.usage.completions.result",
                Some(Endpoint::Completions),
            ),
            (
                "organization.usage.file_searches.result",
                Some(Endpoint::FileSearchCalls),
            ),
            ("organization.costs.result", None),
            ("", None),
        ] {
            assert_eq!(OpenAi::endpoint_of_result(object), endpoint, "{object}");
        }
    }
}
