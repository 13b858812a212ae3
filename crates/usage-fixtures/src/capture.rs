//! Captured pages as files: their names, their text, and the log that goes with them.

use chrono::{DateTime, Utc};
use usage_core::{DimensionSet, Issue, ProjectFilter, format_instant};
use usage_providers::{RawUsageRead, UsageQuery};

/// The page that a capture fills in. It stands where people read it.
const TEMPLATE: &str = include_str!("../../../audit/golden-fixtures/capture-template.md");

/// `<tenant>-<startedAt>.json`, with the time at which the read began.
pub fn fixture_name(tenant: &str, started_at: DateTime<Utc>) -> String {
    format!("{}-{}.json", file_name_part(tenant), stamp(started_at))
}

/// `capture-<tenant>-<timestamp>.md`, with the same time.
pub fn log_name(tenant: &str, started_at: DateTime<Utc>) -> String {
    format!("capture-{}-{}.md", file_name_part(tenant), stamp(started_at))
}

/// The text of a fixture: one page as it came, or a list of them, each as it came.
pub fn fixture_text(pages: &[Vec<u8>]) -> Vec<u8> {
    let mut text = Vec::with_capacity(pages.iter().map(Vec::len).sum::<usize>() + 4 * pages.len() + 4);
    let is_list = pages.len() != 1;
    if is_list {
        text.extend(b"[\n");
    }
    for (page, index) in pages.iter().zip(0_usize..) {
        if index > 0 {
            text.extend(b",\n");
        }
        text.extend(page.trim_ascii());
    }
    text.extend(if is_list { &b"\n]\n"[..] } else { b"\n" });
    text
}

/// What the log of a capture says.
#[derive(Clone, Copy, Debug)]
pub struct CaptureLog<'a> {
    /// The name of the tenant in file names.
    pub tenant: &'a str,
    /// The account that was read.
    pub account: &'a str,
    /// Where the provider was: anything but its own URL is a proxy or a simulator.
    pub base_url: &'a str,
    /// What was asked.
    pub query: &'a UsageQuery,
    /// What was answered.
    pub read: &'a RawUsageRead,
    /// The name of the fixture's file.
    pub fixture: &'a str,
    /// The program and its version.
    pub program: &'a str,
    /// The command that captured.
    pub capture_command: &'a str,
    /// The command that sanitizes.
    pub sanitize_command: &'a str,
}

impl CaptureLog<'_> {
    /// The template `audit/golden-fixtures/capture-template.md`, filled in. What only a person can check stays unchecked.
    pub fn text(&self) -> String {
        let Self { query, read, .. } = self;
        let rows: usize = read
            .read
            .windows
            .iter()
            .filter_map(|window| window.rows.as_ref().ok())
            .map(Vec::len)
            .sum();
        let fields = [
            ("tenant", self.tenant.to_owned()),
            ("capturedAt", format_instant(read.read.started_at)),
            ("account", self.account.to_owned()),
            ("baseUrl", self.base_url.to_owned()),
            ("endpoint", query.endpoint.to_string()),
            ("from", format_instant(query.windows.start())),
            ("to", format_instant(query.windows.end())),
            ("width", query.windows.width().as_str().to_owned()),
            ("projects", projects(&query.filter)),
            ("groupedBy", dimensions(read.read.grouped_by)),
            ("emptyDimensions", dimensions(read.read.empty_dimensions)),
            ("pages", read.pages.len().to_string()),
            ("buckets", read.read.windows.len().to_string()),
            ("rows", rows.to_string()),
            ("program", self.program.to_owned()),
            ("fixture", self.fixture.to_owned()),
            ("captureCommand", self.capture_command.to_owned()),
            ("sanitizeCommand", self.sanitize_command.to_owned()),
            ("anomalies", anomalies(read)),
        ];
        let mut text = String::with_capacity(TEMPLATE.len() * 2);
        let mut rest = TEMPLATE;
        // One pass over the template, so that a value is never taken for a place to fill in.
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            text.push_str(before);
            let value = fields.iter().find(|(field, _)| *field == name);
            text.push_str(value.map_or("", |(_, value)| value));
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H-%M-%SZ").to_string()
}

