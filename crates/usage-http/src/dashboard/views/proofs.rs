//! Reports of parity and reconciliation, read for pages.

use axum::extract::State;
use axum::response::Response;
use serde_json::Value;
use usage_store::StoredAccount;

use super::report;
use crate::dashboard::chrome::Section;
use crate::dashboard::pages::{Link, Parity, Reconciliation};
use crate::dashboard::query::Query;
use crate::dashboard::server::DashboardState;
use crate::dashboard::visitor::{Failed, Visitor, page};

pub(crate) async fn parity(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = make_parity(&state, &visitor).await.map(|made| page(&made));
    visitor.answer(made)
}

async fn make_parity(state: &DashboardState, visitor: &Visitor) -> Result<Parity, Failed> {
    let chosen = Chosen::by(state, visitor, Proof::Parity).await?;
    let now = state.clock.now();
    Ok(Parity {
        chrome: visitor.chrome("Parity", Section::Parity),
        latest: chosen
            .report
            .as_ref()
            .map(|report| report::parity(report, chosen.account.as_ref(), now)),
        is_unreadable: chosen.is_unreadable,
        accounts: chosen.links,
    })
}

pub(crate) async fn reconciliation(State(state): State<DashboardState>, visitor: Visitor) -> Response {
    let made = make_reconciliation(&state, &visitor)
        .await
        .map(|made| page(&made));
    visitor.answer(made)
}

async fn make_reconciliation(state: &DashboardState, visitor: &Visitor) -> Result<Reconciliation, Failed> {
    let chosen = Chosen::by(state, visitor, Proof::Reconciliation).await?;
    let now = state.clock.now();
    Ok(Reconciliation {
        chrome: visitor.chrome("Reconciliation", Section::Reconciliation),
        latest: chosen
            .report
            .as_ref()
            .map(|report| report::reconciliation(report, chosen.account.as_ref(), now)),
        is_unreadable: chosen.is_unreadable,
        accounts: chosen.links,
    })
}

/// What the ledger is held against.
#[derive(Clone, Copy)]
enum Proof {
    Parity,
    Reconciliation,
}

impl Proof {
    const fn path(self) -> &'static str {
        match self {
            Self::Parity => "/parity",
            Self::Reconciliation => "/reconciliation",
        }
    }

    /// The latest report; an error, of which the log knows why, if it cannot be read.
    async fn latest(self, state: &DashboardState, account: &StoredAccount) -> Result<Option<Value>, ()> {
        let found = match self {
            Self::Parity => state.operations.latest_parity(account).await,
            Self::Reconciliation => state.operations.latest_reconciliation(account).await,
        };
        let read = found.map_err(|failed| failed.to_string()).and_then(|text| {
            text.map(|text| serde_json::from_str(&text))
                .transpose()
                .map_err(|error| error.to_string())
        });
        read.map_err(|why| tracing::warn!("the latest report cannot be read: {why}"))
    }
}

/// The account that a page is about, its latest report, and the way to the other accounts.
struct Chosen {
    account: Option<StoredAccount>,
    report: Option<Value>,
    /// Whether there is a report that cannot be read.
    is_unreadable: bool,
    links: Vec<Link>,
}

impl Chosen {
    /// The account that is asked for; else the first that has a report, since a page that shows none looks as if there was
    /// none.
    async fn by(state: &DashboardState, visitor: &Visitor, proof: Proof) -> Result<Self, Failed> {
        visitor.query.only(&["account"]).map_err(Failed::BadRequest)?;
        let accounts = state.ledger.accounts(visitor.scope()?.clone()).await?;
        let mut chosen = None;
        let mut report = Ok(None);
        if let Some(text) = visitor.query.get("account") {
            let id: i64 = text.parse().map_err(|_| Failed::NotFound)?;
            let account = accounts.iter().find(|account| account.id == id);
            let account = account.ok_or(Failed::NotFound)?;
            report = proof.latest(state, account).await;
            chosen = Some(account);
        } else {
            for account in &accounts {
                report = proof.latest(state, account).await;
                chosen = Some(account);
                if !matches!(report, Ok(None)) {
                    break;
                }
            }
            if matches!(report, Ok(None)) {
                chosen = accounts.first();
            }
        }
        let current = chosen.map(|account| account.id);
        let links = accounts.iter().map(|account| Link {
            label: account.account.to_string(),
            href: Query::default()
                .with("account", &account.id.to_string())
                .href(proof.path()),
            is_current: Some(account.id) == current,
        });
        Ok(Self {
            account: chosen.cloned(),
            is_unreadable: report.is_err(),
            report: report.unwrap_or_default(),
            links: links.collect(),
        })
    }
}
