//! The simulator in a process of its own, so that its memory and its work are its own too.

use std::io::{self, Write};

use chrono::NaiveDate;
use usage_core::{Window, WindowRange};
use usage_simulator::{AdminKey, Generate, Organization, Simulator};

use crate::Outcome;

/// The key that the simulator knows.
pub(crate) const KEY: &str = "sk-admin-test-not-a-real-key";

/// The year that is read; every day of it has usage.
pub(crate) fn windows(days: u32) -> Outcome<WindowRange> {
    let first = NaiveDate::from_ymd_opt(2025, 1, 1).ok_or("no such day")?;
    let range = WindowRange::days(first, first + chrono::Days::new(u64::from(days.max(1)) - 1))?;
    let _: Window = range.windows().next().ok_or("no day")?;
    Ok(range)
}

/// Serves until standard input ends; says where first.
pub(crate) fn serve(days: u32, groups: u32) -> Outcome<()> {
    let organization = Organization::generate(&Generate {
        first_day: windows(days)?.start().date_naive(),
        days,
        groups_per_day: groups,
        projects: 20,
        keys_per_project: 4,
        users: 40,
        models: 8,
        bursts: 1,
        idle_days_percent: 0,
        ..Generate::default()
    });
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let simulator = Simulator::builder()
            .organization(organization)
            .key(AdminKey::owner(KEY))
            .start()
            .await?;
        let mut out = io::stdout();
        writeln!(out, "{}", simulator.base_url())?;
        out.flush()?;
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
        simulator.shutdown().await;
        Ok(())
    })
}
