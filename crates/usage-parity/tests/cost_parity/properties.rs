//! How an export is cut, ordered or written again never changes the verdict.

use proptest::prelude::*;
use usage_core::{CostGroup, Decimal};
use usage_parity::Verdict;
use usage_parity::costs::{CostComparison, CostCounts, CostLayout, CostRow, CostSums, CostValue, LedgerCost};

use crate::support::{MemoryLedger, all_compared, csv, day, days, export, named, options};

const DAYS: i64 = 5;

type Rows = Vec<(i64, CostRow)>;

fn word(words: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    prop::option::of(prop::sample::select(words)).prop_map(|word| word.map(str::to_owned))
}

/// Amounts of either sign, with up to 39 decimals and an exponent now and then.
fn amount() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,6}",
        "-?[0-9]{1,4}\\.[0-9]{1,9}",
        "-?0\\.[0-9]{39}",
        "[0-9]{1,3}E-[0-9]{1,3}",
    ]
}

fn rows() -> impl Strategy<Value = Rows> {
    let group = (
        word(&["proj_a", "proj_b"]),
        word(&["key_a", "key,b"]),
        word(&["gpt-5, input", "credit \"spring\"", "a\nb"]),
        word(&["usd", "USD", "eur"]),
        word(&["user-a", "user-b"]),
    );
    let value = (
        prop::option::of(amount()),
        prop::option::of(0..1_000_u32),
        word(&["tokens", "images"]),
    );
    let row = (0..DAYS, group, value).prop_map(|(number, group, (amount, quantity, quantity_unit))| {
        let (project_id, api_key_id, line_item, currency, user_id) = group;
        let row = CostRow {
            project_id,
            api_key_id,
            line_item,
            currency,
            user_id,
            amount: amount.map(|amount| amount.parse().unwrap()),
            quantity: quantity.map(|quantity| format!("{quantity}.0").parse().unwrap()),
            quantity_unit,
            ..CostRow::idle(day(number))
        };
        (number, row)
    });
    prop::collection::vec(row, 0..40)
}

fn ledger(rows: &Rows) -> MemoryLedger {
    let mut ledger = MemoryLedger::covering(days(DAYS));
    ledger.costs = rows
        .iter()
        .filter(|(_, row)| !says_nothing(row))
        .map(|(_, row)| LedgerCost {
            window: row.window,
            group: CostGroup {
                project_id: row.project_id.clone(),
                api_key_id: row.api_key_id.clone(),
                line_item: row.line_item.clone(),
                currency: row.currency.clone(),
            },
            value: CostValue {
                amount: row.amount.as_ref().map(|amount| amount.value().clone()),
                quantity: row.quantity.as_ref().map(|quantity| quantity.value().clone()),
                quantity_unit: row.quantity_unit.clone(),
            },
            run_id: 1,
        })
        .collect();
    ledger
}

/// A row without anything that a charge is told by, which no ledger would have.
fn says_nothing(row: &CostRow) -> bool {
    let texts = [&row.project_id, &row.api_key_id, &row.line_item, &row.user_id];
    row.amount.is_none() && row.quantity.is_none() && texts.into_iter().all(Option::is_none)
}

/// Every row, and an idle one for each day, so that the export spans all of them.
fn lines(rows: &Rows) -> Rows {
    let mut lines: Rows = (0..DAYS)
        .map(|number| (number, CostRow::idle(day(number))))
        .collect();
    lines.extend(rows.iter().cloned());
    lines.sort_by_key(|(number, _)| *number);
    lines
}

fn text(lines: &Rows, is_in: impl Fn(i64) -> bool) -> Vec<u8> {
    let rows = lines
        .iter()
        .filter(|(number, _)| is_in(*number))
        .map(|(_, row)| row);
    csv(CostLayout::SeventeenColumns, rows)
}

/// What must not change.
fn verdict(comparison: &CostComparison) -> (Verdict, CostCounts, Vec<CostSums>) {
    let sums = comparison
        .surfaces
        .iter()
        .flat_map(|surface| [surface.csv.clone(), surface.db.clone()]);
    (comparison.verdict(), comparison.counts, sums.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_changes_nothing(rows in rows(), other in rows(), seed in any::<u64>()) {
        let ledger = ledger(&other);
        let mut lines = lines(&rows);
        let straight = all_compared(&[export(text(&lines, |_| true))], &ledger, &options());
        let mut state = seed | 1;
        for place in (1..lines.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            lines.swap(place, usize::try_from(state >> 33).unwrap() % (place + 1));
        }
        let shuffled = all_compared(&[export(text(&lines, |_| true))], &ledger, &options());
        prop_assert_eq!(verdict(&straight), verdict(&shuffled));
    }

    #[test]
    fn splitting_between_windows_changes_nothing(rows in rows(), other in rows(), at in 1..DAYS) {
        let ledger = ledger(&other);
        let lines = lines(&rows);
        let whole = all_compared(&[export(text(&lines, |_| true))], &ledger, &options());
        let halves = [
            named("a.csv", text(&lines, |number| number < at)),
            named("b.csv", text(&lines, |number| number >= at)),
        ];
        prop_assert_eq!(verdict(&whole), verdict(&all_compared(&halves, &ledger, &options())));
    }

    #[test]
    fn what_a_ledger_writes_is_always_matched_by_it(rows in rows()) {
        let ledger = ledger(&rows);
        let lines = lines(&rows);
        let comparison = all_compared(&[export(text(&lines, |_| true))], &ledger, &options());
        prop_assert_eq!(comparison.verdict(), Verdict::Matched, "{:?}", comparison.worst);
        prop_assert_eq!(comparison.counts.matched_within_tolerance, 0);

        // The older layout has neither keys nor users nor quantities.
        let older: Rows = lines
            .into_iter()
            .map(|(number, row)| {
                let row = CostRow { api_key_id: None, user_id: None, quantity: None, quantity_unit: None, ..row };
                (number, row)
            })
            .filter(|(_, row)| row.is_idle() || !says_nothing(row))
            .collect();
        let mut without_nothing = ledger;
        without_nothing.costs.retain(|cost| {
            cost.value.amount.is_some() || cost.group.project_id.is_some() || cost.group.line_item.is_some()
        });
        let file = export(csv(CostLayout::TenColumns, older.iter().map(|(_, row)| row)));
        let comparison = all_compared(&[file], &without_nothing, &options());
        prop_assert_eq!(comparison.verdict(), Verdict::Matched, "{:?}", comparison.worst);
    }

    #[test]
    fn one_amount_more_is_always_found(rows in rows(), extra in 1..1_000_000_i64) {
        let ledger = ledger(&rows);
        let mut lines = lines(&rows);
        let amount = format!("0.{extra:07}");
        let row = CostRow { amount: Some(amount.parse().unwrap()), ..CostRow::idle(day(0)) };
        lines.insert(0, (0, row));
        let comparison = all_compared(&[export(text(&lines, |_| true))], &ledger, &options());
        // A charge of zero that becomes one, and an amount beside an unknown one, are found as well.
        prop_assert_eq!(comparison.verdict(), Verdict::Different);
        let surface = &comparison.surfaces[0];
        prop_assert_eq!(surface.difference(None), amount.parse::<Decimal>().unwrap());
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut text = csv(CostLayout::TenColumns, &[CostRow::idle(day(0))]);
        text.extend(bytes);
        let source = Box::new(usage_parity::ExportText::new("cost.csv", text));
        if let Ok(export) = usage_parity::costs::CostExport::open(source) {
            let _ = all_compared(&[export], &ledger(&Vec::new()), &options());
        }
    }
}
