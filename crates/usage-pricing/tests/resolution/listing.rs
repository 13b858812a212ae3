//! What a catalogue has.

use chrono::NaiveDate;
use usage_core::{Provider, parse_day};
use usage_pricing::{Layer, Matched, PriceBasis, PriceClass, UnitRate};

use crate::row::{bundled, entry, with};

#[test]
fn every_price_of_a_model_is_listed_with_how_its_name_leads_there() {
    let catalogue = with(&entry("model = 'gpt-5'; from = 2026-01-01", "1"));
    let listed: Vec<String> = catalogue
        .entries_of(Provider::OpenAi, "gpt-5-2025-08-07", None)
        .into_iter()
        .map(|listed| {
            let resolved = listed.resolved.unwrap();
            let input = match &listed.price.basis {
                PriceBasis::Rates(rates) => rates.get(PriceClass::Input).and_then(UnitRate::usd_per_million),
                _ => None,
            };
            format!(
                "{} {} {} input {} until {:?}",
                listed.layer,
                resolved.matched,
                listed.price.price_id,
                input.unwrap_or_default(),
                listed.price.valid_until
            )
        })
        .collect();
    insta::assert_snapshot!(listed.join("\n"));

    let on = |day| catalogue.entries_of(Provider::OpenAi, "gpt-5", parse_day(day).ok());
    assert_eq!(on("2025-01-01").len(), 1);
    assert_eq!(on("2025-09-01").len(), 4);
    assert_eq!(on("2026-11-01")[0].layer, Layer::User);
    assert_eq!(catalogue.entries_of(Provider::OpenAi, "gpt-99", None), []);
    let sessions = catalogue.entries_of(Provider::OpenAi, "code_interpreter_sessions", None);
    assert_eq!(sessions[0].resolved.as_ref().unwrap().matched, Matched::Exact);
}

#[test]
fn what_nobody_checked_for_long_is_listed() {
    let catalogue = bundled();
    let stale = |today: &str, days| catalogue.stale(parse_day(today).unwrap(), days);
    // On the day of the seed's release only our own entries are older than a month; all of them are.
    let own = stale("2026-10-30", 30);
    assert!(own.iter().all(|stale| stale.layer == Layer::Overlay));
    assert_eq!(own.len(), 19);
    assert!(
        own.iter()
            .any(|stale| stale.price.price_id == "openai/free/incentivized-tier")
    );
    assert!(
        own.windows(2)
            .all(|pair| pair[0].price.checked <= pair[1].price.checked)
    );
    // A price checked so many days ago is not yet stale; a day later it is.
    assert_eq!(stale("2026-11-29", 30).len(), own.len());
    assert!(stale("2026-11-30", 30).len() > own.len() + 200);
    assert_eq!(stale("2026-10-30", u32::MAX), []);
    let checked: Option<NaiveDate> = own[0].price.checked;
    assert_eq!(checked, parse_day("2023-11-06").ok());
}
