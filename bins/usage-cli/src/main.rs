//! The `usage` command line.

mod arguments;
mod commands;
mod copy_progress;
mod progress;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os()) {
        Ok(arguments) => commands::run(arguments),
        Err(refusal) => refusal.report(),
    }
}
