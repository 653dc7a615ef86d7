//! A process that ends: what becomes of its task, and whether another one comes.

use super::*;

#[test]
fn a_death_before_the_hand_over_gives_the_task_back() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    core.offer(task, 0, T);
    let step = died(&mut core, false, later(500));
    assert_eq!(moves(&step), [TaskState::Queued]);
    assert!(core.session.facts.turn.is_none());
}

#[test]
fn a_start_that_follows_the_end_takes_the_given_back_task_along() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    core.offer(task, 0, T);
    core.halt(Force::Ladder, "ann", T);
    core.start_after_the_end(T);
    let step = died(&mut core, false, later(500));
    assert_eq!(moves(&step), [TaskState::Queued]);
    assert!(step.effects.contains(&Effect::Admit));
    assert!(
        step.effects.contains(&Effect::Reload),
        "it would wait unseen"
    );
    assert!(!core.session.facts.again);
}

#[test]
fn a_death_after_the_hand_over_holds_the_queue_and_asks() {
    for (to, end, told) in [
        (ApprovalState::Approved, TaskState::Queued, 0),
        (ApprovalState::Denied, TaskState::Stopped, 1),
    ] {
        let mut core = core();
        ready(&mut core);
        let task = task(&core);
        core.offer(task.clone(), 0, T);
        let step = died(&mut core, true, later(500));
        assert_eq!(moves(&step), [TaskState::Uncertain]);
        assert_eq!(core.session.facts.uncertain, Some(task.id));
        assert_eq!(core.approvals.len(), 1);
        assert!(!core.may_start(true), "an uncertain task holds its queue");

        let answer = Resolution {
            id: core.approvals[0].id,
            to,
            by: "ann".into(),
            response: None,
            remember: Remember::Once,
        };
        let step = core.place(answer, later(600));
        assert_eq!(moves(&step), [end]);
        let ends = step.events.iter();
        let ends = ends.filter(|event| event.kind == EventKind::TurnEnded);
        assert_eq!(ends.count(), told, "a reader hears of each end");
        assert!(step.effects.contains(&Effect::Reload));
        assert!(core.approvals.is_empty());
    }
}

#[test]
fn a_policy_answers_for_the_person() {
    for (policy, to) in [
        (OnUncertain::Retry, TaskState::Queued),
        (OnUncertain::Drop, TaskState::Interrupted),
    ] {
        let mut core = core();
        ready(&mut core);
        let task = Task {
            on_uncertain: policy,
            ..task(&core)
        };
        core.offer(task, 0, T);
        let step = died(&mut core, true, later(500));
        assert_eq!(moves(&step), [to]);
        assert!(core.approvals.is_empty());
    }
}

#[test]
fn a_death_in_a_turn_interrupts_it_and_is_not_sent_again() {
    let mut core = core();
    running(&mut core);
    let step = died(&mut core, true, later(500));
    assert_eq!(moves(&step), [TaskState::Interrupted]);
    assert!(names(&step).contains(&"exit"));
    assert_eq!(core.session.status, Status::Backoff);
}

#[test]
fn five_short_lives_are_a_crash_loop_on_the_curve() {
    let mut core = core();
    let mut waits = vec![];
    for _life in 0..5 {
        ready(&mut core);
        let step = died(&mut core, false, later(100));
        waits.extend(step.effects.into_iter().filter_map(|effect| {
            let Effect::After(wait, Alarm::Backoff(_)) = effect else {
                return None;
            };
            Some(wait.as_secs())
        }));
        if matches!(core.session.facts.process, Process::Backoff { .. }) {
            core.session.facts.process = Process::None;
        }
    }
    assert_eq!(waits, [1, 2, 4, 8]);
    assert_eq!(core.session.status, Status::CrashLoop);
    assert!(!core.may_start(false), "it stays down by itself");
    assert!(core.may_start(true), "a person may start it");
    core.forgive();
    assert_eq!(core.session.facts.short_lives, 0);
}

#[test]
fn a_long_life_does_not_count() {
    let mut core = core();
    for _life in 0..20 {
        ready(&mut core);
        let at = later(61_000);
        died(&mut core, false, at);
        assert_eq!(core.session.status, Status::Backoff);
        core.session.facts.process = Process::None;
    }
}

#[test]
fn what_a_person_stops_stays_down() {
    let mut core = core();
    ready(&mut core);
    let (step, ends) = core.halt(Force::Ladder, "ann", T);
    assert!(ends);
    assert!(
        step.effects
            .contains(&Effect::End(Force::Ladder, "ann".into()))
    );
    assert_eq!(core.session.status, Status::Stopping);
    let ending = Ending {
        signal: Some(15),
        by: Some("ann".into()),
        at: later(5),
        ..Ending::default()
    };
    let step = core.exited(ending, false, later(5));
    assert!(
        !step
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::After(..)))
    );
    assert_eq!(core.session.status, Status::Stopped);
    assert!(!core.may_start(false));
    assert!(core.may_start(true));
}

#[test]
fn a_stop_that_went_past_the_session_keeps_it_down() {
    let mut core = core();
    running(&mut core);
    let ending = Ending {
        signal: Some(15),
        by: Some("ada".into()),
        at: later(50),
        ..Ending::default()
    };
    core.exited(ending, false, later(60));
    assert_eq!(core.session.status, Status::Stopped);
    assert!(!core.may_start(false), "what waits starts it again");
    assert!(!core.is_news(Some(later(40))));
    assert!(core.is_news(Some(later(51))));
}

#[test]
fn a_program_that_ends_before_it_is_ready_is_a_crash() {
    let mut core = core();
    core.launch("n".into(), T);
    core.launched(Incarnation(1), 5, T);
    let ending = Ending {
        code: Some(0),
        at: later(5),
        ..Ending::default()
    };
    core.exited(ending, false, later(5));
    assert_eq!(core.session.status, Status::Backoff);
}

#[test]
fn a_missing_program_is_not_tried_again() {
    let mut core = core();
    core.launch("n".into(), T);
    core.launch_failed("program_not_found", "no such program", T);
    assert_eq!(core.session.status, Status::Failed);
    assert!(!core.may_start(false));
}
