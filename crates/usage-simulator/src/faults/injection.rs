//! Which requests a fault happens to.

use std::fmt;
use std::str::FromStr;

use usage_core::{Endpoint, UnknownEndpoint};

use super::fault::{Fault, UnknownFault};

/// A fault and the requests for usage or costs it happens to.
///
/// As a text it is `FAULT[@every=K|@from=N|@once=N][@grouped][:ENDPOINT]`, for example `silence`,
/// `unauthorized@from=3`, `dimension-null-model@once=2@grouped:completions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Injection {
    /// What happens.
    pub fault: Fault,
    /// To which of the matching requests.
    pub when: When,
    /// Requests to this endpoint match; `None` for every usage endpoint and costs.
    pub endpoint: Option<Endpoint>,
    /// Whether only requests with `group_by` match.
    pub grouped_only: bool,
}

/// To which of the matching requests a fault happens. Each injection counts for itself, from 1, from when it was
/// handed to the simulator; a request counts when it arrives, whatever else befalls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// To all.
    #[default]
    Always,
    /// To the k-th, the 2k-th and so on; 0 is never.
    Every(usize),
    /// To the n-th and all after it.
    From(usize),
    /// To the n-th only.
    Once(usize),
}

impl Injection {
    /// The fault at every request to any usage endpoint or costs.
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            when: When::Always,
            endpoint: None,
            grouped_only: false,
        }
    }

    /// The injection at these of the matching requests.
    #[must_use]
    pub const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// The injection at one endpoint.
    #[must_use]
    pub const fn endpoint(self, endpoint: Endpoint) -> Self {
        Self {
            endpoint: Some(endpoint),
            ..self
        }
    }

    /// The injection at requests with `group_by`.
    #[must_use]
    pub const fn grouped_only(self) -> Self {
        Self {
            grouped_only: true,
            ..self
        }
    }
}

impl When {
    /// Whether the fault happens to the request with this number, from 1.
    pub const fn is_at(self, number: usize) -> bool {
        match self {
            Self::Always => true,
            Self::Every(k) => k > 0 && number.is_multiple_of(k),
            Self::From(n) => number >= n,
            Self::Once(n) => number == n,
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.fault)?;
        match self.when {
            When::Always => {}
            When::Every(k) => write!(f, "@every={k}")?,
            When::From(n) => write!(f, "@from={n}")?,
            When::Once(n) => write!(f, "@once={n}")?,
        }
        if self.grouped_only {
            f.write_str("@grouped")?;
        }
        match self.endpoint {
            Some(endpoint) => write!(f, ":{endpoint}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Injection {
    type Err = BadInjection;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, endpoint) = match text.split_once(':') {
            Some((rest, endpoint)) => (rest, Some(endpoint.parse()?)),
            None => (text, None),
        };
        let mut parts = rest.split('@');
        let mut injection = Self {
            endpoint,
            ..Self::new(parts.next().unwrap_or_default().parse()?)
        };
        for part in parts {
            if part == "grouped" {
                injection.grouped_only = true;
            } else {
                injection.when = read_when(part).ok_or_else(|| BadInjection::When(part.to_owned()))?;
            }
        }
        Ok(injection)
    }
}

fn read_when(text: &str) -> Option<When> {
    let (name, number) = text.split_once('=')?;
    let number = number.parse().ok().filter(|number| *number > 0)?;
    match name {
        "every" => Some(When::Every(number)),
        "from" => Some(When::From(number)),
        "once" => Some(When::Once(number)),
        _ => None,
    }
}

/// The text is no injection. The message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInjection {
    /// It does not begin with the name of a fault.
    #[error(transparent)]
    Fault(#[from] UnknownFault),
    /// Its end names no endpoint.
    #[error(transparent)]
    Endpoint(#[from] UnknownEndpoint),
    /// What follows an `@` is unknown.
    #[error("`@{0}` says nothing; there are: @every=K, @from=N, @once=N (numbers from 1), @grouped")]
    When(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injections_are_read_back() {
        for text in [
            "silence",
            "gzip@every=2",
            "unauthorized@from=3:images",
            "server-error-502@once=1@grouped",
            "dimension-null-service-tier@once=2@grouped:completions",
        ] {
            assert_eq!(text.parse::<Injection>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let error = |text: &str| text.parse::<Injection>().unwrap_err().to_string();
        assert!(error("nothing@once=1").starts_with("unknown fault `nothing`"));
        assert!(error("silence:chess").starts_with("unknown endpoint `chess`"));
        for wrong in ["silence@once", "silence@once=0", "silence@twice=1", "silence@"] {
            assert!(error(wrong).contains("says nothing"), "{wrong}");
        }
    }

    #[test]
    fn requests_are_chosen_by_number() {
        let chosen = |when: When| (1..=6).filter(|number| when.is_at(*number)).collect::<Vec<_>>();
        assert_eq!(chosen(When::Always), [1, 2, 3, 4, 5, 6]);
        assert_eq!(chosen(When::Every(3)), [3, 6]);
        assert!(chosen(When::Every(0)).is_empty());
        assert_eq!(chosen(When::From(5)), [5, 6]);
        assert_eq!(chosen(When::Once(2)), [2]);
    }
}
