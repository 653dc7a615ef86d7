//! Ends: the record first, the tree gone, and who asked.

use std::time::{Duration, Instant};

use callboard::keeper::wire::identity;
use callboard::keeper::{ExitRecord, Mode, OnServerLoss, StopPath, Target, stop_past};

use super::{Rig, lives, until};

#[tokio::test]
async fn code_signal_and_the_last_lines_of_standard_error() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("for i in $(seq 1 30); do echo line $i >&2; done; exit 3"))
        .await;
    let mut link = agent.attach(0).await;
    let exit = link.until_exit().await;
    assert_eq!((exit.code, exit.signal, exit.core), (Some(3), None, false));
    let expected: Vec<String> = (11..=30).map(|i| format!("line {i}")).collect();
    assert_eq!(exit.stderr_tail, expected.join("\n"));
    until("the last record", || {
        agent.dir.exit().as_ref() == Some(&exit)
    })
    .await;
    assert_eq!(link.output, b"");
    let errors = std::fs::read_to_string(agent.dir.path().join("err.log")).unwrap();
    assert!(errors.starts_with("line 1\nline 2\n"), "{errors}");
    drop(agent);

    let mut spec = rig.shell("kill -SEGV $$");
    spec.incarnation = 2;
    spec.dir.set_file_name("2");
    let agent = rig.start(spec).await;
    let exit = agent.attach(0).await.until_exit().await;
    assert_eq!((exit.code, exit.signal), (None, Some(libc::SIGSEGV)));
}

#[tokio::test]
async fn a_real_time_signal_is_an_end_too() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("cat")).await;
    let mut link = agent.attach(0).await;
    link.writer.signal(40, Target::Program).await.unwrap();
    assert_eq!(link.until_exit().await.signal, Some(40));
}

/// The record stands while the output is still being drained; what a child writes in that time is in
/// the log; afterwards the child is gone.
#[tokio::test]
async fn the_record_comes_first_then_the_drain_then_the_tree() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("(while :; do echo tick; sleep 0.05; done) & echo pid $!; exit 5"))
        .await;
    let mut seen = None;
    until("the exit record", || {
        seen = agent.dir.exit();
        seen.is_some()
    })
    .await;
    let first = seen.unwrap();
    let mut link = agent.attach(0).await;
    link.until_output("tick").await;
    link.until_output("pid ").await;
    let text = link.text();
    let mut lines = text.lines();
    let child = lines.find_map(|line| line.strip_prefix("pid "));
    let child: u32 = child.unwrap().parse().unwrap();
    assert!(!first.drained, "{first:?}");
    assert_eq!(first.code, Some(5));
    let last = link.until_exit().await;
    assert!(last.log_len > first.log_len, "{first:?} {last:?}");
    assert_eq!(last.log_len, link.end());
    assert_eq!(last.at_ms, first.at_ms);
    assert!(!lives(child));
    until("the last record", || {
        agent.dir.exit().as_ref() == Some(&last)
    })
    .await;
}

#[tokio::test]
async fn a_polite_stop_is_answered_by_the_program() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done"))
        .await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    link.writer
        .stop("alice", Duration::from_secs(15))
        .await
        .unwrap();
    let exit = link.until_exit().await;
    assert_eq!((exit.code, exit.by.as_deref()), (Some(7), Some("alice")));
    assert!(link.text().ends_with("bye\n"));
}

#[tokio::test]
async fn a_program_that_ignores_the_stop_is_killed_after_the_grace() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("trap '' TERM HUP; echo up; while :; do sleep 0.02; done"))
        .await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let start = Instant::now();
    link.writer
        .stop("bob", Duration::from_millis(400))
        .await
        .unwrap();
    let exit = link.until_exit().await;
    assert_eq!((exit.signal, exit.by.as_deref()), (Some(9), Some("bob")));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(400) && took < Duration::from_secs(5),
        "{took:?}"
    );
}

