//! From parsed arguments to a pass, its report, and an exit code.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::time::Instant;
use usage_app::alerting::{Ping, ping};
use usage_app::cron::{
    LoggedProgress, PassOptions, PassReport, Schedule, ServeOptions, run_pass, serve_schedule,
};
use usage_app::logging::{self, LogLevel};
use usage_app::monitoring::{self, MetricsOptions};
use usage_app::rehearsal;
use usage_app::settings::{Environment, Settings, Sources};
use usage_app::{App, AppError, Exit};
use usage_core::{Clock, ScaledClock, SystemClock};
use usage_shell::output::show;
use usage_shell::stop_on_signal;

use crate::arguments::{
    Arguments, Command, GlobalArguments, PassArguments, RehearseArguments, RunArguments, ServeArguments,
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
    let options = arguments.options();
    let report = if options.plan_only {
        run_pass(&app, &options, &LoggedProgress, stop).await?
    } else {
        pass(app, &arguments.pass, &options, stop).await?
    };
    show(arguments.format, &report)?;
    Ok(report.exit())
}

async fn serve(app: App, arguments: ServeArguments) -> Result<Exit, AppError> {
    let options = ServeOptions {
        schedule: Schedule::cron(&arguments.schedule, Some(&arguments.zone))?,
        jitter: arguments.jitter,
        catch_up: !arguments.no_catch_up,
    };
    let ledger = app.ledger().await?;
    let stop = stop_on_signal();
    tracing::info!(schedule = %options.schedule, "serving");
    serve_schedule(
        app.clock.as_ref(),
        &ledger,
        &options,
        stop.clone(),
        async |tick| {
            let options = PassOptions {
                due: Some(tick.due),
                ..arguments.pass.options()
            };
            // The next pass may find the ledger or the keys in order again, so this one's failure is told and no more.
            if let Err(error) = pass(app.clone(), &arguments.pass, &options, stop.clone()).await {
                tracing::error!("the pass could not be run: {error}");
            }
            true
        },
    )
    .await?;
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
        pass(app.clone(), &arguments.pass, &options, stop.clone()).await
    })
    .await?;
    show(arguments.format, &report)?;
    Ok(report.exit())
}

/// One pass with what surrounds it: the dead man's switch and the metrics, neither of which changes its result.
async fn pass(
    app: App,
    arguments: &PassArguments,
    options: &PassOptions,
    stop: watch::Receiver<bool>,
) -> Result<PassReport, AppError> {
    let app = App {
        deadline: arguments.deadline.map(|deadline| Instant::now() + deadline),
        ..app
    };
    ping(&app, Ping::Started).await;
    let mut report = match run_pass(&app, options, &LoggedProgress, stop).await {
        Ok(report) => report,
        Err(error) => {
            ping(&app, Ping::Failed).await;
            return Err(error);
        }
    };
    let outcome = match report.exit() {
        Exit::Clean => Ping::Succeeded,
        Exit::Findings | Exit::Failed => Ping::Failed,
    };
    report.notes.extend(ping(&app, outcome).await);
    if let Some(file) = &arguments.textfile
        && let Err(error) = write_metrics(&app, file, options.horizon_days).await
    {
        tracing::warn!("the metrics were not written: {error}");
        report
            .notes
            .push(format!("the metrics were not written: {error}"));
    }
    Ok(report)
}

async fn write_metrics(app: &App, file: &Path, horizon_days: u32) -> Result<(), AppError> {
    let ledger = app.ledger().await?;
    let text = monitoring::collect(&ledger, app.clock.now(), &MetricsOptions { horizon_days }).await?;
    monitoring::write_textfile(&text, file)
}
