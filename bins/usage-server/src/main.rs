//! The `usage-server` command line.

mod arguments;
mod commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os()) {
        Ok(arguments) => commands::run(arguments),
        Err(refusal) => refusal.report(),
    }
}
