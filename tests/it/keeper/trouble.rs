//! Full disks, garbage, strangers.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use callboard::keeper::{
    BlockReason, ClientFrame, InputOutcome, KeeperFrame, Refusal, StopPath, connect, stop_past,
};

use super::stream::numbers;
use super::{Agent, Rig, size};

const MIB: usize = 1024 * 1024;

/// A small file system of its own, in place of the rig's root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path, mib: usize) -> Self {
        let size = format!("size={mib}m");
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(path)
            .status()
            .unwrap();
        assert!(done.success(), "mounting a tmpfs");
        Self(path.to_owned())
    }

    /// Takes all space but this.
    fn fill_but(&self, left: usize, total: usize) {
        std::fs::write(self.0.join("filler"), vec![1_u8; total - left]).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let lazy = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
        assert!(lazy.is_ok_and(|status| status.success()));
    }
}

/// As root the test goes on in place; else it runs once more in a user and mount namespace of its own.
fn may_mount(test: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    let done = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .status()
        .expect("unshare (util-linux) is needed to run this test as an ordinary user");
    assert!(done.success(), "{test} in a namespace of its own");
    false
}

async fn next_of(link: &mut super::Link, wanted: impl Fn(&KeeperFrame) -> bool) -> KeeperFrame {
    loop {
        let frame = link.next().await.expect("closed");
        if wanted(&frame) {
            return frame;
        }
    }
}

#[tokio::test]
async fn a_full_disk_holds_the_program_and_loses_nothing() {
    if !may_mount("keeper::trouble::a_full_disk_holds_the_program_and_loses_nothing") {
        return;
    }
    let rig = Rig::new();
    let disk = SmallDisk::mount(rig.root.path(), 32);
    disk.fill_but(2 * MIB, 32 * MIB);
    let agent = rig
        .start(rig.shell("seq 1 2000000; read line; exit 9"))
        .await;
    let mut link = agent.attach(0).await;
    let blocked = next_of(&mut link, |frame| {
        matches!(frame, KeeperFrame::Blocked { .. })
    })
    .await;
    assert_eq!(
        blocked,
        KeeperFrame::Blocked {
            reason: BlockReason::DiskFull
        }
    );
    link.writer.input(b"x", b"x\n".to_vec()).await.unwrap();
    let refused = next_of(&mut link, |frame| {
        matches!(frame, KeeperFrame::InputAck { .. })
    })
    .await;
    let outcome = InputOutcome::Refused(Refusal::Disk);
    assert_eq!(
        refused,
        KeeperFrame::InputAck {
            id: b"x".to_vec(),
            outcome
        }
    );
    disk.free();
    next_of(&mut link, |frame| *frame == KeeperFrame::Unblocked).await;
    let whole = numbers(2_000_000);
    link.until_length(whole.len()).await;
    assert!(link.output == whole);
    link.writer.input(b"x", b"x\n".to_vec()).await.unwrap();
    let exit = link.until_exit().await;
    assert_eq!((exit.code, exit.log_len), (Some(9), size(&whole)));
}

/// Stopped on a full disk: the exit record is written into the space set aside, the frame says that
/// output is still to come, and once there is space the log is whole.
#[tokio::test]
async fn a_stop_works_on_a_full_disk() {
    if !may_mount("keeper::trouble::a_stop_works_on_a_full_disk") {
        return;
    }
    let rig = Rig::new();
    let disk = SmallDisk::mount(rig.root.path(), 32);
    disk.fill_but(2 * MIB, 32 * MIB);
    let agent = rig.start(rig.shell("exec seq 1 20000000")).await;
    let mut link = agent.attach(0).await;
    next_of(&mut link, |frame| {
        matches!(frame, KeeperFrame::Blocked { .. })
    })
    .await;
    let written = super::stream::stuck(agent.pid()).await;
    let outcome = stop_past(&agent.dir, "operator", Duration::from_millis(200)).await;
    assert_eq!((outcome.path, outcome.left.len()), (StopPath::Keeper, 0));
    assert!(outcome.recorded, "the exit record is on the full disk");
    let early = outcome.exit.unwrap();
    assert_eq!((early.signal, early.drained), (Some(15), false));
    assert_eq!(early.by.as_deref(), Some("operator"));
    assert!(agent.dir.alive(), "the keeper still holds output");
    disk.free();
    let exit = link.until_exit().await;
    assert!(
        exit.log_len > early.log_len && exit.log_len >= written,
        "{written} {exit:?}"
    );
    assert_eq!(exit.log_len, link.end());
    let whole = numbers(1_000_000);
    assert!(link.output == whole[..link.output.len()]);
    super::until("the last record", || {
        agent.dir.exit().as_ref() == Some(&exit)
    })
    .await;
}

