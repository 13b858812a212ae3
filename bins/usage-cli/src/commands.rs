//! From parsed arguments to a command of the app, its report, and an exit code.

mod fixtures;

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use tokio::time::Instant;
use usage_app::commands::backfill::BackfillOptions;
use usage_app::commands::cleanup::CleanupOptions;
use usage_app::commands::export::{ExportLayout, ExportOptions};
use usage_app::commands::import::ImportOptions;
use usage_app::commands::keys::{AddKeyOptions, RotateKeyOptions};
use usage_app::commands::reprice::RepriceOptions;
use usage_app::commands::tokens::AddTokenOptions;
use usage_app::commands::{
    alerts, backfill, backup, budgets, cleanup, copy, doctor, export, import, keys, migrate, names, parity,
    prices, read_only_role, reconcile, reprice, reseal, status, tokens,
};
use usage_app::logging::{self, LogLevel};
use usage_app::monitoring::{self, MetricsOptions};
use usage_app::settings::{Environment, Origin, Setting, Settings, Sources};
use usage_app::{App, AppError, Exit};
use usage_core::ProjectFilter;

use crate::arguments::{
    AddKeyArguments, AddTokenArguments, AlertsCommand, Arguments, BackfillArguments, BlankMetadataArguments,
    CleanupCommand, CognitrackArguments, Command, CopyArguments, ExportArguments, ExportFormat,
    ImportCommand, KeysCommand, MetricsArguments, NamesCommand, ParityArguments, PricesCommand,
    ReconcileArguments, ReportFormat, RepriceArguments, TokensCommand,
};
use usage_shell::output::{note, print, print_json, print_with, show, warn};
use usage_shell::{OutputFormat, stop_on_signal};

use crate::copy_progress::copy_progress;
use crate::progress::TerminalProgress;

/// A secret is one line; whoever pipes in more has the wrong file.
const SECRET_LIMIT: u64 = 64 * 1024;

/// Runs the command and turns what became of it into an exit code.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    usage_shell::run(dispatch(arguments))
}

async fn dispatch(arguments: Arguments) -> Result<Exit, AppError> {
    let Arguments { global, command } = arguments;
    let environment = Environment::capture();
    let level = LogLevel::resolve(global.log_level, &environment, LogLevel::Warn)?;
    logging::install(level, global.log_format.into(), &environment);
    let sources = Sources::gather(global.settings.flags(), environment, Path::new(""));
    let app = || Ok::<_, AppError>(App::new(Settings::resolve(&sources)?));
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "usage", &mut script);
            print(&String::from_utf8_lossy(&script)).map(|()| Exit::Clean)
        }
        #[cfg(feature = "demo")]
        Command::Demo => {
            let progress = TerminalProgress::new();
            let report = usage_app::commands::demo::demo(&progress, stop_on_signal()).await?;
            progress.finish();
            print(&report)?;
            Ok(report.exit())
        }
        Command::Doctor(arguments) => {
            let report = doctor::doctor(&sources).await;
            show(arguments.format, &report)?;
            Ok(report.exit())
        }
        Command::Migrate(arguments) => run_migrate(&app()?, arguments.read_only_role.as_deref()).await,
        Command::Keys(command) => {
            let mut app = app()?;
            if command.no_names() {
                app.settings.no_names = Setting {
                    value: true,
                    origin: Origin::Flag("--no-names"),
                };
            }
            run_keys(&app, command).await
        }
        Command::Names(NamesCommand::Erase { user }) => {
            let report = names::erase(&app()?, &user).await?;
            print(&report)?;
            Ok(report.exit())
        }
        Command::Backfill(arguments) => {
            let app = App {
                deadline: arguments.deadline.map(|deadline| Instant::now() + deadline),
                ..app()?
            };
            run_backfill(&app, arguments).await
        }
        Command::Status(arguments) => {
            let selection = &arguments.selection;
            let report = status::status(&app()?, &selection.accounts(), &selection.endpoints()).await?;
            show(arguments.format, &report)?;
            Ok(Exit::Clean)
        }
        Command::Metrics(arguments) => run_metrics(&app()?, arguments).await,
        Command::Prices(command) => run_prices(&app()?, command).await,
        Command::Reprice(arguments) => run_reprice(&app()?, arguments).await,
        Command::Parity(arguments) => run_parity(&app()?, arguments).await,
        Command::Reconcile(arguments) => run_reconcile(&app()?, arguments).await,
        Command::Alerts(command) => run_alerts(&app()?, command).await,
        Command::Budgets(arguments) => {
            let report = budgets::budgets(&app()?).await?;
            show(arguments.format, &report)?;
            Ok(report.exit())
        }
        Command::Tokens(command) => run_tokens(&app()?, command).await,
        Command::Export(arguments) => run_export(&app()?, arguments).await,
        Command::Import(ImportCommand::Cognitrack(arguments)) => run_import(&app()?, arguments).await,
        Command::Cleanup(CleanupCommand::BlankMetadata(arguments)) => run_cleanup(&app()?, arguments).await,
        Command::Fixtures(command) => fixtures::run(&app()?, command).await,
        Command::Backup { file } => print(&backup::backup(&app()?, &file).await?).map(|()| Exit::Clean),
        Command::Copy(arguments) => run_copy(&app()?, arguments).await,
    }
}

