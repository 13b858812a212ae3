//! `docs/FAULTS.md`, which is the table for people.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use usage_core::{IssueCode, Severity};

use super::table::{Keeps, Outcome, Row, TABLE};

const INTRODUCTION: &str = "\
# Faults

What a provider, or the way to it, can do wrong, and what `usage backfill` makes of it. Every line of the table is a test \
that runs the real binary against a provider with that fault; this page is written from the same table.

What always holds:

* **A window is right or it is as it was.** What cannot be known to be complete fails its window or, where the fault is \
not one window's, all windows of that request (a chunk, see `--chunk-days`). The ledger keeps what it had of them, and the \
other windows get the new numbers.
* **The exit status tells.** 0: everything asked for is stored; warnings and notices are counted. 1: some of it is not. 2: \
none of it is. Each issue is one line on standard error with its code; `--format json` and `usage status` have them too.
* **The next clean run completes it.** Run the same command again. Windows that failed have no new coverage, so they are \
read again; settled windows that were read before need `--force`.
* **Waiting is limited.** A request that may succeed later is sent up to 6 times, with waits of 0.5 to 8 seconds in \
between, or as long as the provider asks for, up to 10 minutes. `USAGE_REQUEST_TIMEOUT` limits one attempt.

\"Once\" is a fault that happens to one request, \"lasting\" one that happens to every request from some moment on; windows \
that were stored before it stay stored. Where a fault lasts from the first request on, exit status 1 becomes 2.

";

#[test]
fn the_page_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FAULTS.md");
    let page = page();
    if update() {
        fs::write(&path, &page).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == page,
        "docs/FAULTS.md is not what the table says; write it with UPDATE_DOCS=1 cargo test -p usage-cli --test fire page"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests asks for the page to be written"
)]
fn update() -> bool {
    std::env::var("UPDATE_DOCS").is_ok()
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str(
        "| fault | what happens | how long | issue | severity | exit | the ledger then has | the next clean run |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in TABLE {
        if row.once == row.lasting {
            line(&mut page, row, "once or lasting", row.once);
        } else {
            line(&mut page, row, "once", row.once);
            line(&mut page, row, "lasting", row.lasting);
        }
    }
    page
}

fn line(page: &mut String, row: &Row, how_long: &str, outcome: Outcome) {
    let Row { fault, what, .. } = row;
    let Outcome { exit, issues, keeps } = outcome;
    let listed = |text: fn(&(IssueCode, Severity)) -> String| {
        let texts: Vec<String> = issues.iter().map(text).collect();
        if texts.is_empty() {
            "none".to_owned()
        } else {
            texts.join(", ")
        }
    };
    let codes = listed(|(code, _)| format!("`{code}`"));
    let severities = listed(|(_, severity)| name(*severity));
    let (holds, next) = match keeps {
        Keeps::Nothing => ("the new numbers", "changes nothing"),
        Keeps::NothingButADimension => (
            "the new numbers, without that dimension",
            "brings the dimension back",
        ),
        Keeps::Window => ("that window as it was, the others new", "completes it"),
        Keeps::Chunk => (
            "the windows of that request as they were, the others new",
            "completes it",
        ),
    };
    writeln!(
        page,
        "| `{fault}` | {what} | {how_long} | {codes} | {severities} | {exit} | {holds} | {next} |"
    )
    .unwrap();
}

/// The name of a severity, as programs see it.
pub(super) fn name(severity: Severity) -> String {
    let name = serde_json::to_value(severity).unwrap();
    name.as_str().unwrap().to_owned()
}
