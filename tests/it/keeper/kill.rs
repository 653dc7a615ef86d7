//! The end of trees that do not want to end, by every means and as root and as nobody.
//! Never a process left, or it is named.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callboard::keeper::leaf::{self, Leaf};
use callboard::keeper::pidfd::Pidfd;
use callboard::keeper::{Isolation, Means, Mode, Spec, clear_leaves, stop_past, sweep};

use super::{Rig, binary, until};

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

/// Where cgroups can be made. Root can; an ordinary user is told why not.
pub fn groups() -> Option<PathBuf> {
    let means = Means::probe(&binary());
    let missing = means.cgroup_missing().map(str::to_owned);
    let root = nix::unistd::geteuid().is_root();
    assert!(!root || missing.is_none(), "no cgroups here: {missing:?}");
    assert_eq!(means.cgroup().is_none(), missing.is_some());
    means.cgroup().map(Path::to_path_buf)
}

/// Gives a spec a cgroup of its own.
pub fn in_group(spec: &mut Spec, base: &Path) -> Leaf {
    let path = base.join(leaf::name(&spec.session, spec.incarnation));
    spec.cgroup = Some(path.clone());
    Leaf::at(&path)
}

async fn ends(
    rig: &Rig,
    held: (Isolation, Option<&Path>),
    (name, words): (&str, &str),
    mode: Mode,
) {
    let (isolation, base) = held;
    let yard = tempfile::tempdir().unwrap();
    let mut spec = rig.shell(words);
    spec.session = uuid::Uuid::new_v4().to_string();
    spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
        .path()
        .to_path_buf();
    spec.isolation = isolation;
    spec.cwd = yard.path().to_path_buf();
    spec.mode = mode;
    let leaf = base.map(|base| in_group(&mut spec, base));
    let means = format!("{}, {leaf:?}", isolation.name());
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_output("up").await;
    assert_eq!(leaf.is_some(), agent.dir.record().unwrap().cgroup.is_some());
    let begun = Instant::now();
    let outcome = stop_past(&agent.dir, "ada", Duration::from_millis(300)).await;
    let took = begun.elapsed();
    assert_eq!(outcome.left, Vec::<u32>::new(), "{means}: {name}");
    assert!(took < BOUND, "{means}: {name}: {took:?}");
    let left = standing_in(yard.path());
    assert_eq!(left, Vec::<u32>::new(), "{means}: {name}");
    assert!(outcome.exit.is_some(), "{means}: {name}");
    let stays = leaf.is_some_and(|leaf| leaf.path().exists());
    assert!(!stays, "{means}: {name}: its cgroup is left");
}

async fn every_tree_ends(rig: &Rig, isolation: Isolation, base: Option<&Path>) {
    for tree in TREES {
        ends(rig, (isolation, base), tree, Mode::Pipes).await;
        let terminal = Mode::Pty { rows: 24, cols: 80 };
        ends(rig, (isolation, base), tree, terminal).await;
    }
}

#[tokio::test]
async fn every_tree_ends_by_its_group_and_its_keeper() {
    every_tree_ends(&Rig::new(), Isolation::Group, None).await;
}

#[tokio::test]
async fn every_tree_ends_by_its_group_and_its_cgroup() {
    if let Some(base) = groups() {
        every_tree_ends(&Rig::new(), Isolation::Group, Some(&base)).await;
    }
}

#[tokio::test]
async fn every_tree_ends_with_its_init_and_its_cgroup() {
    if let Some(base) = groups() {
        let best = Means::probe(&binary()).best();
        assert_ne!(best, Isolation::Group, "this machine gives no namespaces");
        every_tree_ends(&Rig::new(), best, Some(&base)).await;
    }
}

#[tokio::test]
async fn every_tree_ends_with_its_init() {
    let best = Means::probe(&binary()).best();
    assert_ne!(best, Isolation::Group, "this machine gives no namespaces");
    every_tree_ends(&Rig::new(), best, None).await;
}

/// Runs a test of this file as an ordinary user, in a copy that this user may read. For somebody
/// who is one already it has been run as it is.
pub async fn as_nobody(test: &str) {
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
        .args(["--exact", &format!("keeper::{test}"), "--nocapture"])
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
    as_nobody("kill::every_tree_ends_by_its_group_and_its_keeper").await;
    as_nobody("kill::every_tree_ends_with_its_init").await;
    as_nobody("kill::every_tree_ends_by_its_group_and_its_cgroup").await;
}

#[tokio::test]
async fn an_ordinary_users_program_sees_its_own_tree() {
    as_nobody("kill::a_program_in_namespaces_sees_its_own_tree").await;
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

/// A daemon that erased its environment, without namespaces, whose keeper is lost.
const LOST: &str =
    "(env -i setsid sleep 1000 >/dev/null 2>&1 </dev/null &); echo up; wait; sleep 1000";

/// Its cgroup still names it, and the server ends it by that.
#[tokio::test]
async fn what_a_lost_keeper_leaves_ends_with_its_cgroup() {
    let Some(base) = groups() else { return };
    let rig = Rig::new();
    let yard = tempfile::tempdir().unwrap();
    let mut spec = rig.shell(LOST);
    spec.session = uuid::Uuid::new_v4().to_string();
    spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
        .path()
        .to_path_buf();
    spec.cwd = yard.path().to_path_buf();
    let leaf = in_group(&mut spec, &base);
    let agent = rig.start(spec).await;
    agent.attach(0).await.until_output("up").await;
    agent.kill_keeper();
    agent.keeper_gone().await;
    assert!(!standing_in(yard.path()).is_empty(), "the daemon is there");
    let stranger = Leaf::make(&base.join(leaf::name(&uuid::Uuid::new_v4().to_string(), 1)));
    let stranger = stranger.unwrap();
    let cleared = clear_leaves(&base, rig.root.path());
    assert_eq!((cleared, standing_in(yard.path())), (1, Vec::new()));
    assert!(!leaf.path().exists(), "its cgroup is removed");
    assert!(stranger.path().exists(), "that of another server stays");
    stranger.remove().unwrap();
    assert_eq!(
        sweep(&agent.dir, &agent.dir.record().unwrap()).left,
        Vec::<u32>::new()
    );
}

/// What the ladder cannot do: without namespaces and without a cgroup, a daemon that erased its
/// environment outlives the loss of its keeper, and nothing names it any more.
#[tokio::test]
async fn by_its_group_alone_a_lost_keepers_daemon_is_not_found() {
    let rig = Rig::new();
    let yard = tempfile::tempdir().unwrap();
    let mut spec = rig.shell(LOST);
    spec.cwd = yard.path().to_path_buf();
    let agent = rig.start(spec).await;
    agent.attach(0).await.until_output("up").await;
    agent.kill_keeper();
    agent.keeper_gone().await;
    assert_eq!(
        sweep(&agent.dir, &agent.dir.record().unwrap()).left,
        Vec::<u32>::new()
    );
    // A process that was killed may still be on its way out of its directory.
    let mut left = standing_in(yard.path());
    until("the daemon alone", || {
        left = standing_in(yard.path());
        left.len() == 1
    })
    .await;
    Pidfd::open(left[0]).unwrap().signal(libc::SIGKILL).unwrap();
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
