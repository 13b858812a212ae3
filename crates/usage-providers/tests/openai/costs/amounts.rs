//! Rows: amounts to the letter, and what they are charged for.

use usage_core::{CostGroup, CostRow, DecimalText, Dimension, DimensionSet, IssueCode, Severity};
use usage_providers::UsageQuery;

use super::{
    bucket, codes, costs, dollars, first_rows, on_the_first_day, outcome, page, read_one, row,
    three_days_of_costs,
};
use crate::support::{recorded, replies};

#[tokio::test]
async fn the_documented_page_is_read_to_the_letter() {
    let body = include_bytes!("../../../fixtures/openai/costs_page.json");
    let server = replies(vec![recorded(200, body)]).await;
    let total = UsageQuery {
        group_by: DimensionSet::EMPTY,
        ..costs("2024-11-01", "2024-11-01")
    };
    let read = read_one(&server, &total).await.unwrap();
    let row = CostRow {
        group: CostGroup {
            currency: Some("usd".to_owned()),
            ..CostGroup::default()
        },
        amount: Some("0.06".parse().unwrap()),
        ..CostRow::default()
    };
    assert_eq!(first_rows(&read), [row]);
    assert_eq!(read.windows[0].window.to_string(), "2024-11-01T00:00:00Z/1d");
    assert_eq!((read.grouped_by, codes(&read)), (DimensionSet::EMPTY, vec![]));
}

#[tokio::test]
async fn a_grouped_row_says_for_whom_what_and_how_much() {
    let row = r#"{"object":"organization.costs.result","amount":{"value":"1.25","currency":"usd"},
        "project_id":"proj_1","api_key_id":"key_1","line_item":"gpt-5-2025-08-07, input",
        "quantity":"1000000.0","quantity_unit":"tokens"}"#;
    let server = replies(vec![on_the_first_day(&[row.to_owned()])]).await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let expected = CostRow {
        group: CostGroup {
            project_id: text("proj_1"),
            api_key_id: text("key_1"),
            line_item: text("gpt-5-2025-08-07, input"),
            currency: text("usd"),
        },
        amount: Some("1.25".parse().unwrap()),
        quantity: Some("1000000.0".parse().unwrap()),
        quantity_unit: text("tokens"),
    };
    assert_eq!(first_rows(&read), [expected]);
    assert_eq!(codes(&read), []);
}

#[tokio::test]
async fn amounts_come_as_texts_or_numbers_and_keep_every_digit() {
    for text in [
        "0.06",
        "0.0600",
        "-12.50",
        "0E-6176",
        "-0",
        "1.5e-7",
        "0.060000000000000000000000000000000000001",
        "123456789.012345678901234567890123456789",
        "9007199254740993e-9",
        "9223372036.854775807",
    ] {
        let server = replies(vec![on_the_first_day(&[
            dollars(text),
            dollars(&format!("\"{text}\"")),
        ])])
        .await;
        let read = read_one(&server, &three_days_of_costs()).await.unwrap();
        assert_eq!(outcome(&read)[0], Ok(vec![text, text]));
    }
}

