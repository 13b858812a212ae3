//! From parsed arguments to a pass, its report, and an exit code.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use usage_app::cron::{LoggedProgress, Schedule, ServeOptions, run_pass, run_surrounded_pass};
use usage_app::logging::{self, LogLevel};
use usage_app::rehearsal;
use usage_app::serving::{self, Serve};
use usage_app::settings::{Environment, Settings, Sources};
use usage_app::{App, AppError, Exit};
use usage_core::{Clock, ScaledClock, SystemClock};
use usage_shell::output::show;
use usage_shell::stop_on_signal;

use crate::arguments::{
    Arguments, Command, GlobalArguments, RehearseArguments, RunArguments, ServeArguments,
};

/// Runs the command and turns what became of it into an exit code.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    usage_shell::run(dispatch(arguments))
}

async fn dispatch(arguments: Arguments) -> Result<Exit, AppError> {
    let Arguments { global, command } = arguments;
    let environment = Environment::capture();
    let level = LogLevel::resolve(global.log_level, &environment, LogLevel::Info)?;
    logging::install(level, global.log_format.into(), &environment);
    let sources = Sources::gather(global.settings.flags(), environment, Path::new(""));
    let app = App::new(Settings::resolve(&sources)?);
    let origin = clock_origin(&global, &command)?;
    let app = App {
        clock: clock(&global, origin),
        ..app
    };
    match command {
        Command::Run(arguments) => run_once(app, arguments).await,
        Command::Serve(arguments) => serve(app, arguments).await,
        Command::Rehearse(arguments) => rehearse(app, origin, arguments).await,
    }
}

/// When a faster clock shows the real time: as told, as the rehearsal has it that is gone on with, or now.
fn clock_origin(global: &GlobalArguments, command: &Command) -> Result<Option<DateTime<Utc>>, AppError> {
    if global.clock_scale.get() == 1 {
        return Ok(None);
    }
    let mut origin = global.clock_origin;
    if let (None, Command::Rehearse(arguments)) = (origin, command) {
        origin = rehearsal::unfinished_origin(&arguments.pass.audit_dir, global.clock_scale.get())?;
    }
    Ok(Some(origin.unwrap_or_else(|| SystemClock.now())))
}

/// The machine's clock, or a faster one.
fn clock(global: &GlobalArguments, origin: Option<DateTime<Utc>>) -> Arc<dyn Clock> {
    match origin {
        None => Arc::new(SystemClock),
        Some(origin) => Arc::new(ScaledClock::new(origin, global.clock_scale)),
    }
}

async fn run_once(app: App, arguments: RunArguments) -> Result<Exit, AppError> {
    let stop = stop_on_signal();
    let options = arguments.options(app.clock.now())?;
    let report = if options.plan_only {
        run_pass(&app, &options, &LoggedProgress, stop).await?
    } else {
        run_surrounded_pass(app, &options, &arguments.pass.surroundings(), stop).await?
    };
    show(arguments.format, &report)?;
    Ok(report.exit())
}

async fn serve(app: App, arguments: ServeArguments) -> Result<Exit, AppError> {
    let serve = Serve {
        schedule: ServeOptions {
            schedule: Schedule::cron(&arguments.schedule, Some(&arguments.zone))?,
            jitter: arguments.jitter,
            catch_up: !arguments.no_catch_up,
        },
        pass: arguments.pass.options(),
        surroundings: arguments.pass.surroundings(),
        bind: serving::listening_address(arguments.bind, &app.settings),
        behind_proxy: arguments.behind_proxy,
    };
    serving::serve(app, serve, stop_on_signal()).await?;
    Ok(Exit::Clean)
}

async fn rehearse(
    app: App,
    origin: Option<DateTime<Utc>>,
    arguments: RehearseArguments,
) -> Result<Exit, AppError> {
    let stop = stop_on_signal();
    let options = arguments.options(origin);
    let report = rehearsal::rehearse(&app, &options, stop.clone(), async |options| {
        run_surrounded_pass(
            app.clone(),
            &options,
            &arguments.pass.surroundings(),
            stop.clone(),
        )
        .await
    })
    .await?;
    show(arguments.format, &report)?;
    Ok(report.exit())
}
