//! From parsed arguments to a server, and an exit code.

use std::path::Path;
use std::process::ExitCode;

use usage_app::logging::{self, LogLevel};
use usage_app::serving;
use usage_app::settings::{Environment, Settings, Sources};
use usage_app::{App, AppError, Exit};
use usage_shell::output::tell_listening;
use usage_shell::stop_on_signal;

use crate::arguments::Arguments;

/// Serves until told to stop.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    usage_shell::run(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<Exit, AppError> {
    let environment = Environment::capture();
    let level = LogLevel::resolve(arguments.log_level, &environment, LogLevel::Info)?;
    logging::install(level, arguments.log_format.into(), &environment);
    #[cfg(feature = "demo")]
    if arguments.demo {
        serving::serve_demo(
            arguments.bind,
            arguments.behind_proxy,
            tell_listening,
            stop_on_signal(),
        )
        .await?;
        return Ok(Exit::Clean);
    }
    let sources = Sources::gather(arguments.settings.flags(), environment, Path::new(""));
    let app = App::new(Settings::resolve(&sources)?);
    serving::serve_ledger(app, arguments.serve(), tell_listening, stop_on_signal()).await?;
    Ok(Exit::Clean)
}
