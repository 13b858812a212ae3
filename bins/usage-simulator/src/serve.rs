//! `usage-simulator serve`.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::signal::unix::{SignalKind, signal};
use usage_core::{Clock, Endpoint, ManualClock, ScaledClock, SystemClock, WindowRange, format_instant};
use usage_simulator::{AdminKey, LivingOrganization, Organization, Simulator};

use crate::arguments::Serve;
use crate::commands::{Outcome, span};
use crate::organization::{self, at};

const FAKE_KEY: &str = "sk-admin-test-not-a-real-key";

pub(crate) async fn serve(arguments: Serve) -> Outcome {
    let key = match (&arguments.key_file, &arguments.key) {
        (Some(path), _) => read_key(path)?,
        (None, Some(key)) => key.clone(),
        (None, None) => FAKE_KEY.to_owned(),
    };
    let origin = arguments.clock_origin.unwrap_or_else(|| SystemClock.now());
    let clock = clock(&arguments, origin);
    let mut builder = Simulator::builder()
        .key(AdminKey::owner(key))
        .clock(Arc::clone(&clock))
        .port(arguments.port)
        .keep_no_requests();
    let living = if arguments.organization.living {
        Some(living(&arguments, arguments.living_from.unwrap_or(origin))?)
    } else {
        None
    };
    if let Some(living) = &living {
        warn_of_unpriced(&living.at(origin))?;
        builder = builder.living(living.clone());
    } else {
        let mut organization = organization::still(&arguments.organization)?;
        organization.costs_lag_days(arguments.costs_lag_days);
        warn_of_unpriced(&organization)?;
        builder = builder.organization(organization);
    }
    if let Some(limit) = arguments.requests_per_minute {
        builder = builder.requests_per_minute(limit);
    }
    if let Some(path) = &arguments.request_log {
        builder = builder.request_log(LogFile::open(path)?);
    }
    for injection in &arguments.faults {
        builder = builder.fault(*injection);
    }

    // Before the URL is printed, so that whoever reads it may also end the server, and finds the exports.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let exports = match (living, &arguments.exports) {
        (Some(living), Some(folder)) => Some(Exports::begin(living, folder, clock).await?),
        _ => None,
    };
    let simulator = builder.start().await?;
    tell_what_was_chosen(&arguments, origin)?;
    writeln!(io::stdout(), "{}", simulator.base_url())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = keep(exports) => {}
    }
    simulator.shutdown().await;
    Ok(())
}

/// Says what the caller left to the program and needs to know.
fn tell_what_was_chosen(arguments: &Serve, origin: DateTime<Utc>) -> io::Result<()> {
    let mut told = io::stderr();
    if arguments.key_file.is_none() && arguments.key.is_none() {
        writeln!(told, "the admin key is {FAKE_KEY}")?;
    }
    if arguments.organization.living && arguments.clock_origin.is_none() {
        let origin = format_instant(origin);
        writeln!(
            told,
            "the organisation lives from {origin} on; after a restart, --clock-origin {origin} shows the same one"
        )?;
    }
    Ok(())
}

/// The machine's clock, one that stands still, or a faster one.
fn clock(arguments: &Serve, origin: DateTime<Utc>) -> Arc<dyn Clock> {
    match (arguments.now, arguments.clock_scale) {
        (Some(now), _) => Arc::new(ManualClock::new(now)),
        (None, scale) if scale.get() == 1 => Arc::new(SystemClock),
        (None, scale) => Arc::new(ScaledClock::new(origin, scale)),
    }
}

fn living(arguments: &Serve, origin: DateTime<Utc>) -> Result<LivingOrganization, Box<dyn Error>> {
    organization::check_faults(&arguments.faults)?;
    let living = organization::living(&arguments.organization, origin)?;
    Ok(living.costs_lag_days(arguments.costs_lag_days))
}

/// Says which usage the costs that are served will lack.
fn warn_of_unpriced(organization: &Organization) -> Outcome {
    if let Some((first, last)) = span(organization, Endpoint::Costs) {
        for reason in organization.unpriced(WindowRange::days(first, last)?) {
            writeln!(
                io::stderr(),
                "warning: {reason}; its usage is served without costs"
            )?;
        }
    }
    Ok(())
}

/// The exports in a folder, as of some time.
struct Exports {
    living: Arc<LivingOrganization>,
    folder: Arc<Path>,
    clock: Arc<dyn Clock>,
    written_for: DateTime<Utc>,
}

impl Exports {
    /// Writes the first ones.
    async fn begin(
        living: LivingOrganization,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut exports = Self {
            living: Arc::new(living),
            folder: folder.into(),
            written_for: clock.now(),
            clock,
        };
        exports.write().await?;
        Ok(exports)
    }

    /// Writes them as of now.
    async fn write(&mut self) -> Result<(), Box<dyn Error>> {
        let now = self.clock.now();
        let (living, folder) = (Arc::clone(&self.living), Arc::clone(&self.folder));
        // Whether it succeeds or not: what is next is due at the next restatement.
        self.written_for = now;
        Ok(tokio::task::spawn_blocking(move || living.write_exports(now, &folder)).await??)
    }
}

/// Writes the exports after each restatement, for ever. One that fails is told, and the ones before stand.
async fn keep(exports: Option<Exports>) {
    let Some(mut exports) = exports else {
        return std::future::pending().await;
    };
    loop {
        let due = LivingOrganization::next_restatement(exports.written_for);
        while exports.clock.now() < due {
            tokio::time::sleep(exports.clock.real_time_until(due)).await;
        }
        if let Err(error) = exports.write().await {
            // Nobody may read what it says, and it goes on.
            let _ = writeln!(io::stderr(), "warning: the exports were not written: {error}");
        }
    }
}

/// A file to which each request is appended. Its first failure is told.
struct LogFile {
    file: File,
    path: PathBuf,
    has_failed: bool,
}

impl LogFile {
    fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self {
            file: opened.map_err(|error| at(path, &error))?,
            path: path.to_owned(),
            has_failed: false,
        })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        if let Err(error) = &written
            && !std::mem::replace(&mut self.has_failed, true)
        {
            writeln!(
                io::stderr(),
                "warning: requests are missing in {}",
                at(&self.path, error)
            )?;
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn read_key(path: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    let key = text.trim();
    if key.is_empty() {
        return Err(format!("{}: the key file is empty", path.display()).into());
    }
    Ok(key.to_owned())
}
