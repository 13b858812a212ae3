//! From counts to a verdict.

use serde::Serialize;

/// What a comparison says in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// Everything that was compared is equal, and nothing that the export has was never read.
    Matched,
    /// As [`Verdict::Matched`], but some of it only after summing over a dimension that the ledger lacks.
    MatchedCoarse,
    /// There are differences.
    Different,
    /// What was compared is equal, but the ledger never read some of what the export has.
    NotCovered,
    /// Nothing could be compared.
    NothingCompared,
    /// The export was summed up without a ledger.
    NoLedger,
}

/// The counts that a verdict follows from, of usage, of costs, or of both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence {
    /// Groups that differ.
    pub(crate) differences: u64,
    /// Windows and groups that the ledger never read.
    pub(crate) not_covered: u64,
    /// Windows in which everything was compared.
    pub(crate) windows_compared: u64,
    /// Groups that are equal.
    pub(crate) equal: u64,
    /// Of these, how many only after summing over a dimension that the ledger lacks.
    pub(crate) coarse: u64,
    /// Groups of both sides outside the projects and users named.
    pub(crate) out_of_scope: u64,
}

impl Evidence {
    /// The evidence of two comparisons as that of one.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            differences: self.differences + other.differences,
            not_covered: self.not_covered + other.not_covered,
            windows_compared: self.windows_compared + other.windows_compared,
            equal: self.equal + other.equal,
            coarse: self.coarse + other.coarse,
            out_of_scope: self.out_of_scope + other.out_of_scope,
        }
    }

    pub(crate) const fn verdict(self, has_ledger: bool) -> Verdict {
        // A mistyped project or user puts everything out of scope, and must not look like equality.
        let has_nothing_in_scope = self.out_of_scope > 0 && self.equal == 0;
        if !has_ledger {
            Verdict::NoLedger
        } else if self.differences > 0 {
            Verdict::Different
        } else if self.not_covered > 0 {
            Verdict::NotCovered
        } else if self.windows_compared == 0 || has_nothing_in_scope {
            Verdict::NothingCompared
        } else if self.coarse > 0 {
            Verdict::MatchedCoarse
        } else {
            Verdict::Matched
        }
    }
}
