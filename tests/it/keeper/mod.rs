//! Keepers as the server meets them: started by the spawner, spoken to over their sockets.
//! Never sleeps to wait: every wait is for a frame, a file or a process, with a deadline.

mod end;
mod exec;
mod input;
pub mod kill;
mod limits;
mod start;
mod stream;
mod survive;
mod trouble;
mod versions;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use callboard::keeper::pidfd::Pidfd;
use callboard::keeper::wire::identity;
use callboard::keeper::{
    Caps, Dir, ExitRecord, Hello, Isolation, KeeperBinary, KeeperFrame, Limits, Mode, Reader,
    SpawnError, Spawner, Spec, Started, Writer, connect, sweep,
};
use tempfile::TempDir;

/// Longest wait for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A place for keepers, and the thread that starts them.
pub struct Rig {
    pub root: TempDir,
    pub spawner: Spawner,
}

/// One started agent; whatever of it is left when the test ends is killed.
pub struct Agent {
    pub dir: Dir,
    pub started: Started,
}

/// An attached connection and what it has read.
pub struct Link {
    pub hello: Hello,
    pub reader: Reader,
    pub writer: Writer,
    /// Output in order; `from` is the offset of its first byte.
    pub output: Vec<u8>,
    pub from: u64,
}

/// A length as offsets count it.
pub fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

/// Names another place of the keeper's program, for a test that runs itself as another user.
pub const KEEPER: &str = "CALLBOARD_TEST_KEEPER";

pub fn binary() -> KeeperBinary {
    let named = std::env::var_os(KEEPER).map(PathBuf::from);
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_callboard-keeper"));
    KeeperBinary::resolve(Some(&named.unwrap_or_else(built))).unwrap()
}

impl Rig {
    pub fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            spawner: Spawner::start(binary()).unwrap(),
        }
    }

    /// A spec for a shell command on pipes.
    pub fn shell(&self, command: &str) -> Spec {
        self.spec(&["/bin/sh", "-c", command])
    }

    pub fn spec(&self, argv: &[&str]) -> Spec {
        let session = "6f8d9a3e-5b1f-4c7a-9f21-0c8f5a4b7d10".to_owned();
        Spec {
            dir: Dir::new(self.root.path(), &session, 1).path().to_path_buf(),
            session,
            incarnation: 1,
            argv: argv.iter().map(OsString::from).collect(),
            env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            cwd: PathBuf::from("/"),
            mode: Mode::Pipes,
            limits: Limits::default(),
            isolation: Isolation::Group,
            cgroup: None,
            caps: Caps::default(),
        }
    }

    pub async fn start(&self, spec: Spec) -> Agent {
        self.try_start(spec).await.unwrap()
    }

    pub async fn try_start(&self, spec: Spec) -> Result<Agent, SpawnError> {
        let dir = Dir::new(self.root.path(), &spec.session, spec.incarnation);
        assert_eq!(dir.path(), spec.dir);
        let started = self.spawner.spawn(spec).await?;
        Ok(Agent { dir, started })
    }
}

impl Agent {
    /// Connects and follows the log from an offset.
    pub async fn attach(&self, from: u64) -> Link {
        let link = self.greet(from).await;
        link.writer.attach(from).await.unwrap();
        link
    }

    /// Connects without following the log.
    pub async fn greet(&self, from: u64) -> Link {
        let (hello, reader, writer) = connect(self.dir.path()).await.unwrap();
        Link {
            hello,
            reader,
            writer,
            output: Vec::new(),
            from,
        }
    }

    pub fn pid(&self) -> u32 {
        self.started.program.pid
    }

    pub fn keeper_pid(&self) -> u32 {
        self.started.keeper_pid
    }

    pub fn kill_keeper(&self) {
        Pidfd::open(self.keeper_pid())
            .unwrap()
            .signal(libc::SIGKILL)
            .unwrap();
    }

    pub async fn keeper_gone(&self) {
        until("the keeper's end", || !self.dir.alive()).await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.dir.alive()
            && let Some((pid, ticks)) = self.dir.keeper()
            && let Ok(handle) = Pidfd::open(pid)
            && identity::lives(pid, ticks)
        {
            callboard::keeper::tree::signal(pid, libc::SIGKILL);
            let _gone = handle.signal(libc::SIGKILL);
        }
        if let Some(record) = self.dir.record() {
            sweep(&self.dir, &record);
        }
    }
}

impl Link {
    /// The next frame that is no output; output is collected.
    pub async fn next(&mut self) -> Option<KeeperFrame> {
        loop {
            let next = tokio::time::timeout(DEADLINE, self.reader.next());
            match next.await.expect("no frame in time").unwrap() {
                Some(KeeperFrame::Data { offset, bytes }) => self.collect(offset, &bytes),
                other => return other,
            }
        }
    }

    fn collect(&mut self, offset: u64, bytes: &[u8]) {
        assert_eq!(offset, self.end(), "a hole or an overlap in the output");
        self.output.extend_from_slice(bytes);
    }

    pub fn end(&self) -> u64 {
        self.from + size(&self.output)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// Reads until the output contains a text.
    pub async fn until_output(&mut self, wanted: &str) {
        let start = Instant::now();
        while !self.text().contains(wanted) {
            assert!(
                start.elapsed() < DEADLINE,
                "{wanted:?} not in {:?}",
                self.text()
            );
            match tokio::time::timeout(DEADLINE, self.reader.next())
                .await
                .unwrap()
                .unwrap()
            {
                Some(KeeperFrame::Data { offset, bytes }) => self.collect(offset, &bytes),
                Some(_) => {}
                None => panic!("closed before {wanted:?} came: {:?}", self.text()),
            }
        }
    }

    /// Reads until the output is this long.
    pub async fn until_length(&mut self, length: usize) {
        while self.output.len() < length {
            match tokio::time::timeout(DEADLINE, self.reader.next())
                .await
                .unwrap()
                .unwrap()
            {
                Some(KeeperFrame::Data { offset, bytes }) => self.collect(offset, &bytes),
                Some(KeeperFrame::Blocked { .. } | KeeperFrame::InputAck { .. }) => {}
                Some(other) => panic!("{other:?}"),
                None => panic!("closed at {}", self.output.len()),
            }
        }
    }

    /// Reads to the final exit record.
    pub async fn until_exit(&mut self) -> ExitRecord {
        loop {
            match self.next().await {
                Some(KeeperFrame::Exit(record)) if record.drained => return record,
                Some(_) => {}
                None => panic!("closed before the exit record came"),
            }
        }
    }
}

/// Waits for a condition that no event announces.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A process that is there and not a zombie.
pub fn lives(pid: u32) -> bool {
    identity::stat(pid).is_some_and(|stat| !stat.zombie)
}

/// Private memory of a process, KiB.
pub fn private_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    text.lines()
        .filter(|line| line.starts_with("Private_"))
        .map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u64>()
                .unwrap()
        })
        .sum()
}
