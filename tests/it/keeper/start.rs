//! Starting: what runs afterwards, and what each failure says.

use std::os::unix::fs::PermissionsExt;

use callboard::keeper::wire::MARK_VAR;
use callboard::keeper::{Mode, SpawnError, StartCode};

use super::{Rig, until};

#[tokio::test]
async fn a_program_runs_and_its_record_is_true() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("echo hello; cat")).await;
    let record = agent.dir.record().unwrap();
    assert_eq!(record.keeper_pid, agent.keeper_pid());
    assert_eq!(record.program_pid, agent.pid());
    assert_eq!(
        record.program_start_ticks,
        agent.started.program.start_ticks
    );
    assert_eq!(record.boot_id, agent.started.program.boot_id);
    let mut link = agent.attach(0).await;
    assert_eq!(link.hello.program_pid, agent.pid());
    assert_eq!(link.hello.mark, record.mark);
    link.until_output("hello\n").await;
    link.writer.close_stdin().await.unwrap();
    let exit = link.until_exit().await;
    assert_eq!((exit.code, exit.signal, exit.by), (Some(0), None, None));
    assert_eq!(exit.log_len, 6);
    link.writer.exit_ack().await.unwrap();
    agent.keeper_gone().await;
    assert_eq!(agent.dir.log().read_at(0, 100).unwrap().bytes, b"hello\n");
    assert!(!agent.dir.path().join("sock").exists());
    agent.dir.remove().unwrap();
    assert_eq!(rig.root.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn the_environment_is_exactly_what_was_given_and_the_mark() {
    let rig = Rig::new();
    let mut spec = rig.spec(&["env"]);
    spec.env.push(("TOKEN".into(), "s3cret-value".into()));
    spec.cwd = "/tmp".into();
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_exit().await;
    let mark = agent.dir.record().unwrap().mark;
    let mut lines: Vec<String> = link.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            format!("{MARK_VAR}={mark}"),
            "PATH=/usr/local/bin:/usr/bin:/bin".to_owned(),
            "TOKEN=s3cret-value".to_owned()
        ]
    );
    for entry in agent.dir.path().read_dir().unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let name = entry.file_name().into_string().unwrap();
        let holds = bytes.windows(12).any(|part| part == b"s3cret-value");
        assert_eq!(holds, name.starts_with("out."), "{name}");
    }
}

#[tokio::test]
async fn nothing_is_inherited_and_everything_is_private() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("ls /proc/self/fd | wc -l; umask; ps -o sid= -p $$ | tr -d ' '; echo $$"))
        .await;
    let mut link = agent.attach(0).await;
    link.until_exit().await;
    let text = link.text();
    let lines: Vec<&str> = text.lines().collect();
    // Three streams and the one that `ls` lists with.
    assert_eq!((lines[0], lines[1]), ("4", "0077"), "{text}");
    assert_eq!(lines[2], lines[3], "the program leads its own session");
    for name in [
        "",
        "sock",
        "record",
        "in.rec",
        "lock",
        "exit",
        "out.00000000000000000000",
    ] {
        let mode = agent
            .dir
            .path()
            .join(name)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name:?} is open to others: {mode:o}");
    }
}

#[tokio::test]
async fn a_terminal_is_a_controlling_terminal_with_a_size() {
    let rig = Rig::new();
    let mut spec = rig.shell(
        "stty size; tty; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.02; done",
    );
    spec.mode = Mode::Pty { rows: 31, cols: 97 };
    let agent = rig.start(spec).await;
    let mut link = agent.attach(0).await;
    link.until_output("ready").await;
    assert!(
        link.text().starts_with("31 97\r\n/dev/pts/"),
        "{:?}",
        link.text()
    );
    link.writer.resize(40, 120).await.unwrap();
    link.until_output("40 120").await;
    assert_eq!(link.until_exit().await.code, Some(0));
}

