//! Usage events by any filter, and the same as files.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use usage_store::{
    AccountScope, StoreError, StoredAccount, StoredEvent, SummaryQuery, SummaryRow, UsageFilter, UsageOrder,
    UsagePageQuery, UsageSums,
};

use super::cards::{dollars, share};
use super::days::DayStates;
use super::divide::Divide;
use super::event_rows::row;
use super::filters::filters;
use super::names::Names;
use super::ranges::range_choice;
use crate::dashboard::chart::DayState;
use crate::dashboard::chrome::Section;
use crate::dashboard::display::{Count, Fact, Html};
use crate::dashboard::pages::{Explore, Link, Pages, SumRow, Sums, Total};
use crate::dashboard::query::{DIMENSIONS, DayRange, Query};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page, see, with_status};

const PATH: &str = "/explore";
/// How many events a page has.
const EVENTS: usize = 50;
/// How many sums a page has.
const SUMS: usize = 500;

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
    // Where only something else is wrong, the days and filters stay as they were chosen.
    let days = query.days(today).unwrap_or(DayRange {
        first: today,
        last: today,
    });
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
        gaps: Vec::new(),
        nothing_was_read: false,
        views: Vec::new(),
        sums: None,
        provider_layout: None,
    };
    // A form keeps the order and the view; days and filters are fields of it.
    made.range.kept = query
        .pairs()
        .iter()
        .filter(|(name, _)| name == "order" || name == "group")
        .cloned()
        .collect();
    let ledger = &state.ledger;
    let (names, accounts) = tokio::try_join!(Names::load(ledger, scope), ledger.accounts(scope.clone()))?;
    made.filters = filters(state, scope, query, days, &names, &accounts).await?;
    let asked = match asked {
        Ok(asked) => asked,
        Err(wrong) => {
            made.refused = Some(wrong);
            return Ok(made);
        }
    };
    let states = DayStates::load(ledger, &asked.filter, days, today).await?;
    made.unread = states.unread();
    made.gaps = states.gaps();
    made.nothing_was_read = states.count(|state| state > DayState::NotRead) == 0;
    let whole = SummaryQuery {
        filter: asked.filter.clone(),
        by: Vec::new(),
        period: None,
    };
    let sums = ledger.usage_summary(whole).await?;
    let sums = sums.first().map(|row| row.sums).unwrap_or_default();
    made.totals = vec![
        total("Events", Html::of(Count::known(sums.events)), false),
        total("Requests", Html::of(requests(&sums)), false),
        total("Tokens", Html::of(Count::known(sums.metrics.tokens())), false),
        total("Cost", Html::of(dollars(&sums)), true),
    ];
    if sums.unpriced > 0 {
        made.totals.push(total(
            "Without a price",
            Html::of(Count::known(sums.unpriced)),
            false,
        ));
    }
    made.views = views(query, asked.group);
    made.provider_layout = provider_layout(query, &asked, days, &accounts);
    made.downloads = downloads(query, days);
    if let Some(group) = asked.group {
        let rows = ledger
            .usage_summary(SummaryQuery {
                filter: asked.filter,
                by: vec![group.summary_by()],
                period: None,
            })
            .await?;
        made.sums = Some(sums_by(group, &rows, query, days, &names, &accounts)?);
        return Ok(made);
    }
    made.orders = UsageOrder::ALL
        .into_iter()
        .map(|order| Link {
            label: order_label(order).to_owned(),
            href: query.without(&["after"]).with("order", order.as_str()).href(PATH),
            is_current: order == asked.order,
        })
        .collect();
    let wanted = UsagePageQuery {
        filter: asked.filter,
        order: asked.order,
        after: asked.after,
        limit: EVENTS,
    };
    let events = match ledger.usage_page(wanted).await {
        Ok(events) => events,
        Err(StoreError::Unsupported(wrong)) => {
            made.refused = Some(format!("order: {wrong}"));
            return Ok(made);
        }
        Err(error) => return Err(error.into()),
    };
    made.pages = Pages {
        first: asked.after.map(|_| query.without(&["after"]).href(PATH)),
        next: events
            .next
            .map(|next| query.with("after", &next.to_string()).href(PATH)),
    };
    let tell_account = accounts.len() > 1;
    let place = |stored: &StoredEvent| (stored.event.window.start(), stored.event.key());
    let restated = ledger
        .last_restated(events.events.iter().map(place).collect())
        .await?;
    made.events = events
        .events
        .iter()
        .map(|event| row(event, &names, tell_account, restated.get(&place(event)).copied()))
        .collect();
    Ok(made)
}

/// Requests to models and to tools: no surface has both.
fn requests(sums: &UsageSums) -> Count {
    let (models, tools) = (sums.metrics.num_model_requests, sums.metrics.num_requests);
    Count(
        models
            .or(tools)
            .map(|_| i128::from(models.unwrap_or(0)) + i128::from(tools.unwrap_or(0))),
    )
}

