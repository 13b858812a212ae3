//! Whether the numbers of a page can be trusted: what the ledger was held against, and whether that is what the page shows.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use usage_core::{Decimal, Endpoint};
use usage_store::{AccountScope, StoredAccount, SummaryBy, SummaryQuery};

use super::facts::{BillFacts, Latest, Looked, ParityFacts};
use crate::dashboard::display::{Dollars, ago, days_text, grouped};
use crate::dashboard::pages::{Claim, Standing};
use crate::dashboard::query::DayRange;
use crate::dashboard::server::DashboardState;

/// How far apart in per cent a bill may be unless somebody allows more.
const USUAL_VARIANCE: i64 = 2;
/// How many surfaces are named that were not compared.
const NAMED: usize = 2;

/// What parity and reconciliation said last of these accounts, and whether that holds for these days.
pub(super) async fn claims(
    state: &DashboardState,
    accounts: &[StoredAccount],
    days: DayRange,
    now: DateTime<Utc>,
) -> Vec<Claim> {
    let (mut parities, mut bills) = (Vec::new(), Vec::new());
    let (operations, facts) = (&state.operations, &state.facts);
    for account in accounts {
        let mark = operations.parity_mark(account).await;
        let report = operations.latest_parity(account);
        parities.push((account.id, facts.parities.latest(account.id, mark, report).await));
        let mark = operations.reconciliation_mark(account).await;
        let report = operations.latest_reconciliation(account);
        bills.push(facts.bills.latest(account.id, mark, report).await);
    }
    let closed: Vec<NaiveDate> = days.each().take_while(|day| *day < now.date_naive()).collect();
    let used = used(state, accounts, &closed).await;
    let shown = Shown { closed, used };
    let mut claims = parity_claims(&parities, &shown, now);
    claims.extend(bill_claims(&bills, &shown));
    claims
}

/// What the page shows.
struct Shown {
    /// Its days that are over.
    closed: Vec<NaiveDate>,
    /// The surfaces of each account with usage in them; `None` if nobody knows.
    used: Option<BTreeMap<i64, BTreeSet<Endpoint>>>,
}

async fn used(
    state: &DashboardState,
    accounts: &[StoredAccount],
    closed: &[NaiveDate],
) -> Option<BTreeMap<i64, BTreeSet<Endpoint>>> {
    let mut used: BTreeMap<i64, BTreeSet<Endpoint>> = BTreeMap::new();
    let (Some(first), Some(last)) = (closed.first(), closed.last()) else {
        return Some(used);
    };
    let days = DayRange {
        first: *first,
        last: *last,
    };
    let scope = AccountScope::Only(accounts.iter().map(|account| account.id).collect());
    let query = SummaryQuery {
        filter: days.usage(&scope),
        by: vec![SummaryBy::Account, SummaryBy::Endpoint],
        period: None,
    };
    let rows = state.ledger.usage_summary(query).await;
    let rows = rows.inspect_err(|error| tracing::warn!("what has usage cannot be told: {error}"));
    for row in rows.ok()? {
        if let (Some(account), Some(endpoint)) = (row.account_id, row.endpoint) {
            used.entry(account).or_default().insert(endpoint);
        }
    }
    Some(used)
}

fn parity_claims(parities: &[(i64, Latest<ParityFacts>)], shown: &Shown, now: DateTime<Utc>) -> Vec<Claim> {
    let latest = parities.iter().map(|(_, latest)| latest);
    let of = Of::all(latest, "/parity", "parity");
    let known: Vec<(i64, &ParityFacts)> = parities
        .iter()
        .filter_map(|(id, latest)| match latest {
            Latest::Read(facts) => Some((*id, facts.as_ref())),
            _ => None,
        })
        .collect();
    let Some(oldest) = known.iter().map(|(_, facts)| facts.at).min() else {
        return of.claims(Standing::Unknown, "parity was never proved", &[]);
    };
    let standings: Vec<Standing> = known.iter().map(|(_, facts)| facts.standing()).collect();
    let all = |standing| standings.iter().all(|known| *known == standing);
    let reasons = parity_reasons(&known, shown);
    let standing = if standings.contains(&Standing::Bad) {
        Standing::Bad
    } else if all(Standing::Unknown) {
        Standing::Unknown
    } else if all(Standing::Good) && reasons.is_empty() {
        Standing::Good
    } else {
        Standing::Warn
    };
    let has_usage = known.iter().all(|(_, facts)| !facts.usage.is_empty());
    let has_costs = known.iter().all(|(_, facts)| facts.costs.is_some());
    let what = match (has_usage, has_costs) {
        (true, true) => "usage and cost ",
        (true, false) => "usage ",
        (false, true) => "cost ",
        (false, false) => "",
    };
    let proved = if all(Standing::Good) {
        "proved"
    } else {
        "looked at"
    };
    let looked = known.iter().flat_map(|(_, facts)| facts.looked());
    let range = range(looked.map(Looked::days));
    let differences = known.iter().map(|(_, facts)| facts.differences);
    let differences = differences.fold(0, u64::saturating_add);
    let noun = if differences == 1 {
        "difference"
    } else {
        "differences"
    };
    let text = format!(
        "{what}parity {proved} {}{range}, {} {noun}",
        ago(oldest, now),
        grouped(differences.into())
    );
    of.claims(standing, &text, &reasons)
}

