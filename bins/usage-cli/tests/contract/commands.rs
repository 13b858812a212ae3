//! `usage fixtures` with what people give it: what cannot be used is refused by name, what is wrong is found by name.

use std::fs;
use std::path::Path;

use crate::place::{DatabaseKind, Finished, Place, names_in};

const SALT: (&str, &str) = ("DAILY_USAGE_SANITIZE_SALT", "a salt of these tests");

/// One day of one caller; `broken` numbers can be put into it.
fn page(input: i64, cached: i64, uncached: i64) -> String {
    format!(
        r#"{{"object":"page","data":[{{"object":"bucket","start_time":1756684800,"end_time":1756771200,
"results":[{{"object":"organization.usage.completions.result","input_tokens":{input},"output_tokens":40,
"num_model_requests":2,"input_cached_tokens":{cached},"input_uncached_tokens":{uncached},"project_id":"proj_a1b2",
"api_key_id":"key_a1b2","user_id":"user-a1b2","model":"gpt-5-2025-08-07","batch":false,"service_tier":"default",
"api_source":"unlabeled"}}]}}],"has_more":false,"next_page":null}}"#
    )
}

/// A place with these files in its working folder.
fn place_with(files: &[(&str, &str)]) -> Place {
    let place = Place::new(DatabaseKind::Sqlite, "http://127.0.0.1:1/v1".to_owned());
    for (name, text) in files {
        let path = place.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    place
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn run(place: &Place, line: &str) -> Finished {
    place.run(&words(line), &[SALT])
}

#[test]
fn what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written() {
    let good = page(100, 60, 40);
    let second_bucket = good
        .replace("1756684800", "\"Monday\"")
        .replace("\"object\":\"bucket\",", "\n");
    let costs = good.replace(
        "organization.usage.completions.result",
        "organization.costs.result",
    );
    let place = place_with(&[
        ("good.json", &good),
        ("cut.json", &good[..300]),
        ("words.json", "{\n  this is no JSON"),
        ("list.json", "[\n 1, 2]"),
        ("no_page.json", "{\"data\":\n 7}"),
        ("bad_time.json", &second_bucket),
        ("costs.json", &costs),
        ("nothing.json", "[]"),
        ("empty/readme.md", ""),
        (
            "other.expected.json",
            r#"{"fixture": "cut.json", "expected": {}}"#,
        ),
        ("typing.expected.json", "{\"expected\": {\n\"eventCout\": 1}}"),
        ("unnamed.expected.json", r#"{"expected": {"eventCount": 1}}"#),
        ("two/a.json", &good),
        ("two/b.json", &good),
        (
            "random.json",
            "{\"a\": 1,\n\"object\": \"Zm9vYmFyYmF6cXV4Cg1notreal\"}",
        ),
    ]);
    let before = place.files();
    let not_a_page = "not a page of usage: a page has `data`, a list of buckets with `start_time`, `end_time` and `results`";
    let not_a_fixture = "not a fixture: a fixture is one page of usage or a list of pages";
    for (line, message) in [
        (
            "summarize missing.json",
            "missing.json: there is no such file or folder",
        ),
        ("summarize cut.json", "cut.json:4: the JSON ends too early"),
        ("summarize words.json", "words.json:2: not JSON (column 3)"),
        ("summarize list.json", &format!("list.json:2: {not_a_fixture}")),
        ("summarize no_page.json", &format!("no_page.json:2: {not_a_page}")),
        (
            "summarize bad_time.json",
            &format!("bad_time.json:2: {not_a_page}"),
        ),
        (
            "summarize costs.json",
            "costs.json:1: the page holds results of an endpoint that this version does not read",
        ),
        (
            "summarize nothing.json",
            "nothing.json:1: not a fixture: there is no page with a bucket in it",
        ),
        (
            "summarize empty",
            "empty: the folder has no fixture; a fixture is a .json file with pages of usage",
        ),
        (
            "summarize good.json --expected unnamed.expected.json --tolerance -1",
            "--tolerance: `-1` is not a tolerance; write a whole number, 0 or more; try 'usage fixtures summarize --help'",
        ),
        (
            "summarize good.json --expected unnamed.expected.json --tolerance 0.5",
            "--tolerance: `0.5` is not a tolerance; write a whole number, 0 or more; try 'usage fixtures summarize --help'",
        ),
        (
            "summarize good.json --tolerance 1",
            "the following required arguments were not provided: --expected <FILE>; try 'usage fixtures summarize --help'",
        ),
        (
            "summarize good.json --expected other.expected.json",
            "other.expected.json: the totals are about `cut.json`, not about good.json",
        ),
        (
            "summarize two --expected other.expected.json",
            "other.expected.json: the totals are about `cut.json`, not about two",
        ),
        (
            "summarize two --expected unnamed.expected.json",
            "unnamed.expected.json: the totals name no fixture and there are 2; add `fixture`, or name one fixture",
        ),
        (
            "summarize good.json --expected two",
            "two: there are no expected totals of good.json; name them good.json, or good.json.expected.json, or good.expected.json",
        ),
        (
            "summarize good.json --expected missing.json",
            "missing.json: there is no such file or folder",
        ),
        (
            "sanitize missing.json out.json",
            "missing.json: there is no such file or folder",
        ),
        (
            "sanitize words.json out.json",
            "words.json:2: not JSON (column 3)",
        ),
        (
            "sanitize empty out",
            "empty: the folder has no fixture; a fixture is a .json file with pages of usage",
        ),
        (
            "sanitize random.json out.json",
            "random.json:2: a text under `object` still looks like a credential, so nothing was written; remove it by hand first",
        ),
        (
            "sanitize good.json good.json",
            "good.json: the result would replace the original; name another place",
        ),
        (
            "sanitize two good.json",
            "good.json: not a folder; fixtures of a folder go into a folder",
        ),
        (
            "capture --start 2025-09-02 --end 2025-09-01 --output out",
            "the end 2025-09-01 lies before the start 2025-09-02; give the earlier day first",
        ),
        (
            "capture --start 2025-09-01 --end 2025-09-01 --output good.json",
            "good.json: not a folder; --output names the folder for the captured files",
        ),
    ] {
        let finished = run(&place, &format!("fixtures {line}"));
        assert_eq!(finished.stderr, format!("error: {message}\n"), "{line}");
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{line}");
        assert_eq!(place.files(), before, "{line}");
    }
    let typing = run(
        &place,
        "fixtures summarize good.json --expected typing.expected.json",
    )
    .ends_with(2);
    let line = "error: typing.expected.json:2: not a file of expected totals: unknown field `eventCout`, expected one of";
    assert!(
        typing.stderr.starts_with(line) && typing.stderr.lines().count() == 1,
        "{typing:?}"
    );
    let unsalted = place
        .run(&words("fixtures sanitize good.json out.json"), &[])
        .ends_with(2);
    assert!(
        unsalted
            .stderr
            .starts_with("error: DAILY_USAGE_SANITIZE_SALT is not set; ")
            && unsalted.stderr.lines().count() == 1,
        "{unsalted:?}"
    );
    assert_eq!(place.files(), before);
}

#[test]
fn what_does_not_hold_is_named_and_ends_with_1() {
    let repeated = page(100, 60, 40).replace(
        "}]}]",
        "}]},{\"start_time\":1756684800,\"end_time\":1756771200,\"results\":[]}]",
    );
    let place = place_with(&[
        ("good.json", &page(100, 60, 40)),
        ("broken.json", &page(100, 60, 50)),
        ("negative.json", &page(-1, 60, 40)),
        ("repeated.json", &repeated),
        (
            "endless.json",
            &page(100, 60, 40).replace("false,\"next_page\":null", "true,\"next_page\":\"page_2\""),
        ),
        (
            "totals/good.expected.json",
            r#"{"fixture": "../good.json", "expected": {"eventCount": 1, "windowCount": 1, "totalTokensIn": 98,
                "totalTokensCached": 60, "distinctUsers": 2, "models": ["gpt-5"]}}"#,
        ),
    ]);
    for (line, told) in [
        (
            "broken.json",
            &[
                "ERROR TOKEN_SPLIT_DRIFT: completions window 2025-09-01T00:00:00Z/1d, row 1: input_tokens is 100 but its parts sum to 110",
            ][..],
        ),
        (
            "negative.json",
            &["ERROR COUNT_INVALID: ", "row 1: input_tokens is negative"],
        ),
        (
            "repeated.json",
            &[
                "ERROR BUCKET_REPEATED: ",
                "2025-09-01T00:00:00Z/1d: the bucket came twice",
            ],
        ),
        (
            "endless.json",
            &[
                "no totals",
                "ERROR CURSOR_MISSING: ",
                "page 1 announces another, which is not there",
            ],
        ),
        (
            "good.json --expected totals",
            &[
                "MISMATCH totalTokensIn: expected 98, found 100 (totals/good.expected.json)",
                "MISMATCH distinctUsers: expected 2, found 1",
                "MISMATCH models: expected gpt-5, found gpt-5-2025-08-07",
            ],
        ),
        (
            "good.json --expected totals/good.expected.json --tolerance 1",
            &[
                "MISMATCH totalTokensIn: expected 98, found 100",
                "MISMATCH models",
            ],
        ),
    ] {
        let finished = run(&place, &format!("fixtures summarize {line}")).ends_with(1);
        for text in told {
            assert!(finished.stdout.contains(text), "{line}: {text}: {finished:#?}");
        }
        assert_eq!(finished.stderr, "", "{line}");
    }
    let mismatches = run(
        &place,
        "fixtures summarize good.json --expected totals --tolerance 2",
    )
    .ends_with(1);
    assert_eq!(
        mismatches.stdout.matches("MISMATCH").count(),
        1,
        "only the models: {mismatches:#?}"
    );
}

#[test]
fn a_salt_makes_pseudonyms_repeatable_and_without_one_they_are_not() {
    let place = place_with(&[
        ("raw/a.json", &page(100, 60, 40)),
        ("raw/b.json", &page(7, 3, 4)),
        ("raw/log.md", ""),
    ]);
    run(&place, "fixtures sanitize raw first").ends_with(0);
    run(&place, "fixtures sanitize raw/a.json second.json").ends_with(0);
    for random in ["third", "fourth"] {
        let line = format!("fixtures sanitize raw {random} --random-salt");
        let told = place.run(&words(&line), &[]).ends_with(0).stdout;
        assert!(
            told.contains("random salt: no other run gives these pseudonyms"),
            "{told}"
        );
    }
    let read = |name: &str| fs::read_to_string(place.work().join(name)).unwrap();
    let user = |name: &str| {
        let text = read(name);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["data"][0]["results"][0]["user_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(names_in(&place.work().join("first")), ["a.json", "b.json"]);
    assert_eq!(read("first/a.json"), read("second.json"));
    assert_eq!(user("first/a.json"), user("first/b.json"));
    assert_eq!(user("third/a.json"), user("third/b.json"));
    let different: std::collections::BTreeSet<String> =
        ["raw/a.json", "first/a.json", "third/a.json", "fourth/a.json"]
            .into_iter()
            .map(user)
            .collect();
    assert_eq!(different.len(), 4, "{different:?}");

    let totals = |name: &str| {
        let mut report = run(&place, &format!("fixtures summarize {name} --format json"))
            .ends_with(0)
            .json();
        let mut summary = report["fixtures"][0]["summary"].take();
        summary["fixture"] = serde_json::Value::Null;
        summary
    };
    assert_eq!(totals("raw/a.json"), totals("first/a.json"));
}

#[test]
fn the_template_of_expected_totals_has_every_field_and_nothing_else() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../audit/golden-fixtures/expected-totals-template.json");
    let template = fs::read_to_string(template).unwrap();
    let place = place_with(&[
        ("good.json", &page(100, 60, 40)),
        ("good.expected.json", &template),
    ]);
    let finished = run(
        &place,
        "fixtures summarize good.json --expected good.expected.json",
    );
    assert!(
        finished.stderr.contains("the totals are about `../daily-usage/"),
        "{finished:?}"
    );
    let fields: serde_json::Value = serde_json::from_str(&template).unwrap();
    assert_eq!(fields["expected"].as_object().unwrap().len(), 14);
}
