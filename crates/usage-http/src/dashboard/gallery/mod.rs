//! Every page with made-up numbers: what holds for each of them, whatever it shows.

mod made_up;

use made_up::gallery;

#[test]
fn no_page_has_a_script_or_a_style_of_its_own() {
    for (name, html) in gallery() {
        assert!(!html.contains(" style=") && !html.contains("<style"), "{name}");
        assert!(!html.contains("javascript:"), "{name}");
        for (at, _) in html.match_indices("<script") {
            assert!(html[at..].starts_with("<script src=\"/assets/"), "{name}");
        }
        for tag in tags(&html) {
            let handler = tag
                .split_whitespace()
                .skip(1)
                .find(|part| part.starts_with("on") && part.contains('='));
            assert_eq!(handler, None, "{name}: {tag}");
        }
    }
}

#[test]
fn what_comes_from_outside_is_nowhere_markup() {
    for (name, html) in gallery() {
        assert!(!html.contains("<b>Search"), "{name}");
    }
    assert!(gallery().iter().any(|(_, html)| html.contains("&lt;b&gt;Search")));
}

#[test]
fn tables_have_captions_headings_know_their_direction_and_ids_are_given_once() {
    for (name, html) in gallery() {
        let count = |what: &str| html.matches(what).count();
        assert_eq!(count("<table"), count("<caption"), "{name}");
        for tag in tags(&html) {
            if tag.starts_with("th ") || tag == "th" {
                assert!(tag.contains("scope="), "{name}: {tag}");
            }
        }
        assert_eq!(count("<h1"), 1, "{name}");
        assert_eq!(
            (count("<main"), count("· usage</title>")),
            (1, 1),
            "{name}: landmarks"
        );
        let mut ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        ids.sort_unstable();
        let before = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), before, "{name}: {ids:?}");
    }
}

#[test]
fn what_is_opened_is_closed() {
    for (name, html) in gallery() {
        let mut open: Vec<&str> = Vec::new();
        for tag in tags(&html) {
            let word = tag.split([' ', '\n']).next().unwrap_or_default();
            let is_void = matches!(
                word,
                "!doctype" | "meta" | "link" | "input" | "rect" | "line" | "path"
            );
            if let Some(closed) = word.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{name}");
            } else if !is_void || (word == "rect" && !tag.ends_with('/')) {
                open.push(word);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    }
}

#[test]
fn every_form_that_changes_something_proves_where_it_comes_from() {
    for (name, html) in gallery() {
        for (at, _) in html.match_indices("method=\"post\"") {
            let form = html[at..].split("</form>").next().unwrap_or_default();
            assert!(
                form.contains("name=\"csrf\" value=\"csrf-of-the-session\""),
                "{name}: {form}"
            );
        }
    }
}

#[test]
fn what_one_may_not_do_is_not_offered() {
    let pages = gallery();
    let html = |wanted: &str| &pages.iter().find(|(name, _)| *name == wanted).unwrap().1;
    assert!(html("keys").contains("/keys/1/remove") && html("runs").contains("action=\"/runs\""));
    assert!(!html("keys-reader").contains("/keys/1/remove"));
    assert!(!html("keys-reader").contains("name=\"secret\""));
    assert!(!html("runs-reader").contains("action=\"/runs\""));
}

/// What stands between `<` and `>`.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| rest.split('>').next())
}
