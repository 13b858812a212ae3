//! Whose usage a run is about: the table has no column for it, but what a run records names its accounts.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use crate::accounts::{self, AccountScope};
use crate::connection::AnyConnection;
use crate::error::StoreError;

/// Which runs a scope may see: those that name accounts, all of which are in it. A run that names none may be about any, so
/// only who sees every account sees it.
pub(crate) enum Seen {
    /// Every run.
    All,
    /// Runs of these accounts, as `provider/organization`.
    Of(BTreeSet<String>),
}

impl Seen {
    pub(crate) fn load(connection: &mut AnyConnection, scope: &AccountScope) -> Result<Self, StoreError> {
        if *scope == AccountScope::All {
            return Ok(Self::All);
        }
        let accounts = accounts::load(connection, scope)?;
        let names = accounts.iter().map(|stored| stored.account.to_string());
        Ok(Self::Of(names.collect()))
    }

    pub(crate) const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether a run with this plan and this telemetry may be seen.
    pub(crate) fn has(&self, plan: &str, telemetry: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(accounts) => named(plan, telemetry).is_some_and(|named| {
                !named.is_empty() && named.iter().all(|name| accounts.contains(&**name))
            }),
        }
    }
}

/// What a plan says about accounts: an import has one, what reads from a provider has one for each chunk.
#[derive(Deserialize)]
struct Plan<'a> {
    #[serde(borrow)]
    account: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    chunks: Vec<Chunk<'a>>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    account: Cow<'a, str>,
}

/// What telemetry says about accounts: a run of a pass is of one.
#[derive(Deserialize)]
struct Telemetry<'a> {
    #[serde(borrow)]
    pass: Option<Chunk<'a>>,
}

/// The accounts that a run names; `None` if what it recorded cannot be understood.
fn named<'a>(plan: &'a str, telemetry: &'a str) -> Option<BTreeSet<Cow<'a, str>>> {
    let plan: Plan<'_> = serde_json::from_str(plan).ok()?;
    let telemetry: Telemetry<'_> = serde_json::from_str(telemetry).ok()?;
    let chunks = plan.chunks.into_iter().chain(telemetry.pass);
    Some(chunks.map(|chunk| chunk.account).chain(plan.account).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_seen_if_every_account_that_it_names_is() {
        let seen = Seen::Of(["openai/a".to_owned(), "openai/b\"ü".to_owned()].into());
        let chunk = |account: &str| format!(r#"{{"account":"{account}","windows":3}}"#);
        let chunks = |accounts: &[&str]| {
            let chunks: Vec<String> = accounts.iter().map(|account| chunk(account)).collect();
            format!(r#"{{"windows":7,"chunks":[{}]}}"#, chunks.join(","))
        };
        let pass = |account: &str| format!(r#"{{"storedEvents":1,"pass":{}}}"#, chunk(account));
        for (plan, telemetry, is_seen) in [
            (chunks(&["openai/a"]), "{}".to_owned(), true),
            (
                chunks(&["openai/a", r#"openai/b\"\u00fc"#]),
                "{}".to_owned(),
                true,
            ),
            (chunks(&["openai/a", "openai/c"]), "{}".to_owned(), false),
            (chunks(&["openai/c"]), "{}".to_owned(), false),
            (chunks(&[]), pass("openai/a"), true),
            (chunks(&["openai/a"]), pass("openai/c"), false),
            (chunk("openai/a"), "{}".to_owned(), true),
            (chunk("openai/c"), "{}".to_owned(), false),
            // What names nobody may be about anybody.
            (chunks(&[]), "{}".to_owned(), false),
            ("{}".to_owned(), "{}".to_owned(), false),
            (
                r#"{"chunks":[{"windows":3}]}"#.to_owned(),
                pass("openai/a"),
                false,
            ),
            (r#"{"account":7}"#.to_owned(), pass("openai/a"), false),
            ("not JSON".to_owned(), pass("openai/a"), false),
            (chunks(&["openai/a"]), "not JSON".to_owned(), false),
        ] {
            assert_eq!(seen.has(&plan, &telemetry), is_seen, "{plan} {telemetry}");
            assert!(
                !Seen::Of(BTreeSet::new()).has(&plan, &telemetry),
                "{plan} {telemetry}"
            );
            assert!(Seen::All.has(&plan, &telemetry));
        }
    }
}
