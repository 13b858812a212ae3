//! Whether the numbers of a page can be trusted: what the ledger was held against.

use chrono::{DateTime, Utc};
use usage_core::NanoUsd;
use usage_store::StoredAccount;

use super::proofs::{self, ParityFacts, ReconciliationFacts};
use crate::dashboard::display::{Dollars, ago, grouped};
use crate::dashboard::pages::{Claim, Standing};
use crate::dashboard::server::DashboardState;

/// What parity and reconciliation said last of these accounts.
pub(super) async fn claims(
    state: &DashboardState,
    accounts: &[StoredAccount],
    now: DateTime<Utc>,
) -> Vec<Claim> {
    let parities = proofs::parities(state, accounts).await;
    let bills = proofs::reconciliations(state, accounts).await;
    vec![parity_claim(&parities, now), bill_claim(&bills)]
}

fn parity_claim(parities: &[Option<ParityFacts>], now: DateTime<Utc>) -> Claim {
    let known: Vec<&ParityFacts> = parities.iter().flatten().collect();
    let (standing, text) = match known.iter().map(|facts| facts.at).min() {
        None => (Standing::Unknown, "parity was never proved".to_owned()),
        Some(oldest) => {
            let differences: u64 = known.iter().map(|facts| facts.differences).sum();
            let noun = if differences == 1 {
                "difference"
            } else {
                "differences"
            };
            let (standing, proved) = if known.iter().all(|facts| facts.is_clean) {
                (Standing::Good, "proved")
            } else {
                (Standing::Bad, "looked at")
            };
            let differences = grouped(differences.into());
            (
                standing,
                format!("parity {proved} {}, {differences} {noun}", ago(oldest, now)),
            )
        }
    };
    limited(standing, text, known.len(), parities.len(), "/parity")
}

fn bill_claim(bills: &[Option<ReconciliationFacts>]) -> Claim {
    let known: Vec<&ReconciliationFacts> = bills.iter().flatten().collect();
    let apart = known.iter().fold(NanoUsd::ZERO, |sum, facts| {
        sum.checked_add(facts.apart).unwrap_or(NanoUsd::new(i64::MAX))
    });
    let apart = Dollars::of(apart);
    let (standing, text) = if known.is_empty() {
        (Standing::Unknown, "bill was never reconciled".to_owned())
    } else if known.iter().all(|facts| facts.is_reconciled) {
        (Standing::Good, format!("bill reconciled to {}", apart.short()))
    } else {
        (
            Standing::Warn,
            format!("bill and prices are {} apart", apart.short()),
        )
    };
    limited(standing, text, known.len(), bills.len(), "/reconciliation")
}

/// A claim that says so if it is one of some of the accounts only, and is no better than a warning then.
pub(super) fn limited(standing: Standing, mut text: String, known: usize, all: usize, href: &str) -> Claim {
    let mut standing = standing;
    if (1..all).contains(&known) {
        text = format!("{text} (of {known} of {all} accounts)");
        if standing == Standing::Good {
            standing = Standing::Warn;
        }
    }
    Claim {
        standing,
        text,
        href: href.to_owned(),
    }
}
