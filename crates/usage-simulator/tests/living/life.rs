//! What changes, and when.

use std::collections::HashSet;

use chrono::TimeDelta;
use usage_core::{Endpoint, Metrics, Window, WindowRange, parse_day};
use usage_simulator::{Generate, LivingOrganization, Organization};

use crate::support::{ORIGIN, ago, at, day, everything, groups, living, options, tokens};

fn from_september_to(last: &str) -> WindowRange {
    WindowRange::days(parse_day("2025-09-01").unwrap(), parse_day(last).unwrap()).unwrap()
}

#[test]
fn up_to_its_origin_it_is_the_generated_history() {
    let generated = Organization::generate(&Generate {
        days: 31,
        ..options()
    });
    let before = at("2025-10-01T23:59:59Z");
    let organization = living().at(before);
    for endpoint in Endpoint::USAGE {
        for window in from_september_to("2025-10-01").windows() {
            // The restatement at 01:00 of the last day was before the origin, so it is part of the history.
            assert_eq!(
                groups(&organization, endpoint, window),
                groups(&generated, endpoint, window),
                "{endpoint} {window}"
            );
        }
    }
}

#[test]
fn the_same_time_shows_the_same_and_other_seeds_or_origins_show_others() {
    let time = at("2025-10-20T13:37:00Z");
    let days = from_september_to("2025-10-20");
    let shown = everything(&living().at(time), days);
    assert_eq!(everything(&living().at(time), days), shown);
    // From wherever on it is looked at.
    let last_days =
        WindowRange::days(parse_day("2025-10-15").unwrap(), parse_day("2025-10-20").unwrap()).unwrap();
    assert_eq!(
        everything(&living().since(parse_day("2025-10-15").unwrap(), time), last_days),
        everything(&living().at(time), last_days)
    );
    let seeded = LivingOrganization::new(Generate { seed: 2, ..options() }, at(ORIGIN));
    let later = LivingOrganization::new(options(), at("2025-10-05T08:00:00Z"));
    assert_ne!(everything(&seeded.at(time), days), shown);
    assert_ne!(everything(&later.at(time), days), shown);
}

#[test]
fn today_grows_every_hour_and_every_day_has_usage() {
    let living = living();
    for date in ["2025-10-02", "2025-10-03", "2025-11-11"] {
        let midnight = day(date).start();
        let mut before = 0;
        for hour in 1..=24 {
            let organization = living.since(
                midnight.date_naive(),
                midnight + TimeDelta::seconds(hour * 3_600 - 1),
            );
            let now = tokens(&organization, Window::day(midnight.date_naive()));
            assert!(now > before, "hour {hour} of {midnight}");
            before = now;
        }
    }
    let noon = at("2025-10-07T12:00:00Z");
    let (_, last) = living.at(noon).usage(Endpoint::Completions).span().unwrap();
    assert!(last <= noon, "nothing of the afternoon");
}

#[test]
fn the_last_three_days_are_restated_at_one_and_older_ones_never_change() {
    let living = living();
    let second_before = TimeDelta::seconds(1);
    for number in 0..8 {
        let one_o_clock = at("2025-10-02T01:00:00Z") + TimeDelta::days(number);
        let at = |time| living.since(ago(one_o_clock, 20).start().date_naive(), time);
        let before = at(one_o_clock - second_before);
        let after = at(one_o_clock);
        let (mut grown, mut shrunk, mut vanished, mut late) = (0, 0, 0, 0);
        for back in 1..=20 {
            let window = ago(one_o_clock, back);
            for endpoint in Endpoint::USAGE {
                let (old, new) = (
                    groups(&before, endpoint, window),
                    groups(&after, endpoint, window),
                );
                if back > 3 {
                    assert_eq!(old, new, "{endpoint} {window}, {back} days back");
                    continue;
                }
                assert!(!new.values().any(|metrics| *metrics == Metrics::default()));
                if endpoint == Endpoint::Completions && !old.is_empty() {
                    assert_ne!(old, new, "{window}, {back} days back");
                    vanished += old.keys().filter(|group| !new.contains_key(group)).count();
                    late += new.keys().filter(|group| !old.contains_key(group)).count();
                    for (group, metrics) in &old {
                        match new
                            .get(group)
                            .map(|now| now.input_tokens.cmp(&metrics.input_tokens))
                        {
                            Some(std::cmp::Ordering::Greater) => grown += 1,
                            Some(std::cmp::Ordering::Less) => shrunk += 1,
                            _ => {}
                        }
                    }
                    let (was, is) = (tokens(&before, window), tokens(&after, window));
                    assert!(is > was / 2 && is < was * 2, "{window}: {was}, then {is}");
                }
            }
        }
        assert!(
            grown > 0 && shrunk > 0 && vanished > 0 && late > 0,
            "{one_o_clock}: {grown} grown, {shrunk} shrunk, {vanished} vanished, {late} late"
        );
        // Nothing else happens to days that are over, whatever the hour.
        let next = at(one_o_clock + TimeDelta::days(1) - second_before);
        for back in 1..=5 {
            let window = ago(one_o_clock, back);
            for endpoint in Endpoint::USAGE {
                assert_eq!(groups(&after, endpoint, window), groups(&next, endpoint, window));
            }
        }
    }
}

