//! The session's moves without an actor: each test drives the core as the programs, the queue and
//! people would, and looks at what is committed.

mod clocks;
mod deadlines;
mod deaths;
mod ends;
mod interrupts;
mod limits;
mod questions;
mod remember;
mod resets;

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
        workspace: None,
        model: None,
        permission_mode: PermissionMode::Default,
        scenario: None,
        options: Options::default(),
        topic: None,
        metadata: Value::Null,
        created_at: T,
        updated_at: T,
        archived_at: None,
        parent: None,
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
    crate::domain::testing::waiting(&core.session)
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
    assert!(step.effects.contains(&Effect::Answered(task.id)));
    assert_eq!(core.unacknowledged(), Some(format!("{}:1", task.id)));
}

#[test]
fn a_task_for_a_session_that_is_not_ready_goes_back() {
    let mut core = core();
    let task = task(&core);
    let id = task.id;
    let step = core.offer(task, 0, T);
    assert!(step.is_empty());
    let back = [
        Effect::Stand(Readiness::Held),
        Effect::Answered(id),
        Effect::Reload,
    ];
    assert_eq!(step.effects, back);
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
