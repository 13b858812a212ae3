//! The exports in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use usage_core::{Endpoint, WindowRange, parse_day};
use usage_simulator::{CostLayout, Generate, LivingOrganization};

use crate::support::{ORIGIN, at, living, options};

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries
        .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[test]
fn there_is_one_for_each_endpoint_of_the_last_35_days_and_it_takes_the_place_of_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("not/there/yet");
    let mut first_lines = Vec::new();
    for (time, first, last) in [
        ("2025-10-10T01:00:00Z", "2025-09-05", "2025-10-09"),
        ("2025-10-11T01:00:00Z", "2025-09-06", "2025-10-10"),
    ] {
        living().write_exports(at(time), &folder).unwrap();
        let days = WindowRange::days(parse_day(first).unwrap(), parse_day(last).unwrap()).unwrap();
        let organization = living().at(at(time));
        let mut expected: BTreeMap<String, String> = Endpoint::USAGE
            .into_iter()
            .map(|endpoint| {
                (
                    format!("{endpoint}_usage.csv"),
                    organization.usage_csv(endpoint, days),
                )
            })
            .collect();
        let costs = organization.costs_csv(days, CostLayout::default()).unwrap();
        expected.insert("costs.csv".to_owned(), costs);
        assert_eq!(files(&folder), expected);
        first_lines.push(expected["costs.csv"].lines().nth(1).map(str::to_owned));
    }
    assert_ne!(first_lines[0], first_lines[1]);
}

#[test]
fn there_is_none_of_endpoints_that_it_does_not_use_nor_of_costs_that_are_not_out() {
    let folder = tempfile::tempdir().unwrap();
    let options = Generate {
        every_endpoint: false,
        ..options()
    };
    let living = LivingOrganization::new(options, at(ORIGIN)).costs_lag_days(3);
    living
        .write_exports(at("2025-10-10T01:00:00Z"), folder.path())
        .unwrap();
    let files = files(folder.path());
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["completions_usage.csv", "costs.csv"]);
    let last = files["costs.csv"].lines().last().unwrap();
    assert!(last.contains("2025-10-07T00:00:00+00:00"), "{last}");
}

#[test]
fn a_folder_that_cannot_be_is_told_with_its_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = living()
        .write_exports(at(ORIGIN), file.path())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(&file.path().display().to_string()), "{error}");
}
