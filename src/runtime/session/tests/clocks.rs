//! The clocks of a turn: its deadline, and the watch over one that gets nowhere.

use super::*;
use crate::config::{StallAction, StallSetting};

const MINUTE: i64 = 60_000;

pub(super) fn watched(action: StallAction) -> Core {
    let mut core = core();
    core.rules.stall = Some(StallSetting {
        quiet_after: Duration::from_secs(120),
        stalled_after: Duration::from_secs(600),
        tool_after: Duration::from_secs(1_800),
        action,
        terminals: false,
    });
    core
}

/// The timers of the watch that a step sets.
pub(super) fn looks(step: &Step) -> Vec<(Duration, Alarm)> {
    let look = |effect: &Effect| {
        let Effect::After(wait, alarm @ Alarm::Stall(..)) = effect else {
            return None;
        };
        Some((*wait, alarm.clone()))
    };
    step.effects.iter().filter_map(look).collect()
}

/// A core with a running turn and its one timer.
fn turn(action: StallAction) -> (Core, TaskId, Alarm) {
    let mut core = watched(action);
    ready(&mut core);
    let task = task(&core);
    let id = task.id;
    let step = core.offer(task, 0, T);
    let mut looks = looks(&step);
    assert_eq!(looks.len(), 1, "one timer for a turn");
    let (wait, alarm) = looks.remove(0);
    assert_eq!(wait.as_secs(), 120);
    says(&mut core, vec![Output::TurnStarted { task: id }], T);
    (core, id, alarm)
}

pub(super) fn says(core: &mut Core, outputs: Vec<Output>, at: Timestamp) -> Step {
    let progress = Progress {
        offset: core.progress.offset + 1,
        ..core.progress.clone()
    };
    let decoded = Decoded {
        progress,
        outputs,
        pieces: false,
        answer: None,
    };
    core.output(decoded, at)
}

fn tells(kind: EventKind, data: Value) -> Vec<Output> {
    vec![Output::Event { kind, data }]
}

/// Lets the timer ring when it is due, and gives the next one.
fn ring(core: &mut Core, alarm: &Alarm, at: Timestamp) -> (Step, Option<Alarm>) {
    let step = core.alarm(alarm, at);
    let mut looks = looks(&step);
    assert!(looks.len() <= 1, "{looks:?}");
    let next = looks.pop().map(|(_, alarm)| alarm);
    (step, next)
}

fn codes(step: &Step) -> Vec<String> {
    let errors = step
        .events
        .iter()
        .filter(|event| event.kind == EventKind::Error);
    errors
        .map(|event| {
            let data: Value = serde_json::from_str(&event.data).unwrap();
            data["code"].as_str().unwrap().to_owned()
        })
        .collect()
}

pub(super) fn ends(step: &Step) -> Option<String> {
    step.effects.iter().find_map(|effect| {
        let Effect::End(_, by) = effect else {
            return None;
        };
        Some(by.clone())
    })
}

pub(super) fn interrupts(step: &Step) -> bool {
    let command = Effect::Command(crate::drivers::Command::Interrupt, None);
    step.effects.contains(&command)
}

