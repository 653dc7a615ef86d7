//! Ways for a program to die, the reason that each is given, and what follows from it.

use super::*;
use crate::domain::status::Intent;
use crate::runtime::session::exits::reason;

/// What the keeper reports of an end.
fn end(code: Option<i32>, signal: Option<i32>) -> Ending {
    Ending {
        code,
        signal,
        at: later(500),
        ..Ending::default()
    }
}

fn by(who: &str) -> Ending {
    Ending {
        by: Some(who.into()),
        ..end(None, Some(15))
    }
}

fn saying(code: i32, words: &str) -> Ending {
    Ending {
        stderr_tail: vec![words.into()],
        ..end(Some(code), None)
    }
}

fn told(reason: ExitReason) -> Ending {
    Ending {
        told: Some(reason),
        ..saying(1, "not today")
    }
}

/// Where the process stands after an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Down until there is work.
    Down,
    /// Down until a person acts, with this code.
    Failed(&'static str),
    /// Started again after a pause.
    Again,
    /// Waits for its provider.
    Parked,
}

fn then(core: &Core) -> Then {
    let facts = &core.session.facts;
    if let Process::Failed { code, .. } = &facts.process {
        let codes = ["auth", "limit", "exit_2", "exit_126", "exit_127"];
        let known = codes.into_iter().find(|known| known == code);
        return Then::Failed(known.unwrap());
    }
    if matches!(facts.process, Process::Backoff { .. }) {
        return Then::Again;
    }
    assert_eq!(facts.process, Process::None);
    if facts.limited_until.is_some() {
        Then::Parked
    } else {
        Then::Down
    }
}

/// Every way, with its reason in the exit report and the first word of the supervisor's line.
fn ways() -> Vec<(&'static str, Ending, ExitReason, Then)> {
    let lost = Ending {
        keeper_lost: true,
        ..end(None, None)
    };
    let starved = Ending {
        oom: true,
        ..end(None, Some(9))
    };
    vec![
        (
            "by itself",
            end(Some(0), None),
            ExitReason::Completed,
            Then::Down,
        ),
        (
            "a code",
            end(Some(3), None),
            ExitReason::Crashed,
            Then::Again,
        ),
        (
            "a code and words",
            saying(3, "no such file"),
            ExitReason::Failed,
            Then::Again,
        ),
        (
            "wrong use",
            end(Some(2), None),
            ExitReason::Failed,
            Then::Failed("exit_2"),
        ),
        (
            "not executable",
            end(Some(126), None),
            ExitReason::Failed,
            Then::Failed("exit_126"),
        ),
        (
            "not found",
            saying(127, "sh: x: not found"),
            ExitReason::Failed,
            Then::Failed("exit_127"),
        ),
        (
            "a signal",
            end(None, Some(11)),
            ExitReason::Crashed,
            Then::Again,
        ),
        (
            "a kill",
            end(None, Some(9)),
            ExitReason::Crashed,
            Then::Again,
        ),
        ("no memory", starved, ExitReason::Oom, Then::Again),
        (
            "processor time",
            end(None, Some(24)),
            ExitReason::Limit,
            Then::Failed("limit"),
        ),
        (
            "file size",
            end(None, Some(25)),
            ExitReason::Limit,
            Then::Failed("limit"),
        ),
        ("the keeper", lost, ExitReason::KeeperLost, Then::Again),
        (
            "nobody came",
            by("orphan_ttl"),
            ExitReason::Orphaned,
            Then::Down,
        ),
        ("a person", by("ann"), ExitReason::KilledByUser, Then::Down),
        (
            "an interrupt",
            by("interrupt"),
            ExitReason::KilledByUser,
            Then::Down,
        ),
        (
            "the server",
            by("server_shutdown"),
            ExitReason::ServerShutdown,
            Then::Down,
        ),
        ("a stall", by("stalled"), ExitReason::Stalled, Then::Again),
        ("a deadline", by("deadline"), ExitReason::Limit, Then::Down),
        (
            "not ready",
            by("start_timeout"),
            ExitReason::StartTimeout,
            Then::Again,
        ),
        (
            "a lost prompt",
            by("lost_prompt"),
            ExitReason::Failed,
            Then::Again,
        ),
        (
            "no sign-in",
            told(ExitReason::Auth),
            ExitReason::Auth,
            Then::Failed("auth"),
        ),
        (
            "a full provider",
            told(ExitReason::RateLimited),
            ExitReason::RateLimited,
            Then::Parked,
        ),
    ]
}

