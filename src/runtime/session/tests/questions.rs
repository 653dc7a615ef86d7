//! Questions of a program to a person.

use super::*;

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
