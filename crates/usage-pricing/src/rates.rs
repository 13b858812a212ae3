//! Rates: what one unit of a class costs.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use usage_core::Rate;

use crate::amount::{AmountProblem, scaled, shown};
use crate::class::PriceClass;
use crate::exact::ExactUsd;

const PICO_PLACES: u32 = 12;
const MILLION_PLACES: u32 = 6;

/// What a rate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// One token, image, second, …
    Unit,
    /// 60 of them: a minute of seconds.
    Minute,
    /// 3,600 of them: an hour of seconds.
    Hour,
}

impl Per {
    const fn units(self) -> i128 {
        match self {
            Self::Unit => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

/// A price in pico-dollars (10⁻¹²) for a unit, a minute or an hour. Exact: a rate that is no whole number of them is
/// refused where it is read.
///
/// One pico-dollar a token is one micro-dollar a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnitRate {
    pico_usd: i64,
    per: Per,
}

impl UnitRate {
    /// A rate of nothing.
    pub const FREE: Self = Self::new(0, Per::Unit);

    /// So many pico-dollars.
    pub const fn new(pico_usd: i64, per: Per) -> Self {
        Self { pico_usd, per }
    }

    /// How many pico-dollars.
    pub const fn pico_usd(self) -> i64 {
        self.pico_usd
    }

    /// For what.
    pub const fn per(self) -> Per {
        self.per
    }

    /// The exact cost of this many units; `None` beyond 127 bits.
    pub fn cost(self, units: i64) -> Option<ExactUsd> {
        ExactUsd::quotient(Rate::from_pico_usd(self.pico_usd).cost(units), self.per.units())
    }

    /// The rate in dollars a million units, as tokens and characters are priced; `None` for a minute or an hour.
    pub fn usd_per_million(self) -> Option<String> {
        (self.per == Per::Unit).then(|| shown(self.pico_usd, MILLION_PLACES))
    }

    /// The rate in dollars for what it is [`UnitRate::per`].
    pub fn usd(self) -> String {
        shown(self.pico_usd, PICO_PLACES)
    }
}

/// How a unit is written in price files and in the ledger.
#[derive(Clone, Copy)]
pub(crate) struct PricedUnit {
    pub(crate) name: &'static str,
    pub(crate) class: PriceClass,
    pub(crate) per: Per,
    /// Whether the amount is for a million.
    pub(crate) by_million: bool,
}

impl PricedUnit {
    /// Reads an amount of dollars for the unit.
    pub(crate) fn rate(&self, usd: &str) -> Result<UnitRate, AmountProblem> {
        let places = if self.by_million {
            MILLION_PLACES
        } else {
            PICO_PLACES
        };
        scaled(usd, places).map(|pico_usd| UnitRate::new(pico_usd, self.per))
    }

    /// The unit whose name this is, by the million or by the piece.
    pub(crate) fn named(name: &str, by_million: bool) -> Option<Self> {
        PRICED_UNITS
            .into_iter()
            .find(|unit| unit.name == name && unit.by_million == by_million)
    }

    /// The names, for messages.
    pub(crate) fn names(by_million: bool) -> String {
        let names: Vec<&str> = PRICED_UNITS
            .iter()
            .filter(|unit| unit.by_million == by_million)
            .map(|unit| unit.name)
            .collect();
        names.join(", ")
    }
}

/// Every unit that a price can be written for: one of each class, and for seconds also a minute and an hour of them.
pub(crate) const PRICED_UNITS: [PricedUnit; PriceClass::ALL.len() + 2] = {
    const fn one(class: PriceClass) -> PricedUnit {
        PricedUnit {
            name: class.field(),
            class,
            per: Per::Unit,
            by_million: class.is_priced_by_million(),
        }
    }
    const fn seconds(name: &'static str, per: Per) -> PricedUnit {
        PricedUnit {
            name,
            per,
            ..one(PriceClass::Seconds)
        }
    }
    [
        one(PriceClass::Input),
        one(PriceClass::CachedInput),
        one(PriceClass::CacheWrite),
        one(PriceClass::CacheWrite12h),
        one(PriceClass::Output),
        one(PriceClass::InputAudio),
        one(PriceClass::CachedInputAudio),
        one(PriceClass::OutputAudio),
        one(PriceClass::InputImage),
        one(PriceClass::CachedInputImage),
        one(PriceClass::OutputImage),
        one(PriceClass::Characters),
        one(PriceClass::Images),
        one(PriceClass::Seconds),
        seconds("minute", Per::Minute),
        seconds("hour", Per::Hour),
        one(PriceClass::Sessions),
        one(PriceClass::Calls),
    ]
};

/// The rates of a price, by class. A class without a rate has no price, which is not a price of zero.
///
/// As JSON it has the names and amounts of a price file:
///
/// ```
/// use usage_pricing::{PriceClass, Rates};
///
/// let rates: Rates = serde_json::from_str(r#"{"usdPerMillion":{"input":"1.25"},"usdPerUnit":{"call":"0.01"}}"#)?;
/// assert_eq!(rates.get(PriceClass::Input).map(|rate| rate.pico_usd()), Some(1_250_000));
/// assert_eq!(rates.get(PriceClass::Output), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates([Option<UnitRate>; PriceClass::ALL.len()]);

impl Rates {
    /// The rate of a class.
    pub const fn get(&self, class: PriceClass) -> Option<UnitRate> {
        self.0[class as usize]
    }

    /// The classes with a rate, and their rates.
    pub fn iter(&self) -> impl Iterator<Item = (PriceClass, UnitRate)> {
        PriceClass::ALL
            .into_iter()
            .filter_map(|class| Some((class, self.get(class)?)))
    }

    /// Whether no class has a rate.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    pub(crate) const fn set(&mut self, class: PriceClass, rate: UnitRate) {
        self.0[class as usize] = Some(rate);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRates {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    usd_per_million: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    usd_per_unit: BTreeMap<String, String>,
}

impl Serialize for Rates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = |by_million: bool| -> BTreeMap<String, String> {
            PRICED_UNITS
                .iter()
                .filter(|unit| unit.by_million == by_million)
                .filter_map(|unit| Some((unit, self.get(unit.class).filter(|rate| rate.per == unit.per)?)))
                .map(|(unit, rate)| {
                    let places = if by_million { MILLION_PLACES } else { PICO_PLACES };
                    (unit.name.to_owned(), shown(rate.pico_usd, places))
                })
                .collect()
        };
        WrittenRates {
            usd_per_million: written(true),
            usd_per_unit: written(false),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenRates::deserialize(deserializer)?;
        let mut rates = Self::default();
        for (amounts, by_million) in [(written.usd_per_million, true), (written.usd_per_unit, false)] {
            for (name, usd) in amounts {
                let unit = PricedUnit::named(&name, by_million)
                    .ok_or_else(|| D::Error::custom(format_args!("unknown unit `{name}`")))?;
                let rate = unit
                    .rate(&usd)
                    .map_err(|problem| D::Error::custom(format_args!("`{usd}` {problem}")))?;
                rates.set(unit.class, rate);
            }
        }
        Ok(rates)
    }
}

impl fmt::Display for UnitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Unit => "unit",
            Per::Minute => "minute",
            Per::Hour => "hour",
        };
        write!(f, "{} USD a {unit}", self.usd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_name_everywhere() {
        for class in PriceClass::ALL {
            let units = PRICED_UNITS
                .iter()
                .filter(|unit| unit.class == class && unit.per == Per::Unit);
            assert_eq!(units.count(), 1, "{class}");
            assert_eq!(serde_json::to_value(class).unwrap(), class.field());
        }
    }

    #[test]
    fn rates_are_read_back_as_they_were_written() {
        let mut rates = Rates::default();
        for (class, pico_usd) in PriceClass::ALL.into_iter().zip(1..) {
            rates.set(class, UnitRate::new(pico_usd, Per::Unit));
        }
        for per in [Per::Unit, Per::Minute, Per::Hour] {
            rates.set(PriceClass::Seconds, UnitRate::new(i64::MAX, per));
            let json = serde_json::to_string(&rates).unwrap();
            assert_eq!(serde_json::from_str::<Rates>(&json).unwrap(), rates, "{json}");
        }
    }

    #[test]
    fn what_this_version_does_not_know_is_refused() {
        for json in [
            r#"{"usdPerMillion":{"thoughts":"1"}}"#,
            r#"{"usdPerMillion":{"call":"1"}}"#,
            r#"{"usdPerUnit":{"input":"1"}}"#,
            r#"{"usdPerUnit":{"call":"-1"}}"#,
            r#"{"usdPerUnit":{"call":1}}"#,
            r#"{"usdPerYear":{"call":"1"}}"#,
        ] {
            assert!(serde_json::from_str::<Rates>(json).is_err(), "{json}");
        }
    }
}