fn file_name_part(tenant: &str) -> String {
    tenant
        .chars()
        .map(|character| {
            if character.is_alphanumeric() || character == '_' {
                character
            } else {
                '-'
            }
        })
        .collect()
}

fn projects(filter: &ProjectFilter) -> String {
    if filter.is_all() {
        return "all".to_owned();
    }
    filter.ids().collect::<Vec<_>>().join(", ")
}

fn dimensions(set: DimensionSet) -> String {
    if set.is_empty() {
        return "none".to_owned();
    }
    set.to_string().replace(',', ", ")
}

fn anomalies(read: &RawUsageRead) -> String {
    let windows = read
        .read
        .windows
        .iter()
        .filter_map(|window| window.rows.as_ref().err());
    let issues: Vec<&Issue> = windows.chain(&read.read.issues).collect();
    if issues.is_empty() {
        return "None that the program knows of.".to_owned();
    }
    let lines: Vec<String> = issues.iter().map(|issue| format!("- {issue}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use usage_core::{Dimension, Endpoint, IssueCode, WindowRange, parse_day, parse_instant};
    use usage_providers::UsageRead;

    #[test]
    fn pages_stand_in_a_fixture_as_they_came() {
        let pages = |texts: &[&str]| {
            let pages: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            String::from_utf8(fixture_text(&pages)).unwrap()
        };
        assert_eq!(pages(&["{\"a\": 1.0}\n"]), "{\"a\": 1.0}\n");
        assert_eq!(pages(&["{}", "{ }"]), "[\n{},\n{ }\n]\n");
    }

    #[test]
    fn names_say_who_and_when_and_nothing_that_a_file_system_minds() {
        let at = parse_instant("2025-10-05T12:00:00Z").unwrap();
        assert_eq!(fixture_name("org-AbC", at), "org-AbC-2025-10-05T12-00-00Z.json");
        assert_eq!(log_name("../a b", at), "capture----a-b-2025-10-05T12-00-00Z.md");
    }

    #[test]
    fn every_place_of_the_template_is_filled_in() {
        let started_at = parse_instant("2025-10-05T12:00:00Z").unwrap();
        let day = parse_day("2025-09-01").unwrap();
        let query = UsageQuery {
            endpoint: Endpoint::Completions,
            windows: WindowRange::days(day, day).unwrap(),
            filter: ProjectFilter::ALL,
            group_by: Endpoint::Completions.dimensions(),
        };
        let read = RawUsageRead {
            read: UsageRead {
                windows: Vec::new(),
                grouped_by: Endpoint::Completions.dimensions(),
                empty_dimensions: DimensionSet::EMPTY.with(Dimension::ApiSource),
                issues: vec![Issue::new(IssueCode::DimensionEmpty, "{{tenant}}")],
                started_at,
            },
            pages: vec![Vec::new()],
        };
        let log = CaptureLog {
            tenant: "tenant-a",
            account: "openai/org-a",
            base_url: "http://127.0.0.1:1/v1",
            query: &query,
            read: &read,
            fixture: "tenant-a.json",
            program: "usage 0",
            capture_command: "usage fixtures capture",
            sanitize_command: "usage fixtures sanitize",
        };
        let text = log.text();
        assert_eq!(
            text.matches("{{").count(),
            1,
            "the value is not filled in: {text}"
        );
        assert_eq!(text.matches("}}").count(), 1, "{text}");
        for line in [
            "# Capture of tenant-a, 2025-10-05T12:00:00Z",
            "| range | 2025-09-01T00:00:00Z to 2025-09-02T00:00:00Z (excluded), windows of 1d |",
            "| asked for and null throughout | api_source |",
            "$ usage fixtures capture",
            "- DIMENSION_EMPTY: {{tenant}}",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}: {text}");
        }
    }
}
