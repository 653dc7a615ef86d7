//! The cgroup of a tree, and what its processes may use.
//! Never a limit that is only told: each is run into.

use std::time::{Duration, Instant};

use callboard::keeper::leaf::Leaf;
use callboard::keeper::{Caps, Isolation, Means};

use super::kill::{as_nobody, groups, in_group, standing_in};
use super::{Rig, binary};

/// How long the end of a tree may take that a limit has begun.
const BOUND: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_program_lives_in_its_leaf_and_the_leaf_goes_with_it() {
    let Some(base) = groups() else { return };
    for isolation in [Isolation::Group, Means::probe(&binary()).best()] {
        let rig = Rig::new();
        let mut spec = rig.shell(
            "mkdir \"$LEAF/sub\" && (sleep 1000 & echo $! >\"$LEAF/sub/cgroup.procs\"); echo up; read _",
        );
        spec.isolation = isolation;
        spec.session = uuid::Uuid::new_v4().to_string();
        spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
            .path()
            .to_path_buf();
        let leaf = in_group(&mut spec, &base);
        spec.env.push(("LEAF".into(), leaf.path().into()));
        let agent = rig.start(spec).await;
        let mut link = agent.attach(0).await;
        link.until_output("up").await;
        assert_eq!(leaf.members(), [agent.pid()], "and the keeper is not in it");
        let inner = Leaf::at(&leaf.path().join("sub"));
        assert_eq!(inner.members().len(), 1, "a group that the agent made");
        let record = agent.dir.record().unwrap();
        assert_eq!(record.cgroup.as_deref(), leaf.path().to_str());
        link.writer.close_stdin().await.unwrap();
        let exit = link.until_exit().await;
        assert!(exit.drained && !exit.oom, "{exit:?}");
        assert!(
            !leaf.path().exists(),
            "it is removed before the end is told"
        );
    }
}

/// The start goes on without, and the record does not claim one.
#[tokio::test]
async fn a_leaf_that_cannot_be_made_is_no_reason_not_to_start() {
    let rig = Rig::new();
    let nowhere = tempfile::tempdir().unwrap();
    let mut spec = rig.shell("echo up; read _");
    let leaf = in_group(&mut spec, nowhere.path());
    let agent = rig.start(spec).await;
    agent.attach(0).await.until_output("up").await;
    assert_eq!(agent.dir.record().unwrap().cgroup, None);
    assert!(!leaf.path().exists(), "no plain directory is left");
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_leaf() {
    let Some(base) = groups() else { return };
    let rig = Rig::new();
    let mut spec = rig.spec(&["/nowhere/to/be/found"]);
    spec.session = uuid::Uuid::new_v4().to_string();
    spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
        .path()
        .to_path_buf();
    let leaf = in_group(&mut spec, &base);
    let refused = rig.try_start(spec).await.err().unwrap();
    assert_eq!(refused.code(), "program_not_found");
    super::until("the leaf's removal", || !leaf.path().exists()).await;
}

/// One of this name belongs to somebody else, even when it is empty.
#[tokio::test]
async fn a_leaf_is_never_used_twice() {
    let Some(base) = groups() else { return };
    let rig = Rig::new();
    let mut spec = rig.shell("echo up; read _");
    spec.session = uuid::Uuid::new_v4().to_string();
    spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
        .path()
        .to_path_buf();
    let leaf = in_group(&mut spec, &base);
    let other = Leaf::make(leaf.path()).unwrap();
    let agent = rig.start(spec).await;
    agent.attach(0).await.until_output("up").await;
    assert_eq!(agent.dir.record().unwrap().cgroup, None);
    assert_eq!(other.members(), Vec::<u32>::new());
    other.remove().unwrap();
}

/// A limit ends the program; a child that hid from it ends with it.
#[tokio::test]
async fn an_agent_that_a_limit_ends_leaves_nothing() {
    let base = groups();
    let best = Means::probe(&binary()).best();
    for (isolation, base) in [
        (Isolation::Group, None),
        (Isolation::Group, base.as_deref()),
        (best, None),
    ] {
        let rig = Rig::new();
        let yard = tempfile::tempdir().unwrap();
        let mut spec = rig.shell(
            "(env -i setsid sleep 1000 >/dev/null 2>&1 </dev/null &); echo up; while :; do :; done",
        );
        spec.isolation = isolation;
        spec.cwd = yard.path().to_path_buf();
        spec.caps.cpu_time_s = Some(1);
        if let Some(base) = base {
            spec.session = uuid::Uuid::new_v4().to_string();
            spec.dir = callboard::keeper::Dir::new(rig.root.path(), &spec.session, 1)
                .path()
                .to_path_buf();
            in_group(&mut spec, base);
        }
        let agent = rig.start(spec).await;
        let begun = Instant::now();
        let mut link = agent.attach(0).await;
        let exit = link.until_exit().await;
        assert_eq!(
            (exit.code, exit.signal),
            (None, Some(libc::SIGXCPU)),
            "{isolation:?}"
        );
        assert_eq!(
            (exit.oom, exit.by),
            (false, None),
            "nobody asked, and memory was there"
        );
        assert!(
            begun.elapsed() < BOUND,
            "{isolation:?}: {:?}",
            begun.elapsed()
        );
        assert_eq!(standing_in(yard.path()), Vec::<u32>::new(), "{isolation:?}");
    }
}

/// One that ignores the polite signal is killed two seconds later.
#[tokio::test]
async fn processor_time_ends_the_deaf_too() {
    let rig = Rig::new();
    let mut spec = rig.shell("trap '' XCPU; while :; do :; done");
    spec.caps.cpu_time_s = Some(1);
    let agent = rig.start(spec).await;
    let exit = agent.attach(0).await.until_exit().await;
    assert_eq!(exit.signal, Some(libc::SIGKILL));
    assert!(!exit.oom, "no cgroup says so");
}

#[tokio::test]
async fn every_process_has_its_limits() {
    let rig = Rig::new();
    let yard = tempfile::tempdir().unwrap();
    let mut spec = rig.shell("cat /proc/self/limits; exec head -c 100000 /dev/zero >big");
    spec.cwd = yard.path().to_path_buf();
    spec.caps = Caps {
        memory: Some(64 << 20),
        open_files: Some(77),
        file_size: Some(50_000),
        ..Caps::default()
    };
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    let exit = link.until_exit().await;
    let text = link.text();
    let limit = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let mut numbers = line.unwrap().split_whitespace().map(str::to_owned);
        (numbers.next().unwrap(), numbers.next().unwrap())
    };
    let both = |number: &str| (number.to_owned(), number.to_owned());
    assert_eq!(limit("Max core file size"), both("0"));
    assert_eq!(limit("Max data size"), both("67108864"));
    assert_eq!(limit("Max open files"), both("77"));
    assert_eq!(limit("Max file size"), both("50000"));
    assert_eq!(exit.signal, Some(libc::SIGXFSZ), "{exit:?}");
    let written = std::fs::metadata(yard.path().join("big")).unwrap().len();
    assert_eq!(written, 50_000);
}

