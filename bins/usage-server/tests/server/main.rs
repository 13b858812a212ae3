//! The real binary as a process, with a real ledger read from a provider served over real HTTP: its routes over raw sockets,
//! and its pages in a real browser.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod api;
mod arguments;
mod browser;
mod dashboard;
mod deployment;
mod known;
mod restated;
#[expect(
    dead_code,
    reason = "shared with the tests of other binaries, which need more of it"
)]
#[path = "../../../usage-cli/tests/shared/mod.rs"]
mod shared;
mod totals;
mod visitor;
mod world;

shared::on_both_databases!(
    crate::api::programs_read_what_was_proved_and_manage_keys
        as programs_read_what_was_proved_and_manage_keys,
    crate::totals::the_same_numbers_stand_everywhere as the_same_numbers_stand_everywhere,
);
