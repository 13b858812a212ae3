//! `usage metrics`

use std::path::PathBuf;

use clap::Args;
use usage_app::monitoring::DEFAULT_HORIZON_DAYS;

/// `usage metrics`
#[derive(Args)]
pub(crate) struct MetricsArguments {
    /// The file to write, *.prom for Prometheus' textfile collector [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How many UTC days before today should be covered
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_HORIZON_DAYS,
        value_parser = clap::value_parser!(u32).range(1..=3_660)
    )]
    pub(crate) horizon_days: u32,
}
