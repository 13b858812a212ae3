//! The catalogue of faults.

use std::fmt;
use std::str::FromStr;

use usage_core::Dimension;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)+) => {
        /// Something that goes wrong with one answer.
        ///
        /// "The first row" is the first row of the first bucket that has any; an answer without rows is left as it
        /// is by faults of rows and metrics, and one without buckets by faults of buckets. "The metric" is the first
        /// metric that the endpoint requires, and the `value` of the amount at costs. Sums stay what they are unless
        /// the fault says otherwise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $variant,)+
            /// An answer with this status and the provider's error envelope; meant for 500 to 599. A status that
            /// HTTP does not have becomes 500. Named `server-error-503`, and `server-error` for 500.
            ServerError(u16),
            /// Grouped rows in which one dimension is null, rows that have become alike added up. Requests that do
            /// not group by it are answered as ever. Named `dimension-null-service-tier`.
            DimensionNull(Dimension),
            /// Once the first chosen answer is out, all usage of its endpoint (at costs: all that usage costs) becomes
            /// so many per cent of what it was, once: later pages show restated numbers, and so does the truth. Named
            /// `restatement-150`, and `restatement` for 150.
            Restatement(u32),
        }

        impl Fault {
            /// The faults that nothing is to be said about.
            const PLAIN: &[Self] = &[$(Self::$variant),+];

            fn stem(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::ServerError(_) => SERVER_ERROR,
                    Self::DimensionNull(_) => DIMENSION_NULL,
                    Self::Restatement(_) => RESTATEMENT,
                }
            }
        }
    };
}

const SERVER_ERROR: &str = "server-error";
const DIMENSION_NULL: &str = "dimension-null";
const RESTATEMENT: &str = "restatement";

faults! {
    /// 429 with `Retry-After: 1`, in seconds.
    RetryAfterSeconds "retry-after-seconds",
    /// 429 with `Retry-After` as an HTTP date, two seconds after the server's now.
    RetryAfterDate "retry-after-date",
    /// 429 with `retry-after-ms: 20`, in milliseconds, and no `Retry-After`.
    RetryAfterMs "retry-after-ms",
    /// 429 with `Retry-After: 86400`: a day.
    RetryAfterDay "retry-after-day",
    /// 401, as if the key had been revoked.
    Unauthorized "unauthorized",
    /// 403, as if the key's user no longer owned the organisation.
    Forbidden "forbidden",
    /// 404, as if the endpoint were gone.
    NotFound "not-found",
    /// A redirect (307) to the same path and query at `http://localhost:PORT`, which is another host than
    /// `127.0.0.1` although the same server; a client that follows it shows up in the request log.
    RedirectOtherHost "redirect-other-host",
    /// A redirect (307) to the very same path and query at the same host.
    RedirectSameHost "redirect-same-host",
    /// The connection is reset before the first byte of the answer.
    ResetBeforeBody "reset-before-body",
    /// The connection is reset after half of the body.
    ResetInsideBody "reset-inside-body",
    /// The connection is closed in good order after half of the bytes that `Content-Length` promised.
    ShortBody "short-body",
    /// A complete answer whose JSON is cut in half.
    TruncatedJson "truncated-json",
    /// A complete answer that is not JSON: the opening brace is missing.
    InvalidJson "invalid-json",
    /// An HTML page with status 200.
    Html "html",
    /// The right body, compressed, whether or not the client accepts that.
    Gzip "gzip",
    /// A compressed body with a damaged middle.
    CorruptGzip "corrupt-gzip",
    /// A compressed body of about a megabyte: more than a gigabyte of spaces, then the right body.
    GzipBomb "gzip-bomb",
    /// One byte of the body every 200 milliseconds.
    SlowBytes "slow-bytes",
    /// The request is taken and never answered.
    Silence "silence",
    /// More than a gigabyte of spaces, then the right body; made while it is sent.
    HugeBody "huge-body",
    /// `data` is a text.
    DataIsText "data-is-text",
    /// The metric of the first row is its number as a text; at costs, whose amounts are texts, it is `a lot`.
    MetricIsText "metric-is-text",
    /// The metric of the first row is a list of its number.
    MetricIsList "metric-is-list",
    /// The metric of the first row is -1, which at costs is a credit.
    MetricNegative "metric-negative",
    /// The metric of the first row is 1.5, which at costs is an amount like another.
    MetricFractional "metric-fractional",
    /// The metric of every row is its number with `.0`, as in `59200.0`: the same number.
    MetricIntegralFloat "metric-integral-float",
    /// The metric of the first row is 100,000,000,000,000,000,000: more than 64 bits hold.
    MetricEnormous "metric-enormous",
    /// The metric of every row is its number with an exponent, as in `5.92e4`: the same number.
    MetricExponent "metric-exponent",
    /// The first row lacks the metric.
    MetricMissing "metric-missing",
    /// The first row comes as two rows that are alike to the last byte and, if a number was odd, a third with what is
    /// left: the sums are the same. Legal, and seen live.
    RowTwice "row-twice",
    /// The page, every bucket and every row have fields nobody knows. Legal.
    UnknownFields "unknown-fields",
    /// The bucket of the first row has one more, first, whose `object` nobody knows and which has no metric.
    UnknownObject "unknown-object",
    /// `results` of the first bucket with rows is null; of the first bucket if none has any.
    NullResults "null-results",
    /// `has_more` is true and `next_page` null.
    CursorMissing "cursor-missing",
    /// `has_more` is true and `next_page` an empty text.
    CursorEmpty "cursor-empty",
    /// The next page is the page asked for. At a first page that is also the last, it is `page_repeated`, for which
    /// the same page is served again.
    CursorRepeated "cursor-repeated",
    /// `next_page` has spaces in it and around it.
    CursorWhitespace "cursor-whitespace",
    /// `next_page` has a line break and other control characters in it.
    CursorControl "cursor-control",
    /// `next_page` has 1,000,000 characters.
    CursorOverlong "cursor-overlong",
    /// `next_page` is the URL of another host.
    CursorUrl "cursor-url",
    /// The first bucket with rows (or else the first) comes twice.
    BucketTwice "bucket-twice",
    /// Buckets come in the opposite order.
    BucketsOutOfOrder "buckets-out-of-order",
    /// One more bucket, with the content of the first with rows (or else of the first), 1,000 widths after the last.
    BucketOutsideRange "bucket-outside-range",
    /// The first bucket with rows (or else the first) is left out.
    BucketMissing "bucket-missing",
    /// Every dimension of every row is null and a bucket has one row, the sum, as if `group_by` had been ignored.
    GroupingIgnored "grouping-ignored",
    /// The bucket of the first row has one more, like the first row and of the project `proj_outside_the_filter`.
    /// Requests without `project_ids` are answered as ever.
    RowsOutsideFilter "rows-outside-filter",
    /// The server's clock is 5 hours ahead: its `Date` and what has happened by now.
    ClockAhead "clock-ahead",
    /// The server's clock is 5 hours behind: its `Date` and what has happened by now.
    ClockBehind "clock-behind",
}

