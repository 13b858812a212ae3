//! The real binary under fire: two writers at once, paused processes, full disks, killed servers, cut connections.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod faults;
mod fixture;
mod full_disk;
mod lost_database;
mod lost_provider;
mod namespace;
mod paused;
mod secrets;
#[path = "../shared/mod.rs"]
mod shared;
mod two_at_once;

shared::on_both_databases!(
    crate::two_at_once::one_works_and_the_other_reports_the_lease
        as one_works_and_the_other_reports_the_lease,
    crate::two_at_once::a_short_run_is_waited_for as a_short_run_is_waited_for,
    crate::paused::a_process_paused_past_its_lease_cannot_write_what_it_read
        as a_process_paused_past_its_lease_cannot_write_what_it_read,
    crate::lost_provider::a_provider_that_goes_away_fails_its_windows_only
        as a_provider_that_goes_away_fails_its_windows_only,
    crate::secrets::no_command_tells_or_stores_a_secret as no_command_tells_or_stores_a_secret,
);
