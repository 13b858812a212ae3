//! How much something changed since the period before.

use std::fmt;

use super::numbers::{grouped, tenths};

/// The change from one period to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// In tenths of a per cent of what was before.
    Tenths(i128),
    /// In tenths of a percentage point: of shares.
    Points(i128),
    /// There was nothing before, and there is something now.
    FromNothing,
    /// The period before was not read completely, so nobody knows.
    Unknown,
}

impl Change {
    /// From one amount to another.
    pub(crate) fn between(before: i128, now: i128) -> Self {
        match tenths(now - before, before) {
            Some(change) => Self::Tenths(change),
            None if now == before => Self::Tenths(0),
            None => Self::FromNothing,
        }
    }

    /// Which way it goes, for the eye.
    pub(crate) const fn arrow(self) -> &'static str {
        match self {
            Self::Tenths(0) | Self::Points(0) => "=",
            Self::Tenths(change) | Self::Points(change) if change < 0 => "▼",
            Self::Tenths(_) | Self::Points(_) | Self::FromNothing => "▲",
            Self::Unknown => "",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = |tenths: i128| {
            let sign = match tenths {
                0 => "±",
                1.. => "+",
                _ => "−",
            };
            let magnitude = tenths.abs();
            format!("{sign}{}.{}", grouped(magnitude / 10), magnitude % 10)
        };
        match self {
            Self::Tenths(change) => write!(f, "{}%", signed(*change)),
            Self::Points(change) => write!(f, "{} points", signed(*change)),
            Self::FromNothing => f.write_str("from nothing"),
            Self::Unknown => f.write_str("change not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_of_what_was_before() {
        for (before, now, text, arrow) in [
            (100, 112, "+12.0%", "▲"),
            (3, 2, "−33.3%", "▼"),
            (5, 5, "±0.0%", "="),
            (0, 0, "±0.0%", "="),
            (0, 7, "from nothing", "▲"),
            (1, 100, "+9,900.0%", "▲"),
        ] {
            let change = Change::between(before, now);
            assert_eq!((change.to_string().as_str(), change.arrow()), (text, arrow));
        }
        assert_eq!(Change::Points(-15).to_string(), "−1.5 points");
    }
}
