//! The exports of costs.

use std::collections::{BTreeMap, HashMap};

use usage_core::{Decimal, Dimension, Endpoint, Window};
use usage_simulator::{CostLayout, Organization, Quirks};

use crate::support::{BY, all_days, billed, by, day, one};

#[test]
fn exports_have_the_columns_of_real_ones_and_add_up() {
    let organization = billed();
    let expected = BTreeMap::from([
        ("eur".to_owned(), "100.5".parse().unwrap()),
        ("usd".to_owned(), organization.cost(all_days()).unwrap()),
    ]);
    let ten = organization
        .costs_csv(all_days(), CostLayout::TenColumns)
        .unwrap();
    assert_eq!(
        ten.lines().next().unwrap(),
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,\
         organization_id,organization_name"
    );
    let seventeen = organization.costs_csv(all_days(), CostLayout::default()).unwrap();
    assert_eq!(
        seventeen.lines().next().unwrap(),
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,\
         line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source"
    );
    for (text, group_by) in [
        (&ten, by(&[Dimension::LineItem, Dimension::ProjectId])),
        (&seventeen, by(&BY)),
    ] {
        let rows = read(text);
        assert_eq!(sums(&rows), expected);
        assert_eq!(
            rows.len(),
            organization.costs(all_days(), group_by).unwrap().len()
        );
        let places = rows
            .iter()
            .filter_map(|row| row.get("amount_value")?.split_once('.'));
        let longest = places
            .map(|(_, fraction)| fraction.len())
            .filter(|length| *length != 39)
            .max();
        assert_eq!(longest, Some(30));
        assert!(
            rows.iter()
                .any(|row| row.get("line_item").unwrap() == "mystery" && !row.contains_key("amount_value"))
        );
    }
    let row = read(&seventeen)
        .into_iter()
        .find(|row| row.contains_key("user_email"))
        .unwrap();
    let user = organization
        .users()
        .iter()
        .find(|user| user.id == row["user_id"])
        .unwrap();
    assert_eq!(row["user_email"], user.email);
    assert!(row["project_name"].starts_with("Project ") && row["organization_id"] == "org-simulated");
}

#[test]
fn exports_have_the_quirks_of_real_ones() {
    let mut organization = billed();
    let project = organization.projects()[0].id.clone();
    for endpoint in Endpoint::USAGE {
        organization
            .usage_mut(endpoint)
            .remove(Window::day(day("2025-09-05")), |_| true);
    }
    let export = |quirks: &Quirks| {
        let export = organization.quirky_costs_csv(all_days(), CostLayout::SeventeenColumns, quirks);
        export.unwrap()
    };
    let plain = read(&export(&Quirks::default()));
    let idle: Vec<_> = plain.iter().filter(|row| row.len() == 4).collect();
    assert_eq!(idle.len(), 1, "a day without costs has its times only");
    assert_eq!(idle[0]["start_time_iso"], "2025-09-05T00:00:00+00:00");

    let text = export(&Quirks {
        byte_order_mark: true,
        crlf: true,
        iso_without_zone: true,
        integers_as_floats: true,
        ..Quirks::default()
    });
    assert!(text.starts_with("\u{feff}start_time,") && text.ends_with("\r\n"));
    let rows = read(&text);
    assert_eq!(sums(&rows), sums(&plain));
    for row in &rows {
        assert!(row["start_time_iso"].ends_with("T00:00:00"));
        assert!(
            row.get("quantity").is_none_or(|quantity| quantity.contains('.')),
            "{row:?}"
        );
    }

    let blank = read(&export(&Quirks {
        blank_optional_zeros: true,
        ..Quirks::default()
    }));
    let amounts =
        |rows: &[HashMap<String, String>]| rows.iter().filter(|row| row.contains_key("amount_value")).count();
    assert!(amounts(&blank) < amounts(&plain), "zeros are blank");
    assert_eq!(sums(&blank), sums(&plain));

    let split = read(&export(&Quirks {
        split_rows: true,
        ..Quirks::default()
    }));
    assert_eq!(sums(&split), sums(&plain));
    assert_eq!(split.len(), 2 * plain.len() - idle.len());

    let of_project = read(&export(&Quirks {
        only_projects: vec![project.clone()],
        ..Quirks::default()
    }));
    assert!(
        of_project
            .iter()
            .all(|row| row.get("project_id").is_none_or(|id| *id == project))
    );
    assert!(sums(&of_project)["usd"] < sums(&plain)["usd"]);

    let narrow = read(&export(&Quirks {
        left_out_columns: vec!["api_key_id".to_owned(), "user_id".to_owned()],
        extra_columns: vec!["news".to_owned()],
        ..Quirks::default()
    }));
    assert!(narrow.len() < plain.len() && narrow.iter().any(|row| row.contains_key("news")));
    assert_eq!(sums(&narrow), sums(&plain));
}

#[test]
fn an_export_without_any_costs_has_the_times_only() {
    let text = Organization::new("org-quiet")
        .costs_csv(one("2025-09-01"), CostLayout::SeventeenColumns)
        .unwrap();
    assert_eq!(
        text,
        "start_time,end_time,start_time_iso,end_time_iso\n\
         1756684800,1756771200,2025-09-01T00:00:00+00:00,2025-09-02T00:00:00+00:00\n"
    );
}

/// The cells of an export by the names of its columns, blank ones left out.
fn read(text: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    reader
        .deserialize()
        .map(|row| {
            let mut cells: HashMap<String, String> = row.unwrap();
            cells.retain(|_, cell| !cell.is_empty());
            cells
        })
        .collect()
}

/// The sums of an export by currency.
fn sums(rows: &[HashMap<String, String>]) -> BTreeMap<String, Decimal> {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for row in rows {
        if let Some(amount) = row.get("amount_value") {
            *sums.entry(row["amount_currency"].clone()).or_default() += &amount.parse().unwrap();
        }
    }
    sums
}