#[test]
fn costs_follow_the_usage() {
    let one_o_clock = at("2025-10-09T01:00:00Z");
    let yesterday = WindowRange::of(ago(one_o_clock, 1));
    let cost = |time| living().at(time).cost(yesterday).unwrap();
    let [before, after] = [one_o_clock - TimeDelta::seconds(1), one_o_clock].map(cost);
    assert_ne!(before, after);
    assert!(!after.is_zero());
}

#[test]
fn a_project_is_added_at_the_first_midnight_and_its_usage_begins() {
    let living = living();
    let before = living.at(at("2025-10-01T23:59:59Z"));
    let after = living.at(at("2025-10-02T00:00:00Z"));
    assert_eq!(living.first_living_day(), parse_day("2025-10-02").unwrap());
    assert_eq!((before.projects().len(), after.projects().len()), (3, 4));
    let added = after.projects().last().unwrap();
    assert_eq!(added.created_at, at("2025-10-02T00:00:00Z"));
    assert_eq!((added.name.as_str(), added.api_keys.len()), ("Project 4", 1));
    let used_by_it = |window: Window| {
        let organization = living.at(at("2025-10-20T00:00:00Z"));
        let groups = groups(&organization, Endpoint::Completions, window);
        let of_it = groups
            .keys()
            .filter(|group| group.project_id.as_ref() == Some(&added.id));
        let keys: HashSet<String> = of_it.filter_map(|group| group.api_key_id.clone()).collect();
        keys
    };
    assert!(used_by_it(day("2025-10-01")).is_empty());
    for window in [day("2025-10-02"), day("2025-10-19")] {
        assert_eq!(used_by_it(window), HashSet::from([added.api_keys[0].id.clone()]));
    }
}

#[test]
fn a_key_is_deleted_at_the_second_midnight_and_its_usage_stays_and_stops() {
    let living = living();
    let key = living.deleted_key();
    let is_listed = |time: &str| {
        let organization = living.at(at(time));
        let mut keys = organization
            .projects()
            .iter()
            .flat_map(|project| &project.api_keys);
        keys.any(|listed| listed.id == key)
    };
    assert!(is_listed("2025-10-02T23:59:59Z"));
    assert!(!is_listed("2025-10-03T00:00:00Z"));
    let organization = living.at(at("2025-10-30T00:00:00Z"));
    let days_with_it = |first: &str, last: &str| {
        let days = WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap();
        let has_it = |window: &Window| {
            Endpoint::USAGE.into_iter().any(|endpoint| {
                let groups = groups(&organization, endpoint, *window);
                groups
                    .keys()
                    .any(|group| group.api_key_id.as_deref() == Some(key))
            })
        };
        days.windows().filter(has_it).count()
    };
    assert!(days_with_it("2025-09-01", "2025-10-02") > 20);
    assert_eq!(days_with_it("2025-10-03", "2025-10-29"), 0);
}

#[test]
fn an_origin_at_midnight_has_its_changes_still_to_come() {
    let living = LivingOrganization::new(options(), at("2025-10-01T00:00:00Z"));
    assert_eq!(living.at(at("2025-10-01T23:00:00Z")).projects().len(), 3);
    assert_eq!(living.at(at("2025-10-02T00:00:00Z")).projects().len(), 4);
    // And so is the first restatement.
    let yesterday = |time| groups(&living.at(at(time)), Endpoint::Completions, day("2025-09-30"));
    assert_ne!(
        yesterday("2025-10-01T00:59:59Z"),
        yesterday("2025-10-01T01:00:00Z")
    );
}

#[test]
fn billing_extras_stay_on_their_days() {
    let living = living().billing_extras();
    let charges = |time| living.at(at(time)).charges().to_vec();
    let at_the_origin = charges(ORIGIN);
    assert_eq!(at_the_origin.len(), 3);
    assert_eq!(at_the_origin[0].day, parse_day("2025-09-16").unwrap());
    assert_eq!(charges("2025-12-24T00:00:00Z"), at_the_origin);
}
