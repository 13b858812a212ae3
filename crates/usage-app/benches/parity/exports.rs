//! Two exports of one organisation that differ in a hundred places.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::children::Found;

/// Differences, of ten kinds.
pub(crate) const PLANTED: u64 = 100;
const KINDS: u64 = 10;

const HEADER: &str = "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,\
    model,batch,service_tier,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens,input_text_tokens,\
    output_text_tokens,input_cached_text_tokens,input_audio_tokens,input_cached_audio_tokens,output_audio_tokens,\
    input_image_tokens,input_cached_image_tokens,output_image_tokens";

const FIRST_DAY: i64 = 1_735_689_600;
const DAY: i64 = 86_400;

/// The two files, and where a ledger of the second is made.
pub(crate) struct Exports {
    first: PathBuf,
    second: PathBuf,
    ledger: PathBuf,
    rows: u64,
}

/// One row before it is written.
#[derive(Clone, PartialEq, Eq)]
struct Row {
    project: u64,
    user: u64,
    key: u64,
    model: &'static str,
    batch: bool,
    tier: &'static str,
    requests: u64,
    input: u64,
    output: u64,
    cached: u64,
}

impl Exports {
    pub(crate) fn write(folder: &Path, rows: u64, days: u32) -> Outcome<Self> {
        let exports = Self {
            first: folder.join("completions_first.csv"),
            second: folder.join("completions_second.csv"),
            ledger: folder.join("ledger.db"),
            rows,
        };
        let mut first = BufWriter::with_capacity(1 << 20, File::create(&exports.first)?);
        let mut second = BufWriter::with_capacity(1 << 20, File::create(&exports.second)?);
        writeln!(first, "{HEADER}")?;
        writeln!(second, "{HEADER}")?;
        let a_day = rows.div_ceil(days.into());
        let step = (rows / PLANTED).max(1);
        for place in 0..rows {
            let start = FIRST_DAY + i64::try_from(place / a_day)? * DAY;
            let row = Row::of(place, place % a_day);
            let is_planted = place % step == 0 && place / step < PLANTED;
            let (one, other) = if is_planted {
                differing(&row, place / step % KINDS)
            } else {
                (Some(row.clone()), Some(row))
            };
            if let Some(row) = one {
                row.write(start, &mut first)?;
            }
            if let Some(row) = other {
                row.write(start, &mut second)?;
            }
        }
        first.flush()?;
        second.flush()?;
        Ok(exports)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.first.metadata().map_or(0, |metadata| metadata.len())
    }

    pub(crate) fn first_path(&self) -> &str {
        text(&self.first)
    }

    pub(crate) fn second_path(&self) -> &str {
        text(&self.second)
    }

    pub(crate) fn ledger_path(&self) -> &str {
        text(&self.ledger)
    }

    /// Fails unless exactly what was planted was found: of each ten, three have other numbers, five stand under another
    /// value and so are missing on both sides, one is only in the first file and one only in the second.
    pub(crate) fn check(&self, who: &str, found: &Found) -> Outcome<()> {
        let each = PLANTED / KINDS;
        let expected = Found {
            mismatched: 3 * each,
            missing_in_second: 6 * each,
            missing_in_first: 6 * each,
            matched: self.rows - PLANTED,
        };
        if *found == expected {
            return Ok(());
        }
        Err(format!("{who} found {found:?} where {expected:?} was planted").into())
    }
}

/// What the two files say of a planted row.
fn differing(row: &Row, kind: u64) -> (Option<Row>, Option<Row>) {
    let mut other = row.clone();
    match kind {
        0 => return (None, Some(other)),
        1 => return (Some(other), None),
        2 => other.input += 1,
        3 => other.output += 1,
        4 => other.requests += 1,
        5 => other.tier = "flex",
        6 => other.batch = !other.batch,
        7 => other.model = "o3",
        8 => other.user += 1_000_000,
        _ => other.project += 1_000,
    }
    (Some(row.clone()), Some(other))
}

impl Row {
    /// The row with this number of the day: no two of a day have the same user and key.
    fn of(place: u64, number: u64) -> Self {
        let input = 1_000 + place * 7_919 % 900_000;
        Self {
            project: number % 40,
            user: number / 8,
            key: number % 800,
            model: ["gpt-5-2025-08-07", "gpt-4.1-mini-2025-04-14", "gpt-4o"]
                [usize::try_from(number % 3).unwrap_or(0)],
            batch: number.is_multiple_of(16),
            tier: "default",
            requests: 1 + place % 97,
            input,
            output: 10 + place * 31 % 9_000,
            cached: input / 3,
        }
    }

    fn write(&self, start: i64, out: &mut impl Write) -> Outcome<()> {
        let Self {
            project,
            user,
            key,
            model,
            tier,
            requests,
            input,
            output,
            cached,
            ..
        } = self;
        let (end, uncached) = (start + DAY, input - cached);
        let batch = if self.batch { "True" } else { "False" };
        let iso = |at| chrono::DateTime::from_timestamp(at, 0).map(|at| at.format("%Y-%m-%dT%H:%M:%S+00:00"));
        let (start_iso, end_iso) = (iso(start).ok_or("no time")?, iso(end).ok_or("no time")?);
        writeln!(
            out,
            "{start},{end},{start_iso},{end_iso},proj_AbCdEfGhIjKlMnOp{project:04},{requests},user-ZyXwVuTsRq{user:07},\
             key_QwErTyUiOp{key:05},{model},{batch},{tier},{input},{output},{cached},{uncached},{uncached},{output},\
             {cached},0,0,0,0,0,0"
        )?;
        Ok(())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
