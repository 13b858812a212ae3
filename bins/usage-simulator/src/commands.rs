//! What the subcommands do.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use usage_core::{ManualClock, WindowRange};
use usage_simulator::{AdminKey, Generate, Organization, Simulator};

use crate::arguments::{Arguments, Command, Export, OrganizationArguments, Serve};

const FAKE_KEY: &str = "sk-admin-test-not-a-real-key";

type Outcome = Result<(), Box<dyn Error>>;

pub(crate) fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Serve(serve) => tokio::runtime::Runtime::new()?.block_on(run_serve(serve)),
        Command::Export(export) => run_export(&export),
    }
}

async fn run_serve(arguments: Serve) -> Outcome {
    let key = match (&arguments.key_file, arguments.key) {
        (Some(path), _) => read_key(path)?,
        (None, Some(key)) => key,
        (None, None) => {
            writeln!(io::stderr(), "the admin key is {FAKE_KEY}")?;
            FAKE_KEY.to_owned()
        }
    };
    let mut builder = Simulator::builder()
        .organization(organization(&arguments.organization)?)
        .key(AdminKey::owner(key))
        .port(arguments.port);
    if let Some(now) = arguments.now {
        builder = builder.clock(Arc::new(ManualClock::new(now)));
    }
    if let Some(limit) = arguments.requests_per_minute {
        builder = builder.requests_per_minute(limit);
    }
    for injection in arguments.faults {
        builder = builder.fault(injection);
    }

    // Before the URL is printed, so that whoever reads it may also end the server.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let simulator = builder.start().await?;
    writeln!(io::stdout(), "{}", simulator.base_url())?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    simulator.shutdown().await;
    Ok(())
}

fn run_export(arguments: &Export) -> Outcome {
    let organization = organization(&arguments.organization)?;
    let span = organization.usage(arguments.endpoint).span();
    let missing = "there is no usage to take the days from; give --start and --end";
    let start = arguments
        .start
        .or(span.map(|(first, _)| first.date_naive()))
        .ok_or(missing)?;
    let end = arguments
        .end
        .or(span.map(|(_, last)| last.date_naive()))
        .ok_or(missing)?;
    let days = WindowRange::days(start, end)?;
    let range = WindowRange::new(days.start(), days.end(), arguments.bucket_width)?;
    let write = |to: &mut dyn Write| organization.write_usage_csv(arguments.endpoint, range, to);
    match &arguments.output {
        Some(path) => export_to_file(path, write).map_err(|error| at(path, &error).into()),
        None => Ok(export_to_standard_output(write)?),
    }
}

fn export_to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write(&mut file)?;
    file.flush()
}

fn export_to_standard_output(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    let written = write(&mut output);
    match written.and_then(|()| output.flush()) {
        // Who reads only the beginning, as `head` does, has what was wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

fn organization(arguments: &OrganizationArguments) -> Result<Organization, Box<dyn Error>> {
    if arguments.csv.is_empty() {
        let default = Generate::default();
        return Ok(Organization::generate(&Generate {
            organization: arguments.organization.clone(),
            seed: arguments.seed.unwrap_or(default.seed),
            days: arguments.days.unwrap_or(default.days),
            groups_per_day: arguments.groups_per_day.unwrap_or(default.groups_per_day),
            first_day: arguments.first_day.unwrap_or(default.first_day),
            every_endpoint: arguments.every_endpoint,
            ..default
        }));
    }
    let mut organization = Organization::new(&arguments.organization);
    for path in &arguments.csv {
        let file = File::open(path).map_err(|error| at(path, &error))?;
        organization
            .add_completions_csv(file)
            .map_err(|error| at(path, &error))?;
    }
    organization.invent_directory();
    Ok(organization)
}

fn read_key(path: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    let key = text.trim();
    if key.is_empty() {
        return Err(format!("{}: the key file is empty", path.display()).into());
    }
    Ok(key.to_owned())
}

fn at(path: &Path, error: &dyn Error) -> String {
    format!("{}: {error}", path.display())
}
