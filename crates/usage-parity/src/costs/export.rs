//! A costs export, opened and recognised by its header.

use std::io::Read;

use usage_core::{Dimension, DimensionSet, Width};

use super::error::CostCsvError;
use super::layout::CostColumn;
use super::reader::CostCsvReader;
use super::row::CostRow;
use crate::export::{ExportError, ExportProblem, ExportSource, FileCounts, Guard, RecordTooLong};

/// One of the provider's costs exports, read to its end once, so that whatever is wrong with it is known before a ledger
/// is asked.
///
/// ```
/// use usage_core::Width;
/// use usage_parity::ExportText;
/// use usage_parity::costs::CostExport;
///
/// let text = "start_time,end_time,amount_value,amount_currency,line_item\n\
///             1756684800,1756771200,0.06,usd,\"gpt-5, input\"\n";
/// let export = CostExport::open(Box::new(ExportText::new("cost_2025-09.csv", text)))?;
/// assert_eq!((export.rows(), export.width()), (1, Some(Width::Day)));
/// # Ok::<(), usage_parity::ExportError>(())
/// ```
pub struct CostExport {
    source: Box<dyn ExportSource>,
    columns: Vec<CostColumn>,
    unknown_columns: Vec<String>,
    width: Option<Width>,
    is_in_order: bool,
    counts: FileCounts,
}

impl CostExport {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no costs export, has a row that says nothing certain, or windows of two widths.
    pub fn open(source: Box<dyn ExportSource>) -> Result<Self, ExportError> {
        let mut rows = CostRows::open(&*source)?;
        let columns = rows.reader.columns().collect();
        let unknown_columns = rows.reader.unknown_columns().map(str::to_owned).collect();
        let mut width = None;
        let mut is_in_order = true;
        let mut counts = FileCounts::default();
        let mut last = None;
        while let Some(row) = rows.read()? {
            let found = row.window.width();
            let expected = *width.get_or_insert(found);
            if found != expected {
                let problem = ExportProblem::WidthsMixed { expected, found };
                return Err(ExportError::of_line(source.name(), rows.reader.line(), problem));
            }
            is_in_order &= last.is_none_or(|last| last <= row.window);
            last = Some(row.window);
            if says_nothing(&row) {
                counts.idle_rows += 1;
            } else {
                counts.rows += 1;
            }
        }
        counts.sha256 = rows.sha256();
        counts.was_sorted = !is_in_order;
        Ok(Self {
            source,
            columns,
            unknown_columns,
            width,
            is_in_order,
            counts,
        })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// How wide its windows are; `None` if it has no row.
    pub const fn width(&self) -> Option<Width> {
        self.width
    }

    /// How many rows say that something was charged, or that it is unknown what was.
    pub const fn rows(&self) -> u64 {
        self.counts.rows
    }

    /// The dimensions of a ledger's costs that have a column. Rows that differ only in others (users, API sources) are
    /// summed.
    pub fn dimensions(&self) -> DimensionSet {
        [
            (CostColumn::ProjectId, Dimension::ProjectId),
            (CostColumn::ApiKeyId, Dimension::ApiKeyId),
            (CostColumn::LineItem, Dimension::LineItem),
        ]
        .into_iter()
        .filter(|(column, _)| self.columns.contains(column))
        .map(|(_, dimension)| dimension)
        .collect()
    }

    /// Whether it has a column for quantities.
    pub fn has_quantities(&self) -> bool {
        self.columns.contains(&CostColumn::Quantity)
    }

    /// Whether it has a column for users.
    pub(super) fn has_users(&self) -> bool {
        self.columns.contains(&CostColumn::UserId)
    }

    /// Columns that this version does not know. Rows that differ only in these are summed.
    pub fn unknown_columns(&self) -> &[String] {
        &self.unknown_columns
    }

    /// Whether its rows are in time order.
    pub(super) const fn is_in_order(&self) -> bool {
        self.is_in_order
    }

    /// What was read of it.
    pub(super) const fn counts(&self) -> &FileCounts {
        &self.counts
    }

    /// Begins to read it again.
    pub(super) fn read_again(&self) -> Result<CostRows<'_>, ExportError> {
        CostRows::open(&*self.source)
    }
}

impl std::fmt::Debug for CostExport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CostExport")
            .field("name", &self.name())
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

/// Whether a row says no more than that nothing was charged in its window. Whose file it is, and a currency without an
/// amount, are no charge.
pub(super) fn says_nothing(row: &CostRow) -> bool {
    const NO_CHARGE: [CostColumn; 4] = [
        CostColumn::Currency,
        CostColumn::QuantityUnit,
        CostColumn::OrganizationId,
        CostColumn::OrganizationName,
    ];
    CostColumn::ALL
        .into_iter()
        .all(|column| NO_CHARGE.contains(&column) || row.get(column).is_none())
        && row.unknown.iter().all(String::is_empty)
}

/// The rows of a file, hashed on the way.
pub(super) struct CostRows<'a> {
    name: &'a str,
    reader: CostCsvReader<Guard<Box<dyn Read + Send>>>,
}

impl<'a> CostRows<'a> {
    fn open(source: &'a dyn ExportSource) -> Result<Self, ExportError> {
        let name = source.name();
        let input = source.open().map_err(|error| ExportError::of_file(name, error))?;
        let reader = CostCsvReader::new(Guard::new(input)).map_err(|error| wrong(name, error))?;
        Ok(Self { name, reader })
    }

    /// The next row.
    pub(super) fn read(&mut self) -> Result<Option<CostRow>, ExportError> {
        let row = self.reader.next().transpose();
        row.map_err(|error| wrong(self.name, error))
    }

    /// SHA-256 of what was read so far, in hexadecimal digits.
    pub(super) fn sha256(&self) -> String {
        self.reader.input().sha256()
    }
}

fn wrong(name: &str, error: CostCsvError) -> ExportError {
    if let CostCsvError::Read { error, .. } = &error
        && let Some(inner) = error.get_ref()
        && let Some(too_long) = inner.downcast_ref::<RecordTooLong>()
    {
        return ExportError::of_line(name, too_long.line, ExportProblem::too_long());
    }
    ExportError::of_file(name, error)
}
