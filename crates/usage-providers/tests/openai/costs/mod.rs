//! What was charged.

mod amounts;
mod floor;
mod pages;

use usage_core::{CostRow, Endpoint, IssueCode};
use usage_providers::{CostsRead, ReadError, UsageQuery, UsageSource};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{client, query, recorded, three_days};

const DAY: i64 = 86_400;
/// 2025-09-01T00:00:00Z
const FIRST: i64 = 1_756_684_800;

/// The costs of every project in these days, grouped by all three dimensions.
fn costs(first: &str, last: &str) -> UsageQuery {
    UsageQuery {
        endpoint: Endpoint::Costs,
        group_by: Endpoint::Costs.dimensions(),
        ..query(first, last)
    }
}

fn three_days_of_costs() -> UsageQuery {
    UsageQuery {
        endpoint: Endpoint::Costs,
        group_by: Endpoint::Costs.dimensions(),
        ..three_days()
    }
}

/// The one read of a query that is grouped alike throughout.
async fn read_one(server: &MockServer, query: &UsageQuery) -> Result<CostsRead, ReadError> {
    let mut reads = client(server).read_costs(query).await?;
    assert_eq!(reads.len(), 1);
    Ok(reads.remove(0))
}

/// A row with every dimension filled, whose amount is this JSON.
fn row(amount: &str) -> String {
    format!(
        r#"{{"object":"organization.costs.result","amount":{amount},"project_id":"proj_1","api_key_id":"key_1",
            "line_item":"gpt-5-2025-08-07, input"}}"#
    )
}

fn dollars(value: &str) -> String {
    row(&format!(r#"{{"value":{value},"currency":"usd"}}"#))
}

/// The bucket of the day that starts then, in JSON text: a value would turn numbers into floats.
fn bucket_at(start: i64, rows: &[String]) -> String {
    let (end, rows) = (start + DAY, rows.join(","));
    format!(r#"{{"object":"bucket","start_time":{start},"end_time":{end},"results":[{rows}]}}"#)
}

/// The bucket of a day of September 2025.
fn bucket(day: i64, rows: &[String]) -> String {
    bucket_at(FIRST + (day - 1) * DAY, rows)
}

fn page(buckets: &[String], next_page: Option<&str>) -> ResponseTemplate {
    let (has_more, buckets) = (next_page.is_some(), buckets.join(","));
    let next_page = next_page.map_or("null".to_owned(), |cursor| format!("\"{cursor}\""));
    let body =
        format!(r#"{{"object":"page","data":[{buckets}],"has_more":{has_more},"next_page":{next_page}}}"#);
    recorded(200, body.as_bytes())
}

/// The answer to [`three_days_of_costs`]: the rows on the first day, and two quiet ones.
fn on_the_first_day(rows: &[String]) -> ResponseTemplate {
    page(&[bucket(1, rows), bucket(2, &[]), bucket(3, &[])], None)
}

/// The rows of the first window.
fn first_rows(read: &CostsRead) -> &[CostRow] {
    read.windows[0].rows.as_ref().unwrap()
}

fn codes(read: &CostsRead) -> Vec<IssueCode> {
    read.issues.iter().map(|issue| issue.code).collect()
}

/// What each window holds: the amounts of its rows as they were sent, or the code of its issue.
fn outcome(read: &CostsRead) -> Vec<Result<Vec<&str>, IssueCode>> {
    read.windows
        .iter()
        .map(|window| match &window.rows {
            Ok(rows) => Ok(rows
                .iter()
                .filter_map(|row| Some(row.amount.as_ref()?.text()))
                .collect()),
            Err(issue) => Err(issue.code),
        })
        .collect()
}
