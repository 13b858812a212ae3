//! From a command to the exit code of its process.

use std::process::ExitCode;

use usage_app::{AppError, Exit};

use crate::memory::{give_back_regularly, share_between_threads};
use crate::output::refuse;
use crate::signals::survive_file_size_limits;

/// Runs the command on a runtime of its own, and turns what became of it into an exit code; why nothing could be done is said
/// in one line.
pub fn run(command: impl Future<Output = Result<Exit, AppError>>) -> ExitCode {
    share_between_threads();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("the runtime could not be started: {error}")),
    };
    let done = runtime.block_on(async {
        survive_file_size_limits();
        tokio::select! {
            done = command => done,
            never = give_back_regularly() => match never {},
        }
    });
    match done {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => refuse(&error.to_string()),
    }
}
