//! The table of facts and the words that follow from them.

use super::*;

fn live_facts() -> Facts {
    Facts {
        incarnation: Incarnation(1),
        process: Process::Live {
            pid: 7,
            since: Timestamp(1),
        },
        ..Facts::default()
    }
}

fn exit(reason: ExitReason) -> ExitReport {
    ExitReport {
        incarnation: Incarnation(1),
        pid: Some(7),
        exit_code: None,
        signal: Some(9),
        core: false,
        oom: false,
        reason,
        by: None,
        started_at: Timestamp(1),
        ended_at: Timestamp(2),
        stderr_tail: vec![],
        log_len: 0,
    }
}

fn turn(phase: TurnPhase) -> Option<TurnFact> {
    Some(TurnFact {
        task: TaskId::generate(),
        phase,
        since: Timestamp(1),
        cut: None,
    })
}

#[test]
fn nothing_runs_without_a_process() {
    for facts in [
        Facts::default(),
        Facts {
            queued: 3,
            ..Facts::default()
        },
        Facts {
            turn: turn(TurnPhase::Running),
            last_exit: Some(exit(ExitReason::Crashed)),
            ..Facts::default()
        },
    ] {
        assert_ne!(
            status(&facts).lifecycle(&facts),
            Lifecycle::Running,
            "{facts:?}"
        );
    }
}

#[test]
fn a_live_process_is_idle_busy_or_asking() {
    let mut facts = live_facts();
    assert_eq!(status(&facts), Status::Idle);
    facts.turn = turn(TurnPhase::Dispatching);
    assert_eq!(status(&facts), Status::Busy);
    facts.asked = 1;
    assert_eq!(status(&facts), Status::AwaitingApproval);
    facts.turn = turn(TurnPhase::Stopping);
    assert_eq!(status(&facts), Status::Stopping);
}

#[test]
fn idle_shows_how_the_last_turn_ended() {
    let mut facts = live_facts();
    assert_eq!(status(&facts).lifecycle(&facts), Lifecycle::Idle);
    facts.last_outcome = Some(Outcome::Completed);
    assert_eq!(status(&facts).lifecycle(&facts), Lifecycle::Completed);
    facts.last_outcome = Some(Outcome::TimedOut);
    assert_eq!(status(&facts).lifecycle(&facts), Lifecycle::Failed);
    facts.last_outcome = Some(Outcome::Stopped);
    assert_eq!(status(&facts).lifecycle(&facts), Lifecycle::Idle);
}

#[test]
fn pause_lets_the_turn_run_out_first() {
    let mut facts = Facts {
        paused: true,
        turn: turn(TurnPhase::Running),
        ..live_facts()
    };
    assert_eq!(status(&facts), Status::Busy);
    facts.turn = None;
    facts.queued = 2;
    assert_eq!(status(&facts), Status::Paused);
}

#[test]
fn an_end_that_was_wanted_is_stopped_another_is_interrupted() {
    let gone = |reason| Facts {
        incarnation: Incarnation(1),
        last_exit: Some(exit(reason)),
        ..Facts::default()
    };
    assert_eq!(status(&gone(ExitReason::KilledByUser)), Status::Stopped);
    assert_eq!(status(&gone(ExitReason::Completed)), Status::Stopped);
    assert_eq!(status(&gone(ExitReason::Crashed)), Status::Interrupted);
    assert_eq!(status(&gone(ExitReason::KeeperLost)), Status::Interrupted);
}

#[test]
fn words_read_back() {
    for status in Status::ALL {
        assert_eq!(Status::parse(status.name()), Some(status));
    }
}
