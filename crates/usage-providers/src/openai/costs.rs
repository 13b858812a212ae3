//! Reads of costs: a range is split where the provider begins to have a dimension.

use usage_core::{CostRow, Issue, IssueCode, WindowRange};

use super::OpenAi;
use super::page::Asked;
use super::read::Bodies;
use crate::source::{CostsRead, ReadError, UsageQuery};

impl OpenAi {
    /// Reads every window of the query, each grouped by all that the provider has for it.
    pub(super) async fn costs(&self, query: &UsageQuery) -> Result<Vec<CostsRead>, ReadError> {
        let whole = Asked::by::<CostRow>(query)?;
        let mut reads = Vec::new();
        let mut issues = Vec::new();
        let mut left = Some(whole.windows);
        while let Some(windows) = left {
            let asked = self.first_part(whole, windows);
            let started_at = self.clock.now();
            match self
                .read_pages::<CostRow>(&query.filter, asked, Bodies::Dropped)
                .await
            {
                Ok((pages, _)) => {
                    let answer = pages.into_answer(&asked, started_at, std::mem::take(&mut issues))?;
                    reads.push(answer.into());
                    left = after(windows, asked.windows);
                }
                Err(failure) => {
                    // What is learned takes at least one dimension from the first part, so this ends.
                    let (dimension, refusal) = self.learn(&asked, failure)?;
                    let part = self.first_part(whole, windows).windows;
                    issues.push(Issue::new(
                        IssueCode::DimensionRefused,
                        format!("{refusal}; reading {part} without {dimension}"),
                    ));
                }
            }
        }
        Ok(reads)
    }

    /// The windows from the first on that can be grouped alike, and by what.
    fn first_part(&self, whole: Asked, windows: WindowRange) -> Asked {
        let endpoint = whole.surface.endpoint;
        let refused = self.refused.dimensions(endpoint, windows);
        Asked {
            windows: self.refused.grouped_alike(endpoint, windows, whole.grouped_by),
            grouped_by: whole.grouped_by.difference(refused),
            ..whole
        }
    }
}

/// The windows that come after the part.
fn after(windows: WindowRange, part: WindowRange) -> Option<WindowRange> {
    WindowRange::join(windows.windows().skip(part.len())).pop()
}
