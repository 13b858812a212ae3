//! One page of usage or costs, from bytes to windows.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use usage_core::{DimensionSet, IssueCode, Window, WindowRange, format_instant, parse_instant};

use super::count::Count;
use super::row::{Row, RowFault, RowShape, Rows, RowsSeed, Tally};
use super::scalar::Scalar;
use super::surface::Surface;
use crate::source::{ReadError, UsageQuery};
use crate::transport::DecodeError;

/// What a page was asked for, and so may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) surface: &'static Surface,
    pub(crate) windows: WindowRange,
    pub(crate) grouped_by: DimensionSet,
}

impl Asked {
    /// What the query asks for, if this client can ask it and the results are such rows.
    pub(crate) fn by<R: Row>(query: &UsageQuery) -> Result<Self, ReadError> {
        let impossible = |reason: String| {
            let about = format!(
                "{} {} {}",
                query.endpoint.provider(),
                query.endpoint,
                query.windows
            );
            ReadError::new(IssueCode::RequestRefused, format!("{about}: {reason}"))
        };
        let surface = Surface::of(query.endpoint)
            .ok_or_else(|| impossible("this client does not read the endpoint".to_owned()))?;
        if !R::comes_from(query.endpoint) {
            return Err(impossible(format!("the endpoint reports no {}", R::SUBJECT)));
        }
        let width = query.windows.width();
        if !query.endpoint.has_width(width) {
            return Err(impossible(format!("the endpoint has no windows of {width}")));
        }
        let foreign = query.group_by.difference(query.endpoint.dimensions());
        if !foreign.is_empty() {
            return Err(impossible(format!("the endpoint cannot be grouped by {foreign}")));
        }
        Ok(Self {
            surface,
            windows: query.windows,
            grouped_by: query.group_by,
        })
    }
}

/// A page as it came: its buckets lie in the asked range, but may come in any order, twice, or not at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<R> {
    pub(crate) buckets: Vec<Bucket<R>>,
    pub(crate) has_more: bool,
    /// `next_page`, whatever it holds.
    pub(crate) cursor: Option<String>,
    pub(crate) tally: Tally,
}

/// One window of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bucket<R> {
    pub(crate) window: Window,
    pub(crate) rows: Rows<R>,
}

