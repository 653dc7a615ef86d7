//! What every database must do alike: functions over a `Store`, run for each one that this build
//! knows.
//!
//! Never a word of one database's own.

mod history;
mod overrides;
mod people;
mod queue;
mod work;

/// Runs each function on a fresh store of each database.
macro_rules! conform {
    ($($room:ident :: $check:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $check() {
                let (_dir, store) = crate::store::fixture::sqlite();
                super::$room::$check(store).await;
            })+
        }
    };
}

conform! {
    people::users_are_found_by_either_name,
    people::names_are_taken_without_regard_to_case,
    people::a_token_lives_until_it_ends_or_is_revoked,
    people::a_ticket_is_good_once,
    people::a_reply_is_kept_for_its_key_and_digest,
    people::meta_keeps_values_and_one_epoch,
    people::repeated_supervisor_lines_become_a_counter,
    work::a_session_reads_back_as_it_was_stored,
    work::lists_filter_count_and_page,
    work::a_session_is_found_by_name_and_by_prefix,
    work::overviews_carry_what_a_list_shows,
    queue::prompts_are_accepted_in_order_up_to_the_limit,
    queue::a_repeated_key_gets_the_first_placement,
    queue::waiting_tasks_are_edited_cancelled_and_reordered,
    queue::a_turn_that_its_provider_refused_waits_first_in_line,
    work::what_recovery_must_look_at_is_found,
    work::a_session_whose_last_end_is_unread_is_found,
    queue::questions_are_answered_once,
    overrides::an_override_is_found_by_exactly_its_request,
    overrides::a_newer_answer_takes_the_place_of_the_older,
    overrides::overrides_are_listed_paged_and_forgotten,
    overrides::a_tuning_changes_what_it_names,
    queue::a_decided_question_waits_for_its_program_and_for_nobody_else,
    history::events_read_back_by_seq_and_by_pos,
    history::a_number_twice_or_a_hole_is_refused_as_a_whole,
    history::facts_and_status_are_written_together,
    history::tasks_move_along_legal_arrows_only,
    history::lives_begin_advance_and_end_once,
    history::a_closure_that_fails_or_panics_leaves_nothing,
    history::a_reader_cannot_write,
}
