//! Issues: everything that went otherwise than planned, by name.

use std::fmt;

macro_rules! issue_codes {
    ($($(#[$doc:meta])* $variant:ident $severity:ident $name:literal,)+) => {
        /// The name of what happened. Operators search logs and telemetry for these, so a name never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum IssueCode {
            $($(#[$doc])* $variant,)+
        }

        impl IssueCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as text, for example `BUCKET_REPEATED`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// How bad it is unless the circumstances say otherwise.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)+
                }
            }
        }
    };
}

issue_codes! {
    /// The key is not accepted (401).
    Unauthorized Error "UNAUTHORIZED",
    /// The key may not read this (403).
    Forbidden Error "FORBIDDEN",
    /// An endpoint answers 403 or 404 while others answer.
    EndpointUnavailable Warning "ENDPOINT_UNAVAILABLE",
    /// The provider refused the request itself (another 4xx).
    RequestRefused Error "REQUEST_REFUSED",
    /// The provider asked to wait longer than the run may (429).
    Throttled Error "THROTTLED",
    /// The provider failed (5xx) until the retries were spent.
    ProviderError Error "PROVIDER_ERROR",
    /// No connection, or it broke, until the retries were spent.
    Network Error "NETWORK",
    /// No answer in time, until the retries were spent.
    Timeout Error "TIMEOUT",
    /// The run's deadline passed.
    DeadlinePassed Error "DEADLINE_PASSED",
    /// The provider answered with a redirect, which is never followed.
    RedirectRefused Error "REDIRECT_REFUSED",
    /// The body passed the size limit.
    BodyTooLarge Error "BODY_TOO_LARGE",
    /// The body is no JSON of the expected shape, or was cut off.
    BodyInvalid Error "BODY_INVALID",
    /// The cursor is empty, has white space or control characters, or is too long.
    CursorInvalid Error "CURSOR_INVALID",
    /// More pages are announced without a cursor.
    CursorMissing Error "CURSOR_MISSING",
    /// The same cursor came twice.
    CursorRepeated Error "CURSOR_REPEATED",
    /// More pages than the range can have.
    TooManyPages Error "TOO_MANY_PAGES",
    /// A bucket lies outside the asked range or is not aligned to its width.
    BucketOutOfRange Error "BUCKET_OUT_OF_RANGE",
    /// A bucket came twice in one read.
    BucketRepeated Error "BUCKET_REPEATED",
    /// The answer has no bucket for a window that was asked for.
    BucketMissing Error "BUCKET_MISSING",
    /// A count is negative, fractional, beyond 64 bits, or missing where it is required.
    CountInvalid Error "COUNT_INVALID",
    /// An amount or a quantity of a cost is no decimal number, or beyond 9.2 billion.
    AmountInvalid Error "AMOUNT_INVALID",
    /// A text holds a character that cannot be stored.
    TextInvalid Error "TEXT_INVALID",
    /// Model or project, or of costs the line item, was asked for and is null in every row.
    GroupingNotApplied Error "GROUPING_NOT_APPLIED",
    /// A row belongs to a project that was not asked for.
    FilterNotApplied Error "FILTER_NOT_APPLIED",
    /// The read is grouped by fewer dimensions than the ledger already has.
    GroupingCoarser Error "GROUPING_COARSER",
    /// The provider refused to group by a dimension, which was left out.
    DimensionRefused Warning "DIMENSION_REFUSED",
    /// A dimension was asked for and is null in every row.
    DimensionEmpty Warning "DIMENSION_EMPTY",
    /// The rows do not sum to the total that the provider gives for the same range.
    ControlTotal Error "CONTROL_TOTAL",
    /// The read would take most of a day away.
    MassRetraction Error "MASS_RETRACTION",
    /// The read began before the one the ledger already has.
    StaleRead Warning "STALE_READ",
    /// `usage_admin_bucket_idx` is missing, so rows were looked up one statement at a time.
    ManualFallback Warning "MANUAL_FALLBACK",
    /// The price list has no price for usage that was stored: its cost is unknown, not zero.
    Unpriced Warning "UNPRICED",
    /// Usage was priced by the default of a price file, since nothing else has a price for its model.
    PricingFallback Warning "PRICING_FALLBACK",
    /// A total is not the sum of its parts.
    TokenSplitDrift Warning "TOKEN_SPLIT_DRIFT",
    /// The answer has fields this version does not know.
    UnknownField Info "UNKNOWN_FIELD",
    /// The lease of the account was lost to another process.
    LeaseLost Error "LEASE_LOST",
    /// Another process holds the lease of the account.
    LeaseHeld Error "LEASE_HELD",
    /// The old system's rows of one identity differ, or the ledger has other numbers for it.
    ImportConflict Error "IMPORT_CONFLICT",
    /// A row of the old system has a count or a window that cannot be stored.
    ImportUnusable Error "IMPORT_UNUSABLE",
    /// The ledger differs from the provider's export.
    ParityDifferences Error "PARITY_DIFFERENCES",
    /// No export lies where they are looked for, so that the ledger was not held against any.
    NoExports Info "NO_EXPORTS",
    /// The ledger could not be held against the provider's export.
    ParityFailed Error "PARITY_FAILED",
    /// Charges and priced usage are further apart than allowed.
    CostVariance Warning "COST_VARIANCE",
    /// Something was charged that no price explains, or days could not be held against what was charged for them.
    NotReconciled Warning "NOT_RECONCILED",
    /// Priced usage could not be held against the charges.
    ReconciliationFailed Warning "RECONCILIATION_FAILED",
    /// This machine's clock is ahead of the provider's: what it reads now would count as read after its end.
    ClockAhead Error "CLOCK_AHEAD",
    /// The ledger holds reads that are said to have been made in the future, by a clock that was wrong; they are made again.
    ReadInFuture Warning "READ_IN_FUTURE",
    /// The run was told to stop before it was done.
    Stopped Error "STOPPED",
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for IssueCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How bad an issue is. Only errors make an exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Severity {
    /// Counted, nothing to do.
    Info,
    /// Worth knowing; the ledger is right.
    Warning,
    /// Something is missing from the ledger.
    Error,
}

/// One thing that happened, in words that say where. Never holds a key or a response body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Issue {
    /// What happened.
    pub code: IssueCode,
    /// How bad it is here.
    pub severity: Severity,
    /// What, where, and what to do.
    pub message: String,
}

impl Issue {
    /// An issue of the code's usual severity.
    pub fn new(code: IssueCode, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
