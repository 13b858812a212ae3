//! A read of the provider has the last word on what was imported.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::old_database::OldDatabase;
use super::{cleanup, import, sums};
use crate::fixture::{DatabaseKind, Place, Provider};

/// The real month as the old system had it: no service tier, and in each of the 16 windows with usage the total of the day
/// from before the grouping beside the detailed rows.
fn old_month(events: &str) -> OldDatabase {
    let mut rows: BTreeMap<[String; 6], (i64, i64)> = BTreeMap::new();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| event[name].as_i64().unwrap();
        let window = [
            text("windowStart"),
            text("windowEnd"),
            text("model").replace('.', "-"),
        ];
        let [start, end, model] = window;
        let owners = [text("projectId"), text("apiKeyId"), text("userId")];
        for [project, key, user] in [owners, Default::default()] {
            let place = [start.clone(), end.clone(), model.clone(), project, key, user];
            let sums = rows.entry(place).or_default();
            sums.0 += number("inputTokens");
            sums.1 += number("outputTokens");
        }
    }
    let old = OldDatabase::new();
    let values: Vec<String> = rows
        .iter()
        .map(|([start, end, model, project, key, user], (input, output))| {
            format!(
                "(1, '{model}', {input}, {output}, '{start}', '{start}', '{end}', '{project}', '{key}', '{user}', NULL)"
            )
        })
        .collect();
    old.add(&values.iter().map(String::as_str).collect::<Vec<_>>());
    old
}

const MONTH: (i64, i64) = (173_264_675, 2_630_441);

pub(crate) fn a_read_replaces_what_was_imported(kind: DatabaseKind) {
    let provider = Provider::of_the_real_month();
    let truth = Place::with_key(kind, &provider);
    truth.backfill_month(&[]).succeeds();
    let old = old_month(&truth.events());

    for cleaned_first in [false, true] {
        let place = Place::with_key(kind, &provider);
        let report = import(&place, &old, &["--format", "json"]).succeeds().json();
        assert_eq!(
            report["kinds"]["blank"]["rows"], 16,
            "the incident of the old system"
        );
        assert_eq!(report["kinds"]["blank"]["inputTokens"], MONTH.0);
        assert_eq!(report["kinds"]["detailed"]["inputTokens"], MONTH.0);
        let imported = report["rows"]["inserted"].as_i64().unwrap();
        let (_, input, output) = sums(&place);
        assert_eq!(
            (input, output),
            (2 * MONTH.0, 2 * MONTH.1),
            "everything counts twice"
        );
        if cleaned_first {
            let report = cleanup(&place, &["--apply"]).succeeds().json();
            assert_eq!((&report["deleted"], &report["staying"]), (&json!(16), &json!([])));
            let (_, input, output) = sums(&place);
            assert_eq!((input, output), MONTH);
        }

        let read = place.backfill_month(&["--format", "json"]).succeeds().json();
        assert_eq!(read["run"]["issues"], json!([]), "nothing is held");
        assert_eq!(place.contents(), truth.contents());
        assert_eq!(
            place.count("usage_revisions"),
            imported,
            "every imported row is kept: retracted, or cleaned before"
        );
        let cleaned = place.count("usage_revisions WHERE kind = 'cleaned'");
        assert_eq!(cleaned, if cleaned_first { 16 } else { 0 });

        let again = import(&place, &old, &["--format", "json"]).succeeds().json();
        assert_eq!(again["rows"]["ofReadWindows"], imported);
        assert_eq!(again["windowsReadAlready"], 16);
        assert_eq!(place.contents(), truth.contents());
        let nothing = cleanup(&place, &["--apply"]).succeeds().json();
        assert_eq!((&nothing["rows"], &nothing["staying"]), (&json!(0), &json!([])));
        place.run(&["doctor"]).succeeds();
    }
}
