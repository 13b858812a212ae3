//! Measuring in a process of its own.

use std::fmt;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use usage_testkit::PostgresCluster;

use crate::options::Options;
use crate::report::line;
use crate::{Outcome, limit, old_way, ours};

/// The first argument of a child.
const CHILD: &str = "--child";

/// What a child measures.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// First load, unchanged re-read and restated re-read through the ledger: three samples.
    Ours,
    /// What the index, revisions and coverage cost: three samples.
    Costs,
    /// The database's own bulk path.
    Limit,
    /// A SELECT and an INSERT for each row.
    OldWay,
    /// The first load of this many months, a month at a time.
    Months(usize),
}

/// Where databases are made.
pub(crate) enum Place<'a> {
    /// In a file of a temporary directory.
    Sqlite,
    /// On a private server.
    Postgres(&'a PostgresCluster),
}

/// One thing measured.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) rows: usize,
    pub(crate) seconds: f64,
    /// What the process held before: the rows themselves, mostly.
    pub(crate) held_kilobytes: u64,
    /// The most it held while it was measured.
    pub(crate) peak_kilobytes: u64,
}

impl Sample {
    pub(crate) fn rows_a_second(&self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a number of rows is far below 2 to the power of 52"
        )]
        let rows = self.rows as f64;
        rows / self.seconds
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "rows": self.rows,
            "seconds": self.seconds,
            "rowsPerSecond": self.rows_a_second().round(),
            "heldKilobytes": self.held_kilobytes,
            "peakKilobytes": self.peak_kilobytes,
        })
    }

    fn from_json(value: &Value) -> Outcome<Self> {
        let number = |name: &str| {
            value[name]
                .as_u64()
                .ok_or_else(|| format!("no {name} in {value}"))
        };
        Ok(Self {
            rows: usize::try_from(number("rows")?)?,
            seconds: value["seconds"]
                .as_f64()
                .ok_or_else(|| format!("no seconds in {value}"))?,
            held_kilobytes: number("heldKilobytes")?,
            peak_kilobytes: number("peakKilobytes")?,
        })
    }
}

/// Runs a job on a new database in a new process.
pub(crate) fn run(job: Job, options: &Options, place: &Place<'_>) -> Outcome<Vec<Sample>> {
    match place {
        Place::Sqlite => {
            let directory = tempfile::tempdir()?;
            let file = directory.path().join("ledger.db");
            run_on(job, options, &format!("sqlite:{}", file.display()))
        }
        Place::Postgres(cluster) => {
            let database = cluster.create_database();
            // What an earlier measurement left unwritten must not be written on this one's time.
            database.execute("checkpoint");
            run_on(job, options, database.url())
        }
    }
}

fn run_on(job: Job, options: &Options, url: &str) -> Outcome<Vec<Sample>> {
    let rows = match job {
        Job::OldWay => options.old_rows,
        _ => options.rows,
    };
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, &job.to_string(), url])
        .args([rows.to_string(), options.window.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{job} on {url}: {}", output.status).into());
    }
    String::from_utf8(output.stdout)?
        .lines()
        .map(|text| Sample::from_json(&serde_json::from_str(text)?))
        .collect()
}

/// The command line of a child.
pub(crate) struct Child {
    job: Job,
    url: String,
    rows: usize,
    window: usize,
}

impl Child {
    /// `None` in the parent.
    pub(crate) fn from_arguments() -> Outcome<Option<Self>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.as_slice() {
            [child, job, url, rows, window] if child == CHILD => Ok(Some(Self {
                job: job.parse()?,
                url: url.clone(),
                rows: rows.parse()?,
                window: window.parse()?,
            })),
            _ => Ok(None),
        }
    }

    pub(crate) fn work(self) -> Outcome<()> {
        let Self {
            job,
            url,
            rows,
            window,
        } = self;
        let samples = match job {
            Job::Ours => ours::phases(&url, rows, window)?,
            Job::Costs => ours::costs(&url, rows, window)?,
            Job::Months(months) => vec![ours::months(&url, months, window)?],
            Job::Limit => vec![limit::load(&url, rows, window)?],
            Job::OldWay => vec![old_way::load(&url, rows, window)?],
        };
        for sample in samples {
            line(format_args!("{}", sample.json()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("ours"),
            Self::Costs => f.write_str("costs"),
            Self::Limit => f.write_str("limit"),
            Self::OldWay => f.write_str("old-way"),
            Self::Months(months) => write!(f, "months:{months}"),
        }
    }
}

impl std::str::FromStr for Job {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':').unwrap_or((text, "")) {
            ("ours", "") => Ok(Self::Ours),
            ("costs", "") => Ok(Self::Costs),
            ("limit", "") => Ok(Self::Limit),
            ("old-way", "") => Ok(Self::OldWay),
            ("months", months) => months
                .parse()
                .map(Self::Months)
                .map_err(|error| format!("{text}: {error}")),
            _ => Err(format!("unknown job {text}")),
        }
    }
}

/// A stopwatch for time and memory.
pub(crate) struct Measurement {
    held_kilobytes: u64,
    started: Instant,
}

impl Measurement {
    pub(crate) fn start() -> Outcome<Self> {
        // 5 makes the kernel forget the peak so far (proc_pid_clear_refs(5)).
        fs::write("/proc/self/clear_refs", "5")?;
        Ok(Self {
            held_kilobytes: memory("VmRSS:")?,
            started: Instant::now(),
        })
    }

    pub(crate) fn finish(self, rows: usize) -> Outcome<Sample> {
        let took = self.started.elapsed();
        self.finish_with(rows, took)
    }

    /// As [`Measurement::finish`], when only part of the time counts.
    pub(crate) fn finish_with(self, rows: usize, took: Duration) -> Outcome<Sample> {
        Ok(Sample {
            rows,
            seconds: took.as_secs_f64(),
            held_kilobytes: self.held_kilobytes,
            peak_kilobytes: memory("VmHWM:")?,
        })
    }
}

fn memory(name: &str) -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .ok_or_else(|| format!("/proc/self/status has no {name}"))?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}
