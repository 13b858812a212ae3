//! Alerting against real HTTP receivers and both databases.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod budgets;
mod fixture;
mod incidents;
mod receivers;

/// Runs each story on both databases, each with a database of its own.
macro_rules! on_both_databases {
    ($($story:path as $name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $story(crate::fixture::Database::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                $story(crate::fixture::Database::postgres()).await;
            })+
        }
    };
}

on_both_databases!(
    crate::incidents::people_are_told_when_it_opens_and_when_it_ends_and_not_between
        as people_are_told_when_it_opens_and_when_it_ends_and_not_between,
    crate::incidents::of_many_passes_at_once_one_tells as of_many_passes_at_once_one_tells,
    crate::incidents::what_does_not_get_through_is_told_by_the_next_pass
        as what_does_not_get_through_is_told_by_the_next_pass,
    crate::incidents::a_webhook_that_fails_keeps_nothing_from_another
        as a_webhook_that_fails_keeps_nothing_from_another,
    crate::incidents::a_pass_that_did_not_look_neither_opens_nor_ends
        as a_pass_that_did_not_look_neither_opens_nor_ends,
    crate::budgets::what_is_spent_is_summed_to_the_nano_dollar as what_is_spent_is_summed_to_the_nano_dollar,
    crate::budgets::a_budget_is_a_new_one_in_each_period as a_budget_is_a_new_one_in_each_period,
);