#[tokio::test]
async fn an_interactive_shell_on_a_terminal_stops_politely() {
    let rig = Rig::new();
    let mut spec = rig.spec(&["bash", "--norc", "--noprofile", "-i"]);
    spec.mode = Mode::Pty { rows: 24, cols: 80 };
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.writer
        .input(b"1", b"echo a$((20+3))b\n".to_vec())
        .await
        .unwrap();
    link.until_output("a23b").await;
    let start = Instant::now();
    link.writer
        .stop("carol", Duration::from_secs(15))
        .await
        .unwrap();
    let exit = link.until_exit().await;
    assert_eq!(exit.by.as_deref(), Some("carol"));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

/// The end of a shell command on a terminal that is stopped, with time, once it says `up`.
async fn stopped_on_a_terminal(command: &str) -> ExitRecord {
    let rig = Rig::new();
    let mut spec = rig.shell(command);
    spec.mode = Mode::Pty { rows: 24, cols: 80 };
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let grace = Duration::from_secs(15);
    link.writer.stop("carol", grace).await.unwrap();
    link.until_exit().await
}

/// A shell can miss a hang-up: it is told again until it has heard one.
#[tokio::test]
async fn a_program_on_a_terminal_that_ignores_sigterm_is_hung_up_again() {
    let command = "trap '' TERM; n=0; trap 'n=$((n+1)); [ $n -lt 3 ] || exit 9' HUP; \
                   echo up; while :; do sleep 0.02; done";
    let exit = stopped_on_a_terminal(command).await;
    assert_eq!((exit.code, exit.by.as_deref()), (Some(9), Some("carol")));
}

/// What listens to SIGTERM may take its time.
#[tokio::test]
async fn a_program_on_a_terminal_that_hears_sigterm_is_hung_up_once() {
    let command = "n=0; heard=; trap 'n=$((n+1))' HUP; trap 'heard=1' TERM; echo up; \
                   while [ -z \"$heard\" ]; do sleep 0.02; done; \
                   i=0; while [ $i -lt 60 ]; do sleep 0.02; i=$((i+1)); done; exit $((4+n))";
    let exit = stopped_on_a_terminal(command).await;
    assert_eq!((exit.code, exit.signal), (Some(5), None));
}

/// Double fork, own session, erased environment, SIGTERM ignored: what a process group does not reach.
#[tokio::test]
async fn no_daemon_outlives_a_stop() {
    let rig = Rig::new();
    let command = "trap '' TERM; for i in 1 2 3; do (env -i setsid sh -c 'trap \"\" TERM HUP; \
                   (sleep 300 & echo $! $$; wait)' &); done; sleep 0.2; echo up; cat; sleep 300";
    let agent = rig.start(rig.shell(command)).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let pids: Vec<u32> = link
        .text()
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    assert_eq!(pids.len(), 6, "{:?}", link.text());
    assert!(pids.iter().all(|pid| lives(*pid)));
    link.writer
        .stop("dave", Duration::from_millis(50))
        .await
        .unwrap();
    link.until_exit().await;
    // Not only dead: collected. The keeper is their nearest reaper.
    assert!(
        pids.iter().all(|pid| identity::stat(*pid).is_none()),
        "{pids:?}"
    );
    assert_eq!(identity::children(agent.keeper_pid()), Vec::<u32>::new());
}

/// A target that moves to a new process in a new session all the time.
#[tokio::test]
async fn a_moving_target_is_caught() {
    let rig = Rig::new();
    let script = rig.root.path().join("move");
    // After half a minute it ends by itself, should it ever escape.
    let text = "#!/bin/sh\n[ $(date +%s) -gt $1 ] && exit\necho $$\nsetsid $0 $1 &\n";
    std::fs::write(&script, text).unwrap();
    let command = format!(
        "chmod +x {0}; E=$(( $(date +%s) + 30 )); {0} $E & {0} $E & echo up; cat",
        script.display()
    );
    let agent = rig.start(rig.shell(&command)).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    link.until_length(200).await;
    link.writer.kill("erin").await.unwrap();
    link.until_exit().await;
    let mark = agent.dir.record().unwrap().mark;
    let left: Vec<u32> = identity::all()
        .into_iter()
        .filter(|pid| identity::has_mark(*pid, &mark))
        .collect();
    assert_eq!(left, Vec::<u32>::new());
}

#[tokio::test]
async fn only_sigterm_ends_a_keeper_and_that_in_order() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("echo up; cat")).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let handle = callboard::keeper::pidfd::Pidfd::open(agent.keeper_pid()).unwrap();
    for signo in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGUSR1,
    ] {
        handle.signal(signo).unwrap();
    }
    link.writer.input(b"x", b"alive\n".to_vec()).await.unwrap();
    link.until_output("alive").await;
    handle.signal(libc::SIGTERM).unwrap();
    let exit = link.until_exit().await;
    assert_eq!(
        (exit.signal, exit.by.as_deref()),
        (Some(15), Some("signal"))
    );
}

