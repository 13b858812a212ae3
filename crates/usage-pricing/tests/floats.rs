//! No float is in the path of money.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn no_source_of_the_money_path_names_a_float() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    for path in [
        "crates/usage-pricing/src",
        "crates/usage-parity/src/costs",
        "crates/usage-parity/src/reconcile",
        "crates/usage-providers/src/openai/amount.rs",
        "crates/usage-providers/src/openai/cost_row.rs",
        "crates/usage-store/src/costs",
        "crates/usage-store/src/pricing.rs",
        "crates/usage-store/src/reprice.rs",
        "crates/usage-store/src/unpriced.rs",
        "crates/usage-store/src/replace",
        "crates/usage-ingest/src/costs.rs",
        "crates/usage-ingest/src/pricing.rs",
        "crates/usage-app/src/commands/export",
        "crates/usage-app/src/commands/prices.rs",
        "crates/usage-app/src/commands/reconcile",
        "crates/usage-app/src/commands/reprice.rs",
        "crates/usage-core/src/money.rs",
        "crates/usage-core/src/decimal.rs",
        "crates/usage-core/src/cost.rs",
        "crates/usage-core/src/split.rs",
    ] {
        let before = sources.len();
        collect(&root.join(path), &mut sources);
        assert!(sources.len() > before, "{path} has no sources");
    }

    let floats: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let content = fs::read_to_string(source).unwrap();
            let lines = content.lines().enumerate();
            let with_float: Vec<String> = lines
                .filter(|(_, line)| words(line).any(|word| word.ends_with("f32") || word.ends_with("f64")))
                .map(|(number, line)| format!("{}:{}: {line}", source.display(), number + 1))
                .collect();
            with_float
        })
        .collect();
    assert_eq!(floats, [""; 0]);
}

/// `as_f64` and `1_f64` are floats as much as `f64` is.
#[test]
fn a_float_would_be_found() {
    let named = |line: &str| words(line).any(|word| word.ends_with("f32") || word.ends_with("f64"));
    for line in ["let a: f64 = 1.0;", "value.as_f64()", "1_f32", "Vec<f32>"] {
        assert!(named(line), "{line}");
    }
    assert!(!named("let half = 1; // no floating point"));
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !character.is_alphanumeric() && character != '_')
}

fn collect(path: &Path, sources: &mut Vec<PathBuf>) {
    if path.is_file() {
        if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path.to_owned());
        }
        return;
    }
    for entry in fs::read_dir(path).unwrap() {
        collect(&entry.unwrap().path(), sources);
    }
}
