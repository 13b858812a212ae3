//! The shape of the workspace, as cargo sees it.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

fn workspace() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn internal_edges(metadata: &Metadata, kind: DependencyKind) -> BTreeMap<&str, BTreeSet<&str>> {
    let members: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let edges = |package: &Package| -> BTreeSet<&str> {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == kind)
            .filter_map(|dependency| members.get(dependency.name.as_str()).copied())
            .collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.as_str(), edges(package)))
        .collect()
}

/// A new edge between crates is the most reviewed change there is: it shows up here as a diff.
#[test]
fn dependencies_between_crates_flow_one_way() {
    let metadata = workspace();
    let edges = internal_edges(&metadata, DependencyKind::Normal);
    let lines: Vec<String> = edges
        .iter()
        .map(|(name, on)| format!("{name} -> {}", on.iter().copied().collect::<Vec<_>>().join(", ")))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// One owner for each outside thing: a second crate that names it would spread its types.
#[test]
fn each_outside_thing_has_one_owner() {
    let metadata = workspace();
    let owners = |thing: &str| -> Vec<&str> {
        let mut owners: Vec<&str> = metadata
            .packages
            .iter()
            .filter(|package| {
                package
                    .dependencies
                    .iter()
                    .any(|dependency| dependency.kind == DependencyKind::Normal && dependency.name == thing)
            })
            .map(|package| package.name.as_str())
            .collect();
        owners.sort_unstable();
        owners
    };
    assert_eq!(owners("diesel"), ["usage-store"]);
    assert_eq!(
        owners("reqwest"),
        ["usage-app", "usage-providers"],
        "webhooks and providers"
    );
    assert_eq!(owners("axum"), ["usage-http", "usage-simulator"]);
    assert_eq!(owners("hyper"), ["usage-http"]);
    assert_eq!(owners("tower-http"), ["usage-http"]);
    assert_eq!(
        owners("usage-testkit"),
        Vec::<&str>::new(),
        "the test kit is for tests only"
    );
}
