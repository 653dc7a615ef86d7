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

#[test]
fn a_turn_that_gets_nowhere_is_running_and_says_so() {
    let stall = |kind| {
        Some(Stall {
            kind,
            since: Timestamp(1),
        })
    };
    for (kind, word) in [
        (StallKind::Quiet, Status::Quiet),
        (StallKind::Stalled, Status::Stalled),
    ] {
        let mut facts = Facts {
            stall: stall(kind),
            turn: turn(TurnPhase::Running),
            ..live_facts()
        };
        assert_eq!(status(&facts), word);
        assert_eq!(word.lifecycle(&facts), Lifecycle::Running);
        facts.asked = 1;
        assert_eq!(status(&facts), Status::AwaitingApproval);
        facts.turn = turn(TurnPhase::Stopping);
        assert_eq!(status(&facts), Status::Stopping);
        facts.turn = None;
        assert_eq!(status(&facts), Status::Idle);
    }
}

#[test]
fn a_rate_limit_holds_with_and_without_a_process() {
    let limited = |process| Facts {
        limited_until: Some(Timestamp(9)),
        queued: 2,
        incarnation: Incarnation(1),
        last_exit: Some(exit(ExitReason::RateLimited)),
        process,
        ..Facts::default()
    };
    let live = live_facts().process;
    for process in [Process::None, live.clone()] {
        let facts = limited(process);
        assert_eq!(status(&facts), Status::RateLimited);
        assert_eq!(Status::RateLimited.lifecycle(&facts), Lifecycle::Stopped);
        assert_eq!(facts.retry_at(), Some(Timestamp(9)));
    }
    let paused = Facts {
        paused: true,
        ..limited(live.clone())
    };
    assert_eq!(status(&paused), Status::Paused);
    let stopped = Facts {
        intent: Intent::Stop,
        ..limited(Process::None)
    };
    assert_eq!(status(&stopped), Status::Stopped);
    let again = limited(Process::Backoff {
        next_at: Timestamp(5),
    });
    assert_eq!(status(&again), Status::Backoff);
    assert_eq!(again.retry_at(), Some(Timestamp(5)));
}

#[test]
fn facts_of_an_older_build_are_read() {
    let old = r#"{"intent":"run","turn":{"task":"0193a1b2-0000-7000-8000-000000000000",
        "phase":"running","since":5},"process":{"state":"live","pid":7,"since":1}}"#;
    let facts: Facts = serde_json::from_str(old).unwrap();
    assert_eq!(facts.turn.unwrap().cut, None);
    assert_eq!(status(&facts), Status::Busy);
}
