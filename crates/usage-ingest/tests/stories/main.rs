//! Whole runs: a simulated provider over real HTTP, the real client, and the ledger in both databases.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod actors;
mod control_totals;
mod costs;
mod grouping;
mod keys;
mod leases;
mod manual_path;
mod month;
mod organizations;
mod restatement;
mod spare_keys;
mod trouble;
mod widths;
mod world;

/// Runs each story on both databases, each with a database of its own.
macro_rules! on_both_databases {
    ($($module:ident::$story:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $story() {
                crate::$module::$story(crate::world::Database::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $story() {
                crate::$module::$story(crate::world::Database::postgres()).await;
            })+
        }
    };
}

on_both_databases!(
    costs::costs_are_the_bill,
    costs::a_range_is_split_where_keys_begin_to_be_told_apart,
    costs::days_that_have_keys_keep_them_when_no_refusal_says_since_when,
    costs::restated_costs_keep_what_they_were,
    costs::line_items_that_do_not_sum_to_the_total_fail_their_day,
    costs::an_amount_that_is_no_number_names_page_and_row,
    costs::costs_that_come_late_are_read_when_they_are_there,
    costs::usage_and_costs_are_read_by_one_run,
    month::the_real_month_takes_two_requests,
    month::a_month_read_already_is_not_asked_for_again,
    month::reading_unchanged_data_again_changes_nothing,
    month::four_days_of_the_month_are_four_windows,
    month::chunks_of_a_week_take_the_requests_that_were_planned,
    month::rows_with_the_same_identity_are_summed,
    restatement::a_restated_day_keeps_its_old_values,
    restatement::a_settled_day_is_restated_only_when_read_again,
    restatement::growth_of_an_open_day_is_no_restatement,
    restatement::a_chunk_of_open_windows_has_no_control_total,
    restatement::a_day_that_closes_between_plan_and_run_has_its_control_total,
    restatement::a_provider_whose_clock_goes_wrong_makes_no_closed_day_of_an_open_one,
    restatement::a_vanished_row_is_retracted_and_kept,
    restatement::a_read_that_empties_a_day_is_held_until_accepted,
    keys::two_keys_of_one_account_read_it_once,
    keys::a_key_deleted_and_added_again_counts_nothing_twice,
    keys::a_restricted_key_reads_only_its_projects,
    keys::a_key_for_everything_adds_what_a_restricted_one_left_out,
    keys::restricted_keys_of_disjoint_projects_add_up,
    keys::a_key_that_reads_is_active,
    keys::a_key_that_may_not_read_is_refused,
    keys::a_provider_that_does_not_answer_says_nothing_about_the_key,
    keys::a_key_limited_to_projects_is_checked_for_those,
    keys::a_second_name_for_one_organization_is_a_conflict,
    spare_keys::a_refused_key_is_replaced_by_the_next_of_its_account,
    spare_keys::a_key_revoked_between_two_chunks_is_replaced,
    spare_keys::a_key_revoked_within_a_chunk_is_replaced,
    spare_keys::an_account_fails_when_none_of_its_keys_is_accepted,
    control_totals::a_difference_that_goes_away_is_asked_once_more,
    control_totals::a_difference_that_stays_fails_its_window_only,
    control_totals::a_second_look_that_fails_spares_the_windows_that_agreed,
    control_totals::an_open_window_is_not_compared,
    grouping::a_refused_dimension_is_kept_in_coverage_and_not_asked_for_again,
    grouping::a_grouping_that_is_ignored_writes_nothing,
    grouping::a_finer_read_replaces_coarse_rows_without_force,
    grouping::a_coarser_read_fails_and_changes_nothing,
    trouble::a_refused_key_is_asked_once_and_nothing_is_written,
    trouble::a_key_revoked_on_the_way_keeps_what_was_read,
    trouble::an_account_that_may_not_be_read_fails_though_another_one_is,
    trouble::a_provider_that_is_down_is_given_up_and_the_next_run_completes,
    trouble::one_failed_chunk_does_not_stop_the_others,
    trouble::a_run_told_to_stop_before_it_begins_asks_nothing,
    trouble::a_run_told_to_stop_on_the_way_keeps_what_it_stored,
    manual_path::without_the_index_a_run_is_counted_and_warned_of_once,
    widths::a_day_read_at_all_three_widths_sums_to_the_same,
    leases::a_dead_holder_is_replaced_at_once,
    leases::a_run_waits_until_another_is_done,
    leases::two_runs_at_once_count_nothing_twice,
    leases::who_waited_asks_nothing_about_what_was_settled_meanwhile,
    leases::who_waited_asks_for_what_was_left,
    leases::a_lease_that_stays_held_ends_the_run,
    leases::a_run_can_be_stopped_while_it_waits_for_a_lease,
    leases::a_stolen_lease_leaves_nothing_half_written,
);