/// Reads a page. Faults of one bucket stay in the bucket, others fail the page.
pub(crate) fn decode_page<R: Row>(body: &[u8], asked: &Asked) -> Result<Page<R>, DecodeError> {
    let shape = RowShape::<R>::new(asked.surface, asked.grouped_by);
    let mut tally = Tally::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let raw = PageSeed {
        shape: &shape,
        tally: &mut tally,
    }
    .deserialize(&mut deserializer)
    .and_then(|raw| deserializer.end().map(|()| raw))
    .map_err(|error| invalid_body(&error))?;
    let buckets = raw
        .buckets
        .into_iter()
        .map(|bucket| {
            Ok(Bucket {
                window: bucket.window(asked.windows)?,
                rows: bucket.rows,
            })
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok(Page {
        buckets,
        has_more: raw.has_more,
        cursor: raw.cursor,
        tally,
    })
}

/// What is wrong with a body, without repeating a word of it, as the decoder's own message would.
pub(crate) fn invalid_body(error: &serde_json::Error) -> DecodeError {
    let reason = match error.classify() {
        Category::Eof => "ends too early",
        Category::Data => "is not of the expected shape",
        Category::Syntax | Category::Io => "is not JSON",
    };
    DecodeError {
        code: IssueCode::BodyInvalid,
        message: format!(
            "the body {reason} (line {}, column {})",
            error.line(),
            error.column()
        ),
    }
}

struct RawPage<R> {
    buckets: Vec<RawBucket<R>>,
    has_more: bool,
    cursor: Option<String>,
}

struct RawBucket<R> {
    start: Moment,
    end: Moment,
    rows: Rows<R>,
}

impl<R> RawBucket<R> {
    fn window(&self, asked: WindowRange) -> Result<Window, DecodeError> {
        let out_of_range = |message: String| DecodeError {
            code: IssueCode::BucketOutOfRange,
            message,
        };
        let (Some(start), Some(end)) = (self.start.unix(), self.end.unix()) else {
            return Err(out_of_range("a bucket has no usable start or end".to_owned()));
        };
        Window::from_unix(start, asked.width())
            .ok()
            .filter(|window| window.end_unix() == end && asked.contains(*window))
            .ok_or_else(|| {
                out_of_range(format!(
                    "a bucket from {} to {} is none of the windows asked for",
                    name_instant(start),
                    name_instant(end)
                ))
            })
    }
}

/// A time that is sent twice: as Unix seconds, which hold, and as text, which is only a substitute.
#[derive(Default)]
struct Moment {
    unix: Option<Count>,
    iso: Option<Scalar>,
}

impl Moment {
    fn unix(&self) -> Option<i64> {
        match &self.unix {
            Some(Count::Whole(seconds)) => Some(*seconds),
            None | Some(Count::Null) => match &self.iso {
                Some(Scalar::Text(text)) => parse_instant(text).ok().map(|at| at.timestamp()),
                _ => None,
            },
            Some(Count::Invalid(_)) => None,
        }
    }
}

struct PageSeed<'a, R: Row> {
    shape: &'a RowShape<R>,
    tally: &'a mut Tally,
}

impl<'de, R: Row> DeserializeSeed<'de> for PageSeed<'_, R> {
    type Value = RawPage<R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawPage<R>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Row> Visitor<'de> for PageSeed<'_, R> {
    type Value = RawPage<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawPage<R>, A::Error> {
        let Self { shape, tally } = self;
        let mut buckets = None;
        let mut has_more = None;
        let mut cursor = None;
        while let Some(name) = entries.next_key::<String>()? {
            match name.as_str() {
                "object" => note_kind(entries.next_value()?, "page", tally),
                "data" => {
                    let list = entries.next_value_seed(BucketsSeed {
                        shape,
                        tally: &mut *tally,
                    })?;
                    once(&mut buckets, list, "data")?;
                }
                "has_more" => once(&mut has_more, entries.next_value::<bool>()?, "has_more")?,
                "next_page" => once(&mut cursor, entries.next_value::<Option<String>>()?, "next_page")?,
                _ => {
                    tally.unknown.note(&name);
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(RawPage {
            buckets: buckets.ok_or_else(|| A::Error::missing_field("data"))?,
            has_more: has_more.ok_or_else(|| A::Error::missing_field("has_more"))?,
            cursor: cursor.flatten(),
        })
    }
}

struct BucketsSeed<'a, R: Row> {
    shape: &'a RowShape<R>,
    tally: &'a mut Tally,
}

impl<'de, R: Row> DeserializeSeed<'de> for BucketsSeed<'_, R> {
    type Value = Vec<RawBucket<R>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, R: Row> Visitor<'de> for BucketsSeed<'_, R> {
    type Value = Vec<RawBucket<R>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of buckets")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut buckets = Vec::new();
        while let Some(bucket) = items.next_element_seed(BucketSeed {
            shape: self.shape,
            tally: self.tally,
        })? {
            buckets.push(bucket);
        }
        Ok(buckets)
    }
}

struct BucketSeed<'a, R: Row> {
    shape: &'a RowShape<R>,
    tally: &'a mut Tally,
}

impl<'de, R: Row> DeserializeSeed<'de> for BucketSeed<'_, R> {
    type Value = RawBucket<R>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawBucket<R>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Row> Visitor<'de> for BucketSeed<'_, R> {
    type Value = RawBucket<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bucket")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawBucket<R>, A::Error> {
        let Self { shape, tally } = self;
        let mut start = Moment::default();
        let mut end = Moment::default();
        let mut rows = None;
        while let Some(name) = entries.next_key::<String>()? {
            match name.as_str() {
                "object" => note_kind(entries.next_value()?, "bucket", tally),
                "start_time" => once(&mut start.unix, entries.next_value()?, "start_time")?,
                "end_time" => once(&mut end.unix, entries.next_value()?, "end_time")?,
                "start_time_iso" => once(&mut start.iso, entries.next_value()?, "start_time_iso")?,
                "end_time_iso" => once(&mut end.iso, entries.next_value()?, "end_time_iso")?,
                // The specification says `result`, the service sends `results`.
                "results" | "result" => {
                    let list = entries.next_value_seed(RowsSeed {
                        shape,
                        tally: &mut *tally,
                    })?;
                    once(&mut rows, list, "results")?;
                }
                _ => {
                    tally.unknown.note(&name);
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        let no_rows = || RowFault {
            code: IssueCode::BodyInvalid,
            message: "the bucket has no results, not even an empty list".to_owned(),
        };
        Ok(RawBucket {
            start,
            end,
            rows: rows.unwrap_or_else(|| Err(no_rows())),
        })
    }
}

fn note_kind(value: Scalar, expected: &str, tally: &mut Tally) {
    if let Scalar::Text(kind) = value
        && kind != expected
    {
        tally.unknown.note_kind(&kind);
    }
}

fn once<T, E: Error>(place: &mut Option<T>, value: T, name: &'static str) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

fn name_instant(unix: i64) -> String {
    chrono::DateTime::from_timestamp(unix, 0).map_or_else(|| format!("Unix time {unix}"), format_instant)
}
