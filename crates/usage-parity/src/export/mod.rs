//! Reading the provider's usage exports.

mod error;
mod file_windows;
mod guard;
mod header;
mod kind;
mod order;
mod rows;
mod sort;
mod source;
mod value;
mod windows;

use usage_core::{DimensionSet, Endpoint, Metric, Width};

pub use error::{ExportError, ExportProblem};
pub(crate) use file_windows::FileCounts;
pub(crate) use guard::{Guard, RecordTooLong};
use header::Columns;
pub use kind::Export;
pub use source::{ExportFile, ExportSource, ExportText};
pub(crate) use windows::{ExportWindow, ExportWindows};

use crate::groups::Symbols;

/// One of the provider's usage exports, opened and recognised by its header.
///
/// ```
/// use usage_core::{Endpoint, Width};
/// use usage_parity::{ExportText, UsageExport};
///
/// let text = "start_time,end_time,project_id,images,num_model_requests\n1756684800,1756771200,proj_a,6,6.0\n";
/// let export = UsageExport::open(Box::new(ExportText::new("september.csv", text)), None)?;
/// assert_eq!((export.endpoint(), export.width()), (Endpoint::Images, Some(Width::Day)));
/// # Ok::<(), usage_parity::ExportError>(())
/// ```
pub struct UsageExport {
    source: Box<dyn ExportSource>,
    columns: Columns,
    endpoint: Endpoint,
    width: Option<Width>,
}

impl UsageExport {
    /// Reads the header and the first row.
    ///
    /// The endpoint follows from the columns. Where these leave a choice, it is the one `asked` for, or else the one
    /// with which the file's name begins; the 24 columns that completions and decisions share are completions then.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is empty or no usage export, or its columns leave a choice that nothing settles.
    pub fn open(source: Box<dyn ExportSource>, asked: Option<Endpoint>) -> Result<Self, ExportError> {
        let (_, columns) = rows::open(&*source)?;
        let name = source.name();
        let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let endpoint = columns
            .endpoint(asked, file_name)
            .map_err(|problem| ExportError::of_line(name, 1, problem))?;
        let symbols = Symbols::default();
        let mut rows = rows::Rows::open(&*source, &columns, endpoint, &symbols)?;
        rows.read(&mut rows::Row {
            values: vec![0; endpoint.metrics().len()],
            ..rows::Row::default()
        })?;
        let width = rows.width();
        Ok(Self {
            source,
            columns,
            endpoint,
            width,
        })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// The surface whose usage it holds.
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// How wide its windows are; `None` if it has no row.
    pub const fn width(&self) -> Option<Width> {
        self.width
    }

    /// The dimensions that have a column.
    pub fn dimensions(&self) -> DimensionSet {
        self.columns.dimension_set()
    }

    /// The metrics that have a column, in column order.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.columns.metrics.iter().map(|(metric, _)| *metric)
    }

    /// Reads a file without rows to its end.
    pub(crate) fn hash(&self) -> Result<FileCounts, ExportError> {
        let symbols = Symbols::default();
        let mut rows = rows::Rows::open(&*self.source, &self.columns, self.endpoint, &symbols)?;
        let mut row = rows::Row {
            values: vec![0; self.endpoint.metrics().len()],
            ..rows::Row::default()
        };
        while rows.read(&mut row)? {}
        Ok(FileCounts {
            sha256: rows.sha256(),
            ..FileCounts::default()
        })
    }

    /// Columns that this version does not know. Rows that differ only in these are summed.
    pub fn unknown_columns(&self) -> &[String] {
        &self.columns.unknown
    }
}

impl std::fmt::Debug for UsageExport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsageExport")
            .field("name", &self.name())
            .field("endpoint", &self.endpoint)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}