/// The events themselves, or their sums by something.
fn views(query: &Query, group: Option<Divide>) -> Vec<Link> {
    let plain = query.without(&["after", "group"]);
    let events = Link {
        label: "events".to_owned(),
        href: plain.href(PATH),
        is_current: group.is_none(),
    };
    let sums = Divide::all().map(|divide| Link {
        label: format!("by {}", divide.label),
        href: plain.without(&["order"]).with("group", divide.name).href(PATH),
        is_current: group == Some(divide),
    });
    std::iter::once(events).chain(sums).collect()
}

/// The sums of each value, those that cost most first.
fn sums_by(
    group: Divide,
    rows: &[SummaryRow],
    query: &Query,
    days: DayRange,
    names: &Names,
    accounts: &[StoredAccount],
) -> Result<Sums, StoreError> {
    let mut groups: BTreeMap<Option<String>, UsageSums> = BTreeMap::new();
    // Several accounts may be of one provider.
    for row in rows {
        let sums = groups.entry(group.key(row, accounts)).or_default();
        sums.add(&row.sums)?;
    }
    let mut groups: Vec<(Option<String>, UsageSums)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, sums)| {
        (
            std::cmp::Reverse(sums.cost),
            std::cmp::Reverse(sums.metrics.tokens()),
        )
    });
    let whole: i128 = groups.iter().map(|(_, sums)| i128::from(sums.cost.get())).sum();
    let narrowed = query.without(&["after", "group", "order"]);
    let shown = groups.iter().take(SUMS).map(|(key, sums)| SumRow {
        name: group.name(key.as_deref(), names, accounts),
        href: narrowed
            .with(group.name, Divide::filter_value(key.as_deref()))
            .href(PATH),
        events: Count::known(sums.events),
        requests: requests(sums),
        tokens: Count::known(sums.metrics.tokens()),
        split: [
            sums.split.uncached,
            sums.split.cached_read,
            sums.split.cache_write,
            sums.split.output,
        ]
        .map(Count::metric),
        cost: dollars(sums),
        share: share(sums, whole),
    });
    let by = if group.name == "provider" {
        "account"
    } else {
        group.name
    };
    Ok(Sums {
        column: group.label,
        rows: shown.collect(),
        more: groups.len().saturating_sub(SUMS),
        href: narrowed
            .with("from", &days.instants()[0].1)
            .with("to", &days.instants()[1].1)
            .with("by", by)
            .href("/api/usage/summary"),
    })
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
    filter: UsageFilter,
    order: UsageOrder,
    after: Option<usage_store::UsagePosition>,
    group: Option<Divide>,
}

impl Asked {
    fn read(query: &Query, scope: &AccountScope, today: chrono::NaiveDate) -> Result<Self, String> {
        let known: Vec<&str> = filter_names()
            .chain(["from", "to", "order", "after", "group"])
            .collect();
        query.only(&known)?;
        let days = query.days(today)?;
        let order = query.get("order").map(str::parse).transpose();
        let order: Option<UsageOrder> = order.map_err(|error| format!("order: {error}"))?;
        let group = query
            .get("group")
            .map(|name| Divide::named(name).ok_or_else(|| format!("group: there are no sums by `{name}`")));
        let after = query.get("after").map(str::parse).transpose();
        Ok(Self {
            filter: query.filter(scope, days)?,
            order: order.unwrap_or_default(),
            after: after.map_err(|error| format!("after: {error}"))?,
            group: group.transpose()?,
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

/// The same rows from the API, all pages of them.
fn downloads(query: &Query, days: DayRange) -> Vec<Link> {
    [("csv", "CSV"), ("jsonl", "JSON lines")]
        .into_iter()
        .map(|(format, label)| download(query, days, format, label))
        .collect()
}

/// The provider's own file is of one account and one surface.
fn provider_layout(query: &Query, asked: &Asked, days: DayRange, accounts: &[StoredAccount]) -> Option<Link> {
    let is_asked_for = |account: &&StoredAccount| {
        let filter = &asked.filter;
        let is_in_scope = match &filter.scope {
            AccountScope::All => true,
            AccountScope::Only(ids) => ids.contains(&account.id),
        };
        is_in_scope && (filter.providers.is_empty() || filter.providers.contains(&account.account.provider()))
    };
    // That file has an order of its own.
    let query = &query.without(&["order"]);
    let is_of_one = asked.filter.endpoints.len() == 1 && accounts.iter().filter(is_asked_for).count() == 1;
    is_of_one.then(|| download(query, days, "provider-csv", "the provider's layout"))
}

fn download(query: &Query, days: DayRange, format: &str, label: &str) -> Link {
    let mut same = query.without(&["from", "to", "after", "done", "group"]);
    for (name, instant) in days.instants() {
        same = same.with(name, &instant);
    }
    Link {
        label: label.to_owned(),
        href: same.with("format", format).href("/api/usage/export"),
        is_current: false,
    }
}