#[test]
fn a_clock_that_jumps_makes_no_turn_longer() {
    let night = 8 * 60 * MINUTE;
    let (mut core, id, alarm) = turn(StallAction::Restart);
    core.clock_jumped(night);
    let (_, next) = ring(&mut core, &alarm, later(night + 2 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Quiet, "not stalled");
    core.clock_jumped(-night);
    let (_, _none) = ring(&mut core, &next.unwrap(), later(9 * MINUTE));
    assert_eq!(core.session.status, Status::Quiet);
    core.clock_jumped(night);
    let end = Output::TurnEnded {
        task: id,
        outcome: Outcome::Completed,
        reason: None,
        text: None,
        usage: None,
        limited: None,
    };
    says(&mut core, vec![end], later(night + 10 * MINUTE));
    let busy = i64::try_from(core.session.facts.busy_ms).unwrap();
    assert_eq!(busy, 10 * MINUTE, "it counts what passed");
    assert_eq!(core.jumps.ms, 0, "the next turn begins anew");
}

#[test]
fn a_silent_turn_is_quiet_then_stalled_and_only_told() {
    let (mut core, _, alarm) = turn(StallAction::Notify);
    let (step, next) = ring(&mut core, &alarm, later(2 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Quiet);
    assert_eq!(names(&step), ["status"]);
    assert!(codes(&step).is_empty(), "quiet is a label");
    let (step, none) = ring(&mut core, &next.unwrap(), later(10 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Stalled);
    assert_eq!(codes(&step), ["stalled"]);
    assert_eq!(none, None, "nothing is looked for until it goes on");
    assert!(!interrupts(&step) && ends(&step).is_none());
    let logged = step
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Log(line) if line.event == "stalled"));
    assert!(logged);
    // A stale timer finds nothing to do.
    let (step, _) = ring(&mut core, &alarm, later(11 * MINUTE));
    assert!(step.is_empty() && step.effects.is_empty());
    let said = tells(EventKind::AssistantMessage, json!({"content": "there"}));
    let step = says(&mut core, said, later(12 * MINUTE));
    assert_eq!(core.session.status, Status::Busy);
    assert_eq!(looks(&step).len(), 1, "it is watched again");
}

#[test]
fn output_without_progress_is_not_quiet_and_still_a_stall() {
    let (mut core, _, alarm) = turn(StallAction::Notify);
    for minute in 1..10 {
        let retry = tells(EventKind::RateLimited, json!({}));
        says(&mut core, retry, later(minute * MINUTE));
    }
    let (_, next) = ring(&mut core, &alarm, later(9 * MINUTE + 5));
    assert_eq!(core.session.status, Status::Busy);
    let (step, _) = ring(&mut core, &next.unwrap(), later(10 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Stalled);
    assert_eq!(codes(&step), ["stalled"]);
}

#[test]
fn pieces_of_a_message_are_progress() {
    let (mut core, _, alarm) = turn(StallAction::Notify);
    let decoded = Decoded {
        progress: core.progress.clone(),
        outputs: vec![],
        pieces: true,
        answer: None,
    };
    core.output(decoded, later(9 * MINUTE));
    ring(&mut core, &alarm, later(10 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Busy);
}

#[test]
fn a_tool_at_work_has_its_own_time() {
    for (args, quiet, stalled) in [
        (json!({}), 29, 30),
        (json!({"timeout": 1_200_000}), 20, 21),
        (json!({"timeout": 2 * 60 * MINUTE}), 120, 121),
    ] {
        let (mut core, _, alarm) = turn(StallAction::Interrupt);
        let call = json!({"toolCallId": "t1", "toolName": "bash", "args": args});
        says(&mut core, tells(EventKind::ToolCall, call), T);
        let (step, next) = ring(&mut core, &alarm, later(quiet * MINUTE));
        assert_eq!(core.session.status, Status::Quiet, "{quiet} minutes");
        assert!(!interrupts(&step), "a healthy tool is left alone");
        let (step, _) = ring(&mut core, &next.unwrap(), later(stalled * MINUTE + 1));
        assert!(interrupts(&step), "{stalled} minutes");
    }
    let (mut core, _, alarm) = turn(StallAction::Notify);
    let call = json!({"toolCallId": "t1", "toolName": "bash", "args": {}});
    says(&mut core, tells(EventKind::ToolCall, call.clone()), T);
    says(&mut core, tells(EventKind::ToolResult, call), T);
    ring(&mut core, &alarm, later(10 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Stalled, "its tool is done");
}

#[test]
fn a_person_may_take_any_time() {
    let (mut core, _, alarm) = turn(StallAction::Restart);
    says(&mut core, vec![question()], later(MINUTE));
    let (step, _) = ring(&mut core, &alarm, later(60 * MINUTE));
    assert_eq!(core.session.status, Status::AwaitingApproval);
    assert!(step.is_empty());
    let answer = Resolution {
        id: core.approvals[0].id,
        to: ApprovalState::Approved,
        by: "ann".into(),
        response: None,
        remember: Remember::Once,
    };
    let decoded = Decoded {
        progress: core.progress.clone(),
        outputs: vec![],
        pieces: false,
        answer: Some(answer),
    };
    let step = core.output(decoded, later(61 * MINUTE));
    let looks = looks(&step);
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0].0.as_secs(), 120, "the time counts from the answer");
    ring(&mut core, &looks[0].1, later(61 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Busy);
}

#[test]
fn a_stalled_turn_is_interrupted_and_its_deaf_program_ended_as_stalled() {
    let (mut core, id, alarm) = turn(StallAction::Interrupt);
    let (step, _) = ring(&mut core, &alarm, later(10 * MINUTE + 1));
    assert!(interrupts(&step));
    assert_eq!(core.session.status, Status::Stopping);
    let step = core.alarm(&Alarm::Interrupt((id, T)), later(11 * MINUTE));
    assert_eq!(ends(&step).as_deref(), Some("stalled"));
    let ending = Ending {
        signal: Some(9),
        by: Some("stalled".into()),
        at: later(12 * MINUTE),
        ..Ending::default()
    };
    let step = core.exited(ending, false, later(12 * MINUTE));
    assert_eq!(moves(&step), [TaskState::Failed]);
    let exit = core.session.facts.last_exit.clone().unwrap();
    assert_eq!(exit.reason, ExitReason::Stalled);
    assert_eq!(core.session.status, Status::Backoff, "it is resumed");
}

#[test]
fn a_restart_exchanges_also_a_program_that_listened() {
    for (action, exchanged) in [
        (StallAction::Interrupt, None),
        (StallAction::Restart, Some("stalled")),
    ] {
        let (mut core, id, alarm) = turn(action);
        ring(&mut core, &alarm, later(10 * MINUTE + 1));
        let aborted = Output::TurnEnded {
            task: id,
            outcome: Outcome::Failed,
            reason: None,
            text: None,
            usage: None,
            limited: None,
        };
        let step = says(&mut core, vec![aborted], later(11 * MINUTE));
        assert_eq!(moves(&step), [TaskState::Failed]);
        assert_eq!(ends(&step).as_deref(), exchanged);
    }
}

#[test]
fn a_kind_whose_silence_says_nothing_is_not_watched() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    let step = core.offer(task, 0, T);
    assert!(looks(&step).is_empty());
}

#[test]
fn a_new_generation_takes_it_that_a_tool_is_at_work() {
    let (mut core, _, alarm) = turn(StallAction::Notify);
    ring(&mut core, &alarm, later(10 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Stalled);
    core.watch = Watch::default();
    let due = core.due(later(20 * MINUTE));
    core.found_alive(77, later(20 * MINUTE));
    core.caught_up(
        77,
        core.task.as_ref().map(|task| task.id),
        later(20 * MINUTE),
    );
    assert_eq!(core.session.status, Status::Stalled, "what was seen stands");
    let step = Step {
        effects: due,
        ..Step::default()
    };
    let (_, look) = looks(&step).remove(0);
    let (step, _) = ring(&mut core, &look, later(31 * MINUTE));
    assert!(codes(&step).is_empty());
    says(
        &mut core,
        tells(EventKind::Plan, json!({})),
        later(32 * MINUTE),
    );
    assert_eq!(core.session.status, Status::Busy);
}

#[test]
fn a_start_has_its_clock_again_after_a_restart_of_the_server() {
    let mut core = core();
    core.launch("n".into(), T);
    core.launched(Incarnation(1), 77, T);
    core.found_alive(77, later(20_000));
    let step = core.caught_up(77, None, later(20_000));
    let alarm = Alarm::Start(Incarnation(1));
    let left = Effect::After(Duration::from_secs(40), alarm.clone());
    assert!(step.effects.contains(&left), "{:?}", step.effects);
    let step = core.alarm(&alarm, later(60_000));
    assert_eq!(ends(&step).as_deref(), Some("start_timeout"));
    let again = core.alarm(&alarm, later(60_001));
    assert!(again.effects.is_empty(), "once");
}

#[test]
fn neither_an_answer_nor_a_word_shows_a_new_generation_the_tools_at_work() {
    let (mut core, id, _) = turn(StallAction::Notify);
    says(&mut core, vec![question()], T);
    core.watch = Watch::default();
    core.due(later(MINUTE));
    core.found_alive(77, later(MINUTE));
    core.caught_up(77, Some(id), later(MINUTE));
    let answer = Resolution {
        id: core.approvals[0].id,
        to: ApprovalState::Approved,
        by: "ann".into(),
        response: None,
        remember: Remember::Once,
    };
    let decoded = Decoded {
        progress: core.progress.clone(),
        outputs: tells(EventKind::Plan, json!({})),
        pieces: false,
        answer: Some(answer),
    };
    let step = core.output(decoded, later(2 * MINUTE));
    let (_, look) = looks(&step).remove(0);
    let (step, next) = ring(&mut core, &look, later(31 * MINUTE));
    assert_eq!(core.session.status, Status::Quiet);
    assert!(codes(&step).is_empty(), "the tool has its own time");
    ring(&mut core, &next.unwrap(), later(32 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Stalled);

    // A turn whose beginning is read has no tool that nobody saw.
    let mut core = watched(StallAction::Notify);
    ready(&mut core);
    let task = task(&core);
    let id = task.id;
    core.offer(task, 0, T);
    let due = core.due(T);
    says(&mut core, vec![Output::TurnStarted { task: id }], T);
    let step = Step {
        effects: due,
        ..Step::default()
    };
    ring(&mut core, &looks(&step)[0].1, later(10 * MINUTE + 1));
    assert_eq!(core.session.status, Status::Stalled);
}
