//! What is left when a keeper is lost, and what is never touched.

use std::time::Duration;

use callboard::keeper::{ConnectError, StopPath, connect, stop_past, sweep};

use super::{Rig, lives, until};

/// The program dies with its keeper; the rest of its tree is found by the mark.
#[tokio::test]
async fn a_killed_keeper_leaves_nothing_after_the_sweep() {
    let rig = Rig::new();
    let command =
        "setsid sh -c 'sleep 300 & echo $!; wait' & sleep 300 & echo $!; sleep 0.2; echo up; cat";
    let agent = rig.start(rig.shell(command)).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let children: Vec<u32> = link.text().lines().filter_map(|n| n.parse().ok()).collect();
    assert_eq!(children.len(), 2);
    agent.kill_keeper();
    agent.keeper_gone().await;
    until("the program's end", || !lives(agent.pid())).await;
    assert!(
        children.iter().all(|pid| lives(*pid)),
        "this test needs survivors"
    );
    assert!(agent.dir.exit().is_none());
    assert!(matches!(
        connect(agent.dir.path()).await,
        Err(ConnectError::Gone)
    ));
    let outcome = stop_past(&agent.dir, "recovery", Duration::from_secs(1)).await;
    assert_eq!(outcome.path, StopPath::AlreadyGone);
    assert_eq!(outcome.left, Vec::<u32>::new());
    assert!(!children.iter().any(|pid| lives(*pid)));
    let exit = agent.dir.exit().unwrap();
    assert_eq!(
        (exit.code, exit.signal, exit.by.as_deref()),
        (None, None, Some("recovery"))
    );
    assert_eq!(exit.log_len, link.end());
    let record = agent.dir.record().unwrap();
    assert_eq!(
        sweep(&record),
        callboard::keeper::Swept::default(),
        "a second sweep finds nothing"
    );
}

/// Another process with the recorded number, and one with a mark of an earlier boot, are left alone.
#[tokio::test]
async fn a_sweep_touches_no_stranger() {
    let rig = Rig::new();
    let stranger = rig.start(rig.shell("cat")).await;
    let mut record = stranger.dir.record().unwrap();
    record.mark = "00000000000000000000000000000000".to_owned();
    assert_eq!(sweep(&record).killed, 0);
    let mut record = stranger.dir.record().unwrap();
    record.boot_id = "an-earlier-boot".to_owned();
    assert_eq!(sweep(&record).killed, 0);
    assert!(lives(stranger.pid()));
}

/// The end of the thread and of the runtime that started it means nothing to a keeper.
#[tokio::test]
async fn an_agent_outlives_its_spawner() {
    let rig = Rig::new();
    let spec = rig.shell("echo up; cat");
    let Rig { root, spawner } = rig;
    let dir = callboard::keeper::Dir::new(root.path(), &spec.session, 1);
    let started = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(spawner.spawn(spec)).unwrap()
    })
    .join()
    .unwrap();
    let agent = super::Agent { dir, started };
    let mut link = agent.attach(0).await;
    link.writer.input(b"1", b"still\n".to_vec()).await.unwrap();
    link.until_output("still").await;
    assert!(agent.dir.alive());
}

#[tokio::test]
async fn nothing_is_there_before_a_start() {
    let rig = Rig::new();
    let dir = callboard::keeper::Dir::new(rig.root.path(), "nobody", 1);
    assert!(!dir.alive());
    assert!(dir.record().is_none() && dir.exit().is_none());
    assert!(matches!(
        connect(dir.path()).await,
        Err(ConnectError::NoSocket)
    ));
    assert_eq!(dir.log().length().unwrap(), 0);
    let outcome = stop_past(&dir, "x", Duration::from_secs(1)).await;
    assert_eq!(outcome.path, StopPath::AlreadyGone);
    assert!(outcome.exit.is_none() && !outcome.recorded);
    assert_eq!(
        callboard::keeper::Dir::all(rig.root.path()).unwrap().len(),
        0
    );
}

/// Clock ticks of processor time that a process has used.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Nothing to do is no work: idle, held up at the cap, in front of a client that does not read, with
/// input that the program does not read, and after the end.
#[tokio::test]
async fn waiting_costs_nothing() {
    let rig = Rig::new();
    let mut spec = rig.shell("echo up; exec 2>&-; read go; exec yes");
    spec.limits.segment_bytes = 1024 * 1024;
    let agent = rig.start(spec).await;
    let pid = agent.keeper_pid();
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    assert_quiet("idle", pid).await;
    // More than its pipe holds waits for the program; one that never reads is attached; the log is full.
    link.writer.input(b"go", b"go\n".to_vec()).await.unwrap();
    link.writer
        .input(b"more", vec![b'x'; 1024 * 1024])
        .await
        .unwrap();
    until("the cap", || {
        agent.dir.log().length().unwrap() == 2 * 1024 * 1024
    })
    .await;
    assert_quiet("held up", pid).await;
    link.writer.kill("test").await.unwrap();
    link.until_exit().await;
    assert_quiet("ended", pid).await;
}

async fn assert_quiet(when: &str, pid: u32) {
    // What is under way may end first.
    let mut used = u64::MAX;
    for _ in 0..5 {
        let before = ticks(pid);
        tokio::time::sleep(Duration::from_millis(400)).await;
        used = used.min(ticks(pid) - before);
    }
    assert!(used <= 2, "{when}: {used} ticks in 400 ms");
}
