//! The table.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use crate::Outcome;
use crate::measure::Times;
use crate::question::Question;

/// One client's answer is to come within this.
const ONE_CLIENT_TARGET: Duration = Duration::from_millis(50);
/// And that of many at once within this.
const CLIENTS_TARGET: Duration = Duration::from_millis(400);
/// How many times as fast as the bare SQL it is to be.
const RATIO_TARGET: f64 = 10.0;

/// What was measured of one question.
pub(crate) struct Line {
    pub(crate) question: Question,
    pub(crate) one: Times,
    pub(crate) many: Times,
    pub(crate) plain: Times,
    pub(crate) best_width: Times,
}

/// Prints a line to stdout.
pub(crate) fn line(text: fmt::Arguments<'_>) -> Outcome<()> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}

pub(crate) fn print(lines: &[Line], clients: usize) -> Outcome<()> {
    line(format_args!(
        "| question | one client, p50 / p99 | {clients} clients, p50 / p99 | plain SQL, p50 | times | \
         SQL at the best width, p50 | times | targets |"
    ))?;
    line(format_args!("|---|---|---|---|---|---|---|---|"))?;
    for of in lines {
        let half = of.one.percentile(50);
        let times = |bare: &Times| bare.percentile(50).as_secs_f64() / half.as_secs_f64();
        let mut missed = Vec::new();
        if of.one.percentile(99) > ONE_CLIENT_TARGET {
            missed.push("one client");
        }
        if of.many.percentile(99) > CLIENTS_TARGET {
            missed.push("many clients");
        }
        if times(&of.best_width) < RATIO_TARGET {
            missed.push("times bare SQL");
        }
        line(format_args!(
            "| {} | {} / {} | {} / {} | {} | {:.1} | {} | {:.1} | {} |",
            of.question.name(),
            shown(half),
            shown(of.one.percentile(99)),
            shown(of.many.percentile(50)),
            shown(of.many.percentile(99)),
            shown(of.plain.percentile(50)),
            times(&of.plain),
            shown(of.best_width.percentile(50)),
            times(&of.best_width),
            if missed.is_empty() {
                "met".to_owned()
            } else {
                format!("missed: {}", missed.join(", "))
            }
        ))?;
    }
    Ok(())
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
