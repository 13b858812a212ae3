//! What the subcommands do.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use chrono::NaiveDate;
use usage_core::{Endpoint, Width, WindowRange};
use usage_simulator::Organization;

use crate::arguments::{Arguments, Command, Export};
use crate::organization::{self, at};
use crate::serve::serve;

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

pub(crate) fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Serve(arguments) => tokio::runtime::Runtime::new()?.block_on(serve(arguments)),
        Command::Export(export) => run_export(&export),
    }
}

fn run_export(arguments: &Export) -> Outcome {
    let organization = exported_organization(arguments)?;
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

/// The organisation, as far as its time has come.
fn exported_organization(arguments: &Export) -> Result<Organization, Box<dyn Error>> {
    let described = &arguments.organization;
    if !described.living {
        return organization::still(described);
    }
    let (Some(origin), Some(at)) = (arguments.clock_origin, arguments.at) else {
        return Err(
            "a living organisation is exported as of a time; give --clock-origin and --at with --living"
                .into(),
        );
    };
    let living = organization::living(described, origin)?;
    Ok(match arguments.start {
        Some(start) => living.since(start, at),
        None => living.at(at),
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
pub(crate) fn span(organization: &Organization, endpoint: Endpoint) -> Option<(NaiveDate, NaiveDate)> {
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
