//! A run of the contract, written down.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use usage_core::{Clock as _, SystemClock};

use crate::checks::Verdict;

/// Writes `<UTC time>.md`, and replaces nothing.
pub(crate) fn write(folder: &Path, verdicts: &[Verdict]) {
    let now = SystemClock.now();
    let mut text = format!("# Contract run, {}\n\n", usage_core::format_instant(now));
    let broken = verdicts
        .iter()
        .filter(|verdict| !verdict.findings.is_empty())
        .count();
    writeln!(
        text,
        "{} fixtures, each through SQLite and PostgreSQL: {broken} broken.\n",
        verdicts.len()
    )
    .unwrap();
    writeln!(
        text,
        "| fixture | events | rows | input | cached | uncached | output | requests | result |"
    )
    .unwrap();
    writeln!(text, "|---|---|---|---|---|---|---|---|---|").unwrap();
    for Verdict {
        fixture,
        summary,
        findings,
    } in verdicts
    {
        let number = |name: &str| {
            summary[name]
                .as_i64()
                .map_or("unknown".to_owned(), |number| number.to_string())
        };
        let numbers = [
            "eventCount",
            "rowCount",
            "totalTokensIn",
            "totalTokensCached",
            "totalTokensUncached",
            "totalTokensOut",
            "totalRequests",
        ]
        .map(number)
        .join(" | ");
        let result = if findings.is_empty() { "holds" } else { "BROKEN" };
        writeln!(text, "| {fixture} | {numbers} | {result} |").unwrap();
    }
    for verdict in verdicts.iter().filter(|verdict| !verdict.findings.is_empty()) {
        writeln!(text, "\n## {}\n", verdict.fixture).unwrap();
        for finding in &verdict.findings {
            writeln!(text, "- {}", finding.trim_end()).unwrap();
        }
    }
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(format!("{}.md", now.format("%Y-%m-%dT%H-%M-%SZ")));
    assert!(!path.exists(), "{} is there already", path.display());
    fs::write(path, text).unwrap();
}