#[tokio::test]
async fn memory_beyond_the_limit_is_refused() {
    let rig = Rig::new();
    let mut spec = rig.shell("exec perl -e '$x = \"a\" x 300_000_000; print length $x'");
    spec.caps.memory = Some(64 << 20);
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    let exit = link.until_exit().await;
    assert_ne!(exit.code, Some(0), "{exit:?}");
    assert_eq!(link.text(), "");
}

/// An ordinary user's processes are counted in the tree's own user namespace; root's never are.
#[tokio::test]
async fn processes_are_counted() {
    let rig = Rig::new();
    let mut spec = rig.shell("for n in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all");
    spec.isolation = Means::probe(&binary()).best();
    spec.caps.processes = Some(8);
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    let exit = link.until_exit().await;
    let counted = !nix::unistd::getuid().is_root();
    assert_eq!(link.text().contains("all"), !counted, "{exit:?}");
    assert_eq!(exit.code == Some(0), !counted, "{exit:?}");
}

#[tokio::test]
async fn an_ordinary_users_limits_hold() {
    as_nobody("limits::processes_are_counted").await;
    as_nobody("limits::every_process_has_its_limits").await;
    as_nobody("limits::an_agent_that_a_limit_ends_leaves_nothing").await;
}

/// Where an ordinary user may write no cgroup, the probe says so.
#[tokio::test]
async fn a_cgroup_is_given_or_refused_with_a_reason() {
    let means = Means::probe(&binary());
    if nix::unistd::geteuid().is_root() {
        assert!(
            means
                .cgroup()
                .is_some_and(|base| base.join("cgroup.procs").exists())
        );
        return as_nobody("limits::a_cgroup_is_given_or_refused_with_a_reason").await;
    }
    let told = (means.cgroup(), means.cgroup_missing());
    assert!(
        matches!(told, (Some(_), None)) || told.1.is_some_and(|why| why.contains("denied")),
        "{told:?}"
    );
}
