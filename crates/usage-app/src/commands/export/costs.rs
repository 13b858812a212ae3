//! Costs as JSON lines, as CSV, and as the provider exports them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use usage_core::{
    DecimalText, Direction, DirectoryKind, Endpoint, LineItem, Modality, Window, format_instant,
};
use usage_parity::costs::{CostCsvWriteError, CostCsvWriter, CostLayout, CostRow};
use usage_store::{Ledger, StoredCost};

use super::names::Names;
use super::selection::Selection;
use super::{Lines, PAGE, cells, stream};
use crate::error::AppError;

/// The columns of the CSV form; the JSON form has the same names in the same order.
const COLUMNS: [&str; 16] = [
    "provider",
    "account",
    "windowStart",
    "windowEnd",
    "projectId",
    "apiKeyId",
    "lineItem",
    "model",
    "direction",
    "modality",
    "tier",
    "longContext",
    "currency",
    "amount",
    "quantity",
    "quantityUnit",
];

/// Writes a line for each cost, a page in memory at a time, and says how many there were.
pub(super) async fn write_lines(
    ledger: &Ledger,
    selection: &Selection,
    lines: Lines,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let mut bytes = Vec::new();
    let mut costs = 0;
    if lines == Lines::Csv {
        cells::push_line(&mut bytes, COLUMNS.map(str::to_owned));
    }
    let mut after = None;
    loop {
        let page = ledger.costs(selection.costs(), after, PAGE).await?;
        for cost in &page.costs {
            match lines {
                Lines::Json => json_line(&mut bytes, cost)?,
                Lines::Csv => csv_line(&mut bytes, cost),
            }
            costs += 1;
        }
        out.write_all(&bytes).map_err(stream)?;
        bytes.clear();
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    out.flush().map_err(stream)?;
    Ok(costs)
}

/// The provider's layout of 17 columns: every covered day in order, quiet ones as a row of times only.
pub(super) async fn write_provider_csv(
    ledger: &Ledger,
    selection: &Selection,
    out: &mut dyn Write,
) -> Result<u64, AppError> {
    let names = Names::new(ledger.names(selection.scope()).await?);
    let mut days: BTreeMap<Window, Vec<StoredCost>> = BTreeMap::new();
    for coverage in ledger.coverage(selection.coverage(Endpoint::Costs)).await? {
        days.entry(coverage.window).or_default();
    }
    let mut writer = CostCsvWriter::new(out, CostLayout::SeventeenColumns);
    let mut costs = 0;
    let mut after = None;
    loop {
        let page = ledger.costs(selection.costs(), after, PAGE).await?;
        costs += page.costs.len() as u64;
        for cost in page.costs {
            days.entry(cost.window).or_default().push(cost);
        }
        let unfinished = page.next.as_ref().map(|(window_start, _)| *window_start);
        // A day whose costs go on on the next page is not whole yet.
        while let Some(entry) = days.first_entry() {
            if unfinished.is_some_and(|start| entry.key().start_unix() >= start) {
                break;
            }
            let (window, costs) = entry.remove_entry();
            for row in rows_of(window, costs, &names) {
                writer.write(&row).map_err(cost_csv_error)?;
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let out = writer.finish().map_err(cost_csv_error)?;
    out.flush().map_err(stream)?;
    Ok(costs)
}

/// The rows of one day, by project, API key and line item; a day without costs has one of its times only.
fn rows_of(window: Window, mut costs: Vec<StoredCost>, names: &Names) -> Vec<CostRow> {
    if costs.is_empty() {
        return vec![CostRow::idle(window)];
    }
    costs.sort_by(|left, right| left.row.group.cmp(&right.row.group));
    costs
        .into_iter()
        .map(|cost| {
            let group = cost.row.group;
            let project_name = group
                .project_id()
                .and_then(|id| names.get(cost.account_id, DirectoryKind::Project, id))
                .map(str::to_owned);
            CostRow {
                amount: cost.row.amount,
                currency: group.currency,
                quantity: cost.row.quantity,
                quantity_unit: cost.row.quantity_unit,
                line_item: group.line_item,
                api_key_id: group.api_key_id,
                project_id: group.project_id,
                organization_id: Some(cost.account.organization().to_owned()),
                project_name,
                ..CostRow::idle(window)
            }
        })
        .collect()
}

/// A reader that has gone is no error of the layout.
fn cost_csv_error(error: CostCsvWriteError) -> AppError {
    match error {
        CostCsvWriteError::Output { error, .. } if error.kind() == io::ErrorKind::BrokenPipe => stream(error),
        error => error.into(),
    }
}

/// A cost with the names of the API.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CostLine<'a> {
    provider: &'a str,
    account: &'a str,
    window_start: String,
    window_end: String,
    project_id: Option<&'a str>,
    api_key_id: Option<&'a str>,
    line_item: Option<&'a str>,
    model: Option<&'a str>,
    direction: Option<&'a str>,
    modality: Option<&'a str>,
    tier: Option<&'a str>,
    long_context: bool,
    currency: Option<&'a str>,
    amount: Option<&'a str>,
    quantity: Option<&'a str>,
    quantity_unit: Option<&'a str>,
}

impl<'a> CostLine<'a> {
    fn new(cost: &'a StoredCost) -> Self {
        let group = &cost.row.group;
        let item = group.line_item().map(LineItem::parse).unwrap_or_default();
        Self {
            provider: cost.account.provider().as_str(),
            account: cost.account.organization(),
            window_start: format_instant(cost.window.start()),
            window_end: format_instant(cost.window.end()),
            project_id: group.project_id(),
            api_key_id: group.api_key_id(),
            line_item: group.line_item(),
            model: item.model,
            direction: item.direction.map(Direction::as_str),
            modality: item.modality.map(Modality::as_str),
            tier: item.tier,
            long_context: item.long_context,
            currency: group.currency.as_deref(),
            amount: cost.row.amount.as_ref().map(DecimalText::text),
            quantity: cost.row.quantity.as_ref().map(DecimalText::text),
            quantity_unit: cost.row.quantity_unit.as_deref(),
        }
    }
}

fn json_line(bytes: &mut Vec<u8>, cost: &StoredCost) -> Result<(), AppError> {
    serde_json::to_writer(&mut *bytes, &CostLine::new(cost)).map_err(|error| stream(error.into()))?;
    bytes.push(b'\n');
    Ok(())
}

fn csv_line(bytes: &mut Vec<u8>, cost: &StoredCost) {
    let line = CostLine::new(cost);
    let text = |text: Option<&str>| cells::text(text.unwrap_or(""));
    // A number that begins with a sign is no formula.
    let number = |number: Option<&str>| number.unwrap_or("").to_owned();
    let cells = [
        line.provider.to_owned(),
        line.account.to_owned(),
        line.window_start,
        line.window_end,
        text(line.project_id),
        text(line.api_key_id),
        text(line.line_item),
        text(line.model),
        text(line.direction),
        text(line.modality),
        text(line.tier),
        line.long_context.to_string(),
        text(line.currency),
        number(line.amount),
        number(line.quantity),
        text(line.quantity_unit),
    ];
    cells::push_line(bytes, cells);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{cost, names_of};
    use super::*;

    #[test]
    fn csv_and_json_name_and_order_the_same_columns() {
        let mut line = Vec::new();
        json_line(&mut line, &cost("gpt-5", "1", None)).unwrap();
        assert_eq!(names_of(&line), COLUMNS.join(","));
    }

    #[test]
    fn amounts_are_verbatim_and_texts_never_run() {
        let mut json = Vec::new();
        let mut csv = Vec::new();
        for cost in [
            cost(
                "priority | gpt-5.5, cached input, long context",
                "0.060000000000000000000000000000000000001",
                Some(("1E+3", "tokens")),
            ),
            cost("=HYPERLINK(\"x\", \"y\")", "-12.50", None),
            cost("gpt-image-1, image output", "0E-6176", Some(("0", "images"))),
        ] {
            json_line(&mut json, &cost).unwrap();
            csv_line(&mut csv, &cost);
        }
        insta::assert_snapshot!(String::from_utf8([json, csv].concat()).unwrap());
    }

    #[test]
    fn the_providers_layout_has_a_row_of_times_for_a_quiet_day() {
        let paid = cost("gpt-5, input", "0E-6176", Some(("7", "tokens")));
        let window = paid.window;
        let mut other = cost("=1+1", "-2", None);
        other.row.group.project_id = None;
        let mut file = CostCsvWriter::new(Vec::new(), CostLayout::SeventeenColumns);
        for row in rows_of(window, vec![paid, other], &Names::default())
            .into_iter()
            .chain(rows_of(
                Window::containing(window.end(), window.width()),
                Vec::new(),
                &Names::default(),
            ))
        {
            file.write(&row).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(file.finish().unwrap()).unwrap());
    }
}
