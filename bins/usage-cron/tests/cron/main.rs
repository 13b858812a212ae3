//! The real binary as processes, against a provider served over real HTTP and a real database.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod arguments;
mod deployment;
mod full_disk;
mod http;
#[path = "../../../usage-cli/tests/fire/namespace.rs"]
mod namespace;
mod place;
mod rehearse;
mod run;
#[path = "../../../usage-cli/tests/shared/mod.rs"]
mod shared;
mod workers;

shared::on_both_databases!(
    crate::run::a_pass_is_told_in_json_and_kept_as_a_run as a_pass_is_told_in_json_and_kept_as_a_run,
    crate::run::passes_of_one_schedule_are_one as passes_of_one_schedule_are_one,
    crate::run::a_refused_key_is_an_error_and_an_incident as a_refused_key_is_an_error_and_an_incident,
    crate::http::a_requested_pass_is_run_and_told as a_requested_pass_is_run_and_told,
    crate::http::a_stopped_process_finishes_what_is_under_way as a_stopped_process_finishes_what_is_under_way,
    crate::http::what_is_not_in_order_is_told as what_is_not_in_order_is_told,
    crate::workers::three_workers_share_four_accounts_and_a_killed_one_is_replaced
        as three_workers_share_four_accounts_and_a_killed_one_is_replaced,
    crate::rehearse::a_rehearsal_outlives_its_process_and_passes
        as a_rehearsal_outlives_its_process_and_passes,
    crate::rehearse::a_fault_that_stays_fails_the_rehearsal_with_its_reason
        as a_fault_that_stays_fails_the_rehearsal_with_its_reason,
    crate::rehearse::a_rehearsal_that_goes_on_is_not_changed as a_rehearsal_that_goes_on_is_not_changed,
    crate::workers::a_lease_that_stays_held_is_skipped as a_lease_that_stays_held_is_skipped,
);