#[tokio::test]
async fn without_clients_the_orphan_time_ends_it_and_then_the_keeper_leaves() {
    let rig = Rig::new();
    let mut spec = rig.shell("echo up; exec cat");
    spec.limits.orphan_ttl_s = 1;
    let agent = rig.start(spec).await;
    let start = Instant::now();
    {
        // While somebody is connected the time does not run.
        let mut link = agent.attach(0).await;
        link.until_output("up").await;
        let silent = tokio::time::timeout(Duration::from_millis(1500), link.next()).await;
        assert!(silent.is_err(), "{silent:?}");
    }
    until("the orphan's end", || agent.dir.exit().is_some()).await;
    assert!(start.elapsed() >= Duration::from_millis(2400));
    assert_eq!(agent.dir.exit().unwrap().by.as_deref(), Some("orphan_ttl"));
    agent.keeper_gone().await;
    assert!(agent.dir.exit().unwrap().drained);
    assert!(!agent.dir.path().join("sock").exists());
}

#[tokio::test]
async fn on_server_loss_stop_waits_for_a_return_and_then_stops() {
    let rig = Rig::new();
    let mut spec = rig.shell("echo up; exec cat");
    spec.limits.on_server_loss = OnServerLoss::Stop;
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    drop(link);
    let start = Instant::now();
    until("the stop", || agent.dir.exit().is_some()).await;
    assert!(
        start.elapsed() >= Duration::from_secs(9),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(agent.dir.exit().unwrap().by.as_deref(), Some("server_loss"));
}

#[tokio::test]
async fn stop_past_the_actors_goes_through_the_keeper() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("trap 'exit 4' TERM; sleep 300 & wait"))
        .await;
    let outcome = stop_past(&agent.dir, "operator", Duration::from_secs(5)).await;
    assert_eq!(outcome.path, StopPath::Keeper);
    assert_eq!((outcome.left.len(), outcome.recorded), (0, true));
    assert_eq!(outcome.exit.unwrap().by.as_deref(), Some("operator"));
    assert!(!lives(agent.pid()));
    // Once more, while the keeper lingers.
    let again = stop_past(&agent.dir, "somebody else", Duration::from_secs(5)).await;
    assert_eq!(again.exit.unwrap().by.as_deref(), Some("operator"));
}

#[tokio::test]
async fn stop_past_a_wedged_keeper_kills_it_with_its_tree() {
    let rig = Rig::new();
    let command = "(env -i setsid sh -c 'sleep 300 & echo $!; wait' &); sleep 0.1; echo up; cat";
    let agent = rig.start(rig.shell(command)).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let daemon: u32 = link.text().lines().next().unwrap().parse().unwrap();
    let keeper = callboard::keeper::pidfd::Pidfd::open(agent.keeper_pid()).unwrap();
    keeper.signal(libc::SIGSTOP).unwrap();
    let start = Instant::now();
    let outcome = stop_past(&agent.dir, "operator", Duration::from_secs(10)).await;
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(outcome.path, StopPath::Forced);
    assert_eq!((outcome.left.len(), outcome.recorded), (0, true));
    let exit = agent.dir.exit().unwrap();
    assert_eq!(
        (exit.code, exit.signal),
        (None, None),
        "nobody has seen the end"
    );
    assert_eq!(exit.by.as_deref(), Some("operator"));
    for pid in [daemon, agent.pid(), agent.keeper_pid()] {
        assert!(!lives(pid), "{pid}");
    }
    assert!(!agent.dir.alive());
}

/// A kill is told at once: no timer of the end is waited for.
#[tokio::test]
async fn a_kill_is_told_at_once() {
    let rig = Rig::new();
    let mut quickest = Duration::MAX;
    for incarnation in 1..=5 {
        let mut spec = rig.spec(&["sleep", "300"]);
        spec.incarnation = incarnation;
        spec.dir.set_file_name(incarnation.to_string());
        let agent = rig.start(spec).await;
        let mut link = agent.attach(0).await;
        let start = Instant::now();
        link.writer.kill("test").await.unwrap();
        link.until_exit().await;
        quickest = quickest.min(start.elapsed());
    }
    assert!(quickest < Duration::from_millis(250), "{quickest:?}");
}

/// Its directory deleted under it, a keeper still ends the program when asked, and does not stay.
#[tokio::test]
async fn a_keeper_without_its_directory_leaves_after_the_end() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("exec cat")).await;
    let mut link = agent.attach(0).await;
    std::fs::remove_dir_all(agent.dir.path()).unwrap();
    link.writer.kill("test").await.unwrap();
    assert_eq!(link.until_exit().await.signal, Some(9));
    drop(link);
    until("the keeper's end", || !lives(agent.keeper_pid())).await;
}
