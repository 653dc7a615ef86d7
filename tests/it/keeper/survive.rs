//! What is left when a keeper is lost, and what is never touched.

use std::time::Duration;

use callboard::keeper::{
    ConnectError, Dir, StopPath, Swept, clear_leaves, connect, stop_past, sweep,
};

use super::kill::{groups, in_group};
use super::{Agent, Rig, lives, until};

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
        sweep(&agent.dir, &record),
        Swept::default(),
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
    assert_eq!(sweep(&stranger.dir, &record).killed, 0);
    let mut record = stranger.dir.record().unwrap();
    record.boot_id = "an-earlier-boot".to_owned();
    assert_eq!(sweep(&stranger.dir, &record).killed, 0);
    assert!(lives(stranger.pid()));
}

/// An agent of a session of its own, in a cgroup where there are any.
async fn grouped(rig: &Rig, session: &str) -> Agent {
    let mut spec = rig.shell("setsid sleep 300 & echo up; cat");
    session.clone_into(&mut spec.session);
    spec.dir = Dir::new(rig.root.path(), session, 1).path().to_path_buf();
    if let Some(base) = groups() {
        in_group(&mut spec, &base);
    }
    let agent = rig.start(spec).await;
    agent.attach(0).await.until_output("up").await;
    agent
}

/// A copy of the directory names the same processes and the same cgroups, and none of them is its own.
#[tokio::test]
async fn a_copy_of_the_directory_ends_nothing_of_the_original() {
    let rig = Rig::new();
    let session = uuid::Uuid::new_v4().to_string();
    let agent = grouped(&rig, &session).await;
    let beside = tempfile::tempdir().unwrap();
    let copy = beside.path().join("copy");
    crate::survive::copy(rig.root.path(), &copy);
    let copied = Dir::new(&copy, &session, 1);
    let mut record = copied.record().unwrap();
    assert!(!copied.alive() && connect(copied.path()).await.is_err());
    if let Some(base) = groups() {
        assert_eq!(clear_leaves(&base, &copy), 0);
    }
    assert_eq!(sweep(&copied, &record), Swept::default());
    // As written by a keeper of an earlier version.
    record.home = None;
    assert_eq!(sweep(&copied, &record), Swept::default());
    let outcome = stop_past(&copied, "ada", Duration::ZERO).await;
    assert_eq!(outcome.path, StopPath::AlreadyGone);
    assert!(lives(agent.pid()) && lives(agent.keeper_pid()));
    assert!(agent.dir.exit().is_none());
    agent.attach(0).await.until_output("up").await;
}

/// The cgroup of an earlier process has been removed, and a copy of the directory has made one of the
/// same name for its own.
#[tokio::test]
async fn a_cgroup_whose_name_is_used_again_is_left_alone() {
    let Some(base) = groups() else { return };
    let (rig, other) = (Rig::new(), Rig::new());
    let session = uuid::Uuid::new_v4().to_string();
    let first = grouped(&rig, &session).await;
    let record = first.dir.record().unwrap();
    first.kill_keeper();
    first.keeper_gone().await;
    sweep(&first.dir, &record);
    let second = grouped(&other, &session).await;
    assert_eq!(second.dir.record().unwrap().cgroup, record.cgroup);
    assert_eq!(sweep(&first.dir, &record), Swept::default());
    assert_eq!(clear_leaves(&base, rig.root.path()), 0);
    assert!(lives(second.pid()) && lives(second.keeper_pid()));
}

/// The end of the thread and of the runtime that started it means nothing to a keeper.
#[tokio::test]
async fn an_agent_outlives_its_spawner() {
    let rig = Rig::new();
    let spec = rig.shell("echo up; cat");
    let Rig { root, spawner } = rig;
    let dir = Dir::new(root.path(), &spec.session, 1);
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
    let dir = Dir::new(rig.root.path(), "nobody", 1);
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
