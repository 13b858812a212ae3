//! The pages, with numbers that nobody used.

mod access;
mod proofs;
mod usage;

use access::{failure, key_page, keys, sign_in, token_made, token_revoke, tokens};
use proofs::{parity, parity_of_costs, reconciliation, run_page, runs, unreadable_parity};
use usage::{budgets, explore, explore_sums, overview, restatements};
use usage_core::{NanoUsd, parse_day, parse_instant};

use crate::dashboard::chrome::{Chrome, Section, Theme, Who};
use crate::dashboard::display::{At, Day};
use crate::dashboard::pages::{Choice, KeyAction, Link, RangeChoice};

/// Every page, by a name of its own.
pub(super) fn gallery() -> Vec<(&'static str, String)> {
    let html = |page: &dyn askama::DynTemplate| page.dyn_render().unwrap();
    let pages = vec![
        ("overview", html(&overview(false))),
        ("overview-empty", html(&overview(true))),
        ("explore", html(&explore(3, None))),
        ("explore-sums", html(&explore_sums())),
        ("explore-nothing", html(&explore(0, None))),
        (
            "explore-refused",
            html(&explore(0, Some("`limit=abc` is no number from 1 to 1000."))),
        ),
        ("restatements", html(&restatements(true))),
        ("restatements-none", html(&restatements(false))),
        ("runs", html(&runs(Section::Runs, true))),
        ("runs-reader", html(&runs(Section::Runs, false))),
        ("run", html(&run_page())),
        ("parity", html(&parity(true))),
        ("parity-none", html(&parity(false))),
        ("parity-costs", html(&parity_of_costs())),
        ("parity-unreadable", html(&unreadable_parity())),
        ("reconciliation", html(&reconciliation(true))),
        ("reconciliation-none", html(&reconciliation(false))),
        ("budgets", html(&budgets(true))),
        ("budgets-none", html(&budgets(false))),
        ("keys", html(&keys(true))),
        ("keys-reader", html(&keys(false))),
        ("key-rotate", html(&key_page(KeyAction::Rotate))),
        ("key-remove", html(&key_page(KeyAction::Remove))),
        ("tokens", html(&tokens())),
        ("token-made", html(&token_made())),
        ("token-revoke", html(&token_revoke())),
        ("sign-in", html(&sign_in())),
        ("failure", html(&failure())),
    ];
    pages
}

fn chrome(title: &str, section: Section, is_admin: bool) -> Chrome {
    Chrome {
        title: title.to_owned(),
        section,
        who: Some(Who {
            name: "finance laptop".to_owned(),
            role: if is_admin { "admin" } else { "reader" },
            may_operate: is_admin,
            may_administer: is_admin,
        }),
        theme: Theme::System,
        csrf: "csrf-of-the-session".to_owned(),
        here: section.path().to_owned(),
        notice: None,
    }
}

fn at(text: &str) -> At {
    At(Some(parse_instant(text).unwrap()))
}

fn usd(text: &str) -> NanoUsd {
    text.parse().unwrap()
}

fn link(label: &str, href: &str, is_current: bool) -> Link {
    Link {
        label: label.to_owned(),
        href: href.to_owned(),
        is_current,
    }
}

fn choice(value: &str, label: &str, is_chosen: bool) -> Choice {
    Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen,
    }
}

fn range() -> RangeChoice {
    RangeChoice {
        first: Day(parse_day("2025-09-01").unwrap()),
        last: Day(parse_day("2025-10-01").unwrap()),
        presets: vec![
            link("7 days", "?from=2025-09-25&to=2025-10-01", false),
            link("31 days", "?from=2025-09-01&to=2025-10-01", true),
            link("90 days", "?from=2025-07-04&to=2025-10-01", false),
            link("This month", "?from=2025-10-01&to=2025-10-01", false),
        ],
        kept: vec![("by".to_owned(), "projectId".to_owned())],
    }
}
