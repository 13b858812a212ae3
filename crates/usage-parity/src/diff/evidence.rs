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

impl Verdict {
    /// What two comparisons come to together. Equality of one does not stand for the other, of which nothing could be
    /// compared.
    pub(crate) fn and(self, other: Self) -> Self {
        let either = |verdict| self == verdict || other == verdict;
        if self == other {
            self
        } else if either(Self::Different) {
            Self::Different
        } else if either(Self::NotCovered) || either(Self::NothingCompared) {
            Self::NotCovered
        } else if either(Self::MatchedCoarse) {
            Self::MatchedCoarse
        } else {
            self
        }
    }
}

/// The counts that a verdict follows from, of usage or of costs.
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

#[cfg(test)]
mod tests {
    use super::Verdict::{Different, Matched, MatchedCoarse, NotCovered, NothingCompared};

    #[test]
    fn equality_of_one_does_not_stand_for_the_other() {
        for (one, other, both) in [
            (Matched, Matched, Matched),
            (Matched, MatchedCoarse, MatchedCoarse),
            (Matched, NothingCompared, NotCovered),
            (MatchedCoarse, NotCovered, NotCovered),
            (NotCovered, Different, Different),
            (NothingCompared, Different, Different),
            (NothingCompared, NothingCompared, NothingCompared),
        ] {
            assert_eq!((one.and(other), other.and(one)), (both, both));
        }
    }
}