/// Why what was compared says less than that everything shown is proved.
fn parity_reasons(known: &[(i64, &ParityFacts)], shown: &Shown) -> Vec<String> {
    let any = |is: &dyn Fn(&ParityFacts) -> bool| known.iter().any(|(_, facts)| is(facts));
    let is = |verdict: &'static str| any(&|facts| facts.verdict == verdict);
    let mut reasons = Vec::new();
    for (verdict, words) in [
        ("matchedCoarse", "equal in part only after summing"),
        ("notCovered", "some of the export was never read"),
        ("nothingCompared", "nothing could be compared"),
        ("noLedger", "the export was held against nothing"),
    ] {
        if is(verdict) {
            reasons.push(words.to_owned());
        }
    }
    if any(&|facts| facts.usage.is_empty()) {
        reasons.push("no usage was compared".to_owned());
    }
    reasons.extend(missing_days(shown, "compared", |day| {
        known
            .iter()
            .all(|(_, facts)| facts.looked().all(|looked| looked.has(day)))
    }));
    match &shown.used {
        None => reasons.push("which usage there is cannot be told".to_owned()),
        Some(used) => {
            let lacking: BTreeSet<&str> = known
                .iter()
                .filter(|(_, facts)| !facts.usage.is_empty())
                .flat_map(|(id, facts)| {
                    let used = used
                        .get(id)
                        .into_iter()
                        .flatten()
                        .map(|endpoint| endpoint.as_str());
                    used.filter(|endpoint| !facts.usage.contains_key(*endpoint))
                })
                .collect();
            reasons.extend(not_compared(&lacking));
        }
    }
    if any(&|facts| facts.has_projects) {
        reasons.push("of some projects only".to_owned());
    }
    if any(&|facts| facts.has_users) {
        reasons.push("of some users only".to_owned());
    }
    let tolerated = known.iter().map(|(_, facts)| facts.tolerated);
    match tolerated.fold(0, u64::saturating_add) {
        0 => {}
        1 => reasons.push("1 group is equal within a tolerance only".to_owned()),
        groups => reasons.push(format!(
            "{} groups are equal within a tolerance only",
            grouped(groups.into())
        )),
    }
    reasons
}

fn not_compared(surfaces: &BTreeSet<&str>) -> Option<String> {
    let names: Vec<&str> = surfaces.iter().take(NAMED).copied().collect();
    match surfaces.len() {
        0 => None,
        1 => Some(format!("{} was not compared", names.join(""))),
        count if count <= NAMED => Some(format!("{} were not compared", names.join(" and "))),
        count => Some(format!("{count} surfaces with usage were not compared")),
    }
}

/// How many of the days shown that are over are not part of it.
fn missing_days(shown: &Shown, what: &str, has: impl Fn(NaiveDate) -> bool) -> Option<String> {
    let all = shown.closed.len();
    if all == 0 {
        return Some("no day shown is over".to_owned());
    }
    match shown.closed.iter().filter(|day| !has(**day)).count() {
        0 => None,
        missing if missing == all => Some(format!("none of the days shown was {what}")),
        missing => Some(format!("{missing} of {all} closed days not {what}")),
    }
}

