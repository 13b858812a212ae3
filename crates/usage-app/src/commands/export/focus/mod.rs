//! Costs as a FOCUS 1.4 Cost and Usage file. `docs/FOCUS.md` has the mapping and its reasons.
//!
//! What a row says is decided without a ledger and without a file, in [`charge`], [`columns`], [`quantity`] and [`sku`]; this
//! module reads, writes and counts what cannot be in the file.

mod charge;
mod columns;
mod quantity;
mod sku;
mod unbilled;

use std::io::Write;

use usage_store::Ledger;

use self::charge::{Charge, NoCharge};
use self::unbilled::Unbilled;
use super::days::CostDays;
use super::names::Names;
use super::selection::Selection;
use super::{ExportReport, PAGE, cells, stream};
use crate::error::AppError;
use crate::text::count;

/// Writes a row for each cost, a page in memory at a time.
pub(super) async fn write(
    ledger: &Ledger,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<ExportReport, AppError> {
    let names = Names::new(ledger.names(selection.scope()).await?);
    let coverage = ledger.coverage(selection.coverage_of_width()).await?;
    let asked = (selection.first_day, selection.last_day);
    let days = CostDays::new(&selection.accounts, &coverage, asked, ledger.now());
    drop(coverage);

    let mut unbilled = Unbilled::new(ledger, selection.events(None), &days);
    let mut left_out = LeftOut::default();
    let mut written = 0;
    let mut bytes = Vec::new();
    cells::push_line(&mut bytes, columns::header());
    let mut after = None;
    loop {
        let page = ledger.costs(selection.costs(), after, PAGE).await?;
        for cost in &page.costs {
            unbilled.beside(cost).await?;
            match Charge::of(cost, &names) {
                Ok(charge) => {
                    cells::push_line(&mut bytes, columns::cells(&charge));
                    written += 1;
                }
                Err(reason) => left_out.count(reason),
            }
        }
        out.write_all(&bytes).map_err(stream)?;
        bytes.clear();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    out.flush().map_err(stream)?;
    let mut warnings = left_out.warnings();
    warnings.extend(days.warnings());
    warnings.extend(unbilled.finish().await?.warning());
    Ok(ExportReport { written, warnings })
}

/// Costs that are no FOCUS rows.
#[derive(Default)]
struct LeftOut {
    without_amount: u64,
    without_currency: u64,
}

impl LeftOut {
    const fn count(&mut self, reason: NoCharge) {
        match reason {
            NoCharge::NoAmount => self.without_amount += 1,
            NoCharge::NoCurrency => self.without_currency += 1,
        }
    }

    fn warnings(&self) -> Vec<String> {
        let told = |costs: u64, why: &str| {
            let verb = if costs == 1 { "is" } else { "are" };
            (costs > 0).then(|| format!("{} {verb} not in the file: {why}", count(costs, "cost")))
        };
        [
            told(
                self.without_amount,
                "the provider sent no amount, which is not zero",
            ),
            told(
                self.without_currency,
                "the provider sent no currency of three letters, which every FOCUS row has",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_that_are_no_rows_are_counted_by_reason() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.warnings(), Vec::<String>::new());
        for reason in [NoCharge::NoAmount, NoCharge::NoCurrency, NoCharge::NoAmount] {
            left_out.count(reason);
        }
        assert_eq!(
            left_out.warnings(),
            [
                "2 costs are not in the file: the provider sent no amount, which is not zero",
                "1 cost is not in the file: the provider sent no currency of three letters, which every FOCUS row has",
            ]
        );
    }
}
