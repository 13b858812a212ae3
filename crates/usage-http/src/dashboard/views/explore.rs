//! Usage events by any filter, and the same as files.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use usage_core::{Dimension, Endpoint, Metric, ModalitySplit, Provider, TokenSplit, format_instant};
use usage_store::{
    AccountScope, StoreError, StoredAccount, StoredEvent, SummaryBy, SummaryQuery, UsageFilter, UsageOrder,
    UsagePageQuery,
};

use super::days::DayStates;
use super::names::Names;
use super::overview::label;
use super::ranges::range_choice;
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{At, Count, Dollars, Fact, Html, Named, grouped};
use crate::dashboard::pages::{
    Choice, EventRow, Explore, Filter, FilterOption, Link, Pages, SplitCell, Total,
};
use crate::dashboard::query::{DIMENSIONS, DayRange, NONE, Query};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page, see, with_status};

const PATH: &str = "/explore";
/// How many events a page has.
const EVENTS: usize = 50;
/// How many values a filter offers.
const OPTIONS: usize = 200;

pub(crate) async fn explore(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    if visitor.query.has_empty() {
        return see(&visitor.query.clone().without_empty().href(PATH));
    }
    let made = make(&state, &visitor).await.map(|made| {
        let status = if made.refused.is_some() {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        with_status(status, page(&made))
    });
    visitor.answer(made)
}

async fn make(state: &DashboardState, visitor: &Visitor) -> Result<Explore, Failed> {
    let scope = visitor.scope()?;
    let query = &visitor.query;
    must_see(state, scope, query).await?;
    let today = state.clock.now().date_naive();
    let asked = Asked::read(query, scope, today);
    let days = match &asked {
        Ok(asked) => asked.days,
        Err(_) => DayRange {
            first: today,
            last: today,
        },
    };
    let without_filters = query
        .pairs()
        .iter()
        .any(|(name, _)| filter_names().any(|known| known == name));
    let mut made = Explore {
        chrome: visitor.chrome("Explore", Section::Explore),
        range: range_choice(query, PATH, days, today),
        filters: Vec::new(),
        without_filters: without_filters.then(|| {
            let names: Vec<&str> = filter_names().chain(["after"]).collect();
            query.without(&names).href(PATH)
        }),
        refused: None,
        totals: Vec::new(),
        orders: Vec::new(),
        events: Vec::new(),
        pages: Pages::default(),
        downloads: Vec::new(),
        unread: None,
    };
    // A form keeps the order; days and filters are fields of it.
    made.range.kept = query
        .pairs()
        .iter()
        .filter(|(name, _)| name == "order")
        .cloned()
        .collect();
    let asked = match asked {
        Ok(asked) => asked,
        Err(wrong) => {
            made.refused = Some(wrong);
            return Ok(made);
        }
    };
    let ledger = &state.ledger;
    let whole = SummaryQuery {
        filter: asked.filter.clone(),
        by: Vec::new(),
        period: None,
    };
    let wanted = UsagePageQuery {
        filter: asked.filter.clone(),
        order: asked.order,
        after: asked.after,
        limit: EVENTS,
    };
    let page = async { Ok::<_, StoreError>(ledger.usage_page(wanted).await) };
    let (names, accounts, sums, events) = tokio::try_join!(
        Names::load(ledger, scope),
        ledger.accounts(scope.clone()),
        ledger.usage_summary(whole),
        page,
    )?;
    made.unread = DayStates::load(ledger, scope, days).await?.unread();
    made.filters = filters(state, scope, query, days, &names, &accounts).await?;
    let events = match events {
        Ok(events) => events,
        Err(StoreError::Unsupported(wrong)) => {
            made.refused = Some(format!("order: {wrong}"));
            return Ok(made);
        }
        Err(error) => return Err(error.into()),
    };
    let sums = sums.first().map(|row| row.sums).unwrap_or_default();
    made.totals = vec![
        total("Events", Html::of(Count::known(sums.events)), false),
        total(
            "Requests",
            Html::of(Count::metric(sums.metrics.num_model_requests)),
            false,
        ),
        total("Tokens", Html::of(Count::known(sums.metrics.tokens())), false),
        total("Cost", Html::of(Dollars::of(sums.cost)), true),
    ];
    if sums.unpriced > 0 {
        made.totals.push(total(
            "Without a price",
            Html::of(Count::known(sums.unpriced)),
            false,
        ));
    }
    made.orders = UsageOrder::ALL
        .into_iter()
        .map(|order| Link {
            label: order_label(order).to_owned(),
            href: query.without(&["after"]).with("order", order.as_str()).href(PATH),
            is_current: order == asked.order,
        })
        .collect();
    made.pages = Pages {
        first: asked.after.map(|_| query.without(&["after"]).href(PATH)),
        next: events
            .next
            .map(|next| query.with("after", &next.to_string()).href(PATH)),
    };
    made.downloads = downloads(query, days);
    made.events = events.events.iter().map(|event| row(event, &names)).collect();
    Ok(made)
}

/// Fails if an account is asked for that the visitor does not see: one of others is as if it was not there.
async fn must_see(state: &DashboardState, scope: &AccountScope, query: &Query) -> Result<(), Failed> {
    let wanted = accounts_of(query);
    if wanted.is_empty() {
        return Ok(());
    }
    let seen = state.ledger.accounts(scope.clone()).await?;
    let is_seen = |id: &i64| seen.iter().any(|account| account.id == *id);
    if wanted.iter().all(is_seen) {
        Ok(())
    } else {
        Err(Failed::NotFound)
    }
}

/// The accounts asked for; what is no number is refused with the rest of the query.
fn accounts_of(query: &Query) -> Vec<i64> {
    let wanted = query.all("account");
    wanted.filter_map(|text| text.parse().ok()).collect()
}

/// What the query asks for.
struct Asked {
    days: DayRange,
    filter: UsageFilter,
    order: UsageOrder,
    after: Option<usage_store::UsagePosition>,
}

impl Asked {
    fn read(query: &Query, scope: &AccountScope, today: chrono::NaiveDate) -> Result<Self, String> {
        let known: Vec<&str> = filter_names().chain(["from", "to", "order", "after"]).collect();
        query.only(&known)?;
        let days = query.days(today)?;
        let order = query.get("order").map(str::parse).transpose();
        let order: Option<UsageOrder> = order.map_err(|error| format!("order: {error}"))?;
        let after = query.get("after").map(str::parse).transpose();
        Ok(Self {
            days,
            filter: query.filter(scope, days)?,
            order: order.unwrap_or_default(),
            after: after.map_err(|error| format!("after: {error}"))?,
        })
    }
}

fn order_label(order: UsageOrder) -> &'static str {
    match order {
        UsageOrder::Newest => "newest first",
        UsageOrder::Oldest => "oldest first",
        UsageOrder::Cost => "highest cost",
        UsageOrder::Tokens => "most tokens",
        UsageOrder::Requests => "most requests",
    }
}