/// The keeper wedged and the disk full: the server writes the record into the same space.
#[tokio::test]
async fn even_a_wedged_keeper_is_stopped_on_a_full_disk() {
    if !may_mount("keeper::trouble::even_a_wedged_keeper_is_stopped_on_a_full_disk") {
        return;
    }
    let rig = Rig::new();
    let disk = SmallDisk::mount(rig.root.path(), 32);
    let agent = rig.start(rig.shell("exec cat")).await;
    disk.fill_but(0, 31 * MIB);
    let mut rest = std::fs::File::create(rig.root.path().join("rest")).unwrap();
    while rest.write_all(&[1_u8; 4096]).is_ok() {}
    let keeper = callboard::keeper::pidfd::Pidfd::open(agent.keeper_pid()).unwrap();
    keeper.signal(libc::SIGSTOP).unwrap();
    let outcome = stop_past(&agent.dir, "operator", Duration::from_millis(100)).await;
    assert_eq!((outcome.path, outcome.left.len()), (StopPath::Forced, 0));
    assert!(outcome.recorded);
    assert_eq!(agent.dir.exit().unwrap().by.as_deref(), Some("operator"));
}

#[tokio::test]
async fn a_start_on_a_full_disk_fails_and_leaves_nothing() {
    if !may_mount("keeper::trouble::a_start_on_a_full_disk_fails_and_leaves_nothing") {
        return;
    }
    let rig = Rig::new();
    let disk = SmallDisk::mount(rig.root.path(), 8);
    disk.fill_but(MIB, 8 * MIB);
    let mut rest = std::fs::File::create(rig.root.path().join("rest")).unwrap();
    while rest.write_all(&[1_u8; 4096]).is_ok() {}
    let error = rig.spawner.spawn(rig.shell("cat")).await.unwrap_err();
    assert_eq!(error.code(), "dir_failed", "{error}");
    assert!(error.to_string().contains("No space left"), "{error}");
    let spec = rig.shell("cat");
    assert!(!spec.dir.exists());
}

