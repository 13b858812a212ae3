//! Requests, to the letter.

use usage_core::{Dimension, DimensionSet, ProjectFilter, WindowRange};

use super::surface::{Surface, most_buckets};
use crate::options::ArrayEncoding;
use crate::transport::Request;

/// The parameters of a query without its page: they stay the same from the first page to the last, since a
/// cursor is bound to them.
pub(crate) fn request_for(
    surface: &Surface,
    windows: WindowRange,
    filter: &ProjectFilter,
    group_by: DimensionSet,
    encoding: ArrayEncoding,
) -> Request {
    let limit = windows.len().min(most_buckets(surface.endpoint, windows.width()));
    let mut parameters = vec![
        ("start_time".to_owned(), windows.start().timestamp().to_string()),
        ("end_time".to_owned(), windows.end().timestamp().to_string()),
        ("bucket_width".to_owned(), windows.width().as_str().to_owned()),
        ("limit".to_owned(), limit.to_string()),
    ];
    push_list(
        &mut parameters,
        encoding,
        "group_by",
        group_by.iter().map(Dimension::as_str),
    );
    push_list(&mut parameters, encoding, "project_ids", filter.ids());
    Request {
        path: surface.path.to_owned(),
        parameters,
        about: format!("{} {} {windows}", surface.endpoint.provider(), surface.endpoint),
        endpoint: surface.endpoint.as_str(),
    }
}

/// The same request for the page that the cursor leads to.
pub(crate) fn at_page(request: &Request, cursor: &str) -> Request {
    let mut request = request.clone();
    request.parameters.push(("page".to_owned(), cursor.to_owned()));
    request
}

fn push_list<'a>(
    parameters: &mut Vec<(String, String)>,
    encoding: ArrayEncoding,
    name: &str,
    values: impl Iterator<Item = &'a str>,
) {
    match encoding {
        ArrayEncoding::Repeated => {
            parameters.extend(values.map(|value| (name.to_owned(), value.to_owned())));
        }
        ArrayEncoding::Brackets => {
            parameters.extend(values.map(|value| (format!("{name}[]"), value.to_owned())));
        }
        ArrayEncoding::Comma => {
            let joined = values.collect::<Vec<_>>().join(",");
            if !joined.is_empty() {
                parameters.push((name.to_owned(), joined));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usage_core::{Endpoint, Width, parse_day, parse_instant};

    fn text(encoding: ArrayEncoding) -> String {
        let days = WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day("2025-09-03").unwrap());
        let request = request_for(
            Surface::of(Endpoint::Completions).unwrap(),
            days.unwrap(),
            &ProjectFilter::projects(["proj_b".to_owned(), "proj_a".to_owned()]),
            DimensionSet::from_iter([Dimension::Model, Dimension::ProjectId]),
            encoding,
        );
        let pairs: Vec<_> = request
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }

    #[test]
    fn lists_are_written_in_each_of_three_ways() {
        let head = "start_time=1756684800&end_time=1756944000&bucket_width=1d&limit=3";
        for (encoding, lists) in [
            (
                ArrayEncoding::Repeated,
                "group_by=project_id&group_by=model&project_ids=proj_a&project_ids=proj_b",
            ),
            (
                ArrayEncoding::Brackets,
                "group_by[]=project_id&group_by[]=model&project_ids[]=proj_a&project_ids[]=proj_b",
            ),
            (
                ArrayEncoding::Comma,
                "group_by=project_id,model&project_ids=proj_a,proj_b",
            ),
        ] {
            assert_eq!(text(encoding), format!("{head}&{lists}"));
        }
    }

    #[test]
    fn the_limit_is_what_is_asked_or_what_a_page_holds() {
        for (endpoint, end, width, limit) in [
            (Endpoint::Completions, "2025-09-01T00:05:00Z", Width::Minute, "5"),
            (
                Endpoint::Completions,
                "2025-09-03T00:00:00Z",
                Width::Minute,
                "1440",
            ),
            (Endpoint::Completions, "2025-09-30T00:00:00Z", Width::Hour, "168"),
            (Endpoint::Completions, "2025-12-01T00:00:00Z", Width::Day, "31"),
            (Endpoint::Costs, "2025-12-01T00:00:00Z", Width::Day, "91"),
            (Endpoint::Costs, "2026-12-01T00:00:00Z", Width::Day, "180"),
        ] {
            let start = parse_instant("2025-09-01T00:00:00Z").unwrap();
            let windows = WindowRange::new(start, parse_instant(end).unwrap(), width).unwrap();
            let request = request_for(
                Surface::of(endpoint).unwrap(),
                windows,
                &ProjectFilter::ALL,
                DimensionSet::EMPTY,
                ArrayEncoding::Comma,
            );
            assert_eq!(request.parameters.len(), 4);
            assert_eq!(request.parameters[3].1, limit);
        }
    }
}
