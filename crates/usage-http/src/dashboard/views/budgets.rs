//! How budgets stand.

use axum::extract::State;
use axum::response::Response;

use crate::dashboard::chrome::Section;
use crate::dashboard::display::{Dollars, Percent, day_text};
use crate::dashboard::operations::BudgetState;
use crate::dashboard::pages::{Badge, BudgetRow, Budgets, Standing};
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page};

pub(crate) async fn budgets(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = make(&state, &visitor).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn make(state: &DashboardState, visitor: &Visitor) -> Result<Budgets, Failed> {
    let budgets = state.operations.budgets(visitor.scope()?).await?;
    Ok(Budgets {
        chrome: visitor.chrome("Budgets", Section::Budgets),
        rows: budgets.iter().map(row).collect(),
    })
}

fn row(budget: &BudgetState) -> BudgetRow {
    let of = match (&budget.account, &budget.project_id) {
        (None, None) => "every account".to_owned(),
        (Some(account), None) => account.to_string(),
        (None, Some(project)) => format!("project {project}"),
        (Some(account), Some(project)) => format!("{account}, project {project}"),
    };
    let mut unknown = Vec::new();
    for (count, what) in [
        (
            budget.unpriced_events,
            ["event without a price", "events without a price"],
        ),
        (budget.unread_days, ["day not read", "days not read"]),
    ] {
        if count > 0 {
            unknown.push(format!("{count} {}", what[usize::from(count > 1)]));
        }
    }
    let days = if budget.first_day == budget.last_day {
        day_text(budget.first_day)
    } else {
        format!("{} – {}", day_text(budget.first_day), day_text(budget.last_day))
    };
    BudgetRow {
        name: budget.name.clone(),
        state: match (budget.is_passed, budget.is_warned) {
            (true, _) => Badge::new(Standing::Bad, "passed"),
            (false, true) => Badge::new(Standing::Warn, "nearly spent"),
            (false, false) if !unknown.is_empty() => Badge::new(Standing::Unknown, "not known"),
            (false, false) => Badge::new(Standing::Good, "ok"),
        },
        of,
        period: format!("{}, {days}", budget.period),
        spent: Dollars::of(budget.spent),
        at_least: unknown.join(", "),
        amount: Dollars::of(budget.amount),
        share: Percent::of(budget.spent.get().into(), budget.amount.get().into()),
        warn_at: budget.warn_at_percent,
    }
}