fn raw(agent: &Agent) -> UnixStream {
    let stream = UnixStream::connect(agent.dir.path().join("sock")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
}

/// Everything the keeper says until it closes.
fn rest_of(mut stream: UnixStream) -> String {
    let mut all = Vec::new();
    stream
        .read_to_end(&mut all)
        .expect("the keeper closes the connection");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn garbage_ends_its_connection_and_nothing_else() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("exec cat")).await;
    let hello = ClientFrame::Hello { version: 1 }.encode();

    let mut stream = raw(&agent);
    stream.write_all(&ClientFrame::Status.encode()).unwrap();
    assert!(rest_of(stream).contains("hello_first"));

    let mut stream = raw(&agent);
    stream.write_all(&[1, 0, 0, 0, 1, 0]).unwrap();
    assert!(rest_of(stream).contains("version"));

    let mut stream = raw(&agent);
    stream.write_all(&hello).unwrap();
    stream
        .write_all(&[3, 0xff, 0xff, 0xff, 0xff, 1, 2, 3])
        .unwrap();
    assert!(rest_of(stream).contains("too_long"));

    let mut stream = raw(&agent);
    stream.write_all(&hello).unwrap();
    stream.write_all(&[2, 0, 0, 0, 3, 1, 2, 3]).unwrap();
    assert!(rest_of(stream).contains("malformed"));

    // Kinds of a newer client are skipped, also with a body; what follows is obeyed.
    let mut stream = raw(&agent);
    stream.write_all(&hello).unwrap();
    stream.write_all(&[200, 0, 0, 0, 2, 9, 9]).unwrap();
    stream
        .write_all(
            &ClientFrame::Signal {
                signo: 77,
                target: callboard::keeper::Target::Group,
            }
            .encode(),
        )
        .unwrap();
    let mut some = [0_u8; 512];
    let mut text = String::new();
    while !text.contains("bad_signal") {
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "{text:?}");
        text.push_str(&String::from_utf8_lossy(&some[..count]));
    }

    // Noise: one connection after the other, none of which is read by us.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300 {
        let mut stream = raw(&agent);
        let mut noise = if round % 2 == 0 {
            hello.clone()
        } else {
            Vec::new()
        };
        for _ in 0..round {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [_, _, byte, ..] = seed.to_be_bytes();
            noise.push(if byte.is_multiple_of(3) {
                byte % 14
            } else if byte.is_multiple_of(5) {
                0
            } else {
                byte
            });
        }
        // No frame that ends the program may come out of chance.
        let deadly: Vec<u8> = noise
            .iter()
            .map(|b| if matches!(b, 5 | 7 | 8 | 9) { 1 } else { *b })
            .collect();
        let _closed = stream.write_all(&deadly);
    }
    // The noise may still hold all places.
    while connect(agent.dir.path()).await.is_err() {
        assert!(agent.dir.alive());
        tokio::task::yield_now().await;
    }
    let mut link = agent.attach(0).await;
    link.writer
        .input(b"1", b"unharmed\n".to_vec())
        .await
        .unwrap();
    link.until_output("unharmed").await;
    assert_eq!(
        agent.dir.record().unwrap().keeper_pid,
        link.hello.keeper_pid
    );
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_and_places_come_free() {
    let rig = Rig::new();
    let agent = rig.start(rig.shell("exec cat")).await;
    let held: Vec<UnixStream> = (0..16).map(|_| raw(&agent)).collect();
    assert!(rest_of(raw(&agent)).contains("busy"));
    drop(held);
    super::until("a free place", || {
        let mut stream = raw(&agent);
        let _closed = stream.write_all(&ClientFrame::Hello { version: 1 }.encode());
        let mut kind = [0; 1];
        matches!(stream.read(&mut kind), Ok(1)) && kind == [65]
    })
    .await;
}

/// Another user is refused twice: by the modes, and, should they be opened, by the keeper itself.
#[tokio::test]
async fn another_user_is_refused() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test becomes another user: run it as root, or with `unshare --map-auto --map-root-user`"
    );
    let rig = Rig::new();
    let agent = rig.start(rig.shell("exec cat")).await;
    let socket = agent.dir.path().join("sock");
    assert_eq!(
        as_nobody(&socket).unwrap_err().kind(),
        std::io::ErrorKind::PermissionDenied
    );
    let mut path = socket.clone();
    while path.starts_with(rig.root.path()) {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        path.pop();
    }
    let mut stream = as_nobody(&socket).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let _closed = stream.write_all(&ClientFrame::Hello { version: 1 }.encode());
    let end = stream.read(&mut [0; 8]);
    assert!(
        matches!(end, Ok(0))
            || end.is_err_and(|error| error.raw_os_error() == Some(libc::ECONNRESET))
    );
    agent.greet(0).await;
}

/// Connects from a thread whose credentials alone are changed.
#[expect(unsafe_code, reason = "setresuid of one thread has no safe wrapper")]
fn as_nobody(socket: &Path) -> std::io::Result<UnixStream> {
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        let id: libc::uid_t = 65534;
        // SAFETY: the raw call changes this thread only, and the thread ends here.
        let changed = unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) };
        assert_eq!(changed, 0);
        UnixStream::connect(socket)
    })
    .join()
    .unwrap()
}
