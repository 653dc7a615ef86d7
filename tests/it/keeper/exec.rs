//! Commands that hang on the server: trees that do not want to end, by every means and every end, as
//! root and as nobody.
//! Never a process left, or it is named.

use std::path::Path;
use std::time::Instant;

use callboard::keeper::{Caps, ExecSpec, Execution, Isolation, Means, leaf};
use tokio::io::AsyncReadExt;

use super::kill::{BOUND, TREES, as_nobody, groups, standing_in};
use super::{Rig, binary, until};

/// How one comes to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// It is asked to, and killed after the grace.
    Stop,
    /// The server's end of the line is gone, as after a `kill -9` of the server.
    HangUp,
}

/// The victims of the matrix: `daemon`, `respawn` and `quick`, which ends by itself and leaves a daemon.
const VICTIMS: [usize; 3] = [0, 2, 4];
const QUICK: usize = 4;

async fn begin(
    rig: &Rig,
    (isolation, base): (Isolation, Option<&Path>),
    (id, words): (&str, &str),
    cwd: &Path,
) -> Execution {
    let spec = ExecSpec {
        id: id.to_owned(),
        argv: ["/bin/sh", "-c", words].map(String::from).to_vec(),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        cwd: cwd.to_path_buf(),
        input: None,
        isolation,
        cgroup: base.map(Path::to_path_buf),
        caps: Caps::default(),
    };
    let mut execution = rig.spawner.exec(spec).await.unwrap();
    let mut up = [0; 3];
    execution.stdout.read_exact(&mut up).await.unwrap();
    assert_eq!(&up, b"up\n");
    execution
}

async fn ends(rig: &Rig, held: (Isolation, Option<&Path>), victim: usize, by: By) {
    let yard = tempfile::tempdir().unwrap();
    let (name, words) = TREES[victim];
    let means = format!("{held:?}, {by:?}: {name}");
    let id = uuid::Uuid::new_v4().to_string();
    let mut execution = begin(rig, held, (&id, words), yard.path()).await;
    let begun = Instant::now();
    if by == By::HangUp {
        drop(execution);
        until(&means, || standing_in(yard.path()).is_empty()).await;
    } else {
        if victim != QUICK {
            execution.line.stop(300).await.unwrap();
        }
        let end = execution.line.end().await.unwrap();
        // It is said when nothing is left, not before.
        assert_eq!(standing_in(yard.path()), Vec::<u32>::new(), "{means}");
        let quick = (end.code, end.signal) == (Some(0), None);
        assert_eq!(quick, victim == QUICK, "{means}: {end:?}");
    }
    assert!(begun.elapsed() < BOUND, "{means}: {:?}", begun.elapsed());
    if let (_, Some(base)) = held {
        let group = base.join(leaf::name_of_exec(&id));
        until(&means, || !group.exists()).await;
    }
}

async fn every_victim_ends(isolation: Isolation, base: Option<&Path>) {
    let rig = Rig::new();
    for victim in VICTIMS {
        for by in [By::Stop, By::HangUp] {
            ends(&rig, (isolation, base), victim, by).await;
        }
    }
}

#[tokio::test]
async fn every_victim_ends_by_its_group() {
    every_victim_ends(Isolation::Group, None).await;
}

#[tokio::test]
async fn every_victim_ends_by_its_cgroup() {
    if let Some(base) = groups() {
        every_victim_ends(Isolation::Group, Some(&base)).await;
    }
}

#[tokio::test]
async fn every_victim_ends_with_its_init() {
    let best = Means::probe(&binary()).best();
    assert_ne!(best, Isolation::Group, "this machine gives no namespaces");
    every_victim_ends(best, None).await;
    if let Some(base) = groups() {
        every_victim_ends(best, Some(&base)).await;
    }
}

#[tokio::test]
async fn every_victim_of_an_ordinary_user_ends() {
    as_nobody("exec::every_victim_ends_by_its_group").await;
    as_nobody("exec::every_victim_ends_with_its_init").await;
    as_nobody("exec::every_victim_ends_by_its_cgroup").await;
}

/// A stop that comes with the start, in one read of what holds the command, is not passed over.
#[tokio::test]
async fn a_stop_right_behind_the_start_is_heard() {
    let (rig, yard) = (Rig::new(), tempfile::tempdir().unwrap());
    for _ in 0..20 {
        let spec = ExecSpec {
            id: uuid::Uuid::new_v4().to_string(),
            argv: ["/bin/sleep", "1000"].map(String::from).to_vec(),
            env: Vec::new(),
            cwd: yard.path().to_path_buf(),
            input: Some(b"in".to_vec()),
            isolation: Isolation::Group,
            cgroup: None,
            caps: Caps::default(),
        };
        let begun = Instant::now();
        let mut execution = rig.spawner.exec(spec).await.unwrap();
        execution.line.stop(0).await.unwrap();
        let ended = tokio::time::timeout(BOUND, execution.line.end()).await;
        let end = ended.expect("it runs on").unwrap();
        assert_eq!(end.signal, Some(9), "{end:?}");
        assert!(begun.elapsed() < BOUND);
    }
}

/// What holds a command is killed by itself: where namespaces are, the tree goes with it.
#[tokio::test]
async fn the_loss_of_what_holds_it_ends_a_command() {
    let best = Means::probe(&binary()).best();
    let (rig, yard) = (Rig::new(), tempfile::tempdir().unwrap());
    let tree = ("one", TREES[0].1);
    let mut execution = begin(&rig, (best, None), tree, yard.path()).await;
    let holder = i32::try_from(holder(standing_in(yard.path())[0])).unwrap();
    let pid = nix::unistd::Pid::from_raw(holder);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(execution.line.end().await.is_err(), "an end was told");
    until("the end of the tree", || {
        standing_in(yard.path()).is_empty()
    })
    .await;
}

/// The same where a cgroup holds the tree: nobody is left in it, and it is removed.
#[tokio::test]
async fn the_loss_of_what_holds_it_leaves_no_cgroup() {
    let Some(base) = groups() else { return };
    let (rig, yard) = (Rig::new(), tempfile::tempdir().unwrap());
    let tree = ("lost-one", TREES[0].1);
    let held = (Isolation::Group, Some(base.as_path()));
    let mut execution = begin(&rig, held, tree, yard.path()).await;
    let group = base.join(leaf::name_of_exec("lost-one"));
    assert!(group.exists());
    let holder = i32::try_from(holder(standing_in(yard.path())[0])).unwrap();
    let pid = nix::unistd::Pid::from_raw(holder);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(execution.line.end().await.is_err(), "an end was told");
    drop(execution);
    until("the end of the cgroup", || !group.exists()).await;
    assert_eq!(standing_in(yard.path()), Vec::<u32>::new());
}

/// The child of ours that a process comes from.
fn holder(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let parent: u32 = rest.split(' ').nth(1).unwrap().parse().unwrap();
    if parent == std::process::id() {
        pid
    } else {
        holder(parent)
    }
}
