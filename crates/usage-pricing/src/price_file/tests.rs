//! Price files, good and bad.

use super::*;
use crate::catalogue::Catalogue;

/// A price that is right, and what one line of it is replaced with.
const PRICE: &str = "[[price]]\nprovider = 'openai'\nmodel = 'gpt-5'\nfrom = 2026-01-01\n\
                     source = 'contract'\nchecked = 2026-01-01\n[price.usd_per_million]\ninput = '1'\n";

fn with(line: &str, other: &str) -> String {
    assert!(PRICE.contains(line), "{line}");
    PRICE.replace(line, other)
}

fn and(more: &str) -> String {
    format!("{PRICE}{more}")
}

#[test]
fn faults_name_file_line_and_remedy_in_one_line() {
    let second = |changed: &str, other: &str| format!("{PRICE}\n{}", with(changed, other));
    let free = "[[free]]\nprovider = 'openai'\ntier = 'pilot'\nsource = 'a letter'\nchecked = 2026-01-01\n";
    let faults: Vec<String> = [
        // No TOML.
        "[[price]".to_owned(),
        "price = 1\nprice = 2".to_owned(),
        "price = 1".to_owned(),
        "price = [1]".to_owned(),
        // Misspelt fields.
        "[[prices]]\n".to_owned(),
        with("model =", "modle ="),
        with("from =", "valid_from ="),
        with("usd_per_million", "usd_per_milion"),
        with("input =", "imput ="),
        and("[price.usd_per_unit]\nsecnd = '1'"),
        and("[price.usd_per_unit]\ninput = '1'"),
        with("input = '1'", "call = '1'"),
        // Missing ones.
        with("provider = 'openai'\n", ""),
        with("model = 'gpt-5'\n", ""),
        with("from = 2026-01-01\n", ""),
        with("source = 'contract'\n", ""),
        with("checked = 2026-01-01\n", ""),
        with("[price.usd_per_million]\ninput = '1'\n", ""),
        with("input = '1'\n", ""),
        with("'gpt-5'", "'  '"),
        with("'contract'", "''"),
        // Wrong ones.
        with("'openai'", "'opnai'"),
        with("'openai'", "5"),
        with("'gpt-5'", "5"),
        with("'gpt-5'", "'default'"),
        with("model = 'gpt-5'", "model = 'gpt-5'\naliases = 'x'"),
        with("model = 'gpt-5'", "model = 'gpt-5'\naliases = ['x', 5]"),
        with("model = 'gpt-5'", "model = 'gpt-5'\naliases = ['']"),
        with("model = 'gpt-5'", "model = 'gpt-5'\nbatch = 'yes'"),
        with("model = 'gpt-5'", "model = 'gpt-5'\nendpoint = 'images'"),
        with("from = 2026-01-01", "from = 2026-13-01"),
        with("from = 2026-01-01", "from = '1 May'"),
        with("from = 2026-01-01", "from = 2026"),
        with("from = 2026-01-01", "from = 2026-01-01T00:00:00Z"),
        with("checked = 2026-01-01", "checked = 'today'"),
        with("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-01-01"),
        with("from = 2026-01-01", "from = 2026-01-01\nuntil = 2025-12-31"),
        with(
            "[price.usd_per_million]\ninput = '1'\n",
            "usd_per_million = '1'\n",
        ),
        // Amounts.
        with("'1'", "'-1'"),
        with("'1'", "-0.5"),
        with("'1'", "'1,25'"),
        with("'1'", "'$1'"),
        with("'1'", "'one'"),
        with("'1'", "nan"),
        with("'1'", "inf"),
        with("'1'", "true"),
        with("'1'", "0x10"),
        with("'1'", "'0.0000001'"),
        with("'1'", "1e-7"),
        with("'1'", "'9300000000000'"),
        and("[price.usd_per_unit]\ncall = '0.0000000000001'"),
        and("[price.usd_per_unit]\nsecond = '1'\nhour = '1'"),
        // Days that two entries claim.
        second("'contract'", "'another'"),
        second("from = 2026-01-01", "from = 2025-06-01"),
        second("from = 2026-01-01", "from = 2025-06-01\nuntil = 2026-01-02"),
        second("model = 'gpt-5'", "model = 'gpt-5'\ntier = 'default'"),
        format!("{free}{free}"),
        format!("{free}until = 2026-02-01\n{free}from = 2026-01-31\n"),
        // Names.
        second("model = 'gpt-5'", "model = 'gpt-5-mini'\naliases = ['x']").replacen(
            "model = 'gpt-5'\n",
            "model = 'gpt-5'\naliases = ['x']\n",
            1,
        ),
        with("model = 'gpt-5'", "model = 'ours'\naliases = ['gpt-5']"),
        free.replace("'pilot'", "'default'"),
        free.replace("tier = 'pilot'\n", ""),
        format!("{free}batch = true\n"),
        "[[default]]\nprovider = 'openai'\nmodel = 'gpt-5'\n".to_owned(),
    ]
    .into_iter()
    .map(|content| {
        let error = Catalogue::bundled()
            .unwrap()
            .with_user_file("prices.toml", &content)
            .expect_err(&content);
        let shown = error.to_string();
        assert!(!shown.contains('\n') && error.line().is_some(), "{shown}");
        let line = error.line().and_then(|line| content.lines().nth(line - 1));
        format!("{shown}\n    {}", line.unwrap_or_default())
    })
    .collect();
    insta::assert_snapshot!(faults.join("\n"));
}

