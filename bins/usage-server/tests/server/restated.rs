//! What the provider changed after it had been read stands beside what it said at first.

use crate::visitor::Visitor;
use crate::world::World;

/// How many changes a page has.
const ROWS: i64 = 50;

#[test]
fn what_changed_is_told_with_what_it_was_and_became() {
    let world = World::with_usage();
    let served = world.serve();
    let visitor = Visitor::signed_in(served.address, served.token.as_deref().unwrap());
    let before = visitor.get("/restatements").is(200);
    assert!(before.body.contains("Nothing was restated"), "{before:#?}");
    world.restate();
    let changed = world.sum("SELECT count(*) FROM usage_revisions WHERE kind = 'changed'");
    assert!(changed > ROWS, "{changed}");
    let page = visitor.get("/restatements").is(200);
    let told = page.between("In this range</span> <b>", "</b>");
    assert_eq!(told.parse(), Ok(changed));
    assert_eq!(rows(&page.body), ROWS);
    // From page to page there is each of them, and no more.
    let mut seen = ROWS;
    let mut last = page.body.clone();
    while let Some((_, rest)) = last.split_once("href=\"/restatements?after=") {
        let (after, _) = rest.split_once('"').unwrap();
        last = visitor.get(&format!("/restatements?after={after}")).is(200).body;
        seen += rows(&last);
        assert!(seen <= changed, "{seen} of {changed}");
    }
    assert_eq!(seen, changed);
    // Old and new values of a row stand beside one another, and are those of the ledger.
    let change = page.between("<span class=\"muted\">input tokens</span> ", "</span></td>");
    let numbers: Vec<i64> = change
        .replace(',', "")
        .split(|other: char| !other.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let [was, became, difference, ..] = numbers[..] else {
        panic!("{change}");
    };
    assert_eq!(became - was, difference, "{change}");
    let rows_of_it = world.sum(&format!(
        "SELECT count(*) FROM usage_revisions AS old JOIN usage_events AS new USING (window_start, dedupe_key)
         WHERE old.input_tokens = {was} AND new.input_tokens = {became}"
    ));
    assert!(rows_of_it > 0, "{change}");
    assert!(page.body.contains("<a href=\"/runs/3\">3</a>"), "{page:#?}");
    // The bill was restated with the usage: the latest of its changes stand there, too.
    let charges = world.sum("SELECT count(*) FROM cost_revisions");
    let told = page.between("<h2 id=\"charges\">", "</section>");
    assert_eq!(rows(told), charges.min(ROWS), "{told}");
    let more = (charges > ROWS).then(|| format!("and {} before these", charges - ROWS));
    assert!(more.is_none_or(|more| told.contains(&more)), "{told}");
    let none = visitor.get("/restatements?kind=retracted").is(200);
    assert_eq!(rows(&none.body), 0);
    visitor.get("/restatements?kind=weather").is(400);
    served.ends();
}

/// The rows of the first list.
fn rows(page: &str) -> i64 {
    let list = page.split("</section>").next().unwrap();
    i64::try_from(list.matches("<tr><th scope=\"row\"").count()).unwrap()
}