/// The parameters that narrow.
fn filter_names() -> impl Iterator<Item = &'static str> {
    ["account", "provider", "endpoint"]
        .into_iter()
        .chain(DIMENSIONS.iter().map(|(_, name, _)| *name))
}

fn total(label: &str, value: Html, is_estimate: bool) -> Total {
    Total {
        fact: Fact::new(label, value),
        is_estimate,
    }
}

async fn filters(
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
    let in_range = || UsageFilter {
        start: Some(days.start()),
        end: Some(days.end()),
        ..UsageFilter::all(scope.clone())
    };
    let endpoints = state
        .ledger
        .usage_summary(SummaryQuery {
            filter: in_range(),
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
        let mut rows = state
            .ledger
            .usage_summary(SummaryQuery {
                filter: in_range(),
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
        let options = values.iter().map(|value| {
            let text = value.as_deref();
            let label = label(names, dimension, text);
            let id = text.filter(|id| *id != label && dimension != Dimension::Batch);
            option(name, text.unwrap_or(NONE), label.clone(), id)
        });
        let mut title = title.to_owned();
        title[..1].make_ascii_uppercase();
        filters.push(filter(name, &title, options.collect(), more));
    }
    Ok(filters)
}

fn filter(name: &str, label: &str, options: Vec<FilterOption>, more: usize) -> Filter {
    Filter {
        name: name.to_owned(),
        label: label.to_owned(),
        options,
        more,
    }
}

/// The same rows from the API, all pages of them.
fn downloads(query: &Query, days: DayRange) -> Vec<Link> {
    let mut same = query.without(&["from", "to", "after", "done"]);
    for (name, instant) in days.instants() {
        same = same.with(name, &instant);
    }
    [
        ("csv", "CSV"),
        ("jsonl", "JSON lines"),
        ("provider-csv", "the provider's layout"),
    ]
    .into_iter()
    .map(|(format, label)| Link {
        label: label.to_owned(),
        href: same.with("format", format).href("/api/usage/export"),
        is_current: false,
    })
    .collect()
}

fn row(stored: &StoredEvent, names: &Names) -> EventRow {
    let event = &stored.event;
    let dimensions = &event.dimensions;
    let split = TokenSplit::of(&event.metrics);
    let named = |dimension: Dimension| names.of(dimension, dimensions.get(dimension));
    let mut tier: Vec<&str> = dimensions.service_tier.as_deref().into_iter().collect();
    if dimensions.batch == Some(true) {
        tier.push("batch");
    }
    EventRow {
        start: At(Some(event.window.start())),
        end: At(Some(event.window.end())),
        endpoint: event.endpoint.to_string(),
        model: Named {
            id: None,
            name: dimensions.model.clone(),
        },
        project: named(Dimension::ProjectId),
        key: named(Dimension::ApiKeyId),
        user: named(Dimension::UserId),
        tier: tier.join(", "),
        requests: Count::metric(event.metrics.num_model_requests.or(event.metrics.num_requests)),
        uncached: cell(split.uncached, &split.uncached_by_modality),
        cached: cell(split.cached_read, &split.cached_read_by_modality),
        cache_write: cell(split.cache_write, &ModalitySplit::default()),
        output: cell(split.output, &split.output_by_modality),
        cost: Dollars::fine_or_unpriced(stored.price.and_then(|price| price.cost)),
        identity: identity(stored),
        metrics: metrics(stored),
        pricing: history(stored),
    }
}

fn cell(tokens: Option<i64>, modalities: &ModalitySplit) -> SplitCell {
    let beside_text = [("audio", modalities.audio), ("image", modalities.image)];
    let shown = beside_text.into_iter().filter_map(|(name, tokens)| {
        let tokens = tokens.filter(|tokens| *tokens > 0)?;
        Some(format!("{name} {}", grouped(tokens.into())))
    });
    SplitCell {
        tokens: Count::metric(tokens),
        modalities: shown.collect::<Vec<_>>().join(", "),
    }
}

fn identity(stored: &StoredEvent) -> Vec<Fact> {
    let event = &stored.event;
    let mut facts = vec![
        Fact::new("Account", Html::text(&event.account.to_string())),
        Fact::new("Endpoint", Html::text(event.endpoint.as_str())),
        Fact::new("Window start", Html::code(&format_instant(event.window.start()))),
        Fact::new("Window end", Html::code(&format_instant(event.window.end()))),
    ];
    for dimension in event.endpoint.dimensions().iter() {
        let value = match event.dimensions.get(dimension) {
            Some(value) => Html::code(value),
            None => Html::of(Count(None)),
        };
        facts.push(Fact::new(dimension.as_str(), value));
    }
    facts
}

fn metrics(stored: &StoredEvent) -> Vec<Fact> {
    let reported = stored.event.endpoint.metrics().iter();
    let shown = reported.map(|metric: &Metric| {
        Fact::new(
            metric.as_str(),
            Html::of(Count::metric(stored.event.metrics.get(*metric))),
        )
    });
    shown.collect()
}

fn history(stored: &StoredEvent) -> Vec<Fact> {
    let price = stored.price;
    let mut facts = vec![Fact::new(
        "Cost, estimated",
        match price.and_then(|price| price.cost) {
            Some(cost) => Html::code(&format!("${cost}")),
            None => Html::of(Dollars::unpriced()),
        },
    )];
    if let Some(price) = price {
        facts.push(Fact::new(
            "Price record",
            Html::text(&price.price_ref.to_string()),
        ));
    }
    facts.push(Fact::new(
        "First stored",
        Html::of(At(Some(stored.first_stored_at))),
    ));
    let restated = stored.revision > 1;
    let changed = if restated {
        Html::of(At(Some(stored.changed_at)))
    } else {
        Html::text("never")
    };
    facts.push(Fact::new("Last changed", changed));
    facts.push(Fact::new("Revision", Html::text(&stored.revision.to_string())));
    let run = stored.run_id;
    facts.push(Fact::new(
        "Run",
        Html::link(&format!("/runs/{run}"), &run.to_string()),
    ));
    facts
}
