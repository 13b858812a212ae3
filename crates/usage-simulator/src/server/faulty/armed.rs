//! Injections and how often they were asked.

use crate::faults::{Fault, Injection};
use crate::server::surface::Surface;

/// An injection in force.
#[derive(Clone, Debug)]
pub(in crate::server) struct Armed {
    injection: Injection,
    /// Matching requests so far.
    seen: usize,
    /// Whether the fault has happened.
    has_happened: bool,
}

impl Armed {
    pub(in crate::server) const fn new(injection: Injection) -> Self {
        Self {
            injection,
            seen: 0,
            has_happened: false,
        }
    }

    /// Counts a request and tells the fault that happens to it.
    pub(super) fn meet(&mut self, surface: &Surface, is_grouped: bool) -> Option<Fault> {
        let Injection {
            fault,
            when,
            endpoint,
            grouped_only,
        } = self.injection;
        let matches =
            endpoint.is_none_or(|endpoint| endpoint == surface.endpoint) && (is_grouped || !grouped_only);
        if !matches {
            return None;
        }
        self.seen += 1;
        let is_spent = matches!(fault, Fault::Restatement(_)) && self.has_happened;
        if !when.is_at(self.seen) || is_spent {
            return None;
        }
        self.has_happened = true;
        Some(fault)
    }
}
