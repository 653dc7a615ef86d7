//! What every database must do alike: functions over a `Store`, run for each one that this build
//! knows.
//!
//! Never a word of one database's own.

mod accounts;
mod bound;
mod ended;
mod history;
mod keep;
mod keys;
mod missions;
mod overrides;
mod people;
mod providers;
mod queue;
mod sealed;
mod spent;
mod tally;
mod texts;
mod work;
mod workspaces;

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

        mod on_postgres {
            $(#[tokio::test]
            async fn $check() {
                let (_fresh, store) = crate::store::fixture::postgres();
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
    accounts::people_are_listed_changed_and_counted,
    accounts::a_deleted_person_leaves_the_names_and_keeps_the_row,
    accounts::every_token_of_a_person_ends_but_the_kept_one,
    accounts::an_invite_is_good_once_and_in_time,
    accounts::failed_tries_are_kept_and_forgotten,
    history::events_read_back_by_seq_and_by_pos,
    history::a_number_twice_or_a_hole_is_refused_as_a_whole,
    history::facts_and_status_are_written_together,
    history::tasks_move_along_legal_arrows_only,
    history::lives_begin_advance_and_end_once,
    history::many_lives_advance_in_one_commit_and_a_missing_one_is_named,
    history::a_closure_that_fails_or_panics_leaves_nothing,
    history::a_reader_cannot_write,
    workspaces::workspaces_are_stored_listed_and_changed,
    workspaces::a_workspace_goes_and_its_sessions_stay,
    workspaces::those_of_a_deleted_person_go_with_what_they_hold,
    workspaces::their_variables_are_among_the_sealed_places,
    providers::a_person_has_one_sign_in_at_a_provider,
    providers::sign_ins_go_with_their_person_and_none_comes_after,
    providers::their_secrets_are_among_the_sealed_places,
    texts::texts_are_ordered_by_their_bytes,
    texts::a_nul_is_kept_out_of_every_text,
    texts::what_failed_inside_of_a_write_is_not_kept,
    keys::a_key_is_found_with_its_person_until_it_is_forgotten,
    keys::a_key_is_renamed_and_revoked_by_its_owner_alone,
    keys::audit_rows_are_a_chain_that_is_shown_by_pages,
    keys::every_changed_column_of_an_audit_row_is_found,
    keys::audit_rows_that_are_gone_moved_or_put_in_are_found,
    keys::an_audit_chain_that_is_computed_anew_does_not_fit_its_seal,
    keys::what_was_cut_off_an_audit_chain_stays_found_when_it_goes_on,
    keys::an_audit_chain_without_its_seal_says_so_for_ever,
    keys::an_audit_table_that_is_emptied_with_its_seal_says_so,
    keys::old_audit_rows_go_and_leave_a_whole_chain,
    keys::old_audit_rows_go_in_steps_and_past_those_of_a_time_to_come,
    keys::every_key_of_a_person_is_revoked_and_nobody_elses,
    sealed::sealed_values_are_paged_and_exchanged,
    sealed::sealed_states_of_lives_are_found_among_plain_ones,
    sealed::words_of_prompts_are_sealed_until_their_task_ends,
    sealed::replies_that_made_a_key_are_found_among_others,
    keep::a_history_is_trimmed_from_its_front_and_keeps_its_end,
    keep::events_of_a_running_turn_stay,
    keep::a_session_that_rests_is_deleted_unless_it_has_work,
    keep::a_deleted_session_goes_step_by_step_and_no_place_is_given_twice,
    keep::old_decisions_go_and_the_last_one_stays,
    keep::files_of_processes_are_needed_while_their_end_is_open,
    ended::old_tasks_go_but_not_the_last_one_nor_what_is_open_or_named,
    ended::tasks_beyond_the_newest_go_in_the_order_of_the_queue,
    ended::answered_questions_go_by_age_and_number,
    ended::processes_go_when_their_end_is_read_and_nothing_open_names_them,
    ended::questions_processes_and_lines_are_counted,
    keep::figures_count_by_owner_and_in_all,
    keep::rows_are_carried_to_another_database_as_they_are,
    keep::a_copy_of_a_newer_schema_is_refused_before_anything_is_made,
    bound::a_database_has_an_id_and_knows_its_sessions,
    tally::sessions_and_waiting_tasks_are_counted,
    missions::a_mission_is_found_by_its_word_and_old_rows_are_reckoned,
    missions::what_was_chosen_stays_loaded,
    missions::what_comes_from_a_session_is_found_by_generations,
    missions::events_are_read_by_their_place_and_from_the_end,
    spent::costs_are_summed_by_owner_and_follow_the_facts,
    spent::costs_of_earlier_versions_are_reckoned,
}
