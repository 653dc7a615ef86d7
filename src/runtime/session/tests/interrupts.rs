//! A turn that a person interrupts.

use super::*;

#[test]
fn an_interrupted_turn_is_stopped_whatever_the_program_calls_it() {
    let mut core = core();
    let id = running(&mut core);
    let (step, task) = core.interrupt(T);
    assert_eq!(task, Some(id));
    assert_eq!(moves(&step), [TaskState::Stopping]);
    let step = heard(
        &mut core,
        vec![Output::TurnEnded {
            task: id,
            outcome: Outcome::Failed,
            reason: None,
            text: None,
            usage: None,
            limited: None,
        }],
    );
    assert_eq!(moves(&step), [TaskState::Stopped]);
    let (step, task) = core.interrupt(T);
    assert!(step.is_empty());
    assert_eq!(task, None);
}

#[test]
fn a_program_that_ignores_the_interrupt_is_ended() {
    let mut core = core();
    let id = running(&mut core);
    core.interrupt(T);
    let step = core.alarm(&Alarm::Interrupt((id, T)), later(5_000));
    assert!(
        step.effects
            .contains(&Effect::End(Force::Ladder, "interrupt".into()))
    );
    let stale = core.alarm(&Alarm::Interrupt((TaskId::generate(), T)), later(5_000));
    assert!(stale.effects.is_empty());
}
