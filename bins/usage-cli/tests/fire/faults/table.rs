//! The table: what every fault of the provider does.

use usage_core::{Dimension, IssueCode, Severity};
use usage_simulator::faults::Fault;

/// What a fault does.
pub(super) struct Row {
    pub(super) fault: Fault,
    /// What it is, for operators.
    pub(super) what: &'static str,
    /// It happens to one request: the grouped one of the last chunk.
    pub(super) once: Outcome,
    /// It happens to that request and to every one after it.
    pub(super) lasting: Outcome,
}

impl Row {
    const fn new(fault: Fault, what: &'static str, once: Outcome, lasting: Outcome) -> Self {
        Self {
            fault,
            what,
            once,
            lasting,
        }
    }
}

/// How a run ends, and what the ledger then holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) exit: i32,
    /// The codes that are told, and how severe they are.
    pub(super) issues: &'static [(IssueCode, Severity)],
    pub(super) keeps: Keeps,
}

/// What of the last chunk's windows stays as it was before the run. All others have the new numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    /// Nothing: every window has the new numbers.
    Nothing,
    /// Nothing, and the new numbers lack the dimension that the provider did not send.
    NothingButADimension,
    /// The window that the fault hit, which is the first.
    Window,
    /// All windows of the chunk, which were asked for together.
    Chunk,
}

const FINE: Outcome = Outcome {
    exit: 0,
    issues: &[],
    keeps: Keeps::Nothing,
};

/// Nothing is amiss, and this is told.
const fn told(issues: &'static [(IssueCode, Severity)]) -> Outcome {
    Outcome { issues, ..FINE }
}

/// One window fails with these.
const fn window(issues: &'static [(IssueCode, Severity)]) -> Outcome {
    Outcome {
        exit: 1,
        issues,
        keeps: Keeps::Window,
    }
}

/// All windows of the chunk fail with these.
const fn chunk(issues: &'static [(IssueCode, Severity)]) -> Outcome {
    Outcome {
        exit: 1,
        issues,
        keeps: Keeps::Chunk,
    }
}

/// A row that is not understood may be usage: its window is not known to be complete.
const UNKNOWN_OBJECT: &[(IssueCode, Severity)] = &[
    (IssueCode::CountInvalid, Severity::Error),
    (IssueCode::UnknownField, Severity::Info),
];

/// The sums are right, and what was not sent is told.
const DIMENSION_EMPTY: Outcome = Outcome {
    exit: 0,
    issues: &[(IssueCode::DimensionEmpty, Severity::Warning)],
    keeps: Keeps::NothingButADimension,
};

