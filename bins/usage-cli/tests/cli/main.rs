//! The real binary as a process, against a provider served over real HTTP and a real database.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod alerts;
mod backup;
mod bad_input;
mod copy;
mod crash;
mod export;
mod fixture;
mod focus;
mod keys;
mod lease;
mod legacy;
mod monitoring;
mod names;
mod output;
mod parity;
mod prices;
mod read_only;
mod real_month;
mod reconcile;
mod rotation;
mod runbook;
#[path = "../shared/mod.rs"]
mod shared;
mod tokens;

shared::on_both_databases!(
    crate::monitoring::metrics_tell_what_the_runs_did as metrics_tell_what_the_runs_did,
    crate::parity::costs_are_compared_to_the_last_digit as costs_are_compared_to_the_last_digit,
    crate::prices::the_real_month_is_priced_to_the_last_digit as the_real_month_is_priced_to_the_last_digit,
    crate::prices::a_new_price_list_changes_nothing_until_it_is_asked_to
        as a_new_price_list_changes_nothing_until_it_is_asked_to,
    crate::prices::usage_without_a_price_is_named_and_priced_later
        as usage_without_a_price_is_named_and_priced_later,
    crate::real_month::a_backfill_reads_the_real_month as a_backfill_reads_the_real_month,
    crate::real_month::the_same_again_asks_nothing as the_same_again_asks_nothing,
    crate::real_month::reading_again_by_force_changes_nothing as reading_again_by_force_changes_nothing,
    crate::real_month::four_days_are_four_windows as four_days_are_four_windows,
    crate::real_month::requests_made_are_those_planned_and_those_counted
        as requests_made_are_those_planned_and_those_counted,
    crate::export::the_providers_own_export_comes_back_byte_for_byte
        as the_providers_own_export_comes_back_byte_for_byte,
    crate::export::every_dimension_is_filled_in as every_dimension_is_filled_in,
    crate::export::the_csv_has_the_same_sums as the_csv_has_the_same_sums,
    crate::focus::costs_come_out_as_the_provider_exports_them as costs_come_out_as_the_provider_exports_them,
    crate::focus::a_focus_file_is_clean_and_holds_every_charge
        as a_focus_file_is_clean_and_holds_every_charge,
    crate::bad_input::a_ledger_of_a_newer_version_is_refused as a_ledger_of_a_newer_version_is_refused,
    crate::crash::a_killed_backfill_goes_on_where_it_stopped as a_killed_backfill_goes_on_where_it_stopped,
    crate::lease::an_interrupted_backfill_gives_the_lease_back
        as an_interrupted_backfill_gives_the_lease_back,
    crate::lease::an_interrupted_backfill_keeps_what_it_stored
        as an_interrupted_backfill_keeps_what_it_stored,
    crate::lease::a_killed_run_is_remembered_as_interrupted as a_killed_run_is_remembered_as_interrupted,
    crate::lease::a_stopped_process_loses_its_lease_and_writes_nothing
        as a_stopped_process_loses_its_lease_and_writes_nothing,
    crate::names::an_erased_user_is_gone_and_every_sum_stays as an_erased_user_is_gone_and_every_sum_stays,
    crate::names::no_names_are_stored_where_none_may_be as no_names_are_stored_where_none_may_be,
    crate::names::the_next_command_that_writes_erases_what_is_stored
        as the_next_command_that_writes_erases_what_is_stored,
    crate::tokens::a_token_is_shown_once_and_revoked as a_token_is_shown_once_and_revoked,
    crate::keys::no_command_ever_shows_the_secret as no_command_ever_shows_the_secret,
    crate::parity::the_real_month_is_matched_to_the_integer as the_real_month_is_matched_to_the_integer,
    crate::parity::a_ledger_without_the_tier_matches_only_coarsely
        as a_ledger_without_the_tier_matches_only_coarsely,
    crate::parity::an_old_export_is_explained_by_the_restatement
        as an_old_export_is_explained_by_the_restatement,
    crate::parity::what_is_exported_is_always_matched as what_is_exported_is_always_matched,
    crate::parity::windows_never_read_are_named_with_the_command_that_reads_them
        as windows_never_read_are_named_with_the_command_that_reads_them,
    crate::reconcile::every_cent_of_a_discounted_organisation_is_classified
        as every_cent_of_a_discounted_organisation_is_classified,
    crate::reconcile::the_real_month_is_reconciled_to_the_last_digit
        as the_real_month_is_reconciled_to_the_last_digit,
    crate::reconcile::no_cent_of_a_busy_organisation_is_lost as no_cent_of_a_busy_organisation_is_lost,
    crate::reconcile::days_never_read_are_named_with_the_command_that_reads_them
        as reconciliation_names_days_never_read_with_the_command_that_reads_them,
    crate::keys::another_key_reads_on_when_the_first_is_revoked
        as another_key_reads_on_when_the_first_is_revoked,
    crate::rotation::another_master_key_from_end_to_end as another_master_key_from_end_to_end,
    crate::rotation::a_rotated_key_reads_on_with_its_new_secret as a_rotated_key_reads_on_with_its_new_secret,
    crate::legacy::an_import_accounts_for_every_row as an_import_accounts_for_every_row,
    crate::legacy::an_import_in_parts_is_the_whole_and_a_later_one_keeps_what_stands
        as an_import_in_parts_is_the_whole_and_a_later_one_keeps_what_stands,
    crate::legacy::tables_of_other_shapes_are_read_as_far_as_they_go
        as tables_of_other_shapes_are_read_as_far_as_they_go,
    crate::legacy::a_cleanup_deletes_exactly_what_counts_twice as a_cleanup_deletes_exactly_what_counts_twice,
    crate::legacy::a_record_that_cannot_be_written_deletes_nothing
        as a_record_that_cannot_be_written_deletes_nothing,
    crate::legacy::blank_rows_of_a_grouped_read_stay as blank_rows_of_a_grouped_read_stay,
    crate::legacy::a_read_replaces_what_was_imported as a_read_replaces_what_was_imported,
    crate::copy::the_copy_answers_as_the_ledger_does as the_copy_answers_as_the_ledger_does,
    crate::copy::a_target_that_is_not_empty_stays_as_it_is as a_target_that_is_not_empty_stays_as_it_is,
    crate::copy::a_ledger_that_is_being_written_is_not_copied as a_ledger_that_is_being_written_is_not_copied,
    crate::copy::a_killed_copy_leaves_an_empty_target as a_killed_copy_leaves_an_empty_target,
);
