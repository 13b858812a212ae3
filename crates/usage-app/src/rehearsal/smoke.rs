//! The first authenticated calls: does every account have a key that the provider lets read?

use std::collections::BTreeMap;

use serde::Serialize;
use usage_core::{IssueCode, format_instant};
use usage_providers::Access;

use super::folder::{Folder, compact_stamp};
use super::record::{Rehearsal, Smoke, SmokeAccount};
use crate::error::AppError;
use crate::text::hide_secrets;
use crate::wiring::App;

/// Asks the provider what each key may do, and writes a line for each answer to `smoke-<time>.log`.
///
/// # Errors
///
/// The ledger cannot be used, there is no key, or the log cannot be written. What the provider answers is in the log.
pub(super) async fn call(app: &App, folder: &Folder, rehearsal: &Rehearsal) -> Result<Smoke, AppError> {
    let ledger = app.ledger().await?;
    let at = app.clock.now();
    let wanted = &rehearsal.place.accounts;
    let mut log = Vec::new();
    let mut accounts: BTreeMap<String, SmokeAccount> = BTreeMap::new();
    for key in ledger.keys().await? {
        let account = key.account.account.to_string();
        if !wanted.is_empty() && !wanted.contains(&account) {
            continue;
        }
        let answers = accounts.entry(account.clone()).or_insert_with(|| SmokeAccount {
            account: account.clone(),
            available: Vec::new(),
            unavailable: Vec::new(),
            unclear: Vec::new(),
            error: None,
        });
        let line = |endpoint: Option<String>, refusal: Option<String>| Line {
            at: format_instant(app.clock.now()),
            account: &account,
            key: key.id,
            endpoint,
            answer: if refusal.is_none() { "allowed" } else { "refused" },
            reason: refusal,
        };
        match check(app, &ledger, &key).await {
            Ok(report) => {
                for answer in report.endpoints {
                    let name = answer.endpoint.to_string();
                    if !rehearsal.place.endpoints.contains(&name) {
                        continue;
                    }
                    log.push(line(Some(name.clone()), refusal(&answer.access)).text());
                    answers.take_in(name, &answer.access);
                }
                log.push(line(Some("directory".to_owned()), refusal(&report.directory)).text());
            }
            Err(error) => {
                let error = hide_secrets(&error.to_string());
                log.push(line(None, Some(error.clone())).text());
                answers.error = Some(error);
            }
        }
    }
    if accounts.is_empty() {
        return Err(AppError::NoKey);
    }
    // One key that reads is enough for an account.
    for answers in accounts
        .values_mut()
        .filter(|answers| !answers.available.is_empty())
    {
        answers.error = None;
    }
    let file = format!("smoke-{}.log", compact_stamp(at));
    folder.write(&file, &log.concat())?;
    Ok(Smoke {
        file,
        at,
        accounts: accounts.into_values().collect(),
    })
}

async fn check(
    app: &App,
    ledger: &usage_store::Ledger,
    key: &usage_store::ProviderKey,
) -> Result<usage_providers::KeyReport, AppError> {
    let master = app.master_key(std::slice::from_ref(key))?;
    let secret = ledger.open_key(master, key.id).await?;
    let source = app.source(key.account.account.provider(), secret)?;
    Ok(source.check_key(&key.filter).await)
}

impl SmokeAccount {
    /// Takes in what one key was answered. One key that reads is enough; what one key was refused, another may be answered.
    fn take_in(&mut self, endpoint: String, access: &Access) {
        let known = [&self.available, &self.unclear, &self.unavailable];
        let before = known.iter().position(|names| names.contains(&endpoint));
        let now = match access {
            Access::Allowed => 0,
            Access::Refused(error) if is_for_good(error.issue.code) => 2,
            // An answer that failed says nothing of what the organisation has.
            Access::Refused(_) => 1,
        };
        if before.is_some_and(|before| before <= now) {
            return;
        }
        let mut lists = [&mut self.available, &mut self.unclear, &mut self.unavailable];
        for list in &mut lists {
            list.retain(|name| *name != endpoint);
        }
        lists[now].push(endpoint);
    }
}

/// Whether the organisation does not have the endpoint, or the key may not read it.
const fn is_for_good(code: IssueCode) -> bool {
    matches!(code, IssueCode::Forbidden | IssueCode::EndpointUnavailable)
}

/// Why an answer was a refusal, if it was one.
fn refusal(access: &Access) -> Option<String> {
    match access {
        Access::Allowed => None,
        Access::Refused(error) => Some(hide_secrets(&error.to_string())),
    }
}

/// One answer, as a line of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    at: String,
    account: &'a str,
    key: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Line<'_> {
    fn text(&self) -> String {
        // Nothing in it can fail to be JSON.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
