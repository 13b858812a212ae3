//! Starting the processes and timing them whole.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::Outcome;
use crate::provider::{KEY, windows};

/// The simulator's process; it ends with this value.
pub(crate) struct Provider {
    child: Child,
    base_url: String,
}

impl Provider {
    /// Starts it and waits until it answers.
    pub(crate) fn start(days: u32, groups: u32) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--provider", &days.to_string(), &groups.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut base_url = String::new();
        let out = child.stdout.take().ok_or("no standard output")?;
        BufReader::new(out).read_line(&mut base_url)?;
        if base_url.trim().is_empty() {
            return Err("the simulator did not start".into());
        }
        Ok(Self {
            child,
            base_url: base_url.trim().to_owned(),
        })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It ends when its standard input does; killing it as well costs nothing.
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether rows get their cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prices {
    /// As the product does it.
    Found,
    /// To see what pricing adds.
    LeftOut,
}

/// One process, from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) rows: u64,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) peak_kilobytes: u64,
}

impl Sample {
    pub(crate) fn json(&self) -> Value {
        json!({
            "rows": self.rows,
            "requests": self.requests,
            "seconds": self.seconds,
            "peakKilobytes": self.peak_kilobytes,
        })
    }
}

/// Fills the database with this project.
pub(crate) fn ours(provider: &Provider, database: &str, days: u32, prices: Prices) -> Outcome<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    let way = match prices {
        Prices::Found => "--ours",
        Prices::LeftOut => "--ours-unpriced",
    };
    command.args([way, &provider.base_url, database, &days.to_string()]);
    time(command)
}

/// Fills the database with dlt.
pub(crate) fn rival(provider: &Provider, python: &Path, database: &str, days: u32) -> Outcome<Sample> {
    let home = tempfile::tempdir()?;
    let script = home.path().join("rival_dlt.py");
    std::fs::write(&script, include_str!("rival_dlt.py"))?;
    let windows = windows(days)?;
    let mut command = Command::new(python);
    command
        .arg(&script)
        .args([&provider.base_url, KEY, database])
        .args([
            windows.start().timestamp().to_string(),
            windows.end().timestamp().to_string(),
        ])
        .arg(home.path())
        .env("RUNTIME__DLTHUB_TELEMETRY", "false");
    time(command)
}

fn time(mut command: Command) -> Outcome<Sample> {
    let start = Instant::now();
    let output = command.stderr(Stdio::inherit()).output()?;
    let seconds = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let number = |name: &str| told[name].as_u64().ok_or_else(|| format!("no {name} in {told}"));
    Ok(Sample {
        rows: number("rows")?,
        requests: number("requests")?,
        seconds,
        peak_kilobytes: number("peakKilobytes")?,
    })
}
