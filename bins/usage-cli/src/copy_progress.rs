//! How far a copy is, on standard error: a bar on a terminal, a line for each table elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use usage_app::commands::copy::{CopyProgress, CopyStep};

/// Tells people how far the copy is.
pub(crate) fn copy_progress() -> CopyProgress {
    if !io::stderr().is_terminal() {
        return Arc::new(tell_tables);
    }
    let style = ProgressStyle::with_template("{bar:30} {percent}%  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(0).with_style(style);
    // Dropping the bar leaves it on the screen.
    let bar = ClearedAtTheEnd(bar);
    Arc::new(move |step: CopyStep<'_>| {
        let ClearedAtTheEnd(bar) = &bar;
        match step {
            // Each is copied, then compared; all of it anew when a database went away.
            CopyStep::Planned { rows } => {
                bar.set_position(0);
                bar.set_length(2 * rows);
            }
            CopyStep::Rows { rows } => bar.inc(rows),
            CopyStep::Copied { table, .. } => bar.set_message(format!("copied {table}")),
            CopyStep::Compared { table, .. } => bar.set_message(format!("compared {table}")),
        }
    })
}

struct ClearedAtTheEnd(ProgressBar);

impl Drop for ClearedAtTheEnd {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn tell_tables(step: CopyStep<'_>) {
    let (done, table, rows) = match step {
        CopyStep::Copied { table, rows } => ("copied", table, rows),
        CopyStep::Compared { table, rows } => ("compared", table, rows),
        CopyStep::Planned { .. } | CopyStep::Rows { .. } => return,
    };
    if rows > 0 {
        let plural = if rows == 1 { "" } else { "s" };
        // If standard error is gone there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{done} {table}: {rows} row{plural}");
    }
}
