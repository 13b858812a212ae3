//! One suite that every database must pass: the same stories on SQLite and on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod access;
mod backup;
mod bounds;
mod cleanup;
mod copy;
mod costs;
mod data_version;
mod erasure;
mod fixture;
mod imports;
mod incidents;
mod integrity;
mod keys;
mod leases;
mod manual;
mod monitoring;
mod prices;
mod replace;
mod rest;
mod restatement;
mod rollups;
mod rotate;
mod runs;
mod schema;
mod spending;
mod usage;
mod views;

/// Runs each story on both databases, each with a database of its own.
macro_rules! on_both_databases {
    ($($story:path as $name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                $story(&crate::fixture::Fixture::sqlite().await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                $story(&crate::fixture::Fixture::postgres().await).await;
            })+
        }
    };
}

on_both_databases!(
    crate::monitoring::runs_are_counted_by_how_they_ended_and_how_long_they_took
        as runs_are_counted_by_how_they_ended_and_how_long_they_took,
    crate::monitoring::restatements_are_counted_from_their_index_alone
        as restatements_are_counted_from_their_index_alone,
    crate::monitoring::what_was_read_after_its_end_is_told_in_stretches
        as what_was_read_after_its_end_is_told_in_stretches,
    crate::replace::a_first_read_inserts_every_row as a_first_read_inserts_every_row,
    crate::replace::the_same_read_again_writes_nothing_but_coverage
        as the_same_read_again_writes_nothing_but_coverage,
    crate::replace::identical_groups_of_one_window_are_summed as identical_groups_of_one_window_are_summed,
    crate::replace::absent_and_empty_dimensions_are_one_identity
        as absent_and_empty_dimensions_are_one_identity,
    crate::replace::a_quiet_window_is_covered_without_rows as a_quiet_window_is_covered_without_rows,
    crate::replace::many_rows_take_the_bulk_path_and_read_back_equal
        as many_rows_take_the_bulk_path_and_read_back_equal,
    crate::replace::a_row_planted_past_the_lease_is_found_not_doubled
        as a_row_planted_past_the_lease_is_found_not_doubled,
    crate::replace::a_filtered_read_touches_only_its_projects as a_filtered_read_touches_only_its_projects,
    crate::replace::a_row_outside_the_filter_fails_its_window as a_row_outside_the_filter_fails_its_window,
    crate::replace::widths_never_touch_each_other as widths_never_touch_each_other,
    crate::replace::accounts_never_touch_each_other as accounts_never_touch_each_other,
    crate::replace::sums_beyond_64_bits_fail_their_window_only as sums_beyond_64_bits_fail_their_window_only,
    crate::replace::a_read_from_the_future_is_replaced as a_read_from_the_future_is_replaced,
    crate::replace::a_stale_read_is_dropped as a_stale_read_is_dropped,
    crate::replace::a_coarser_read_is_refused as a_coarser_read_is_refused,
    crate::restatement::growth_of_an_open_day_leaves_no_revision as growth_of_an_open_day_leaves_no_revision,
    crate::restatement::a_restatement_keeps_the_old_values as a_restatement_keeps_the_old_values,
    crate::restatement::pages_of_revisions_are_all_of_them_backwards
        as pages_of_revisions_are_all_of_them_backwards,
    crate::restatement::a_vanished_row_is_retracted_and_kept as a_vanished_row_is_retracted_and_kept,
    crate::restatement::a_row_added_later_leaves_its_mark as a_row_added_later_leaves_its_mark,
    crate::restatement::a_window_tells_its_history_step_by_step as a_window_tells_its_history_step_by_step,
    crate::restatement::a_finer_read_replaces_coarse_rows as a_finer_read_replaces_coarse_rows,
    crate::restatement::emptying_a_settled_window_is_held as emptying_a_settled_window_is_held,
    crate::restatement::losing_most_of_a_day_is_held_until_accepted
        as losing_most_of_a_day_is_held_until_accepted,
    crate::restatement::losing_half_of_a_day_is_not_held as losing_half_of_a_day_is_not_held,
    crate::restatement::a_held_window_does_not_hold_its_neighbours
        as a_held_window_does_not_hold_its_neighbours,
    crate::integrity::damage_is_found_and_named as damage_is_found_and_named,
    crate::manual::both_paths_leave_the_same as both_paths_leave_the_same,
    crate::manual::an_index_of_another_definition_does_not_count
        as an_index_of_another_definition_does_not_count,
    crate::manual::duplicates_are_healed_by_reading_again as duplicates_are_healed_by_reading_again,
    crate::leases::a_lease_excludes_others_until_released as a_lease_excludes_others_until_released,
    crate::leases::an_expired_lease_that_nobody_took_still_writes
        as an_expired_lease_that_nobody_took_still_writes,
    crate::leases::a_lease_that_was_given_back_cannot_write as a_lease_that_was_given_back_cannot_write,
    crate::leases::a_former_holder_cannot_write as a_former_holder_cannot_write,
    crate::leases::a_lease_lost_between_two_transactions_says_what_stands
        as a_lease_lost_between_two_transactions_says_what_stands,
    crate::leases::a_dead_holder_is_replaced_at_once as a_dead_holder_is_replaced_at_once,
    crate::leases::of_many_who_want_it_one_gets_it as of_many_who_want_it_one_gets_it,
    crate::keys::a_label_is_another_and_none as a_label_is_another_and_none,
    crate::keys::a_key_opens_only_with_its_master_key as a_key_opens_only_with_its_master_key,
    crate::keys::a_ciphertext_moved_to_another_row_does_not_open
        as a_ciphertext_moved_to_another_row_does_not_open,
    crate::keys::a_key_out_of_scope_is_not_there as a_key_out_of_scope_is_not_there,
    crate::keys::the_same_key_is_not_stored_twice as the_same_key_is_not_stored_twice,
    crate::keys::removing_a_key_keeps_account_and_usage as removing_a_key_keeps_account_and_usage,
    crate::rest::every_read_stays_in_its_account_scope as every_read_stays_in_its_account_scope,
    crate::rest::pages_cover_every_event_once as pages_cover_every_event_once,
    crate::rest::names_survive_their_deletion as names_survive_their_deletion,
    crate::rest::a_run_is_marked_interrupted_unless_it_has_ended
        as a_run_is_marked_interrupted_unless_it_has_ended,
    crate::runs::pages_of_runs_hold_those_whose_accounts_are_all_in_scope
        as pages_of_runs_hold_those_whose_accounts_are_all_in_scope,
    crate::schema::an_empty_database_is_set_up_once as an_empty_database_is_set_up_once,
    crate::schema::a_newer_schema_is_refused as a_newer_schema_is_refused,
    crate::schema::an_older_schema_names_the_command as an_older_schema_names_the_command,
    crate::schema::a_database_of_something_else_is_refused as a_database_of_something_else_is_refused,
    crate::schema::tables_hold_exactly_the_columns_the_program_knows
        as tables_hold_exactly_the_columns_the_program_knows,
    crate::schema::the_bucket_index_is_the_identity as the_bucket_index_is_the_identity,
    crate::access::a_token_is_found_by_its_secret_alone as a_token_is_found_by_its_secret_alone,
    crate::access::a_token_tells_whose_rows_it_may_see as a_token_tells_whose_rows_it_may_see,
    crate::access::a_revoked_token_is_told_as_revoked as a_revoked_token_is_told_as_revoked,
    crate::access::a_use_is_noted_once_a_minute as a_use_is_noted_once_a_minute,
    crate::data_version::every_change_of_data_is_another_version as every_change_of_data_is_another_version,
    crate::erasure::an_erased_user_does_not_come_back as an_erased_user_does_not_come_back,
    crate::erasure::a_user_is_known_by_usage_alone_or_not_at_all
        as a_user_is_known_by_usage_alone_or_not_at_all,
    crate::erasure::all_users_are_erased_and_nothing_else as all_users_are_erased_and_nothing_else,
    crate::erasure::the_file_holds_no_erased_text as the_file_holds_no_erased_text,
    crate::erasure::traces_that_could_not_be_cleaned_are_cleaned_the_next_time
        as traces_that_could_not_be_cleaned_are_cleaned_the_next_time,
    crate::backup::a_copy_is_one_moment_while_others_write as a_copy_is_one_moment_while_others_write,
    crate::backup::a_copy_that_is_not_whole_is_refused as a_copy_that_is_not_whole_is_refused,
    crate::views::a_day_shows_names_and_every_number as a_day_shows_names_and_every_number,
    crate::views::a_restated_value_is_shown_once as a_restated_value_is_shown_once,
    crate::views::a_day_is_shown_at_one_width_only as a_day_is_shown_at_one_width_only,
    crate::views::coverage_says_what_was_read_and_when as coverage_says_what_was_read_and_when,
    crate::views::the_columns_are_those_of_the_page as the_columns_are_those_of_the_page,
    crate::views::the_queries_of_the_page_answer as the_queries_of_the_page_answer,
    crate::rotate::resealing_can_stop_between_any_two_keys as resealing_can_stop_between_any_two_keys,
    crate::rotate::a_key_under_a_lost_master_key_stays_as_it_is
        as a_key_under_a_lost_master_key_stays_as_it_is,
    crate::rotate::many_who_reseal_at_once_lose_nothing as many_who_reseal_at_once_lose_nothing,
    crate::rotate::of_two_who_reseal_a_key_at_once_the_second_tries_again
        as of_two_who_reseal_a_key_at_once_the_second_tries_again,
    crate::rotate::a_rotated_key_keeps_number_and_history as a_rotated_key_keeps_number_and_history,
    crate::imports::an_import_only_adds as an_import_only_adds,
    crate::imports::many_rows_are_imported_at_once_and_once as many_rows_are_imported_at_once_and_once,
    crate::imports::an_import_leaves_read_windows_alone as an_import_leaves_read_windows_alone,
    crate::imports::an_import_without_the_lease_writes_nothing as an_import_without_the_lease_writes_nothing,
    crate::imports::the_first_read_replaces_what_was_imported as the_first_read_replaces_what_was_imported,
    crate::imports::imported_windows_are_no_damage_and_are_shown
        as imported_windows_are_no_damage_and_are_shown,
    crate::imports::huge_numbers_and_absent_ones_come_back_as_they_were
        as huge_numbers_and_absent_ones_come_back_as_they_were,
    crate::cleanup::only_what_counts_twice_is_listed as only_what_counts_twice_is_listed,
    crate::cleanup::what_is_deleted_is_kept_and_not_imported_again
        as what_is_deleted_is_kept_and_not_imported_again,
    crate::cleanup::a_ledger_that_changed_meanwhile_keeps_everything
        as a_ledger_that_changed_meanwhile_keeps_everything,
    crate::cleanup::without_the_lease_nothing_is_deleted as without_the_lease_nothing_is_deleted,
    crate::cleanup::an_identity_that_stands_twice_is_deleted_with_all_its_rows
        as an_identity_that_stands_twice_is_deleted_with_all_its_rows,
    crate::costs::amounts_are_kept_verbatim_and_sums_are_exact
        as amounts_are_kept_verbatim_and_sums_are_exact,
    crate::costs::what_was_charged_is_summed_in_dollars as what_was_charged_is_summed_in_dollars,
    crate::costs::the_same_costs_again_change_nothing as the_same_costs_again_change_nothing,
    crate::costs::a_restated_cost_keeps_the_old_amount as a_restated_cost_keeps_the_old_amount,
    crate::costs::costs_of_an_open_day_grow_without_revisions as costs_of_an_open_day_grow_without_revisions,
    crate::costs::losing_most_of_a_days_charges_is_held as losing_most_of_a_days_charges_is_held,
    crate::costs::what_cannot_be_stored_fails_its_day_only as what_cannot_be_stored_fails_its_day_only,
    crate::costs::costs_of_other_currencies_projects_and_accounts_stand_apart
        as costs_of_other_currencies_projects_and_accounts_stand_apart,
    crate::prices::a_changed_row_keeps_its_price_list_and_an_unchanged_one_its_price
        as a_changed_row_keeps_its_price_list_and_an_unchanged_one_its_price,
    crate::prices::an_unpriced_row_is_counted_and_never_free as an_unpriced_row_is_counted_and_never_free,
    crate::prices::rows_from_before_prices_are_priced_when_asked
        as rows_from_before_prices_are_priced_when_asked,
    crate::copy::every_field_of_every_table_is_copied as every_field_of_every_table_is_copied,
    crate::copy::sums_of_days_are_made_in_the_target as sums_of_days_are_made_in_the_target,
    crate::copy::a_table_that_is_no_ledgers_is_told as a_table_that_is_no_ledgers_is_told,
    crate::copy::no_number_is_given_out_again as no_number_is_given_out_again,
    crate::copy::only_an_empty_database_is_copied_into as only_an_empty_database_is_copied_into,
    crate::copy::a_target_that_stores_something_else_keeps_nothing
        as a_target_that_stores_something_else_keeps_nothing,
    crate::copy::a_copy_is_one_moment as a_copy_is_one_moment,
    crate::copy::of_two_copies_into_one_database_one_is_kept as of_two_copies_into_one_database_one_is_kept,
    crate::incidents::of_many_who_find_it_one_opens_it as of_many_who_find_it_one_opens_it,
    crate::incidents::of_many_who_want_to_tell_it_one_may as of_many_who_want_to_tell_it_one_may,
    crate::incidents::a_claim_whose_holder_died_is_taken_over as a_claim_whose_holder_died_is_taken_over,
    crate::incidents::an_end_is_told_once_and_not_for_ever as an_end_is_told_once_and_not_for_ever,
    crate::incidents::who_looked_before_it_was_seen_does_not_end_it
        as who_looked_before_it_was_seen_does_not_end_it,
    crate::incidents::incidents_stay_in_their_account_scope as incidents_stay_in_their_account_scope,
    crate::spending::a_day_of_two_widths_is_spent_once as a_day_of_two_widths_is_spent_once,
    crate::spending::what_is_spent_stays_in_its_account_scope as what_is_spent_stays_in_its_account_scope,
    crate::spending::a_sum_beyond_64_bits_is_an_error as a_sum_beyond_64_bits_is_an_error,
    crate::usage::pages_hold_what_the_filter_names_in_every_order
        as pages_hold_what_the_filter_names_in_every_order,
    crate::usage::a_cursor_is_for_the_order_of_its_page as a_cursor_is_for_the_order_of_its_page,
    crate::usage::no_more_events_are_sorted_by_a_number_than_can_be
        as no_more_events_are_sorted_by_a_number_than_can_be,
    crate::usage::sums_are_those_of_the_events as sums_are_those_of_the_events,
    crate::usage::sums_come_by_period_and_then_by_values as sums_come_by_period_and_then_by_values,
    crate::bounds::no_more_sums_are_made_than_there_may_be as no_more_sums_are_made_than_there_may_be,
    crate::usage::what_usage_does_not_have_is_refused as what_usage_does_not_have_is_refused,
    crate::usage::a_sum_of_tokens_beyond_64_bits_is_an_error as a_sum_of_tokens_beyond_64_bits_is_an_error,
    crate::rollups::a_kept_answer_is_that_of_the_events as a_kept_answer_is_that_of_the_events,
    crate::rollups::sums_stay_those_of_the_events as sums_stay_those_of_the_events,
    crate::rollups::sums_that_somebody_changed_are_found as sums_that_somebody_changed_are_found,
    crate::rollups::a_day_beyond_64_bits_is_answered_from_its_events
        as a_day_beyond_64_bits_is_answered_from_its_events,
    crate::incidents::the_table_of_incidents_goes_and_comes_back
        as the_table_of_incidents_goes_and_comes_back,
);
