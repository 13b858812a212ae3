//! Reads of costs: a range is split where the provider begins to have a dimension.

use usage_core::{CostRow, Dimension, DimensionSet, Issue, IssueCode, ProjectFilter, Window, WindowRange};

use super::OpenAi;
use super::page::Asked;
use super::read::Bodies;
use super::refusal::{Reach, RefusedDimension};
use crate::source::{CostsRead, ReadError, UsageQuery};

impl OpenAi {
    /// Reads every window of the query, each grouped by all that the provider has for it.
    pub(super) async fn costs(&self, query: &UsageQuery) -> Result<Vec<CostsRead>, ReadError> {
        let mut whole = Asked::by::<CostRow>(query)?;
        let mut reads = Vec::new();
        let mut issues = Vec::new();
        let mut left = Some(whole.windows);
        let mut sought = DimensionSet::EMPTY;
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
                    let (RefusedDimension { dimension, reach }, refusal) = self.learn(&asked, failure)?;
                    if matches!(reach, Reach::StartsUntil(_)) {
                        if sought.contains(dimension) {
                            // It contradicts itself, and would have to be asked for every window.
                            whole.grouped_by = whole.grouped_by.without(dimension);
                        } else {
                            sought = sought.with(dimension);
                            self.seek_floor(&query.filter, asked, dimension).await?;
                        }
                    }
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

    /// Learns from which window on the provider has a dimension that it refused for all of these, without saying since
    /// when: the windows that have it are not read without it. One window is asked at a time, the last first, since most
    /// ranges lie wholly before or across such a day, and then the one halfway.
    async fn seek_floor(
        &self,
        filter: &ProjectFilter,
        asked: Asked,
        dimension: Dimension,
    ) -> Result<(), ReadError> {
        let windows: Vec<Window> = asked.windows.windows().collect();
        let (mut refused, mut had) = (0, windows.len());
        while refused + 1 < had {
            let halfway = refused.midpoint(had);
            let next = if had == windows.len() { had - 1 } else { halfway };
            let probe = self.first_part(asked, WindowRange::of(windows[next]));
            if !probe.grouped_by.contains(dimension) {
                return Ok(());
            }
            match self.read_pages::<CostRow>(filter, probe, Bodies::Dropped).await {
                Ok(_) => had = next,
                Err(failure) => {
                    let (learned, _) = self.learn(&probe, failure)?;
                    match learned.reach {
                        Reach::StartsUntil(_) if learned.dimension == dimension => refused = next,
                        // It said since when, or that it never does; another dimension is left out of the next probe.
                        _ if learned.dimension == dimension => return Ok(()),
                        _ => {}
                    }
                }
            }
        }
        if let Some(first) = windows.get(had) {
            let reach = Reach::StartsBefore(first.start_unix());
            self.refused
                .remember(asked.surface.endpoint, RefusedDimension { dimension, reach });
        }
        Ok(())
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
