//! The filters of usage, filled with values to choose from.

use usage_core::{Dimension, Endpoint, Provider};
use usage_store::{AccountScope, StoredAccount, SummaryBy, SummaryQuery};

use super::divide::Divide;
use super::names::Names;
use crate::dashboard::display::Named;
use crate::dashboard::pages::{Choice, Filter, FilterOption};
use crate::dashboard::query::{DIMENSIONS, DayRange, NONE, Query};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::Failed;

/// How many values a filter offers.
const OPTIONS: usize = 200;
/// The dimensions whose values are listed: those of which the ledger keeps sums. Values of others are typed.
const LISTED: [Dimension; 6] = [
    Dimension::ProjectId,
    Dimension::ApiKeyId,
    Dimension::UserId,
    Dimension::Model,
    Dimension::ServiceTier,
    Dimension::Batch,
];

/// Every filter, with the values that have usage in the range, and those that are chosen.
pub(super) async fn filters(
    state: &DashboardState,
    scope: &AccountScope,
    query: &Query,
    days: DayRange,
    names: &Names,
    accounts: &[StoredAccount],
) -> Result<Vec<Filter>, Failed> {
    let mut filters = Vec::new();
    let option = |name: &str, value: &str, label: String, id: Option<&str>| FilterOption {
        choice: Choice {
            value: value.to_owned(),
            label,
            is_chosen: query.all(name).any(|chosen| chosen == value),
        },
        id: id.map(str::to_owned),
    };
    if accounts.len() > 1 {
        let options = accounts.iter().map(|account| {
            option(
                "account",
                &account.id.to_string(),
                account.account.to_string(),
                None,
            )
        });
        filters.push(filter("account", "Account", options.collect(), 0));
    }
    if Provider::ALL.len() > 1 {
        let providers =
            Provider::ALL.map(|provider| option("provider", provider.as_str(), provider.to_string(), None));
        filters.push(filter("provider", "Provider", providers.into(), 0));
    }
    let endpoints = state
        .ledger
        .usage_summary(SummaryQuery {
            filter: days.usage(scope),
            by: vec![SummaryBy::Endpoint],
            period: None,
        })
        .await?;
    let used = endpoints.iter().filter_map(|row| row.endpoint);
    let chosen = query
        .all("endpoint")
        .filter_map(|text| text.parse::<Endpoint>().ok());
    let mut used: Vec<Endpoint> = used.chain(chosen).collect();
    used.sort_unstable();
    used.dedup();
    let endpoints = used
        .iter()
        .map(|endpoint| option("endpoint", endpoint.as_str(), endpoint.to_string(), None));
    filters.push(filter("endpoint", "Endpoint", endpoints.collect(), 0));
    for (dimension, name, title) in DIMENSIONS {
        if !LISTED.contains(&dimension) {
            let chosen = query
                .all(name)
                .map(|value| option(name, value, value.to_owned(), None));
            let mut other = filter(name, &capitalized(title), chosen.collect(), 0);
            other.is_rare = true;
            filters.push(other);
            continue;
        }
        let mut rows = state
            .ledger
            .usage_summary(SummaryQuery {
                filter: days.usage(scope),
                by: vec![SummaryBy::Dimension(dimension)],
                period: None,
            })
            .await?;
        rows.sort_by_key(|row| {
            (
                std::cmp::Reverse(row.sums.cost),
                std::cmp::Reverse(row.sums.metrics.tokens()),
            )
        });
        let mut values: Vec<Option<String>> = rows
            .into_iter()
            .filter_map(|mut row| row.dimensions.remove(&dimension))
            .collect();
        let more = values.len().saturating_sub(OPTIONS);
        values.truncate(OPTIONS);
        // What is chosen is offered, though it has no usage here, so that the form does not lose it.
        for chosen in query.all(name) {
            let chosen = (chosen != NONE).then(|| chosen.to_owned());
            if !values.contains(&chosen) {
                values.push(chosen);
            }
        }
        let divide = Divide::named(name);
        let options = values.iter().map(|value| {
            let text = value.as_deref();
            let named = divide.map(|divide| divide.name(text, names, accounts));
            let label = named.as_ref().map_or("none", Named::label);
            let id = text.filter(|id| *id != label && dimension != Dimension::Batch);
            option(name, text.unwrap_or(NONE), label.to_owned(), id)
        });
        filters.push(filter(name, &capitalized(title), options.collect(), more));
    }
    Ok(filters)
}

fn filter(name: &str, label: &str, options: Vec<FilterOption>, more: usize) -> Filter {
    Filter {
        name: name.to_owned(),
        label: label.to_owned(),
        options,
        more,
        takes_text: !matches!(name, "account" | "provider" | "endpoint" | "batch"),
        is_rare: false,
    }
}

fn capitalized(title: &str) -> String {
    let mut title = title.to_owned();
    title[..1].make_ascii_uppercase();
    title
}
