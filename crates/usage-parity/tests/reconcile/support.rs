//! A small organisation, priced by the catalogue, and charged as each test says.

use chrono::NaiveDate;
use usage_core::{Account, Decimal, Dimensions, Endpoint, Metrics, Provider, parse_day, parse_instant};
use usage_parity::reconcile::{
    Class, ComparedGroup, CostLine, Day, LeftOut, ReconcileFacts, Reconciler, Reconciliation, UsageLine,
};
use usage_pricing::{Catalogue, Usage};

pub(crate) fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 9, number).unwrap()
}

pub(crate) fn usd(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::bundled().unwrap()
}

/// What was used, before it is priced.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) day: NaiveDate,
    pub(crate) endpoint: Endpoint,
    pub(crate) dimensions: Dimensions,
    pub(crate) metrics: Metrics,
}

impl Used {
    /// Completions of a model, without cached input.
    pub(crate) fn tokens(number: u32, model: &str, input: i64, output: i64) -> Self {
        Self {
            day: day(number),
            endpoint: Endpoint::Completions,
            dimensions: Dimensions {
                project_id: Some("proj_a".to_owned()),
                model: Some(model.to_owned()),
                ..Dimensions::default()
            },
            metrics: Metrics {
                input_tokens: Some(input),
                input_cached_tokens: Some(0),
                output_tokens: Some(output),
                num_model_requests: Some(1),
                ..Metrics::default()
            },
        }
    }

    /// Usage of another endpoint.
    pub(crate) fn of(number: u32, endpoint: Endpoint, model: Option<&str>, metrics: &Metrics) -> Self {
        let tokens = Self::tokens(number, "", 0, 0);
        Self {
            endpoint,
            dimensions: Dimensions {
                model: model.map(str::to_owned),
                ..tokens.dimensions
            },
            metrics: *metrics,
            ..tokens
        }
    }

    pub(crate) fn on(mut self, number: u32) -> Self {
        self.day = day(number);
        self
    }

    pub(crate) fn cached(mut self, cached: i64) -> Self {
        self.metrics.input_cached_tokens = Some(cached);
        self
    }

    pub(crate) fn tier(mut self, tier: &str) -> Self {
        self.dimensions.service_tier = Some(tier.to_owned());
        self
    }

    pub(crate) fn batch(mut self) -> Self {
        self.dimensions.batch = Some(true);
        self
    }

    pub(crate) fn project(mut self, project: Option<&str>) -> Self {
        self.dimensions.project_id = project.map(str::to_owned);
        self
    }

    pub(crate) fn priced_by(&self, catalogue: &Catalogue) -> UsageLine {
        let priced = catalogue.price(&Usage {
            endpoint: self.endpoint,
            day: self.day,
            dimensions: &self.dimensions,
            metrics: &self.metrics,
            grouped_by: self.endpoint.dimensions(),
        });
        UsageLine {
            day: self.day,
            project_id: self.dimensions.project_id.clone(),
            endpoint: self.endpoint,
            model: self.dimensions.model.clone(),
            service_tier: self.dimensions.service_tier.clone(),
            batch: self.dimensions.batch.unwrap_or(false),
            metrics: self.metrics,
            cost: priced.cost.ok().map(|cost| cost.rounded),
            price: Some(priced.price),
        }
    }
}

/// A charge to `proj_a`, in dollars.
pub(crate) fn charge(number: u32, line_item: &str, amount: &str) -> CostLine {
    CostLine {
        day: day(number),
        project_id: Some("proj_a".to_owned()),
        line_item: Some(line_item.to_owned()),
        currency: Some("usd".to_owned()),
        amount: Some(usd(amount)),
        quantity: None,
        quantity_unit: None,
    }
}

pub(crate) fn with_quantity(line: CostLine, quantity: &str, unit: &str) -> CostLine {
    CostLine {
        quantity: Some(usd(quantity)),
        quantity_unit: Some(unit.to_owned()),
        ..line
    }
}

/// Reconciles September, as far as lines name its days.
pub(crate) fn reconcile(catalogue: &Catalogue, used: &[Used], charged: &[CostLine]) -> Reconciliation {
    let lines: Vec<UsageLine> = used.iter().map(|used| used.priced_by(catalogue)).collect();
    reconcile_lines(catalogue, &lines, charged)
}

/// As [`reconcile`], of usage that was priced before.
pub(crate) fn reconcile_lines(
    catalogue: &Catalogue,
    used: &[UsageLine],
    charged: &[CostLine],
) -> Reconciliation {
    let mut reconciler = Reconciler::new(catalogue.clone(), Provider::OpenAi);
    for number in 1..=30 {
        let day = day(number);
        let mut lines = Day::new(day, false);
        for used in used.iter().filter(|used| used.day == day) {
            lines.add_usage(used).unwrap();
        }
        for charge in charged.iter().filter(|charge| charge.day == day) {
            lines.add_cost(charge).unwrap();
        }
        reconciler.compare(lines).unwrap();
    }
    reconciler.finish().unwrap()
}

/// Every compared group, as the JSON form has it.
pub(crate) fn groups(found: &mut Reconciliation) -> Vec<ComparedGroup> {
    let report = json(found);
    serde_json::from_value(report["groups"].clone()).unwrap()
}

pub(crate) fn json(found: &mut Reconciliation) -> serde_json::Value {
    let mut bytes = Vec::new();
    found.write_json(&facts(), &mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The classes with groups, with how many each has.
pub(crate) fn classes(found: &Reconciliation) -> Vec<(Class, u64)> {
    found
        .tallies
        .iter()
        .map(|(class, tally)| (*class, tally.groups))
        .collect()
}

pub(crate) fn facts() -> ReconcileFacts {
    ReconcileFacts {
        program: "usage 0.0.0".to_owned(),
        now: parse_instant("2025-10-15T12:00:00Z").unwrap(),
        account: Account::new(Provider::OpenAi, "org-test").unwrap(),
        database: "sqlite:usage.db".to_owned(),
        label: None,
        first_day: parse_day("2025-09-01").unwrap(),
        last_day: parse_day("2025-09-30").unwrap(),
        max_variance: usd("2"),
        never_read: Vec::new(),
        other_widths: Vec::new(),
        projects: None,
        out_of_scope: 0,
        invoice: None,
    }
}

/// A day that is in no sum.
pub(crate) fn without_day(used: &[Used], charged: &[CostLine], number: u32, why: LeftOut) -> Reconciliation {
    let catalogue = catalogue();
    let mut reconciler = Reconciler::new(catalogue.clone(), Provider::OpenAi);
    reconciler.leave_out(day(number), why);
    let mut lines = Day::new(day(1), true);
    for used in used {
        lines.add_usage(&used.priced_by(&catalogue)).unwrap();
    }
    for charge in charged {
        lines.add_cost(charge).unwrap();
    }
    reconciler.compare(lines).unwrap();
    reconciler.finish().unwrap()
}
