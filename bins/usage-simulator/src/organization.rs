//! The organisation that the arguments describe.

use std::error::Error;
use std::fs::File;
use std::path::Path;

use chrono::{DateTime, Days, NaiveDate, Utc};
use usage_simulator::faults::{Fault, Injection};
use usage_simulator::{Generate, LivingOrganization, Organization};

use crate::arguments::OrganizationArguments;

/// How many days of history a living organisation has unless told: as many as its exports cover.
const DAYS_OF_HISTORY: u32 = 35;

/// One that stands still.
pub(crate) fn still(arguments: &OrganizationArguments) -> Result<Organization, Box<dyn Error>> {
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

/// One that lives from its origin on.
pub(crate) fn living(
    arguments: &OrganizationArguments,
    origin: DateTime<Utc>,
) -> Result<LivingOrganization, Box<dyn Error>> {
    let options = Generate {
        first_day: first_day_of_history(arguments, origin.date_naive())?,
        ..options(arguments)
    };
    let living = LivingOrganization::new(options, origin);
    Ok(if arguments.billing_extras {
        living.billing_extras()
    } else {
        living
    })
}

/// Refuses what would restate days that a living organisation has closed.
pub(crate) fn check_faults(faults: &[Injection]) -> Result<(), Box<dyn Error>> {
    let restatement = faults
        .iter()
        .find(|injection| matches!(injection.fault, Fault::Restatement(_)));
    match restatement {
        Some(injection) => Err(format!(
            "--fault {injection} cannot be used with --living, which restates the last days itself; leave it out"
        )
        .into()),
        None => Ok(()),
    }
}

fn first_day_of_history(
    arguments: &OrganizationArguments,
    day_of_origin: NaiveDate,
) -> Result<NaiveDate, Box<dyn Error>> {
    match (arguments.first_day, arguments.days) {
        (Some(_), Some(_)) => {
            Err("give --first-day or --days with --living, not both: its history ends at the origin".into())
        }
        (Some(first), None) if first > day_of_origin => Err(format!(
            "the history cannot begin on {first}, after the origin on {day_of_origin}; give an earlier --first-day"
        )
        .into()),
        (Some(first), None) => Ok(first),
        (None, days) => {
            let days = days.unwrap_or(DAYS_OF_HISTORY);
            day_of_origin
                .checked_sub_days(Days::new(days.into()))
                .ok_or_else(|| {
                    format!("there are not {days} days before {day_of_origin}; give fewer --days").into()
                })
        }
    }
}

fn generated(arguments: &OrganizationArguments) -> Organization {
    Organization::generate(&options(arguments))
}

fn options(arguments: &OrganizationArguments) -> Generate {
    let default = Generate::default();
    Generate {
        organization: arguments.organization.clone(),
        seed: arguments.seed.unwrap_or(default.seed),
        days: arguments.days.unwrap_or(default.days),
        groups_per_day: arguments.groups_per_day.unwrap_or(default.groups_per_day),
        models: arguments.models.unwrap_or(default.models),
        first_day: arguments.first_day.unwrap_or(default.first_day),
        every_endpoint: arguments.every_endpoint,
        ..default
    }
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

/// What is wrong with a file, after its name.
pub(crate) fn at(path: &Path, error: &dyn Error) -> String {
    format!("{}: {error}", path.display())
}
