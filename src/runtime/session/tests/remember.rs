//! Answers that are remembered, and how a program is driven, without an actor.

use super::super::questions::Resolution;
use super::super::step::{Effect, Step};
use super::super::turn::Decoded;
use super::*;

fn asks(args: Value, risk: Risk) -> Output {
    Output::Ask(Question {
        kind: ApprovalKind::Permission,
        request: "q1".into(),
        tool: "Bash".into(),
        args,
        summary: "run?".into(),
        question: "May I?".into(),
        options: vec![],
        risk,
    })
}

fn rule(core: &Core, args: &Value, approved: bool) -> Override {
    Override {
        id: OverrideId::generate(),
        owner: core.session.owner,
        session: None,
        kind: core.session.kind,
        tool: "Bash".into(),
        matcher: Matcher::of(args, "/"),
        approved,
        by: "ann".into(),
        created_at: T,
    }
}

fn data(step: &Step, kind: EventKind) -> Value {
    let event = step.events.iter().find(|event| event.kind == kind).unwrap();
    serde_json::from_str(&event.data).unwrap()
}

fn asked(step: &Step) -> Approval {
    let asked = step.changes.iter().find_map(|change| {
        let Change::Asked(approval) = change else {
            return None;
        };
        Some((**approval).clone())
    });
    asked.unwrap()
}

/// The answer as its codec translated it.
fn given(core: &mut Core, answer: Resolution) -> Step {
    let progress = core.progress.clone();
    let decoded = Decoded {
        progress,
        outputs: vec![],
        pieces: false,
        answer: Some(answer),
    };
    core.output(decoded, later(20))
}

#[test]
fn a_remembered_answer_is_given_without_a_person() {
    for (approved, state) in [
        (true, ApprovalState::Approved),
        (false, ApprovalState::Denied),
    ] {
        let mut core = core();
        let task = running(&mut core);
        let args = json!({"command": "ls"});
        let by = rule(&core, &args, approved);
        core.overrides = vec![by.clone()];
        let step = heard(&mut core, vec![asks(args, Risk::High)]);
        // The row is decided before the program hears it, and nothing waits for a person.
        let row = asked(&step);
        assert_eq!((row.state, row.resolved_at), (state, None));
        assert_eq!(row.resolved_by, Some(by.signature()));
        assert_eq!(row.expires_at, None);
        assert_eq!(moves(&step), []);
        assert_eq!(names(&step), ["approval_requested"]);
        let shown = data(&step, EventKind::ApprovalRequested);
        assert_eq!(shown["decidedBy"], json!(by.signature()));
        assert_eq!(step.effects, [Effect::Answer(row.id)]);
        assert_eq!(core.session.status, Status::Busy);

        let answer = core.decided(row.id).unwrap();
        assert_eq!((answer.to, &answer.by), (state, &by.signature()));
        let command = core.answer_command(&answer);
        assert!(matches!(
            command,
            Some(crate::drivers::Command::Answer { approved: said, .. }) if said == approved
        ));
        let step = given(&mut core, answer);
        assert_eq!(names(&step), ["approval_resolved"]);
        assert_eq!(moves(&step), []);
        assert!(core.approvals.is_empty());
        assert_eq!(core.session.facts.turn.unwrap().task, task);
    }
}

#[test]
fn a_decided_answer_that_was_not_given_is_given_by_the_next_generation() {
    let mut core = core();
    let task = running(&mut core);
    let args = json!({"command": "ls"});
    core.overrides = vec![rule(&core, &args, true)];
    let row = asked(&heard(&mut core, vec![asks(args, Risk::High)]));
    // Nobody looks the override up again: it may be forgotten by now.
    core.overrides = vec![];
    let step = core.caught_up(77, Some(task), T);
    assert!(step.effects.contains(&Effect::Answer(row.id)));
    died(&mut core, false, later(5));
    assert!(core.approvals.is_empty());
    assert_eq!(core.decided(row.id), None);
}

#[test]
fn other_requests_and_destruction_are_asked_all_the_same() {
    for (args, risk, again) in [
        (json!({"command": "ls -a"}), Risk::High, false),
        (json!({"command": "ls"}), Risk::Critical, true),
    ] {
        let mut core = core();
        running(&mut core);
        core.overrides = vec![rule(&core, &json!({"command": "ls"}), true)];
        let row = asked(&heard(&mut core, vec![asks(args, risk)]));
        assert_eq!(row.state, ApprovalState::Pending);
        assert_eq!(row.question.contains("asked every time"), again);
        assert_eq!(core.session.status, Status::AwaitingApproval);
        assert_eq!(core.decided(row.id), None);
    }
    let mut core = core();
    running(&mut core);
    let args = json!({"command": "ls"});
    core.overrides = vec![rule(&core, &args, false)];
    let row = asked(&heard(&mut core, vec![asks(args, Risk::Critical)]));
    assert_eq!(row.state, ApprovalState::Denied);
}

