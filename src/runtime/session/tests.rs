//! The session's moves without an actor: each test drives the core as the programs, the queue and
//! people would, and looks at what is committed.

mod clocks;
mod deaths;
mod limits;
mod remember;

use std::time::Duration;

use serde_json::{Value, json};

use super::core::{Core, Rules};
use super::exits::Ending;
use super::parking::Curve;
use super::questions::Resolution;
use super::stall::{Jumps, Watch};
use super::step::{Alarm, Effect, Step};
use super::turn::Decoded;
use crate::domain::*;
use crate::drivers::{Output, Question};
use crate::runtime::facade::Force;
use crate::runtime::queue::Readiness;
use crate::supervision::Backoff;

const T: Timestamp = Timestamp(1_000_000);

fn later(ms: i64) -> Timestamp {
    T.plus_ms(ms)
}

fn core() -> Core {
    let id = SessionId::generate();
    let facts = Facts::default();
    let session = Session {
        id,
        owner: UserId::generate(),
        group: id,
        name: None,
        kind: Kind::Script,
        cwd: "/".into(),
        model: None,
        permission_mode: PermissionMode::Default,
        scenario: None,
        options: Options::default(),
        topic: None,
        metadata: Value::Null,
        created_at: T,
        updated_at: T,
        archived_at: None,
        status: status(&facts),
        facts,
    };
    Core {
        session,
        progress: Progress {
            incarnation: Incarnation(0),
            offset: 0,
            snapshot: String::new(),
        },
        nonce: String::new(),
        started_at: T,
        task: None,
        approvals: vec![],
        watch: Watch::default(),
        jumps: Jumps::default(),
        overrides: vec![],
        rules: Rules {
            short_life: Duration::from_secs(60),
            crash_loop_after: 5,
            backoff: Backoff {
                base: Duration::from_secs(1),
                cap: Duration::from_secs(60),
                jitter: 0.2,
                reset_after: Duration::from_secs(600),
            },
            start_timeout: Duration::from_secs(60),
            interrupt_grace: Duration::from_secs(5),
            approval_ttl: Duration::from_secs(300),
            limits: SessionLimits::default(),
            stall: None,
            rate_limit: Curve {
                base: Duration::from_secs(60),
                cap: Duration::from_secs(1_800),
            },
            resumable: true,
            has_prompt: false,
        },
        random: 0.5,
    }
}

fn task(core: &Core) -> Task {
    Task {
        id: TaskId::generate(),
        session: core.session.id,
        owner: core.session.owner,
        ord: 1,
        state: TaskState::Queued,
        prompt: "do it".into(),
        said: Words::Shown,
        on_uncertain: OnUncertain::Ask,
        metadata: Value::Null,
        attempt: 0,
        incarnation: None,
        reason: None,
        text: None,
        usage: None,
        created_at: T,
        started_at: None,
        ended_at: None,
    }
}

fn heard(core: &mut Core, outputs: Vec<Output>) -> Step {
    let progress = Progress {
        offset: core.progress.offset + 1,
        ..core.progress.clone()
    };
    core.output(
        Decoded {
            progress,
            outputs,
            pieces: false,
            answer: None,
        },
        later(10),
    )
}

fn ready(core: &mut Core) {
    core.launch("n".into(), T);
    core.launched(core.session.facts.incarnation, 77, T);
    heard(core, vec![Output::Ready]);
    assert_eq!(core.session.status, Status::Idle);
}

fn running(core: &mut Core) -> TaskId {
    ready(core);
    let task = task(core);
    let id = task.id;
    core.offer(task, 0, T);
    heard(core, vec![Output::TurnStarted { task: id }]);
    id
}

fn died(core: &mut Core, handed_over: bool, at: Timestamp) -> Step {
    let ending = Ending {
        signal: Some(9),
        at,
        ..Ending::default()
    };
    core.exited(ending, handed_over, at)
}

