//! Which kind of export a file is.

use usage_core::Endpoint;

use super::UsageExport;
use super::error::{ExportError, ExportProblem};
use super::rows;
use super::source::ExportSource;
use crate::costs::CostExport;

/// An export of usage or of costs.
///
/// ```
/// use usage_parity::{Export, ExportText};
///
/// let costs = "start_time,end_time,amount_value,amount_currency\n1756684800,1756771200,0.06,usd\n";
/// let usage = "start_time,end_time,images,num_model_requests\n1756684800,1756771200,6,6\n";
/// let open = |text: &str| Export::open(Box::new(ExportText::new("a.csv", text)), None);
/// assert!(matches!(open(costs)?, Export::Costs(_)));
/// assert!(matches!(open(usage)?, Export::Usage(_)));
/// # Ok::<(), usage_parity::ExportError>(())
/// ```
#[derive(Debug)]
pub enum Export {
    /// What was used.
    Usage(UsageExport),
    /// What was charged.
    Costs(CostExport),
}

impl Export {
    /// Recognises the file by its header, and opens it as [`UsageExport::open`] or [`CostExport::open`] does.
    ///
    /// A file with nothing but times, which the provider writes where there was nothing to export, is of costs if its
    /// name says so (`cost_2025-09-01_2025-10-01.csv`) or costs were `asked` for.
    ///
    /// # Errors
    ///
    /// The file cannot be used, or is of costs where another endpoint was asked for.
    pub fn open(source: Box<dyn ExportSource>, asked: Option<Endpoint>) -> Result<Self, ExportError> {
        let is_costs = match rows::open(&*source) {
            Ok((_, columns)) => columns.has_times_only() && may_be_costs(source.name(), asked),
            Err(ExportError {
                problem: ExportProblem::Costs,
                ..
            }) => true,
            Err(error) => return Err(error),
        };
        match asked {
            _ if !is_costs => UsageExport::open(source, asked).map(Self::Usage),
            Some(asked) if asked != Endpoint::Costs => Err(ExportError::of_line(
                source.name(),
                1,
                ExportProblem::OtherEndpoint(asked),
            )),
            _ => CostExport::open(source).map(Self::Costs),
        }
    }
}

/// Whether a file that may be of anything is one of costs.
fn may_be_costs(name: &str, asked: Option<Endpoint>) -> bool {
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let rest = file_name
        .strip_prefix("costs")
        .or_else(|| file_name.strip_prefix("cost"));
    asked == Some(Endpoint::Costs) || rest.is_some_and(|rest| rest.starts_with(['_', '.', '-', ' ']))
}