async fn run_migrate(app: &App, read_only_role: Option<&str>) -> Result<Exit, AppError> {
    if read_only_role.is_some() {
        read_only_role::check(app)?;
    }
    let report = migrate::migrate(app).await?;
    print(&report)?;
    if let Some(role) = read_only_role {
        print(&read_only_role::grant(app, role).await?)?;
    }
    Ok(report.exit())
}

async fn run_keys(app: &App, command: KeysCommand) -> Result<Exit, AppError> {
    match command {
        KeysCommand::Add(arguments) => {
            let report = keys::add(app, add_key_options(&arguments)?).await?;
            print(&report)?;
            Ok(report.exit())
        }
        KeysCommand::List { format } => {
            show(format, &keys::list(app).await?)?;
            Ok(Exit::Clean)
        }
        KeysCommand::Check { id, .. } => {
            let report = keys::check(app, &id).await?;
            print(&report)?;
            Ok(report.exit())
        }
        KeysCommand::Rotate(arguments) => {
            let options = RotateKeyOptions {
                secret: read_secret(arguments.secret_file.as_deref())?.into(),
                id: arguments.id,
                check: !arguments.no_check,
            };
            let report = keys::rotate(app, options).await?;
            print(&report)?;
            Ok(report.exit())
        }
        KeysCommand::Remove { id } => {
            let report = keys::remove(app, &id).await?;
            print(&report)?;
            Ok(report.exit())
        }
        KeysCommand::NewMaster { file } => {
            print(&reseal::new_master(&file)?)?;
            Ok(Exit::Clean)
        }
        KeysCommand::Reseal => {
            let report = reseal::reseal(app).await?;
            print(&report)?;
            Ok(report.exit())
        }
    }
}

fn add_key_options(arguments: &AddKeyArguments) -> Result<AddKeyOptions, AppError> {
    Ok(AddKeyOptions {
        account: arguments.account()?,
        label: arguments.label.clone(),
        filter: ProjectFilter::projects(arguments.project_ids()?),
        secret: read_secret(arguments.secret_file.as_deref())?.into(),
        check: !arguments.no_check,
    })
}

fn read_secret(file: Option<&Path>) -> Result<String, AppError> {
    if let Some(path) = file {
        let cannot = |error: io::Error| AppError::Secret(format!("cannot read {}: {error}", path.display()));
        return read_text(std::fs::File::open(path).map_err(cannot)?).map_err(cannot);
    }
    if io::stdin().is_terminal() {
        return Err(AppError::Secret(
            "a key that is typed stays on the screen; pipe it in, as in `usage keys add … < admin.key`, or name a \
             --secret-file"
                .to_owned(),
        ));
    }
    read_text(io::stdin().lock())
        .map_err(|error| AppError::Secret(format!("cannot read the secret from standard input: {error}")))
}