fn bill_claims(bills: &[Latest<BillFacts>], shown: &Shown) -> Vec<Claim> {
    let of = Of::all(bills.iter(), "/reconciliation", "reconciliation");
    let known: Vec<&BillFacts> = bills
        .iter()
        .filter_map(|latest| match latest {
            Latest::Read(facts) => Some(facts.as_ref()),
            _ => None,
        })
        .collect();
    if known.is_empty() {
        return of.claims(Standing::Unknown, "bill was never reconciled", &[]);
    }
    let range = range(known.iter().map(|facts| Some((facts.first, facts.last))));
    if !known.iter().all(|facts| facts.is_reconciled) {
        let complaints: Vec<&String> = known.iter().flat_map(|facts| &facts.complaints).collect();
        let why = match complaints.as_slice() {
            [] => String::new(),
            [only] => format!(": {only}"),
            [first, more @ ..] => format!(": {first}, and {} more", more.len()),
        };
        let range = format!("{range}{why}");
        return of.claims_of_range(Standing::Warn, "bill not reconciled", &range, &[]);
    }
    let apart: Decimal = known.iter().map(|facts| &facts.apart).sum();
    let text = format!(
        "bill reconciled to {}",
        Dollars::of_text(&apart.to_string()).short()
    );
    let reasons = bill_reasons(&known, shown);
    let standing = if reasons.is_empty() {
        Standing::Good
    } else {
        Standing::Warn
    };
    of.claims_of_range(standing, &text, &range, &reasons)
}

fn bill_reasons(known: &[&BillFacts], shown: &Shown) -> Vec<String> {
    let mut reasons = Vec::new();
    reasons.extend(missing_days(shown, "reconciled", |day| {
        known.iter().all(|facts| facts.has(day))
    }));
    let others = known.iter().flat_map(|facts| &facts.other_widths);
    reasons.extend(not_compared(&others.map(String::as_str).collect()));
    if known.iter().any(|facts| facts.has_projects) {
        reasons.push("of some projects only".to_owned());
    }
    let widest = known.iter().filter_map(|facts| facts.percent.as_ref()).max();
    if let Some(percent) = widest.filter(|percent| **percent > Decimal::from(USUAL_VARIANCE)) {
        reasons.push(format!("{percent}% were allowed to be apart"));
    }
    reasons
}

/// The days that all of them looked at, as they stand in a claim; nothing if there is none.
fn range(mut looked: impl Iterator<Item = Option<(NaiveDate, NaiveDate)>>) -> String {
    let common = looked.try_fold((NaiveDate::MIN, NaiveDate::MAX), |(first, last), days| {
        days.map(|days| (first.max(days.0), last.min(days.1)))
    });
    match common {
        Some((first, last)) if first <= last && first != NaiveDate::MIN => {
            format!(" for {}", days_text(first, last))
        }
        _ => String::new(),
    }
}

/// Of how many accounts a claim is.
struct Of {
    known: usize,
    unreadable: usize,
    all: usize,
    href: &'static str,
    kind: &'static str,
}

impl Of {
    fn all<'a, T: 'a>(
        latest: impl Iterator<Item = &'a Latest<T>>,
        href: &'static str,
        kind: &'static str,
    ) -> Self {
        let mut of = Self {
            known: 0,
            unreadable: 0,
            all: 0,
            href,
            kind,
        };
        for latest in latest {
            of.all += 1;
            match latest {
                Latest::Read(_) => of.known += 1,
                Latest::Unreadable => of.unreadable += 1,
                Latest::Missing => {}
            }
        }
        of
    }

    fn claims(&self, standing: Standing, text: &str, reasons: &[String]) -> Vec<Claim> {
        self.claims_of_range(standing, text, "", reasons)
    }

    /// The claim, unless all that there is cannot be read, and a claim of its own for what cannot. One that is of some of the
    /// accounts only says so, and is no better than a warning.
    fn claims_of_range(&self, standing: Standing, text: &str, range: &str, reasons: &[String]) -> Vec<Claim> {
        let claim = |standing, text| Claim {
            standing,
            text,
            href: self.href.to_owned(),
        };
        let mut claims = Vec::new();
        if self.known > 0 || self.unreadable == 0 {
            let is_of_some = (1..self.all).contains(&self.known);
            let standing = match standing {
                Standing::Good if is_of_some => Standing::Warn,
                standing => standing,
            };
            let mut text = format!("{text}{}{range}", self.limit(self.known));
            // What is wrong is wrong, whatever else was not looked at.
            if standing != Standing::Bad {
                for reason in reasons {
                    text = format!("{text}; {reason}");
                }
            }
            claims.push(claim(standing, text));
        }
        if self.unreadable > 0 {
            let limit = self.limit(self.unreadable);
            claims.push(claim(
                Standing::Bad,
                format!("the latest {} report cannot be read{limit}", self.kind),
            ));
        }
        claims
    }

    fn limit(&self, count: usize) -> String {
        if (1..self.all).contains(&count) {
            format!(" (of {count} of {} accounts)", self.all)
        } else {
            String::new()
        }
    }
}

#[cfg(test)]
mod tests;
