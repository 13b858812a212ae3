//! The real binary as processes, against a provider served over real HTTP and a real database.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod arguments;
mod deployment;
mod place;
mod run;
#[path = "../../../usage-cli/tests/shared/mod.rs"]
mod shared;
mod workers;

shared::on_both_databases!(
    crate::run::a_pass_is_told_in_json_and_kept_as_a_run as a_pass_is_told_in_json_and_kept_as_a_run,
    crate::run::a_refused_key_is_an_error_and_an_incident as a_refused_key_is_an_error_and_an_incident,
    crate::workers::three_workers_share_four_accounts_and_a_killed_one_is_replaced
        as three_workers_share_four_accounts_and_a_killed_one_is_replaced,
    crate::workers::a_lease_that_stays_held_is_skipped as a_lease_that_stays_held_is_skipped,
);
