//! A reset: the next process takes nothing over.

use super::super::super::facade::Verdicts;
use super::*;

/// How many `session` events of this action a step has.
fn acts(step: &Step, action: &str) -> usize {
    let of = |event: &&Draft| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        event.kind == EventKind::Session && data["action"] == action
    };
    step.events.iter().filter(of).count()
}

#[test]
fn a_reset_waits_for_the_turn_and_the_next_process_takes_nothing_over() {
    let mut core = core();
    let turn = running(&mut core);
    core.progress.snapshot = "old".into();
    let step = core.reset("ann", T);
    assert!(!step.effects.iter().any(|e| matches!(e, Effect::End(..))));
    assert!(
        step.effects
            .iter()
            .any(|e| matches!(e, Effect::After(_, Alarm::Reset(_))))
    );
    // What waits is not taken meanwhile, and the process ends with the turn.
    let step = heard(&mut core, vec![ends_turn(turn)]);
    assert!(step.effects.iter().any(|e| matches!(e, Effect::End(..))));
    assert_eq!(core.readiness(), Readiness::Held);
    assert_eq!(core.session.status, Status::Stopping);
    let step = died(&mut core, false, later(500));
    assert_eq!(acts(&step, "reset"), 1);
    assert!(step.effects.contains(&Effect::Admit));
    let step = core.launch("n2".into(), later(600));
    let takes = |e: &Effect| {
        matches!(
            e,
            Effect::Launch {
                resume: Some(_),
                ..
            }
        )
    };
    assert!(!step.effects.iter().any(takes));
    assert!(!core.session.facts.fresh && core.session.facts.resetting.is_none());
}

#[test]
fn a_reset_of_a_turn_that_does_not_listen_starts_a_process_all_the_same() {
    let mut core = core();
    running(&mut core);
    core.reset("ann", T);
    let attempt = core
        .session
        .facts
        .turn
        .map(|turn| (turn.task, turn.since))
        .unwrap();
    core.alarm(&Alarm::Reset(attempt), later(30_000));
    core.alarm(&Alarm::Interrupt(attempt), later(35_000));
    let ending = Ending {
        signal: Some(9),
        by: Some("interrupt".into()),
        at: later(36_000),
        ..Ending::default()
    };
    let step = core.exited(ending, false, later(36_000));
    assert!(step.effects.contains(&Effect::Admit));
    assert_eq!(acts(&step, "reset"), 1);
}

#[test]
fn a_stop_ends_a_reset_and_stays_a_stop() {
    let mut core = core();
    running(&mut core);
    core.reset("ann", T);
    core.halt(Force::Ladder, "ann", later(10));
    let step = died(&mut core, false, later(500));
    assert!(!step.effects.contains(&Effect::Admit));
    assert_eq!(core.session.status, Status::Stopped);
    assert!(
        !core.is_news(Some(later(5))),
        "an earlier task starts it again"
    );
}

#[test]
fn a_completion_stays_through_the_end_and_goes_with_the_next_start() {
    let mut core = core();
    ready(&mut core);
    let said = |status: &str| Completion {
        status: status.into(),
        comment: None,
        cost_usd: None,
        by: "ann".into(),
        at: T,
    };
    core.complete(said("success"), Verdicts::First, T);
    assert_eq!(core.session.status, Status::Stopping);
    died(&mut core, false, later(500));
    assert_eq!(core.session.status, Status::Completed);
    let again = core.complete(said("failed"), Verdicts::First, later(600));
    assert!(again.is_empty());
    assert_eq!(
        core.session.facts.completed.as_ref().unwrap().status,
        "success"
    );
    core.complete(said("failed"), Verdicts::Last, later(650));
    assert_eq!(Mission::of(&core.session.facts), Mission::Failed);
    core.forgive();
    core.launch("n2".into(), later(700));
    assert_eq!(core.session.status, Status::Starting);
    assert!(core.session.facts.completed.is_none());
}

#[test]
fn what_came_to_an_end_is_open_again_until_something_runs() {
    let mut core = core();
    ready(&mut core);
    let (step, open) = core.reopen(Mission::Active, "ann", T);
    assert!(step.is_empty() && !open, "it was open");
    core.session.facts.last_outcome = Some(Outcome::Failed);
    assert_eq!(Mission::of(&core.session.facts), Mission::Failed);
    let (step, open) = core.reopen(Mission::Active, "ann", later(100));
    assert!(open);
    assert_eq!(acts(&step, "reopened"), 1);
    let status: Value = serde_json::from_str(&step.events.last().unwrap().data).unwrap();
    assert_eq!(
        (&status["mission"], &status["previousMission"]),
        (&json!("active"), &json!("failed"))
    );
    let (step, open) = core.reopen(Mission::Active, "ann", later(200));
    assert!(step.is_empty() && open, "it stands so already");
    let task = task(&core);
    core.offer(task, 0, later(300));
    assert_eq!(Mission::of(&core.session.facts), Mission::Active);
    assert_eq!(Mission::plain(&core.session.facts), Mission::Active);
}