#[test]
fn every_way_to_die_has_its_reason_in_the_report_and_the_log() {
    for (way, ending, wanted, next) in ways() {
        assert_eq!(reason(&ending), wanted, "{way}");
        let mut core = core();
        running(&mut core);
        core.session.facts.ending.clone_from(&ending.by);
        let tail = ending.stderr_tail.clone();
        let step = core.exited(ending, false, later(500));
        let exit = core.session.facts.last_exit.clone().unwrap();
        assert_eq!((exit.reason, exit.stderr_tail), (wanted, tail), "{way}");
        let line = step.effects.iter().find_map(|effect| {
            let Effect::Log(line) = effect else {
                return None;
            };
            let down = line.event == "process_down";
            line.reason.clone().filter(|_| down)
        });
        let line = line.unwrap();
        assert!(line.starts_with(wanted.name()), "{way}: {line}");
        let event = step
            .events
            .iter()
            .find(|event| event.kind == EventKind::Exit);
        let event: Value = serde_json::from_str(&event.unwrap().data).unwrap();
        assert_eq!(event["reason"], wanted.name(), "{way}");
        assert_eq!(then(&core), next, "{way}");
        assert!(core.session.facts.turn.is_none(), "{way}");
    }
}

#[test]
fn a_start_that_cannot_be_made_is_told_apart() {
    for (code, lasting) in [
        ("program_not_found", true),
        ("owner_deleted", true),
        ("spawn_failed", false),
        ("owner_unknown", false),
    ] {
        let mut core = core();
        core.launch("n".into(), T);
        let step = core.launch_failed(code, "it cannot be started", later(5));
        let exit = core.session.facts.last_exit.clone().unwrap();
        assert_eq!(exit.reason, ExitReason::SpawnFailed);
        assert!(names(&step).contains(&"exit"));
        let failed = matches!(core.session.facts.process, Process::Failed { .. });
        assert_eq!(failed, lasting, "{code}");
    }
}

#[test]
fn the_last_code_of_a_shell_is_no_wrong_use_of_it() {
    for code in [2, 126, 127] {
        let mut core = core();
        core.rules.has_prompt = true;
        core.rules.resumable = false;
        running(&mut core);
        core.exited(end(Some(code), None), false, later(500));
        assert_eq!(then(&core), Then::Down, "{code}");
        assert!(core.may_start(false), "what waits goes on");
    }
}

#[test]
fn a_refused_sign_in_is_tried_again_by_a_person_only() {
    let mut core = core();
    running(&mut core);
    core.exited(told(ExitReason::Auth), false, later(500));
    assert_eq!(core.session.status, Status::Failed);
    assert!(!core.may_start(false));
    assert!(core.may_start(true));
    let Process::Failed { text, .. } = &core.session.facts.process else {
        panic!("{:?}", core.session.facts.process);
    };
    assert_eq!(text, "not today", "the program's own words are shown");
}

#[test]
fn a_parked_program_comes_back_at_its_time() {
    let mut core = core();
    running(&mut core);
    core.exited(told(ExitReason::RateLimited), false, later(500));
    assert_eq!(core.session.status, Status::RateLimited);
    assert_eq!(core.session.facts.intent, Intent::Run);
    let at = core.session.facts.limited_until.unwrap();
    let early = core.alarm(&Alarm::Parked(at), later(600));
    assert!(!early.effects.contains(&Effect::Admit));
    let step = core.alarm(&Alarm::Parked(at), at);
    assert!(step.effects.contains(&Effect::Admit));
    assert_eq!(core.session.status, Status::Waiting);
}

#[test]
fn the_time_without_a_server_is_no_time_of_the_turn() {
    let hour = 3_600_000;
    for (ended, counted) in [(500, 500), (2 * hour, hour)] {
        let mut core = core();
        running(&mut core);
        core.found_dead(later(hour));
        let ending = Ending {
            at: later(ended),
            ..end(None, Some(9))
        };
        let step = core.exited(ending, false, later(hour));
        assert_eq!(core.session.facts.busy_ms, u64::try_from(counted).unwrap());
        let told = step
            .events
            .iter()
            .find(|event| event.kind == EventKind::TurnEnded);
        let data: Value = serde_json::from_str(&told.unwrap().data).unwrap();
        assert_eq!(data["durationMs"], counted);
    }
}
