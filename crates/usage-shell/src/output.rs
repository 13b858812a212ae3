//! The two streams: results on standard output, everything else on standard error.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use usage_app::{AppError, hide_secrets};

use crate::arguments::OutputFormat;

/// Prints a report for people.
pub fn print(report: &impl Display) -> Result<(), AppError> {
    write(&report.to_string())
}

/// Prints a report for programs.
pub fn print_json(report: &impl Serialize) -> Result<(), AppError> {
    let text = serde_json::to_string_pretty(report).map_err(|error| AppError::Stream {
        what: "cannot write the report",
        source: error.into(),
    })?;
    write(&format!("{text}\n"))
}

/// Prints a report in the form asked for.
pub fn show<T: std::fmt::Display + serde::Serialize>(
    format: OutputFormat,
    report: &T,
) -> Result<(), AppError> {
    match format {
        OutputFormat::Text => print(report),
        OutputFormat::Json => print_json(report),
    }
}

/// Prints what is too long to be held in memory. A reader that has gone is no error.
pub fn print_with(write: impl FnOnce(&mut dyn io::Write) -> Result<(), AppError>) -> Result<(), AppError> {
    match write(&mut io::BufWriter::new(io::stdout().lock())) {
        Err(AppError::Stream { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Says in one line why nothing could be done.
pub fn refuse(message: &str) -> ExitCode {
    complain(message);
    ExitCode::from(2)
}

/// Says in one line what went wrong. What was pasted into the wrong place is not repeated.
pub fn complain(message: &str) {
    // If standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {}", hide_secrets(message));
}

/// Says in one line what whoever reads a result must know.
pub fn warn(message: &str) {
    let _ = writeln!(io::stderr(), "warning: {}", hide_secrets(message));
}

/// Says what goes with a result that somebody may want to pass on alone.
pub fn note(message: &str) {
    let _ = writeln!(io::stderr(), "{}", hide_secrets(message));
}

fn write(text: &str) -> Result<(), AppError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|source| AppError::Stream {
            what: "cannot write the report",
            source,
        }),
    }
}
