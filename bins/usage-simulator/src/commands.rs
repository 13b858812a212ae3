//! What the subcommands do.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;
use tokio::signal::unix::{SignalKind, signal};
use usage_core::{Endpoint, ManualClock, Width, WindowRange};
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
    let mut organization = organization(&arguments.organization)?;
    organization.costs_lag_days(arguments.costs_lag_days);
    warn_of_unpriced(&organization)?;
    let mut builder = Simulator::builder()
        .organization(organization)
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

/// Says which usage the costs that are served will lack.
fn warn_of_unpriced(organization: &Organization) -> Outcome {
    if let Some((first, last)) = span(organization, Endpoint::Costs) {
        for reason in organization.unpriced(WindowRange::days(first, last)?) {
            writeln!(
                io::stderr(),
                "warning: {reason}; its usage is served without costs"
            )?;
        }
    }
    Ok(())
}

fn run_export(arguments: &Export) -> Outcome {
    let organization = organization(&arguments.organization)?;
    let span = span(&organization, arguments.endpoint);
    let missing = "there is no usage to take the days from; give --start and --end";
    let start = arguments.start.or(span.map(|(first, _)| first)).ok_or(missing)?;
    let end = arguments.end.or(span.map(|(_, last)| last)).ok_or(missing)?;
    let days = WindowRange::days(start, end)?;
    if arguments.endpoint.is_costs() {
        return export_costs(arguments, &organization, days);
    }
    let range = WindowRange::new(days.start(), days.end(), arguments.bucket_width)?;
    export(arguments, |to| {
        organization.write_usage_csv(arguments.endpoint, range, to)
    })
}

fn export_costs(arguments: &Export, organization: &Organization, days: WindowRange) -> Outcome {
    if arguments.bucket_width != Width::Day {
        return Err("costs come by days only; leave --bucket-width out".into());
    }
    let text = organization.costs_csv(days, arguments.cost_columns)?;
    export(arguments, |to| to.write_all(text.as_bytes()))
}

/// The first and the last UTC day with usage of an endpoint; of any for costs.
fn span(organization: &Organization, endpoint: Endpoint) -> Option<(NaiveDate, NaiveDate)> {
    let endpoints = if endpoint.is_costs() {
        &Endpoint::USAGE[..]
    } else {
        std::slice::from_ref(&endpoint)
    };
    let spans = || {
        endpoints
            .iter()
            .filter_map(|endpoint| organization.usage(*endpoint).span())
    };
    let first = spans().map(|(first, _)| first).min()?;
    let last = spans().map(|(_, last)| last).max()?;
    Some((first.date_naive(), last.date_naive()))
}

fn export(arguments: &Export, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Outcome {
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
    let mut organization = if arguments.csv.is_empty() {
        generated(arguments)
    } else {
        exported(arguments)?
    };
    if arguments.billing_extras {
        organization
            .add_billing_extras()
            .ok_or("there is no usage to put --billing-extras beside")?;
    }
    Ok(organization)
}

fn generated(arguments: &OrganizationArguments) -> Organization {
    let default = Generate::default();
    Organization::generate(&Generate {
        organization: arguments.organization.clone(),
        seed: arguments.seed.unwrap_or(default.seed),
        days: arguments.days.unwrap_or(default.days),
        groups_per_day: arguments.groups_per_day.unwrap_or(default.groups_per_day),
        first_day: arguments.first_day.unwrap_or(default.first_day),
        every_endpoint: arguments.every_endpoint,
        ..default
    })
}

fn exported(arguments: &OrganizationArguments) -> Result<Organization, Box<dyn Error>> {
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