fn moves(step: &Step) -> Vec<TaskState> {
    step.changes
        .iter()
        .filter_map(|change| {
            let Change::Task(task) = change else {
                return None;
            };
            Some(task.to)
        })
        .collect()
}

fn names(step: &Step) -> Vec<&'static str> {
    step.events.iter().map(|event| event.kind.name()).collect()
}

fn question() -> Output {
    Output::Ask(Question {
        kind: ApprovalKind::Permission,
        request: "q1".into(),
        tool: "edit".into(),
        args: json!({}),
        summary: "edit?".into(),
        question: "May I edit?".into(),
        options: vec![],
        risk: Risk::Medium,
    })
}

#[test]
fn a_task_is_committed_as_dispatching_before_its_command_goes_out() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    let step = core.offer(task.clone(), 2, T);
    assert_eq!(moves(&step), [TaskState::Dispatching]);
    let sent = step
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Command(_, None)));
    assert!(sent, "{:?}", step.effects);
    assert!(step.effects.contains(&Effect::Stand(Readiness::InTurn)));
    assert_eq!(core.unacknowledged(), Some(format!("{}:1", task.id)));
}

#[test]
fn a_task_for_a_session_that_is_not_ready_goes_back() {
    let mut core = core();
    let task = task(&core);
    let step = core.offer(task, 0, T);
    assert!(step.is_empty());
    assert_eq!(
        step.effects,
        [Effect::Stand(Readiness::Held), Effect::Reload]
    );
}

#[test]
fn the_acknowledgement_tells_the_start_and_the_words() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    let id = task.id;
    core.offer(task, 0, T);
    let step = heard(&mut core, vec![Output::TurnStarted { task: id }]);
    assert_eq!(names(&step), ["turn_started", "user_message"]);
    assert_eq!(moves(&step), [TaskState::Running]);
    assert_eq!(core.unacknowledged(), None);
}

#[test]
fn a_turn_ends_once() {
    let mut core = core();
    let id = running(&mut core);
    let end = || Output::TurnEnded {
        task: id,
        outcome: Outcome::Completed,
        reason: None,
        text: Some("ok".into()),
        usage: Some(json!({"inputTokens": 3, "outputTokens": 4})),
        limited: None,
    };
    let step = heard(&mut core, vec![end(), end()]);
    assert_eq!(moves(&step), [TaskState::Completed]);
    assert_eq!(names(&step), ["turn_ended", "status"]);
    assert_eq!(core.session.facts.tokens, 7);
    assert!(step.effects.contains(&Effect::Stand(Readiness::Ready)));
}

#[test]
fn the_end_of_another_task_changes_nothing() {
    let mut core = core();
    running(&mut core);
    let other = TaskId::generate();
    let step = heard(
        &mut core,
        vec![Output::TurnEnded {
            task: other,
            outcome: Outcome::Completed,
            reason: None,
            text: None,
            usage: None,
            limited: None,
        }],
    );
    assert!(moves(&step).is_empty());
    assert!(core.session.facts.turn.is_some());
}

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

#[test]
fn a_question_is_asked_once_and_its_end_lets_the_turn_go_on() {
    let mut core = core();
    running(&mut core);
    let step = heard(&mut core, vec![question()]);
    assert_eq!(core.session.status, Status::AwaitingApproval);
    assert_eq!(moves(&step), [TaskState::AwaitingApproval]);
    let id = core.approvals[0].id;
    let answer = Resolution {
        id,
        to: ApprovalState::Approved,
        by: "ann".into(),
        response: None,
        remember: Remember::Once,
    };
    assert!(core.answer_command(&answer).is_some());
    let progress = core.progress.clone();
    let step = core.output(
        Decoded {
            progress,
            outputs: vec![],
            pieces: false,
            answer: Some(answer.clone()),
        },
        T,
    );
    assert_eq!(moves(&step), [TaskState::Running]);
    assert_eq!(names(&step), ["approval_resolved", "status"]);
    assert!(!core.is_open(id));
    assert!(core.answer_command(&answer).is_none());
}

