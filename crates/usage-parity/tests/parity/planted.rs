//! A hundred differences of every kind, planted in many rows: all are found, and nothing else is.

use std::collections::BTreeSet;

use usage_core::{Dimensions, Endpoint, Metrics, Window};
use usage_parity::Verdict;

use crate::support::{MemoryLedger, compared, csv, day, days, line, tokens};

const DAYS: i64 = 10;
const GROUPS_A_DAY: i64 = 400;
const PLANTED: i64 = 100;

fn who(number: i64) -> Dimensions {
    Dimensions {
        project_id: Some(format!("proj_{}", number % 7)),
        api_key_id: Some(format!("key_{}", number % 31)),
        user_id: Some(format!("user-{number}")),
        model: Some(["gpt-5", "gpt-4.1-mini", "o3"][usize::try_from(number % 3).unwrap()].to_owned()),
        service_tier: Some("default".to_owned()),
        batch: Some(number % 5 == 0),
        ..Dimensions::default()
    }
}

fn usage(window: Window, number: i64) -> Metrics {
    let input = window.start_unix() % 1_009 + number * 17 + 1_000;
    tokens(input, number % 900 + 1, input / 3, number % 11 + 1)
}

#[test]
fn all_planted_differences_are_found_and_nothing_else() {
    let step = DAYS * GROUPS_A_DAY / PLANTED;
    let mut ledger = MemoryLedger::covering(Endpoint::Completions, days(DAYS));
    let mut lines = Vec::new();
    let (mut mismatched, mut missing_in_db, mut missing_in_csv) = (BTreeSet::new(), 0, 0);
    for place in 0..DAYS * GROUPS_A_DAY {
        let (window, number) = (day(place / GROUPS_A_DAY), place % GROUPS_A_DAY);
        let (dimensions, metrics) = (who(number), usage(window, number));
        let planted = (place % step == 0).then_some(place / step % 10);
        let (mut theirs, mut ours) = (
            Some((dimensions.clone(), metrics)),
            Some((dimensions.clone(), metrics)),
        );
        match planted {
            None => {}
            Some(0) => theirs = None,
            Some(1) => ours = None,
            Some(kind @ 2..=4) => {
                let value = ours.as_mut().map(|(_, metrics)| match kind {
                    2 => &mut metrics.input_tokens,
                    3 => &mut metrics.output_tokens,
                    _ => &mut metrics.num_model_requests,
                });
                *value.unwrap() = Some(1_000_000_007);
            }
            Some(kind) => {
                let dimensions = &mut ours.as_mut().unwrap().0;
                match kind {
                    5 => dimensions.service_tier = Some("flex".to_owned()),
                    6 => dimensions.batch = dimensions.batch.map(|batch| !batch),
                    7 => dimensions.model = Some("other".to_owned()),
                    8 => dimensions.user_id = None,
                    _ => dimensions.project_id = Some("proj_other".to_owned()),
                }
            }
        }
        match (&theirs, &ours) {
            (Some((csv, _)), Some((db, _))) if csv == db => {
                if theirs != ours {
                    mismatched.insert(place);
                }
            }
            (theirs, ours) => {
                missing_in_db += u64::from(theirs.is_some());
                missing_in_csv += u64::from(ours.is_some());
            }
        }
        if let Some((dimensions, metrics)) = theirs {
            lines.push(line(window, &dimensions, &metrics));
        }
        if let Some((dimensions, metrics)) = ours {
            ledger = ledger.with(window, dimensions, metrics);
        }
    }
    assert_eq!(
        mismatched.len() + 20 + 50,
        usize::try_from(PLANTED).unwrap(),
        "every kind is there"
    );
    let comparison = compared(csv(lines), &ledger);
    assert_eq!(comparison.verdict(), Verdict::Different);
    let counts = comparison.counts;
    assert_eq!(counts.mismatched, mismatched.len() as u64);
    assert_eq!(
        (counts.missing_in_db, counts.missing_in_csv),
        (missing_in_db, missing_in_csv)
    );
    let equal = u64::try_from(DAYS * GROUPS_A_DAY - PLANTED).unwrap();
    assert_eq!(counts.matched, equal);
    assert_eq!((counts.restated_since, counts.windows_not_covered), (0, 0));
}
