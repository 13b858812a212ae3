//! The exports of a living organisation, in a folder.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use usage_core::Endpoint;

use super::{LivingOrganization, days_before};
use crate::organization::{CostError, CostLayout};

/// How many days exports cover.
const DAYS: u32 = 35;

/// Why exports were not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportsError {
    /// The folder or a file in it cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are costs that the simulator cannot compute.
    #[error(transparent)]
    Costs(#[from] CostError),
}

impl LivingOrganization {
    /// Writes the exports that the provider's dashboard would give at a time into a folder, which is created if it is not
    /// there: the last 35 UTC days up to the day before, by days; of costs, up to the last day that is out.
    ///
    /// There is one file for each endpoint that the organisation uses, `completions_usage.csv` and so on, and
    /// `costs.csv`. Each takes the place of the one before in one step, so that a reader finds either, and whole.
    ///
    /// # Errors
    ///
    /// A file cannot be written; those before it are.
    pub fn write_exports(&self, time: DateTime<Utc>, folder: &Path) -> Result<(), ExportsError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let Some(days) = days_before(time, DAYS, 1) else {
            return Ok(());
        };
        let organization = self.since(days.start().date_naive(), time);
        for endpoint in Endpoint::USAGE {
            if self.options.every_endpoint || endpoint == Endpoint::Completions {
                write_whole(&folder.join(format!("{endpoint}_usage.csv")), |file| {
                    organization.write_usage_csv(endpoint, days, file)
                })?;
            }
        }
        let last = self.costs_lag_days.max(1);
        if let Some(days) = days_before(time, DAYS, last) {
            let costs = organization.costs_csv(days, CostLayout::default())?;
            write_whole(&folder.join("costs.csv"), |file| file.write_all(costs.as_bytes()))?;
        }
        Ok(())
    }
}

/// Writes beside the file, under a name that no reader takes for an export, and then puts it in its place.
fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), ExportsError> {
    let partial = path.with_extension("csv.partial");
    let mut file = BufWriter::new(File::create(&partial).map_err(at(&partial))?);
    write(&mut file)
        .and_then(|()| file.flush())
        .map_err(at(&partial))?;
    drop(file);
    fs::rename(&partial, path).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ExportsError {
    let path = path.to_owned();
    move |source| ExportsError::Write { path, source }
}