#[test]
fn questions_end_with_their_process() {
    let mut core = core();
    running(&mut core);
    heard(&mut core, vec![question()]);
    let step = died(&mut core, false, later(5));
    let cancelled = step.changes.iter().any(|change| {
        matches!(
            change,
            Change::Resolved {
                to: ApprovalState::Cancelled,
                ..
            }
        )
    });
    assert!(cancelled);
    assert!(core.approvals.is_empty());
    assert_eq!(core.session.facts.asked, 0);
}

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

#[test]
fn a_turn_that_the_codec_does_not_know_is_sent_again_only_when_it_was_not_acknowledged() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    core.offer(task, 0, T);
    let step = core.caught_up(77, None, T);
    assert!(
        step.effects
            .iter()
            .any(|effect| matches!(effect, Effect::Command(_, None)))
    );

    let mut core = self::core();
    running(&mut core);
    let step = core.caught_up(77, None, T);
    assert_eq!(moves(&step), [TaskState::Failed]);
}

#[test]
fn an_unattached_process_is_shown_as_such_until_it_is_read() {
    let mut core = core();
    let id = running(&mut core);
    core.found_alive(77, T);
    assert_eq!(core.session.status, Status::Unattached);
    core.caught_up(77, Some(id), T);
    assert_eq!(core.session.status, Status::Busy);
}

#[test]
fn a_pause_holds_the_queue_after_the_turn() {
    let mut core = core();
    let id = running(&mut core);
    core.pause(T);
    assert_eq!(core.session.status, Status::Busy);
    heard(
        &mut core,
        vec![Output::TurnEnded {
            task: id,
            outcome: Outcome::Completed,
            reason: None,
            text: None,
            usage: None,
            limited: None,
        }],
    );
    assert_eq!(core.session.status, Status::Paused);
    assert_eq!(core.readiness(), Readiness::Held);
    let step = core.resume(T);
    assert!(step.effects.contains(&Effect::Stand(Readiness::Ready)));
}

#[test]
fn every_status_event_matches_the_committed_facts() {
    let mut core = core();
    let id = running(&mut core);
    let step = heard(
        &mut core,
        vec![Output::TurnEnded {
            task: id,
            outcome: Outcome::Failed,
            reason: Some("exit_2".into()),
            text: None,
            usage: None,
            limited: None,
        }],
    );
    let last = step
        .events
        .iter()
        .rev()
        .find(|event| event.kind == EventKind::Status)
        .unwrap();
    let data: Value = serde_json::from_str(&last.data).unwrap();
    assert_eq!(data["detail"], status(&core.session.facts).name());
    assert_eq!(data["status"], "failed");
    let facts = step.changes.iter().find_map(|change| {
        let Change::Facts(facts) = change else {
            return None;
        };
        Some(facts.as_ref().clone())
    });
    assert_eq!(facts.as_ref(), Some(&core.session.facts));
}

/// How many `session` events of this action a step has.
fn acts(step: &Step, action: &str) -> usize {
    let of = |event: &&Draft| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        event.kind == EventKind::Session && data["action"] == action
    };
    step.events.iter().filter(of).count()
}

fn ends_turn(task: TaskId) -> Output {
    Output::TurnEnded {
        task,
        outcome: Outcome::Completed,
        reason: None,
        text: None,
        usage: None,
        limited: None,
    }
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
    core.complete(said("success"), T);
    assert_eq!(core.session.status, Status::Stopping);
    died(&mut core, false, later(500));
    assert_eq!(core.session.status, Status::Completed);
    let again = core.complete(said("failed"), later(600));
    assert!(again.is_empty());
    assert_eq!(
        core.session.facts.completed.as_ref().unwrap().status,
        "success"
    );
    core.forgive();
    core.launch("n2".into(), later(700));
    assert_eq!(core.session.status, Status::Starting);
    assert!(core.session.facts.completed.is_none());
}