fn read_text(from: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(SECRET_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

async fn run_metrics(app: &App, arguments: MetricsArguments) -> Result<Exit, AppError> {
    let options = MetricsOptions {
        horizon_days: arguments.horizon_days,
    };
    let text = monitoring::collect(&app.ledger().await?, app.clock.now(), &options).await?;
    match arguments.output {
        Some(file) => monitoring::write_textfile(&text, &file)?,
        None => print(&text)?,
    }
    Ok(Exit::Clean)
}

async fn run_prices(app: &App, command: PricesCommand) -> Result<Exit, AppError> {
    match command {
        PricesCommand::Show(arguments) => {
            let report = prices::show(app, arguments.provider, &arguments.model, arguments.at)?;
            show(arguments.format, &report)?;
            Ok(Exit::Clean)
        }
        PricesCommand::Check(arguments) => {
            let report = prices::check(app, arguments.days).await?;
            show(arguments.format, &report)?;
            Ok(report.exit())
        }
    }
}

async fn run_reprice(app: &App, arguments: RepriceArguments) -> Result<Exit, AppError> {
    let options = RepriceOptions {
        first_day: arguments.start,
        last_day: arguments.end,
        endpoints: arguments.selection.usage_endpoints(),
        accounts: arguments.selection.accounts(),
        dry_run: arguments.dry_run,
    };
    let progress = TerminalProgress::new();
    let report = reprice::reprice(app, options, &progress, stop_on_signal()).await?;
    progress.finish();
    show(arguments.format, &report)?;
    Ok(report.exit())
}

async fn run_backfill(app: &App, arguments: BackfillArguments) -> Result<Exit, AppError> {
    let options = BackfillOptions {
        windows: arguments.range(app.clock.now().date_naive())?,
        endpoints: arguments.selection.endpoints_of(arguments.bucket_width),
        accounts: arguments.selection.accounts(),
        chunk_windows: arguments.chunk_windows(),
        label: arguments.label,
        plan_only: arguments.plan,
        force: arguments.force,
        accept_retractions: arguments.accept_retractions,
        artifact: arguments.artifact.then_some(arguments.audit_dir),
        group_by: (!arguments.group_by.is_empty()).then(|| arguments.group_by.into_iter().collect()),
    };
    let progress = TerminalProgress::new();
    let report = backfill::backfill(app, options, &progress, stop_on_signal()).await?;
    progress.finish();
    match (arguments.format, report.exit()) {
        // The issues were told as they happened; a summary of nothing would only hide them.
        (OutputFormat::Text, Exit::Failed) => {}
        (format, _) => show(format, &report)?,
    }
    Ok(report.exit())
}

async fn run_parity(app: &App, arguments: ParityArguments) -> Result<Exit, AppError> {
    let format = arguments.format;
    let mut report = parity::parity(app, arguments.options()?).await?;
    match format {
        OutputFormat::Text => print(&report)?,
        OutputFormat::Json => print_with(|out| report.write_json(out))?,
    }
    Ok(report.exit())
}

async fn run_reconcile(app: &App, arguments: ReconcileArguments) -> Result<Exit, AppError> {
    let format = arguments.format;
    let mut report = reconcile::reconcile(app, arguments.options()).await?;
    match format {
        ReportFormat::Text => print(&report)?,
        ReportFormat::Json => print_with(|out| report.write_json(out))?,
        ReportFormat::Csv => print_with(|out| report.write_csv(out))?,
    }
    Ok(report.exit())
}

async fn run_tokens(app: &App, command: TokensCommand) -> Result<Exit, AppError> {
    match command {
        TokensCommand::Add(arguments) => return run_add_token(app, arguments).await,
        TokensCommand::List { format } => show(format, &tokens::list(app).await?)?,
        TokensCommand::Revoke { id } => print(&tokens::revoke(app, id).await?)?,
    }
    Ok(Exit::Clean)
}

async fn run_add_token(app: &App, arguments: AddTokenArguments) -> Result<Exit, AppError> {
    let options = AddTokenOptions {
        accounts: arguments.accounts(),
        expires: arguments.expires(),
        name: arguments.name,
        role: arguments.role,
    };
    let added = tokens::add(app, options).await?;
    match arguments.format {
        OutputFormat::Json => print_json(&added.with_secret())?,
        OutputFormat::Text => {
            note(&added.remark());
            print(&format_args!("{}\n", added.secret()))?;
        }
    }
    Ok(Exit::Clean)
}

async fn run_alerts(app: &App, command: AlertsCommand) -> Result<Exit, AppError> {
    match command {
        AlertsCommand::Test => {
            let report = alerts::test(app).await?;
            print(&report)?;
            Ok(report.exit())
        }
        AlertsCommand::List { format } => {
            show(format, &alerts::list(app).await?)?;
            Ok(Exit::Clean)
        }
    }
}

async fn run_import(app: &App, arguments: CognitrackArguments) -> Result<Exit, AppError> {
    let options = ImportOptions {
        source: arguments.url,
        account: arguments.account,
        keys: arguments.keys,
        label: arguments.label,
    };
    let progress = TerminalProgress::new();
    let report = import::cognitrack(app, options, &progress, stop_on_signal()).await?;
    progress.finish();
    show(arguments.format, &report)?;
    Ok(report.exit())
}

async fn run_cleanup(app: &App, arguments: BlankMetadataArguments) -> Result<Exit, AppError> {
    let options = CleanupOptions {
        accounts: arguments.accounts(),
        apply: arguments.apply,
        audit: arguments.audit_dir,
    };
    let progress = TerminalProgress::new();
    let report = cleanup::blank_metadata(app, options, &progress, stop_on_signal()).await?;
    progress.finish();
    show(arguments.format, &report)?;
    Ok(report.exit())
}

async fn run_copy(app: &App, arguments: CopyArguments) -> Result<Exit, AppError> {
    let report = copy::copy(app, &arguments.to, copy_progress()).await?;
    show(arguments.format, &report)?;
    for warning in report.warnings() {
        warn(&warning);
    }
    Ok(Exit::Clean)
}

async fn run_export(app: &App, arguments: ExportArguments) -> Result<Exit, AppError> {
    arguments.check_range()?;
    let options = ExportOptions {
        layout: match arguments.format {
            ExportFormat::Jsonl => ExportLayout::JsonLines,
            ExportFormat::Csv => ExportLayout::Csv,
            ExportFormat::ProviderCsv => ExportLayout::ProviderCsv,
            ExportFormat::Focus => ExportLayout::Focus,
        },
        first_day: arguments.start,
        last_day: arguments.end,
        width: arguments.bucket_width,
        endpoints: arguments.selection.named_endpoints(),
        accounts: arguments.selection.accounts(),
        output: arguments.output,
    };
    match export::export(app, options).await {
        // Whoever reads has seen enough, as `head` does.
        Err(AppError::Stream { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Clean),
        written => {
            for warning in written?.warnings {
                warn(&warning);
            }
            Ok(Exit::Clean)
        }
    }
}