#[tokio::test]
async fn each_failure_has_its_code_and_leaves_nothing() {
    let rig = Rig::new();
    let plain = rig.root.path().join("plain");
    std::fs::write(&plain, "no program").unwrap();
    let script = rig.root.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let junk = rig.root.path().join("junk");
    std::fs::write(&junk, [0_u8; 64]).unwrap();
    std::fs::set_permissions(&junk, std::fs::Permissions::from_mode(0o755)).unwrap();
    let cases = [
        (
            rig.spec(&["no-such-program-anywhere"]),
            StartCode::ProgramNotFound,
        ),
        (rig.spec(&["/no/such/file"]), StartCode::ProgramNotFound),
        (
            rig.spec(&[script.to_str().unwrap()]),
            StartCode::ProgramNotFound,
        ),
        (
            rig.spec(&[plain.to_str().unwrap()]),
            StartCode::NotExecutable,
        ),
        (
            rig.spec(&[junk.to_str().unwrap()]),
            StartCode::NotExecutable,
        ),
        (rig.spec(&["/tmp"]), StartCode::NotExecutable),
        (
            {
                let mut spec = rig.shell("true");
                spec.cwd = "/no/such/dir".into();
                spec
            },
            StartCode::CwdMissing,
        ),
        (
            {
                let mut spec = rig.shell("true");
                spec.env.push(("A=B".into(), "x".into()));
                spec
            },
            StartCode::BadSpec,
        ),
        (rig.spec(&["a\0b"]), StartCode::BadSpec),
        (rig.spec(&[]), StartCode::BadSpec),
    ];
    for (spec, code) in cases {
        let dir = spec.dir.clone();
        let error = rig.spawner.spawn(spec.clone()).await.unwrap_err();
        let SpawnError::Start(failure) = &error else {
            panic!("{spec:?}: {error:?}");
        };
        assert_eq!(failure.code, code, "{spec:?} {failure:?}");
        assert!(!dir.exists(), "{spec:?} left {dir:?}");
    }
    let error = rig.spawner.spawn(rig.shell("true")).await;
    assert!(error.is_ok(), "the directory is free again: {error:?}");
}

#[tokio::test]
async fn a_second_start_in_the_same_directory_is_refused() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("cat")).await;
    let error = rig.spawner.spawn(rig.shell("cat")).await.unwrap_err();
    assert_eq!(error.code(), "dir_busy");
    assert!(agent.dir.alive());
    let mut link = agent.attach(0).await;
    link.writer
        .input(b"1", b"still here\n".to_vec())
        .await
        .unwrap();
    link.until_output("still here").await;
    link.writer.kill("test").await.unwrap();
    link.until_exit().await;
    link.writer.exit_ack().await.unwrap();
    agent.keeper_gone().await;
    let error = rig.spawner.spawn(rig.shell("cat")).await.unwrap_err();
    assert_eq!(error.code(), "dir_used", "an incarnation lives once");
    assert_eq!(agent.dir.exit().unwrap().by.as_deref(), Some("test"));
}

#[tokio::test]
async fn of_many_starts_in_one_directory_one_wins() {
    let rig = Rig::new();
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (spawner, spec) = (rig.spawner.clone(), rig.shell("cat"));
        starts.spawn(async move { spawner.spawn(spec).await });
    }
    let results = starts.join_all().await;
    let codes: Vec<_> = results
        .iter()
        .filter_map(|r| r.as_ref().err())
        .map(SpawnError::code)
        .collect();
    assert_eq!(codes, ["dir_busy"; 19]);
    let started = results.into_iter().find_map(Result::ok).unwrap();
    let dir =
        callboard::keeper::Dir::new(rig.root.path(), "6f8d9a3e-5b1f-4c7a-9f21-0c8f5a4b7d10", 1);
    drop(super::Agent { dir, started });
}

#[tokio::test]
async fn a_long_path_is_no_obstacle_for_the_socket() {
    let rig = Rig::new();
    let deep = rig.root.path().join("d".repeat(120)).join("e".repeat(120));
    let mut spec = rig.shell("echo deep; cat");
    spec.dir = deep.join(&spec.session).join("1");
    let dir = callboard::keeper::Dir::new(&deep, &spec.session, 1);
    let started = rig.spawner.spawn(spec).await.unwrap();
    let agent = super::Agent { dir, started };
    let mut link = agent.attach(0).await;
    link.until_output("deep").await;
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let missing = std::path::Path::new("/no/such/keeper");
    let error = callboard::keeper::KeeperBinary::resolve(Some(missing)).unwrap_err();
    assert!(error.to_string().contains("/no/such/keeper"), "{error}");
}

/// The process between the server and the keeper is collected, and so is everything in the keeper.
#[tokio::test]
async fn no_zombie_remains() {
    let rig = Rig::new();
    let agent = rig
        .start(rig.shell("(sleep 0.01 &) ; (true &) ; echo done; cat"))
        .await;
    let mut link = agent.attach(0).await;
    link.until_output("done").await;
    let own = std::process::id();
    for parent in [own, agent.keeper_pid()] {
        until("the last zombie's end", || {
            let children = callboard::keeper::wire::identity::children(parent);
            !children.iter().any(|pid| {
                callboard::keeper::wire::identity::stat(*pid).is_some_and(|stat| {
                    stat.zombie && (parent != own || name(*pid).contains("keeper"))
                })
            })
        })
        .await;
    }
}

fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()
}
