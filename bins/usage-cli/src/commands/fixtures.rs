//! `usage fixtures`

use usage_app::commands::fixtures::capture::{self, CaptureOptions};
use usage_app::commands::fixtures::sanitize::{self, SaltSource, SanitizeOptions};
use usage_app::commands::fixtures::summarize::{self, SummarizeOptions};
use usage_app::{App, AppError, Exit};

use super::show;
use crate::arguments::{CaptureArguments, FixturesCommand, SanitizeArguments, SummarizeArguments};

pub(super) async fn run(app: &App, command: FixturesCommand) -> Result<Exit, AppError> {
    match command {
        FixturesCommand::Capture(arguments) => run_capture(app, arguments).await,
        FixturesCommand::Sanitize(arguments) => run_sanitize(app, arguments),
        FixturesCommand::Summarize(arguments) => run_summarize(arguments),
    }
}

async fn run_capture(app: &App, arguments: CaptureArguments) -> Result<Exit, AppError> {
    let options = CaptureOptions {
        windows: arguments.range()?,
        endpoint: arguments.endpoint,
        account: arguments.account,
        tenant: arguments.tenant,
        output: arguments.output,
    };
    let report = capture::capture(app, options).await?;
    show(arguments.format, &report)?;
    Ok(report.exit())
}

fn run_sanitize(app: &App, arguments: SanitizeArguments) -> Result<Exit, AppError> {
    let options = SanitizeOptions {
        input: arguments.input,
        output: arguments.output,
        salt: if arguments.random_salt {
            SaltSource::Random
        } else {
            SaltSource::Setting
        },
    };
    show(arguments.format, &sanitize::sanitize(app, &options)?)?;
    Ok(Exit::Clean)
}

fn run_summarize(arguments: SummarizeArguments) -> Result<Exit, AppError> {
    let options = SummarizeOptions {
        path: arguments.path,
        expected: arguments.expected,
        tolerance: arguments.tolerance,
    };
    let report = summarize::summarize(&options)?;
    show(arguments.format, &report)?;
    Ok(report.exit())
}
