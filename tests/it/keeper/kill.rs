//! The end of trees that do not want to end, by every means and as root and as nobody.
//! Never a process left, or it is named.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callboard::keeper::{Isolation, Means, Mode, stop_past};

use super::{Rig, binary};

/// How long the end of a tree may take, with its grace (the issue's own bound).
pub const BOUND: Duration = Duration::from_secs(15);
/// An ordinary user: nobody, everywhere.
const NOBODY: u32 = 65_534;

/// Trees by name: the words of a shell that makes one and says `up` when it stands.
pub const TREES: [(&str, &str); 6] = [
    (
        "a daemon of two forks without an environment",
        "(env -i setsid sh -c 'sleep 1000 & exec sleep 1000' >/dev/null 2>&1 </dev/null &); echo up; wait; sleep 1000",
    ),
    (
        "deaf to every polite signal",
        "trap '' TERM HUP INT; echo up; while :; do sleep 1; done",
    ),
    (
        "on the run: a new process in a session of its own every 0.2 ms",
        "perl -MPOSIX -e '$| = 1; if (fork) { print \"up\\n\"; sleep 1000 } $0 = \"run\"; while (1) { exit if fork; POSIX::setsid(); select(undef, undef, undef, 0.0002) }'",
    ),
    (
        "with a stopped child",
        "sleep 1000 & kill -STOP $!; echo up; wait",
    ),
    (
        "ended, and a child holds its output",
        "setsid sh -c 'trap \"\" HUP TERM; sleep 1000' & echo up",
    ),
    (
        "a child that holds the output and ignores hang-ups",
        "trap '' HUP; (trap '' HUP TERM; setsid sleep 1000) & echo up; wait",
    ),
];

/// Everything that works in this directory and is not dead: the trees of one test.
pub fn standing_in(dir: &Path) -> Vec<u32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
        .collect()
}

async fn ends(rig: &Rig, isolation: Isolation, (name, words): (&str, &str), mode: Mode) {
    let yard = tempfile::tempdir().unwrap();
    let mut spec = rig.shell(words);
    spec.session = uuid::Uuid::new_v4().to_string();
    spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
        .path()
        .to_path_buf();
    spec.isolation = isolation;
    spec.cwd = yard.path().to_path_buf();
    spec.mode = mode;
    let means = isolation.name();
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    let begun = Instant::now();
    let outcome = stop_past(&agent.dir, "ada", Duration::from_millis(300)).await;
    let took = begun.elapsed();
    assert_eq!(outcome.left, Vec::<u32>::new(), "{means}: {name}");
    assert!(took < BOUND, "{means}: {name}: {took:?}");
    let left = standing_in(yard.path());
    assert_eq!(left, Vec::<u32>::new(), "{means}: {name}");
    assert!(outcome.exit.is_some(), "{means}: {name}");
}

async fn every_tree_ends(rig: &Rig, isolation: Isolation) {
    for tree in TREES {
        ends(rig, isolation, tree, Mode::Pipes).await;
        let terminal = Mode::Pty { rows: 24, cols: 80 };
        ends(rig, isolation, tree, terminal).await;
    }
}

#[tokio::test]
async fn every_tree_ends_by_its_group_and_its_keeper() {
    every_tree_ends(&Rig::new(), Isolation::Group).await;
}

#[tokio::test]
async fn every_tree_ends_with_its_init() {
    let best = Means::probe(&binary()).best();
    assert_ne!(best, Isolation::Group, "this machine gives no namespaces");
    every_tree_ends(&Rig::new(), best).await;
}

/// Runs a test of this file as an ordinary user, in a copy that this user may read. For somebody
/// who is one already it has been run as it is.
async fn as_nobody(test: &str) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (own, program) = (root.path().join("tests"), root.path().join("keeper"));
    std::fs::copy(std::env::current_exe().unwrap(), &own).unwrap();
    std::fs::copy(binary().path(), &program).unwrap();
    let place = root.path().join("data");
    std::fs::create_dir(&place).unwrap();
    std::os::unix::fs::chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut again = Command::new("setpriv");
    again
        .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
        .args(["--clear-groups", "--inh-caps=-all"])
        .arg(own)
        .args(["--exact", &format!("keeper::kill::{test}"), "--nocapture"])
        .env(super::KEEPER, program)
        .env("TMPDIR", place)
        .current_dir("/")
        .stdin(Stdio::null());
    let done = tokio::task::spawn_blocking(move || again.output().unwrap())
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
async fn every_tree_of_an_ordinary_user_ends() {
    as_nobody("every_tree_ends_by_its_group_and_its_keeper").await;
    as_nobody("every_tree_ends_with_its_init").await;
}

#[tokio::test]
async fn an_ordinary_users_program_sees_its_own_tree() {
    as_nobody("a_program_in_namespaces_sees_its_own_tree").await;
}

/// Without its keeper a tree in namespaces ends at once, also what no mark would find.
#[tokio::test]
async fn the_loss_of_a_keeper_ends_its_namespaces() {
    let rig = Rig::new();
    let yard = tempfile::tempdir().unwrap();
    let mut spec = rig.shell("(env -i setsid sleep 1000 &); echo up; wait; sleep 1000");
    spec.isolation = Means::probe(&binary()).best();
    spec.cwd = yard.path().to_path_buf();
    let agent = rig.start(spec).await;
    agent.attach(0).await.until_output("up").await;
    assert!(standing_in(yard.path()).len() >= 2);
    agent.kill_keeper();
    super::until("the end of the tree", || {
        standing_in(yard.path()).is_empty()
    })
    .await;
}

/// The program sees its own tree and nothing else, under numbers of its own; its files, its user
/// and its exit code are as without.
#[tokio::test]
async fn a_program_in_namespaces_sees_its_own_tree() {
    let rig = Rig::new();
    let yard = tempfile::tempdir().unwrap();
    let words = "ls /proc | grep -c '^[0-9]'; readlink /proc/self/cwd; id -u; echo end; exit 7";
    let mut spec = rig.shell(words);
    spec.isolation = Means::probe(&binary()).best();
    spec.cwd = yard.path().to_path_buf();
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    let exit = link.until_exit().await;
    assert_eq!(exit.code, Some(7), "{exit:?}");
    let text = link.text();
    let lines: Vec<&str> = text.lines().collect();
    let seen: usize = lines[0].parse().unwrap();
    assert!(seen <= 5, "it sees {seen} processes");
    assert_eq!(lines[1], yard.path().to_str().unwrap());
    assert_eq!(lines[2], nix::unistd::geteuid().to_string());
}
