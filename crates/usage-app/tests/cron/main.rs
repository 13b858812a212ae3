//! The pass and its schedule, against a simulated provider over real HTTP, on both databases, with a clock that tests set.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod living;
mod pass;
mod passes;
mod schedule;
mod world;

world::on_both_databases!(
    crate::living::passes_follow_a_living_organisation_and_its_exports_prove_them
        as passes_follow_a_living_organisation_and_its_exports_prove_them,
    crate::pass::a_first_pass_reads_the_horizon_and_the_next_only_what_is_not_settled
        as a_first_pass_reads_the_horizon_and_the_next_only_what_is_not_settled,
    crate::pass::an_outage_of_twenty_days_heals_in_one_pass as an_outage_of_twenty_days_heals_in_one_pass,
    crate::pass::what_was_read_in_the_same_pass_is_not_read_again
        as what_was_read_in_the_same_pass_is_not_read_again,
    crate::pass::what_ended_with_errors_is_not_tried_again_in_the_same_pass
        as what_ended_with_errors_is_not_tried_again_in_the_same_pass,
    crate::pass::a_pass_that_was_cut_short_is_gone_on_with as a_pass_that_was_cut_short_is_gone_on_with,
    crate::pass::exports_prove_the_pass_and_a_difference_is_an_error
        as exports_prove_the_pass_and_a_difference_is_an_error,
    crate::pass::a_variance_from_the_bill_is_a_warning as a_variance_from_the_bill_is_a_warning,
    crate::pass::a_charge_without_a_price_is_a_warning as a_charge_without_a_price_is_a_warning,
    crate::pass::exports_that_are_not_there_are_noted as exports_that_are_not_there_are_noted,
    crate::pass::what_a_wrong_clock_read_is_read_again as what_a_wrong_clock_read_is_read_again,
    crate::pass::one_account_that_fails_does_not_keep_the_others
        as one_account_that_fails_does_not_keep_the_others,
    crate::pass::names_come_along_and_are_kept_when_the_provider_forgets_them
        as names_come_along_and_are_kept_when_the_provider_forgets_them,
    crate::passes::whoever_asks_during_a_pass_gets_its_result as whoever_asks_during_a_pass_gets_its_result,
    crate::passes::a_scheduled_pass_waits_for_one_that_was_asked_for
        as a_scheduled_pass_waits_for_one_that_was_asked_for,
    crate::passes::a_pass_that_is_asked_for_is_the_scheduled_one_under_way
        as a_pass_that_is_asked_for_is_the_scheduled_one_under_way,
    crate::passes::an_account_is_looked_at_until_whoever_held_it_is_done_or_dead
        as an_account_is_looked_at_until_whoever_held_it_is_done_or_dead,
    crate::passes::an_account_is_looked_at_no_longer_than_until_the_next_pass
        as an_account_is_looked_at_no_longer_than_until_the_next_pass,
    crate::passes::whoever_waits_for_a_pass_that_cannot_be_run_is_told_why
        as whoever_waits_for_a_pass_that_cannot_be_run_is_told_why,
    crate::passes::a_pass_that_cannot_be_run_is_told_of as a_pass_that_cannot_be_run_is_told_of,
    crate::schedule::an_account_that_was_not_reached_is_made_up_for
        as an_account_that_was_not_reached_is_made_up_for,
    crate::schedule::a_clock_that_jumps_forward_makes_one_pass as a_clock_that_jumps_forward_makes_one_pass,
    crate::schedule::a_clock_that_is_set_back_is_followed as a_clock_that_is_set_back_is_followed,
    crate::schedule::a_missed_pass_is_made_up_for_once as a_missed_pass_is_made_up_for_once,
);