#[test]
fn an_answer_is_remembered_in_the_commit_that_gives_it() {
    for (remember, to, risk, kept) in [
        (Remember::Once, ApprovalState::Approved, Risk::High, None),
        (
            Remember::Session,
            ApprovalState::Approved,
            Risk::High,
            Some((true, true)),
        ),
        (
            Remember::Always,
            ApprovalState::Denied,
            Risk::Critical,
            Some((false, false)),
        ),
        (
            Remember::Always,
            ApprovalState::Approved,
            Risk::Critical,
            None,
        ),
        (Remember::Always, ApprovalState::Expired, Risk::High, None),
    ] {
        let mut core = core();
        running(&mut core);
        let args = json!({"path": "a"});
        heard(&mut core, vec![asks(args, risk)]);
        let answer = Resolution {
            id: core.approvals[0].id,
            to,
            by: "ann".into(),
            response: None,
            remember,
        };
        let step = given(&mut core, answer);
        let found = step.changes.iter().find_map(|change| {
            let Change::Remembered(kept) = change else {
                return None;
            };
            Some((**kept).clone())
        });
        let shape = found
            .as_ref()
            .map(|found| (found.session == Some(core.session.id), found.approved));
        assert_eq!(shape, kept, "{remember:?} {to:?} {risk:?}");
        let shown = data(&step, EventKind::ApprovalResolved);
        assert_eq!(shown["remember"].is_object(), kept.is_some());
        if let Some(found) = found {
            assert_eq!(found.matcher, Matcher::Path("/a".into()));
            assert_eq!(shown["remember"]["matches"], "Bash, at the path /a");
        }
    }
}

#[test]
fn a_question_among_decided_ones_still_holds_the_task() {
    let mut core = core();
    running(&mut core);
    let args = json!({"command": "ls"});
    core.overrides = vec![rule(&core, &args, true)];
    let other = Output::Ask(Question {
        kind: ApprovalKind::Permission,
        request: "q2".into(),
        tool: "edit".into(),
        args: json!({}),
        summary: "edit?".into(),
        question: "May I edit?".into(),
        options: vec![],
        risk: Risk::Medium,
    });
    let step = heard(&mut core, vec![asks(args, Risk::High), other]);
    assert_eq!(moves(&step), [TaskState::AwaitingApproval]);
    let decided = core.approvals[0].id;
    let answer = core.decided(decided).unwrap();
    assert_eq!(moves(&given(&mut core, answer)), []);
    assert_eq!(core.session.status, Status::AwaitingApproval);
}

#[test]
fn a_tuning_is_told_and_stored() {
    let mut core = core();
    let tuning = Tuning {
        permission_mode: Some(PermissionMode::Plan),
        model: Some(Some("m".into())),
    };
    let step = core.tuned(tuning.clone(), "ann", later(1));
    assert_eq!(step.changes, [Change::Tuned(Box::new(tuning))]);
    assert_eq!(core.session.permission_mode, PermissionMode::Plan);
    assert_eq!(core.session.model.as_deref(), Some("m"));
    let shown = data(&step, EventKind::Session);
    assert_eq!(shown["action"], "tuned");
    assert_eq!(shown["permissionMode"], "plan");
}

/// Asks as `request`.
fn asks_as(request: &str) -> Output {
    let Output::Ask(mut question) = asks(json!({"command": request}), Risk::Medium) else {
        panic!("a question");
    };
    question.request = request.into();
    Output::Ask(question)
}

/// A person's answer to the question that was asked as `request`.
fn answers(core: &mut Core, request: &str) -> Step {
    let open = core.approvals.iter().find(|open| open.request == request);
    let answer = Resolution {
        id: open.unwrap().id,
        to: ApprovalState::Approved,
        by: "ann".into(),
        response: None,
        remember: Remember::Once,
    };
    given(core, answer)
}

#[test]
fn a_question_of_no_turn_moves_no_task() {
    let mut core = core();
    ready(&mut core);
    heard(&mut core, vec![asks_as("before")]);
    let task = task(&core);
    let id = task.id;
    core.offer(task, 0, T);
    let started = heard(&mut core, vec![Output::TurnStarted { task: id }]);
    assert_eq!(moves(&started), [TaskState::Running]);
    let step = heard(&mut core, vec![asks_as("in it")]);
    assert_eq!(moves(&step), [TaskState::AwaitingApproval]);
    // Its own question is answered, and the other one is still open.
    let step = answers(&mut core, "in it");
    assert_eq!(moves(&step), [TaskState::Running]);
    assert_eq!(moves(&answers(&mut core, "before")), []);
}

#[test]
fn a_question_before_the_acknowledgement_holds_through_it() {
    let mut core = core();
    ready(&mut core);
    let task = task(&core);
    let id = task.id;
    core.offer(task, 0, T);
    let start = || Output::TurnStarted { task: id };
    let step = heard(
        &mut core,
        vec![asks_as("a"), start(), asks_as("b"), start()],
    );
    let waits = TaskState::AwaitingApproval;
    assert_eq!(moves(&step), [waits, TaskState::Running, waits]);
    assert_eq!(moves(&answers(&mut core, "a")), []);
    assert_eq!(moves(&answers(&mut core, "b")), [TaskState::Running]);
}
