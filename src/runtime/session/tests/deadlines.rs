//! The deadline of a turn.

use super::clocks::{ends, interrupts, looks, says, watched};
use super::*;
use crate::config::StallAction;

fn with_deadline(ms: u64) -> (Core, TaskId) {
    let mut core = core();
    core.rules.limits.turn_ms = Some(ms);
    ready(&mut core);
    let task = task(&core);
    let id = task.id;
    let step = core.offer(task, 0, T);
    let clock = Effect::After(
        Duration::from_millis(ms),
        Alarm::Cut((id, T), Cut::Deadline),
    );
    assert!(step.effects.contains(&clock), "{:?}", step.effects);
    heard(&mut core, vec![Output::TurnStarted { task: id }]);
    (core, id)
}

#[test]
fn at_the_deadline_the_program_is_asked_first() {
    for outcome in [Outcome::Completed, Outcome::Failed, Outcome::Stopped] {
        let (mut core, id) = with_deadline(5_000);
        let step = core.alarm(&Alarm::Cut((id, T), Cut::Deadline), later(5_000));
        assert!(interrupts(&step) && ends(&step).is_none());
        assert_eq!(moves(&step), [TaskState::Stopping]);
        let end = Output::TurnEnded {
            task: id,
            outcome,
            reason: None,
            text: None,
            usage: None,
            limited: None,
        };
        let step = heard(&mut core, vec![end]);
        assert_eq!(moves(&step), [TaskState::TimedOut], "{outcome:?}");
        let ended = step
            .events
            .iter()
            .find(|event| event.kind == EventKind::TurnEnded);
        let data: Value = serde_json::from_str(&ended.unwrap().data).unwrap();
        assert_eq!(
            (&data["outcome"], &data["reason"]),
            (&json!("timed_out"), &json!("deadline"))
        );
        assert!(
            step.effects.contains(&Effect::Stand(Readiness::Ready)),
            "the queue goes on"
        );
    }
}

#[test]
fn a_program_that_does_not_listen_at_the_deadline_is_ended_and_what_waits_goes_on() {
    let (mut core, id) = with_deadline(5_000);
    core.alarm(&Alarm::Cut((id, T), Cut::Deadline), later(5_000));
    let step = core.alarm(&Alarm::Interrupt((id, T)), later(10_000));
    assert_eq!(ends(&step).as_deref(), Some("deadline"));
    let ending = Ending {
        signal: Some(15),
        by: Some("deadline".into()),
        at: later(11_000),
        ..Ending::default()
    };
    let step = core.exited(ending, false, later(11_000));
    assert_eq!(moves(&step), [TaskState::TimedOut]);
    assert!(step.effects.contains(&Effect::Reload));
    assert!(core.may_start(false), "the next task starts it");
    assert_eq!(core.session.status, Status::Interrupted);
}

#[test]
fn a_deadline_counts_through_a_restart_of_the_server() {
    let (mut core, id) = with_deadline(60_000);
    let due = core.due(later(45_000));
    let left = Effect::After(Duration::from_secs(15), Alarm::Cut((id, T), Cut::Deadline));
    assert!(due.contains(&left), "{due:?}");
}

#[test]
fn a_turn_that_a_person_ends_is_theirs() {
    let (mut core, id) = with_deadline(5_000);
    core.interrupt(later(4_000));
    let step = core.alarm(&Alarm::Cut((id, T), Cut::Deadline), later(5_000));
    assert!(step.is_empty());
    let step = heard(&mut core, vec![ends_turn_as(id, Outcome::Failed)]);
    assert_eq!(moves(&step), [TaskState::Stopped]);
}

fn ends_turn_as(task: TaskId, outcome: Outcome) -> Output {
    Output::TurnEnded {
        task,
        outcome,
        reason: None,
        text: None,
        usage: None,
        limited: None,
    }
}

#[test]
fn at_wake_the_log_is_read_before_a_clock_cuts_the_turn() {
    let (mut core, id) = with_deadline(5_000);
    core.found_alive(77, later(60_000));
    let cut = Alarm::Cut((id, T), Cut::Deadline);
    let step = core.alarm(&cut, later(60_000));
    assert!(step.is_empty() && step.effects.is_empty());
    let step = says(&mut core, vec![ends_turn(id)], later(60_001));
    assert_eq!(moves(&step), [TaskState::Completed]);

    // One that goes on is cut once that is known.
    let (mut core, id) = with_deadline(5_000);
    core.found_alive(77, later(60_000));
    let step = core.caught_up(77, Some(id), later(60_001));
    let cut = Alarm::Cut((id, T), Cut::Deadline);
    assert!(
        step.effects
            .contains(&Effect::After(Duration::ZERO, cut.clone()))
    );
    assert_eq!(
        moves(&core.alarm(&cut, later(60_002))),
        [TaskState::Stopping]
    );
}

#[test]
fn a_prompt_that_was_not_delivered_has_its_whole_time_yet() {
    let dispatched = || {
        let mut core = watched(StallAction::Notify);
        core.rules.limits.turn_ms = Some(5_000);
        ready(&mut core);
        let task = task(&core);
        let id = task.id;
        core.offer(task, 0, T);
        (core, Alarm::Cut((id, T), Cut::Deadline), id)
    };
    let (mut core, cut, _) = dispatched();
    core.found_dead(later(60_000));
    core.alarm(&cut, later(60_000));
    let step = died(&mut core, false, later(60_001));
    assert_eq!(moves(&step), [TaskState::Queued]);

    let (mut core, cut, id) = dispatched();
    core.found_alive(77, later(60_000));
    core.alarm(&cut, later(60_000));
    let step = core.caught_up(77, None, later(60_001));
    let cut = Alarm::Cut((id, later(60_001)), Cut::Deadline);
    let clock = Effect::After(Duration::from_secs(5), cut);
    assert!(step.effects.contains(&clock), "{:?}", step.effects);
    assert_eq!(looks(&step).len(), 1, "it is watched from its beginning");
}
