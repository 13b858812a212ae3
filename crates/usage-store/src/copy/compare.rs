//! Both sides read again and held against each other, field by field.

use std::fmt::Write as _;

use super::catalogue::Table;
use super::cells::{Cell, Cells};
use super::{CopyProgress, CopyStep, Failure, read};
use crate::connection::AnyConnection;

/// Rows after which progress is told.
const ROWS_A_STEP: u64 = 2_000;

/// Compares every row; returns how many there are. Fails at the first difference, which names the row by its key and the
/// column, and shows neither value: they may be names or sealed keys.
pub(super) fn tables(
    source: &mut AnyConnection,
    target: &mut AnyConnection,
    table: &Table,
    progress: &CopyProgress,
) -> Result<u64, Failure> {
    let (mut there, mut here) = (read::rows(source, table)?, read::rows(target, table)?);
    let mut rows = 0;
    loop {
        match (there.next().transpose()?, here.next().transpose()?) {
            (None, None) => break,
            (Some(row), Some(copied)) if row == copied => rows += 1,
            (Some(row), None) => {
                return Err(differs(table, &row, "is not there"));
            }
            (None, Some(copied)) => {
                return Err(differs(table, &copied, "is not in the source"));
            }
            (Some(row), Some(copied)) => {
                let mut pairs = table.columns.iter().zip(row.0.iter().zip(&copied.0));
                let column = pairs.find(|(_, (cell, copied))| cell != copied);
                let name = column.map_or("", |(column, _)| &column.name);
                return Err(differs(table, &row, &format!("has another {name} there")));
            }
        }
        if rows % ROWS_A_STEP == 0 {
            progress(CopyStep::Rows { rows: ROWS_A_STEP });
        }
    }
    progress(CopyStep::Rows {
        rows: rows % ROWS_A_STEP,
    });
    Ok(rows)
}

fn differs(table: &Table, row: &Cells, how: &str) -> Failure {
    let mut key = String::new();
    for (column, cell) in table.columns.iter().zip(&row.0) {
        if !table.order.contains(&column.name) {
            continue;
        }
        let separator = if key.is_empty() { "" } else { ", " };
        // Writing to a string never fails.
        let _ = write!(key, "{separator}{} {}", column.name, shown(cell));
    }
    Failure::Target(format!(
        "what was written did not come back equal, so nothing was kept: the row of {} with {key} {how}",
        table.name
    ))
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}