impl Fault {
    /// One of each fault: every plain one, and those that take something with an example of it.
    pub fn examples() -> impl Iterator<Item = Self> {
        Self::PLAIN.iter().copied().chain([
            Self::ServerError(503),
            Self::DimensionNull(Dimension::Model),
            Self::Restatement(150),
        ])
    }

    /// The stable name in kebab case, for example `reset-before-body` or `server-error-503`. [`FromStr`] reads it.
    pub fn name(self) -> String {
        let stem = self.stem();
        match self {
            Self::ServerError(status) => format!("{stem}-{status}"),
            Self::DimensionNull(dimension) => format!("{stem}-{}", kebab(dimension)),
            Self::Restatement(percent) => format!("{stem}-{percent}"),
            _ => stem.to_owned(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = Self::PLAIN.iter().find(|fault| fault.stem() == text);
        plain
            .copied()
            .or_else(|| with_number(text, SERVER_ERROR, 500).map(Self::ServerError))
            .or_else(|| with_number(text, RESTATEMENT, 150).map(Self::Restatement))
            .or_else(|| {
                let name = text.strip_prefix(DIMENSION_NULL)?.strip_prefix('-')?;
                let mut dimensions = Dimension::ALL.into_iter();
                dimensions
                    .find(|dimension| kebab(*dimension) == name)
                    .map(Self::DimensionNull)
            })
            .ok_or_else(|| UnknownFault(text.to_owned()))
    }
}

/// The text names no fault. Its message is one line with the names of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFault(pub String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown fault `{}`; there are: ", self.0)?;
        for fault in Fault::PLAIN {
            write!(f, "{fault}, ")?;
        }
        write!(
            f,
            "{SERVER_ERROR}-STATUS, {DIMENSION_NULL}-DIMENSION, {RESTATEMENT}-PERCENT"
        )
    }
}

impl std::error::Error for UnknownFault {}

/// `stem-NUMBER`, or the stem alone for the default.
fn with_number<T: FromStr>(text: &str, stem: &str, default: T) -> Option<T> {
    match text.strip_prefix(stem)? {
        "" => Some(default),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

fn kebab(dimension: Dimension) -> String {
    dimension.as_str().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_fault_is_read_back_by_its_name_and_names_differ() {
        let mut names = HashSet::new();
        for fault in Fault::examples() {
            let name = fault.name();
            assert_eq!(name.parse(), Ok(fault));
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{name}"
            );
            assert!(names.insert(name.clone()), "{name} twice");
        }
        assert_eq!("server-error".parse(), Ok(Fault::ServerError(500)));
        assert_eq!("restatement".parse(), Ok(Fault::Restatement(150)));
        assert_eq!(
            "dimension-null-api-key-id".parse(),
            Ok(Fault::DimensionNull(Dimension::ApiKeyId))
        );
    }

    #[test]
    fn a_wrong_name_is_told_with_all_right_ones_in_one_line() {
        for wrong in [
            "",
            "sillence",
            "server-error-",
            "server-error-x",
            "dimension-null",
            "Silence",
        ] {
            let message = wrong.parse::<Fault>().unwrap_err().to_string();
            assert!(
                message.contains(&format!("`{wrong}`")) && !message.contains('\n'),
                "{message}"
            );
            for fault in Fault::examples() {
                assert!(message.contains(fault.stem()), "{message}");
            }
        }
    }
}
