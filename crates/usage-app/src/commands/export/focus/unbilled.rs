//! Usage that no cost speaks of.

use std::collections::{BTreeMap, HashSet, VecDeque};

use usage_core::{DedupeKey, LineItem, UsageEvent, Window};
use usage_store::{EventQuery, Ledger, StoredCost, StoredEvent};

use super::super::PAGE;
use super::super::days::CostDays;
use crate::error::AppError;
use crate::text::{count, thousands};

/// Reads the usage of the range beside its costs, both in the order of days, and counts the events whose project and model
/// have no cost on their day. One day's costs and a page of events are in memory at a time.
pub(super) struct Unbilled<'a> {
    ledger: &'a Ledger,
    query: EventQuery,
    days: &'a CostDays,
    events: VecDeque<StoredEvent>,
    next: Next,
    charged: ChargedDay,
    counted: UnbilledCounts,
}

/// Where the next page of events begins.
enum Next {
    First,
    After((i64, DedupeKey)),
    None,
}

/// The day whose costs are being read, with what they are of.
#[derive(Default)]
struct ChargedDay {
    window: Option<Window>,
    charged: HashSet<Charged>,
}

/// Whose usage a cost can be of: the account, the project and the model.
type Charged = (i64, Option<String>, Option<String>);

/// How much usage is not in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UnbilledCounts {
    /// All events of the range.
    events: u64,
    /// Those without a cost of their project and model on their day, though the costs of the day were read, by endpoint.
    unbilled: BTreeMap<&'static str, u64>,
    /// Those of days whose costs were never read.
    unread: u64,
}

impl<'a> Unbilled<'a> {
    pub(super) fn new(ledger: &'a Ledger, query: EventQuery, days: &'a CostDays) -> Self {
        Self {
            ledger,
            query,
            days,
            events: VecDeque::new(),
            next: Next::First,
            charged: ChargedDay::default(),
            counted: UnbilledCounts::default(),
        }
    }

    /// Takes the next cost. Costs come in the order of days.
    pub(super) async fn beside(&mut self, cost: &StoredCost) -> Result<(), AppError> {
        if self.charged.window != Some(cost.window) {
            self.count_before(Some(cost.window)).await?;
            self.charged = ChargedDay {
                window: Some(cost.window),
                charged: HashSet::new(),
            };
        }
        self.charged.add(cost);
        Ok(())
    }

    /// Counts the events behind the last cost.
    pub(super) async fn finish(mut self) -> Result<UnbilledCounts, AppError> {
        self.count_before(None).await?;
        Ok(self.counted)
    }

    /// Counts the events of every window before this one, or of all.
    async fn count_before(&mut self, window: Option<Window>) -> Result<(), AppError> {
        while let Some(stored) = self.first_event().await? {
            if window.is_some_and(|window| stored.event.window >= window) {
                self.events.push_front(stored);
                return Ok(());
            }
            let is_charged = self.charged.has(stored.account_id, &stored.event);
            let is_read = self.days.is_read(stored.account_id, stored.event.window);
            self.counted.add(&stored.event, is_charged, is_read);
        }
        Ok(())
    }

    /// Takes the first event that is not counted yet.
    async fn first_event(&mut self) -> Result<Option<StoredEvent>, AppError> {
        while self.events.is_empty() {
            let after = match &self.next {
                Next::First => None,
                Next::After(after) => Some(*after),
                Next::None => return Ok(None),
            };
            let page = self.ledger.events(self.query.clone(), after, PAGE).await?;
            self.events = page.events.into();
            self.next = page.next.map_or(Next::None, Next::After);
        }
        Ok(self.events.pop_front())
    }
}

impl ChargedDay {
    fn add(&mut self, cost: &StoredCost) {
        let group = &cost.row.group;
        let item = group.line_item().map(LineItem::parse).unwrap_or_default();
        // `dall-e-3, image` says nothing of tokens, and still whose image it is.
        let maybe = group.line_item().and_then(|words| words.rsplit_once(", "));
        for model in [item.model, maybe.map(|(model, _)| model)] {
            let text = |text: Option<&str>| text.map(str::to_owned);
            self.charged
                .insert((cost.account_id, text(group.project_id()), text(model)));
        }
    }