/// Every fault that the simulator knows, those of the way to the provider first.
pub(super) const TABLE: &[Row] = &[
    Row::new(
        Fault::RetryAfterSeconds,
        "429, and `Retry-After` in seconds",
        FINE,
        chunk(&[(IssueCode::Throttled, Severity::Error)]),
    ),
    Row::new(
        Fault::RetryAfterDate,
        "429, and `Retry-After` as a date",
        FINE,
        chunk(&[(IssueCode::Throttled, Severity::Error)]),
    ),
    Row::new(
        Fault::RetryAfterMs,
        "429, and `retry-after-ms` in milliseconds",
        FINE,
        chunk(&[(IssueCode::Throttled, Severity::Error)]),
    ),
    Row::new(
        Fault::RetryAfterDay,
        "429, and a `Retry-After` of a day",
        chunk(&[(IssueCode::Throttled, Severity::Error)]),
        chunk(&[(IssueCode::Throttled, Severity::Error)]),
    ),
    Row::new(
        Fault::ServerError(503),
        "a 5xx",
        FINE,
        chunk(&[(IssueCode::ProviderError, Severity::Error)]),
    ),
    Row::new(
        Fault::Unauthorized,
        "401: the key is not accepted any more",
        chunk(&[(IssueCode::Unauthorized, Severity::Error)]),
        chunk(&[(IssueCode::Unauthorized, Severity::Error)]),
    ),
    Row::new(
        Fault::Forbidden,
        "403: the key may not read this any more",
        chunk(&[(IssueCode::Forbidden, Severity::Error)]),
        chunk(&[(IssueCode::Forbidden, Severity::Error)]),
    ),
    Row::new(
        Fault::NotFound,
        "404: the endpoint is gone",
        chunk(&[(IssueCode::EndpointUnavailable, Severity::Error)]),
        chunk(&[(IssueCode::EndpointUnavailable, Severity::Error)]),
    ),
    Row::new(
        Fault::RedirectOtherHost,
        "a redirect to another host",
        chunk(&[(IssueCode::RedirectRefused, Severity::Error)]),
        chunk(&[(IssueCode::RedirectRefused, Severity::Error)]),
    ),
    Row::new(
        Fault::RedirectSameHost,
        "a redirect to the same host",
        chunk(&[(IssueCode::RedirectRefused, Severity::Error)]),
        chunk(&[(IssueCode::RedirectRefused, Severity::Error)]),
    ),
    Row::new(
        Fault::ResetBeforeBody,
        "the connection is reset before the answer",
        FINE,
        chunk(&[(IssueCode::Network, Severity::Error)]),
    ),
    Row::new(
        Fault::ResetInsideBody,
        "the connection is reset inside the body",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::ShortBody,
        "the connection is closed before the promised end of the body",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::TruncatedJson,
        "JSON that is cut in half",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::InvalidJson,
        "a body that is no JSON",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::Html,
        "a page for people, with status 200",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(Fault::Gzip, "a compressed body", FINE, FINE),
    Row::new(
        Fault::CorruptGzip,
        "a compressed body that is damaged",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::GzipBomb,
        "a small compressed body of more than a gigabyte",
        chunk(&[(IssueCode::BodyTooLarge, Severity::Error)]),
        chunk(&[(IssueCode::BodyTooLarge, Severity::Error)]),
    ),
    Row::new(
        Fault::HugeBody,
        "a body of more than a gigabyte",
        chunk(&[(IssueCode::BodyTooLarge, Severity::Error)]),
        chunk(&[(IssueCode::BodyTooLarge, Severity::Error)]),
    ),
    Row::new(
        Fault::SlowBytes,
        "a body that comes byte by byte",
        FINE,
        chunk(&[(IssueCode::Timeout, Severity::Error)]),
    ),
    Row::new(
        Fault::Silence,
        "no answer at all",
        FINE,
        chunk(&[(IssueCode::Timeout, Severity::Error)]),
    ),
    Row::new(
        Fault::DataIsText,
        "a text where the list of buckets should be",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::NullResults,
        "null where the rows of a bucket should be",
        FINE,
        chunk(&[(IssueCode::BodyInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricIsText,
        "a count that is a text",
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricIsList,
        "a count that is a list",
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricNegative,
        "a negative count",
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricFractional,
        "a fractional count",
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricEnormous,
        "a count beyond 64 bits",
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricMissing,
        "a required count that is missing",
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
        window(&[(IssueCode::CountInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::MetricIntegralFloat,
        "whole counts written with `.0`",
        FINE,
        FINE,
    ),
    Row::new(
        Fault::MetricExponent,
        "whole counts written with an exponent",
        FINE,
        FINE,
    ),
    Row::new(
        Fault::RowTwice,
        "a row that comes in parts, which are summed",
        FINE,
        FINE,
    ),
    Row::new(
        Fault::UnknownFields,
        "fields that this version does not know",
        told(&[(IssueCode::UnknownField, Severity::Info)]),
        told(&[(IssueCode::UnknownField, Severity::Info)]),
    ),
    Row::new(
        Fault::UnknownObject,
        "a row of a kind that this version does not know",
        window(UNKNOWN_OBJECT),
        window(UNKNOWN_OBJECT),
    ),
    Row::new(
        Fault::CursorMissing,
        "more pages announced, and no cursor",
        chunk(&[(IssueCode::CursorMissing, Severity::Error)]),
        chunk(&[(IssueCode::CursorMissing, Severity::Error)]),
    ),
    Row::new(
        Fault::CursorEmpty,
        "an empty cursor",
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
    ),
    // What it leads to is a page that the provider itself does not know once it behaves again.
    Row::new(
        Fault::CursorRepeated,
        "a cursor that leads back to its own page",
        chunk(&[(IssueCode::RequestRefused, Severity::Error)]),
        chunk(&[(IssueCode::CursorRepeated, Severity::Error)]),
    ),
    Row::new(
        Fault::CursorWhitespace,
        "a cursor with white space in it",
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::CursorControl,
        "a cursor with control characters in it",
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::CursorOverlong,
        "a cursor of a million characters",
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::CursorUrl,
        "a cursor that is the URL of another host",
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
        chunk(&[(IssueCode::CursorInvalid, Severity::Error)]),
    ),
    Row::new(
        Fault::BucketTwice,
        "a bucket that comes twice",
        window(&[(IssueCode::BucketRepeated, Severity::Error)]),
        window(&[(IssueCode::BucketRepeated, Severity::Error)]),
    ),
    Row::new(
        Fault::BucketsOutOfOrder,
        "buckets in the opposite order",
        FINE,
        FINE,
    ),
    Row::new(
        Fault::BucketOutsideRange,
        "a bucket outside the range asked for",
        chunk(&[(IssueCode::BucketOutOfRange, Severity::Error)]),
        chunk(&[(IssueCode::BucketOutOfRange, Severity::Error)]),
    ),
    Row::new(
        Fault::BucketMissing,
        "a bucket that is left out",
        window(&[(IssueCode::BucketMissing, Severity::Error)]),
        window(&[(IssueCode::BucketMissing, Severity::Error)]),
    ),
    Row::new(
        Fault::GroupingIgnored,
        "the grouping ignored",
        chunk(&[(IssueCode::GroupingNotApplied, Severity::Error)]),
        chunk(&[(IssueCode::GroupingNotApplied, Severity::Error)]),
    ),
    Row::new(
        Fault::DimensionNull(Dimension::Model),
        "the model null in every row",
        chunk(&[(IssueCode::GroupingNotApplied, Severity::Error)]),
        chunk(&[(IssueCode::GroupingNotApplied, Severity::Error)]),
    ),
    Row::new(
        Fault::DimensionNull(Dimension::ServiceTier),
        "another dimension null in every row",
        DIMENSION_EMPTY,
        DIMENSION_EMPTY,
    ),
    // The control total tells that something is amiss, and asking again helps where it happened once.
    Row::new(
        Fault::RowsOutsideFilter,
        "a row of a project that was not asked for",
        FINE,
        window(&[(IssueCode::FilterNotApplied, Severity::Error)]),
    ),
    Row::new(
        Fault::ClockAhead,
        "the provider's clock 5 hours ahead",
        FINE,
        FINE,
    ),
    Row::new(
        Fault::ClockBehind,
        "the provider's clock 5 hours behind",
        chunk(&[(IssueCode::ClockAhead, Severity::Error)]),
        chunk(&[(IssueCode::ClockAhead, Severity::Error)]),
    ),
    Row::new(
        Fault::Restatement(150),
        "the provider restates between two answers",
        FINE,
        FINE,
    ),
];