#[test]
fn amounts_are_read_as_they_are_written() {
    for (written, pico_usd) in [
        ("'1.25'", 1_250_000),
        ("1.25", 1_250_000),
        ("1_000.000_001", 1_000_000_001),
        ("1", 1_000_000),
        ("1_0", 10_000_000),
        ("+1e-2", 10_000),
        // As floats, these are other numbers.
        ("0.000003", 3),
        ("4503599627370.497001", 4_503_599_627_370_497_001),
        ("' 0.1 '", 100_000),
        ("'0'", 0),
        ("-0.0", 0),
    ] {
        let layer = read(Layer::User, "prices.toml", &with("'1'", written)).unwrap();
        let rates: Vec<i64> = layer.entries[0]
            .rates
            .iter()
            .map(|(_, rate)| rate.pico_usd())
            .collect();
        assert_eq!(rates, [pico_usd], "{written}");
    }
}

#[test]
fn prices_follow_each_other_without_a_gap() {
    let next = with("from = 2026-01-01", "from = 2026-06-01");
    let first = with("from = 2026-01-01", "from = 2026-01-01\nuntil = 2026-06-01");
    for content in [format!("{first}\n{next}"), format!("{next}\n{first}")] {
        let layer = read(Layer::User, "prices.toml", &content).unwrap();
        let starts: Vec<String> = layer
            .entries
            .iter()
            .map(|entry| entry.price_id(Layer::User))
            .collect();
        assert_eq!(
            starts,
            [
                "openai/gpt-5/standard@2026-01-01+user",
                "openai/gpt-5/standard@2026-06-01+user"
            ]
        );
    }
}

#[test]
fn an_empty_file_is_a_layer_without_prices() {
    let catalogue = Catalogue::bundled()
        .unwrap()
        .with_user_file("prices.toml", "")
        .unwrap();
    assert!(
        catalogue.version().ends_with("+user.af1349b9"),
        "{}",
        catalogue.version()
    );
}

#[test]
fn the_file_of_the_readme_is_one() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (content, after) = rest.split_once("```").unwrap();
    let layer = read(Layer::User, "prices.toml", content).unwrap();
    let ids: Vec<String> = layer
        .entries
        .iter()
        .map(|entry| entry.price_id(Layer::User))
        .collect();
    assert_eq!(
        ids,
        [
            "openai/gpt-5/decisions-flex@2025-08-07+user",
            "openai/default/standard@2025-01-01+user",
            "openai/free/pilot+user",
        ]
    );
    assert!(!after.contains("```toml"));
    for unit in PricedUnit::names(true)
        .split(", ")
        .chain(PricedUnit::names(false).split(", "))
    {
        assert!(content.contains(unit), "{unit}");
    }
}