#[tokio::test]
async fn an_amount_that_is_not_known_is_no_zero() {
    let without_amount = r#"{"project_id":"proj_1","api_key_id":"key_1","line_item":"credit"}"#;
    let server = replies(vec![on_the_first_day(&[
        row("null"),
        dollars("null"),
        row(r#"{"value":"2"}"#),
        without_amount.to_owned(),
    ])])
    .await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    let told: Vec<_> = first_rows(&read)
        .iter()
        .map(|row| {
            let amount = row.amount.as_ref().map(DecimalText::text);
            (amount, row.group.currency.as_deref())
        })
        .collect();
    assert_eq!(
        told,
        [(None, None), (None, Some("usd")), (Some("2"), None), (None, None)]
    );
    assert_eq!(codes(&read), []);
}

#[tokio::test]
async fn an_amount_that_is_none_fails_its_window_by_page_and_row() {
    let quantity =
        |json: &str| dollars("1").replace("\"line_item\"", &format!("\"quantity\":{json},\"line_item\""));
    for (bad, code, reason) in [
        (
            dollars("\"a lot\""),
            IssueCode::AmountInvalid,
            "amount is not a decimal number",
        ),
        (
            dollars("\"\""),
            IssueCode::AmountInvalid,
            "amount is not a decimal number",
        ),
        (
            dollars("\"NaN\""),
            IssueCode::AmountInvalid,
            "amount is not a decimal number",
        ),
        (
            dollars("true"),
            IssueCode::AmountInvalid,
            "amount is neither a number nor a text",
        ),
        (
            dollars("9223372037"),
            IssueCode::AmountInvalid,
            "amount is beyond 9.2 billion",
        ),
        (
            dollars("-1e10"),
            IssueCode::AmountInvalid,
            "amount is beyond 9.2 billion",
        ),
        (
            dollars("1e999999999"),
            IssueCode::AmountInvalid,
            "amount has too many places",
        ),
        (row("0.06"), IssueCode::AmountInvalid, "amount is not an object"),
        (
            quantity("\"some\""),
            IssueCode::AmountInvalid,
            "quantity is not a decimal number",
        ),
        (
            quantity("1,\"quantity\":1"),
            IssueCode::AmountInvalid,
            "quantity comes twice",
        ),
        (
            row(r#"{"value":1,"currency":["usd"]}"#),
            IssueCode::TextInvalid,
            "amount has a currency that is not a text without control characters",
        ),
        (
            dollars("1").replace("key_1", "key\\u00001"),
            IssueCode::TextInvalid,
            "api_key_id holds a control character",
        ),
    ] {
        let server = replies(vec![
            page(&[bucket(1, &[dollars("1")])], Some("a")),
            page(
                &[bucket(2, &[dollars("2"), bad, dollars("3")]), bucket(3, &[])],
                None,
            ),
        ])
        .await;
        let read = read_one(&server, &three_days_of_costs()).await.unwrap();
        assert_eq!(outcome(&read), [Ok(vec!["1"]), Err(code), Ok(vec![])], "{reason}");
        let issue = read.windows[1].rows.as_ref().unwrap_err();
        assert_eq!(issue.severity, Severity::Error);
        assert_eq!(
            issue.message,
            format!("openai costs window 2025-09-02T00:00:00Z/1d, page 2, row 2: {reason}")
        );
    }
}

#[tokio::test]
async fn currencies_stay_apart() {
    let server = replies(vec![on_the_first_day(&[
        dollars("1.10"),
        row(r#"{"value":"1.00","currency":"EUR"}"#),
    ])])
    .await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    let currencies = first_rows(&read).iter().map(|row| row.group.currency.as_deref());
    assert_eq!(currencies.collect::<Vec<_>>(), [Some("usd"), Some("EUR")]);
    assert_eq!(outcome(&read)[0], Ok(vec!["1.10", "1.00"]));
}

#[tokio::test]
async fn quantities_belong_to_line_items() {
    let with_quantity = r#"{"amount":{"value":"1","currency":"usd"},"project_id":"proj_1","line_item":"gpt-5, input",
        "quantity":"no number","quantity_unit":7}"#;
    let server = replies(vec![on_the_first_day(&[with_quantity.to_owned()])]).await;
    let query = UsageQuery {
        group_by: DimensionSet::EMPTY.with(Dimension::ProjectId),
        ..three_days_of_costs()
    };
    let read = read_one(&server, &query).await.unwrap();
    let row = &first_rows(&read)[0];
    assert_eq!(
        (&row.quantity, &row.quantity_unit, &row.group.line_item),
        (&None, &None, &None)
    );
    assert_eq!(codes(&read), [], "what was not asked for is read past");
}

#[tokio::test]
async fn unknown_fields_are_counted_and_undocumented_ones_known() {
    let undocumented = r#""organization_id":"org-1","organization_name":null,"project_name":"One","user_email":"a@b.example",
        "user_id":null,"api_source":"unlabeled","line_item""#;
    let row = dollars("1").replace("\"line_item\"", undocumented);
    let server = replies(vec![on_the_first_day(&[row.clone(), row.clone()])]).await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    assert_eq!(
        (codes(&read), outcome(&read)[0].clone()),
        (vec![], Ok(vec!["1", "1"]))
    );

    let strange = row
        .replace("\"user_id\"", "\"model\":\"gpt-5\",\"user_id\"")
        .replace("\"currency\"", "\"tax\":0,\"currency\"");
    let server = replies(vec![on_the_first_day(&[strange.clone(), strange, row])]).await;
    let read = read_one(&server, &three_days_of_costs()).await.unwrap();
    assert_eq!(codes(&read), [IssueCode::UnknownField]);
    assert_eq!(read.issues[0].severity, Severity::Info);
    assert!(
        read.issues[0].message.ends_with("amount.tax (2×), model (2×)"),
        "{}",
        read.issues[0]
    );
}
