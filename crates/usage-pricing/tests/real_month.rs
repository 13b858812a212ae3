//! A month of a real organisation, to the last digit.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use usage_core::{Dimensions, Endpoint, Metric, Metrics, parse_instant};
use usage_pricing::{Catalogue, ExactUsd, PriceBasis, Usage};

/// September 2025, all of it `gpt-5-2025-08-07` at 1.25, 0.125 and 10 dollars a million:
///
/// ```text
/// tier default, 15 rows
///   uncached  107,311,506 × 0.00000125  = 134.1393825
///   cached     50,870,528 × 0.000000125 =   6.358816
///   output      2,326,638 × 0.00001     =  23.26638
///                                         163.7645785
/// tier incentivized-tier, 16 rows: free by rule
///   uncached    9,304,849 × 0.00000125  =  11.63106125
///   cached      5,777,792 × 0.000000125 =   0.722224
///   output        303,803 × 0.00001     =   3.03803
///                                          15.39131525, which nobody pays
/// ```
#[test]
fn the_real_month_costs_what_was_paid() {
    let catalogue = Catalogue::bundled().unwrap();
    let rows = real_month();
    assert_eq!(rows.len(), 31);

    assert_eq!(total(&catalogue, &rows), "163.7645785");
    let free = rows.iter().filter(|row| row.tier() == Some("incentivized-tier"));
    for row in free.clone() {
        let priced = catalogue.price(&row.usage());
        assert_eq!(priced.price.price_id, "openai/free/incentivized-tier");
        assert_eq!(priced.price.basis, PriceBasis::Free);
        assert_eq!(priced.cost.unwrap().exact, ExactUsd::ZERO);
    }
    assert_eq!(free.count(), 16);

    let paid: Vec<Row> = rows
        .into_iter()
        .map(|mut row| {
            row.dimensions.service_tier = Some("default".to_owned());
            row
        })
        .collect();
    assert_eq!(total(&catalogue, &paid), "179.15589375");
}

fn total(catalogue: &Catalogue, rows: &[Row]) -> String {
    let mut sum = ExactUsd::ZERO;
    for row in rows {
        let priced = catalogue.price(&row.usage());
        let cost = priced.cost.unwrap();
        // Published prices are whole pico-dollars a token, and these counts lose nothing in a nano-dollar.
        assert_eq!(ExactUsd::from(cost.rounded), cost.exact);
        sum = sum.checked_add(cost.exact).unwrap();
    }
    sum.to_string()
}

struct Row {
    day: NaiveDate,
    dimensions: Dimensions,
    metrics: Metrics,
}

impl Row {
    fn usage(&self) -> Usage<'_> {
        Usage {
            endpoint: Endpoint::Completions,
            day: self.day,
            dimensions: &self.dimensions,
            metrics: &self.metrics,
            grouped_by: Endpoint::Completions.dimensions(),
        }
    }

    fn tier(&self) -> Option<&str> {
        self.dimensions.service_tier.as_deref()
    }
}

/// The rows with usage of the provider's own export. A line without a model is a quiet day.
fn real_month() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/openai/completions_usage_2025-09-01_2025-10-01.csv");
    let content = fs::read(path).unwrap();
    let mut file = csv::Reader::from_reader(content.as_slice());
    let header = file.headers().unwrap().clone();
    let rows = file.records().map(|record| {
        let record = record.unwrap();
        let field = |name: &str| {
            let at = header.iter().position(|column| column == name)?;
            record.get(at).filter(|value| !value.is_empty())
        };
        let mut metrics = Metrics::default();
        for metric in Metric::ALL {
            *metrics.get_mut(metric) = field(metric.as_str()).map(|value| value.parse().unwrap());
        }
        let text = |name: &str| field(name).map(str::to_owned);
        Row {
            day: parse_instant(field("start_time_iso").unwrap())
                .unwrap()
                .date_naive(),
            dimensions: Dimensions {
                model: text("model"),
                service_tier: text("service_tier"),
                batch: field("batch").map(|value| value == "True"),
                ..Dimensions::default()
            },
            metrics,
        }
    });
    rows.filter(|row| row.dimensions.model.is_some()).collect()
}
