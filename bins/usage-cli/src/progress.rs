//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use usage_app::{Progress, Step};
use usage_core::Severity;

/// Tells people what a run does.
pub(crate) struct TerminalProgress {
    bar: Option<ProgressBar>,
}

impl TerminalProgress {
    /// A bar if standard error is a terminal.
    pub(crate) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} windows  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Self { bar }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| tell(text)),
            None => tell(text),
        }
    }
}

impl Progress for TerminalProgress {
    fn step(&self, step: Step<'_>) {
        match step {
            Step::Planned { windows, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(windows as u64);
                }
            }
            Step::Begun { .. } => {}
            Step::WaitingForLease {
                account,
                holder,
                seconds,
            } => self.line(&format!(
                "{account} is being read by another process ({holder}); waiting up to {seconds} s for it"
            )),
            Step::SettledMeanwhile { account, windows } => {
                if let Some(bar) = &self.bar {
                    bar.inc(windows as u64);
                }
                let plural = if windows == 1 { "" } else { "s" };
                self.line(&format!(
                    "{account}: {windows} window{plural} settled by another run meanwhile, not read again"
                ));
            }
            Step::ChunkDone {
                endpoint,
                windows,
                events,
                read_started_at,
            } => {
                let (first, last) = (windows.start().date_naive(), windows.windows().next_back());
                let last = last.map_or(first, usage_core::Window::utc_day);
                match (&self.bar, read_started_at) {
                    (Some(bar), _) => {
                        bar.inc(windows.len() as u64);
                        bar.set_message(format!("{endpoint} up to {last}"));
                    }
                    // Most endpoints of most organisations are quiet, and the summary names them.
                    (None, Some(_)) if events == 0 => {}
                    (None, Some(_)) => {
                        let until = if first == last {
                            String::new()
                        } else {
                            format!(" to {last}")
                        };
                        let noun = if endpoint.is_costs() { "cost" } else { "event" };
                        let plural = if events == 1 { "" } else { "s" };
                        tell(&format!(
                            "read {endpoint} {first}{until}: {events} {noun}{plural}"
                        ));
                    }
                    // It was not read, and the issue has said so.
                    (None, None) => {}
                }
            }
            Step::Issue(issue) => match issue.severity {
                Severity::Error => self.line(&format!("error: {issue}")),
                Severity::Warning => self.line(&format!("warning: {issue}")),
                Severity::Info => tracing::info!("{issue}"),
            },
        }
    }
}

fn tell(text: &str) {
    // If standard error is gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
