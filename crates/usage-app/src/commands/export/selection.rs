//! Which part of the ledger is exported.

use chrono::NaiveDate;
use usage_core::{Endpoint, Width, WindowRange};
use usage_store::{AccountScope, CostQuery, CoverageQuery, EventQuery, Ledger, StoredAccount};

use super::{ExportLayout, ExportOptions};
use crate::commands::choice::chosen_accounts;
use crate::error::AppError;

/// Accounts, days and surfaces.
pub(super) struct Selection {
    pub(super) accounts: Vec<StoredAccount>,
    windows: Option<WindowRange>,
    /// The windows, or all there can be.
    span: WindowRange,
    pub(super) first_day: Option<NaiveDate>,
    pub(super) last_day: Option<NaiveDate>,
    width: Width,
    content: Content,
}

/// What an export is made of: usage and costs are never in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Usage(Vec<Endpoint>),
    Costs,
}

impl Selection {
    /// Fails if the options ask for what no export holds, or for an account that is not in the ledger.
    pub(super) async fn new(ledger: &Ledger, options: &ExportOptions) -> Result<Self, AppError> {
        let content = content(options)?;
        let accounts = chosen_accounts(ledger, &options.accounts).await?;
        if options.layout == ExportLayout::ProviderCsv && accounts.len() > 1 {
            return Err(AppError::SeveralAccounts(accounts.len()));
        }
        // Days far beyond any ledger stand for an end that was not named.
        let first = options
            .first_day
            .unwrap_or(NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default());
        let last = options
            .last_day
            .unwrap_or(NaiveDate::from_ymd_opt(9999, 12, 30).unwrap_or_default());
        let is_named = options.first_day.is_some() || options.last_day.is_some();
        let days = WindowRange::days(first, last)?;
        let span = WindowRange::new(days.start(), days.end(), options.width)?;
        Ok(Self {
            accounts,
            windows: is_named.then_some(span),
            span,
            first_day: options.first_day,
            last_day: options.last_day,
            width: options.width,
            content,
        })
    }

    pub(super) const fn content(&self) -> &Content {
        &self.content
    }

    pub(super) const fn width(&self) -> Width {
        self.width
    }

    pub(super) fn scope(&self) -> AccountScope {
        AccountScope::Only(self.accounts.iter().map(|account| account.id).collect())
    }

    /// The events of one surface, or of all of them.
    pub(super) fn events(&self, endpoint: Option<Endpoint>) -> EventQuery {
        EventQuery {
            scope: self.scope(),
            endpoint,
            windows: self.windows,
            width: self.width,
        }
    }

    pub(super) fn costs(&self) -> CostQuery {
        CostQuery {
            scope: self.scope(),
            windows: self.windows,
        }
    }

    /// What was read of one surface.
    pub(super) fn coverage(&self, endpoint: Endpoint) -> CoverageQuery {
        CoverageQuery {
            scope: self.scope(),
            endpoint: Some(endpoint),
            windows: self.windows,
        }
    }

    /// What was read of every surface in windows of the width: a ledger of minutes has very many others.
    pub(super) fn coverage_of_width(&self) -> CoverageQuery {
        CoverageQuery {
            scope: self.scope(),
            endpoint: None,
            windows: Some(self.span),
        }
    }
}

/// What the form can hold of the endpoints asked for. The provider's export holds one endpoint: completions, if none is
/// chosen.
fn content(options: &ExportOptions) -> Result<Content, AppError> {
    let endpoints = options.endpoints.as_slice();
    let is_costs = match (options.layout, endpoints) {
        (ExportLayout::Focus, [] | [Endpoint::Costs]) => true,
        (ExportLayout::Focus, _) => return Err(AppError::FocusOfUsage),
        (_, endpoints) => endpoints.contains(&Endpoint::Costs),
    };
    if is_costs {
        return match (endpoints.len(), options.width) {
            (0 | 1, Width::Day) => Ok(Content::Costs),
            (0 | 1, width) => Err(AppError::CostsOfWidth(width)),
            _ => Err(AppError::CostsAndUsage),
        };
    }
    match (options.layout, endpoints) {
        (ExportLayout::ProviderCsv, []) => Ok(Content::Usage(vec![Endpoint::Completions])),
        (ExportLayout::ProviderCsv, [_, _, ..]) => Err(AppError::SeveralEndpoints(endpoints.len())),
        (_, []) => Ok(Content::Usage(Endpoint::USAGE.to_vec())),
        (_, endpoints) => Ok(Content::Usage(endpoints.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_of(layout: ExportLayout, endpoints: &[Endpoint], width: Width) -> Result<Content, String> {
        let options = ExportOptions {
            layout,
            first_day: None,
            last_day: None,
            endpoints: endpoints.to_vec(),
            width,
            accounts: Vec::new(),
            output: None,
        };
        content(&options).map_err(|error| error.to_string())
    }

    #[test]
    fn usage_and_costs_are_never_in_one_export() {
        use Endpoint::{Completions, Costs, Images};
        use ExportLayout::{Csv, Focus, JsonLines, ProviderCsv};
        let mixed = "costs and usage do not go into one export; name --endpoint costs alone, or leave it out";
        for (layout, endpoints, width, expected) in [
            (
                JsonLines,
                &[][..],
                Width::Hour,
                Ok(Content::Usage(Endpoint::USAGE.to_vec())),
            ),
            (Csv, &[Images], Width::Day, Ok(Content::Usage(vec![Images]))),
            (Csv, &[Costs], Width::Day, Ok(Content::Costs)),
            (
                ProviderCsv,
                &[],
                Width::Day,
                Ok(Content::Usage(vec![Completions])),
            ),
            (ProviderCsv, &[Costs], Width::Day, Ok(Content::Costs)),
            (Focus, &[], Width::Day, Ok(Content::Costs)),
            (Focus, &[Costs], Width::Day, Ok(Content::Costs)),
            (JsonLines, &[Completions, Costs], Width::Day, Err(mixed)),
            (ProviderCsv, &[Images, Costs], Width::Day, Err(mixed)),
            (
                Csv,
                &[Costs],
                Width::Hour,
                Err("costs come by the day only; leave out --bucket-width 1h"),
            ),
            (
                Focus,
                &[],
                Width::Minute,
                Err("costs come by the day only; leave out --bucket-width 1m"),
            ),
            (
                Focus,
                &[Completions],
                Width::Day,
                Err("a FOCUS file holds costs; leave out --endpoint, or use --format csv for usage"),
            ),
            (
                ProviderCsv,
                &[Completions, Images],
                Width::Day,
                Err(
                    "the provider's export holds one endpoint, and 2 are named; name one with --endpoint, or use \
                     --format csv",
                ),
            ),
        ] {
            assert_eq!(
                content_of(layout, endpoints, width),
                expected.map_err(str::to_owned),
                "{layout:?} {endpoints:?}"
            );
        }
    }
}
