//! From parsed arguments to a server, and an exit code.

use std::path::Path;
use std::process::ExitCode;

use secrecy::ExposeSecret as _;
use usage_app::logging::{self, LogLevel};
use usage_app::serving::{self, Listening};
use usage_app::settings::{Environment, Settings, Sources};
use usage_app::{App, AppError, Exit};
use usage_shell::output::print;
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
    let sources = Sources::gather(arguments.settings.flags(), environment, Path::new(""));
    let app = App::new(Settings::resolve(&sources)?);
    serving::serve_ledger(app, arguments.serve(), tell, stop_on_signal()).await?;
    Ok(Exit::Clean)
}

fn tell(listening: Listening) -> Result<(), AppError> {
    print(&format_args!("http://{}/\n", listening.address))?;
    match listening.first_token {
        None => Ok(()),
        Some(token) => print(&format_args!(
            "Sign in with this token of the role admin. It is valid until it is revoked, and is not shown again:\n{}\n",
            token.expose_secret()
        )),
    }
}