    fn has(&self, account_id: i64, event: &UsageEvent) -> bool {
        let dimensions = &event.dimensions;
        self.window == Some(event.window)
            && self.charged.contains(&(
                account_id,
                dimensions.project_id.clone(),
                dimensions.model.clone(),
            ))
    }
}

impl UnbilledCounts {
    fn add(&mut self, event: &UsageEvent, is_charged: bool, is_read: bool) {
        self.events += 1;
        match (is_charged, is_read) {
            (true, _) => {}
            (false, true) => *self.unbilled.entry(event.endpoint.as_str()).or_default() += 1,
            (false, false) => self.unread += 1,
        }
    }

    /// What to say of it, if anything.
    pub(super) fn warning(&self) -> Option<String> {
        let unbilled: u64 = self.unbilled.values().sum();
        let missing = unbilled + self.unread;
        if missing == 0 {
            return None;
        }
        let mut reasons: Vec<String> = self
            .unbilled
            .iter()
            .map(|(endpoint, events)| format!("{} of {endpoint}", thousands(*events)))
            .collect();
        if self.unread > 0 {
            reasons.push(format!(
                "{} of days whose costs were never read",
                thousands(self.unread)
            ));
        }
        Some(format!(
            "{} of {} of the range, daily windows, have no cost for their project and model that day (a free tier, or a \
             charge that names no model) and are not in the file: {}; `usage export --format csv` has them",
            thousands(missing),
            count(self.events, "usage event"),
            reasons.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{Account, Dimensions, Endpoint, Metrics, Provider};

    use super::super::super::testing::cost;
    use super::*;

    fn event(endpoint: Endpoint, project: Option<&str>, model: Option<&str>) -> UsageEvent {
        UsageEvent {
            account: Account::new(Provider::OpenAi, "org-a").unwrap(),
            endpoint,
            window: cost("gpt-5, input", "1", None).window,
            dimensions: Dimensions {
                project_id: project.map(str::to_owned),
                model: model.map(str::to_owned),
                ..Dimensions::default()
            },
            metrics: Metrics::default(),
        }
    }

    #[test]
    fn usage_is_charged_by_account_project_model_and_day() {
        let paid = cost("priority | gpt-5, cached input", "1", None);
        let mut day = ChargedDay {
            window: Some(paid.window),
            ..ChargedDay::default()
        };
        day.add(&paid);
        day.add(&cost("code interpreter sessions", "1", None));
        day.add(&cost("dall-e-3, image", "1", None));
        let (project, model) = (Some("proj_a"), Some("gpt-5"));
        for (account_id, event, is_charged) in [
            (1, event(Endpoint::Completions, project, model), true),
            (1, event(Endpoint::CodeInterpreterSessions, project, None), true),
            (
                1,
                event(Endpoint::Completions, project, Some("gpt-5-mini")),
                false,
            ),
            (1, event(Endpoint::Completions, Some("proj_b"), model), false),
            (1, event(Endpoint::Completions, None, model), false),
            (2, event(Endpoint::Completions, project, model), false),
        ] {
            assert_eq!(day.has(account_id, &event), is_charged, "{event:?}");
        }
        let mut later = event(Endpoint::Completions, project, model);
        later.window = Window::containing(later.window.end(), later.window.width());
        assert!(!day.has(1, &later));
    }

    #[test]
    fn what_is_missing_is_told_by_endpoint() {
        let mut counts = UnbilledCounts::default();
        let free = event(Endpoint::Completions, None, None);
        counts.add(&free, true, true);
        assert_eq!(counts.warning(), None);
        counts.add(&free, false, true);
        counts.add(&event(Endpoint::Images, None, None), false, true);
        counts.add(&free, false, true);
        counts.add(&free, false, false);
        assert_eq!(
            counts.warning().as_deref(),
            Some(
                "4 of 5 usage events of the range, daily windows, have no cost for their project and model that day (a free \
                 tier, or a charge that names no model) and are not in the file: 2 of completions, 1 of images, 1 of days \
                 whose costs were never read; `usage export --format csv` has them"
            )
        );
    }
}
