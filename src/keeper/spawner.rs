//! Starts keepers from one thread that lives as long as the server.
//! Never runs code between fork and exec: a grown heap would make every start 20 times slower.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use super::binary::KeeperBinary;
use super::exec::{Collected, ExecSpec, Execution, Left};
use super::wire::MAX_KEEPER_BODY;
use super::wire::spec::{Spec, StartFailure, StartReply, decode_reply};
use super::wire::stream::Decoder;

/// Starts that wait for the thread; the next caller waits for a place.
const WAITING: usize = 64;
/// The longest a keeper may take to answer its start frame.
const ANSWER: Duration = Duration::from_secs(30);
/// Between looks at a process that has split off its keeper and is about to end.
const COLLECT: Duration = Duration::from_millis(10);

/// A process that is not confused with a later one of the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessId {
    /// Number that a later process may get again.
    pub pid: u32,
    /// Clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
    /// The kernel's name for the boot that the ticks count from.
    pub boot_id: String,
}

/// A keeper is at work; its socket accepts connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Process number of the keeper.
    pub keeper_pid: u32,
    /// The program below it.
    pub program: ProcessId,
}

/// Why there is no agent process.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The keeper refused; nothing of it is left.
    #[error("{}", .0.text)]
    Start(StartFailure),
    /// The keeper's binary itself could not be started.
    #[error("the keeper could not be started: {0}")]
    Keeper(#[source] io::Error),
    /// No answer in time; a keeper may exist: end it with [`super::stop_past`].
    #[error("the keeper did not answer within {} s", ANSWER.as_secs())]
    Timeout,
    /// The keeper ended without an answer, or with one of another version.
    #[error("the keeper's answer cannot be read")]
    Answer,
    /// The server is going down.
    #[error("the spawner's thread is gone")]
    Gone,
}

impl SpawnError {
    /// Stable name for replies and the supervisor log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start(failure) => failure.code.name(),
            Self::Keeper(_) => "keeper_failed",
            Self::Timeout => "start_timeout",
            Self::Answer => "bad_answer",
            Self::Gone => "spawner_gone",
        }
    }
}

/// Handle to the thread; the thread ends when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Spawner {
    jobs: mpsc::Sender<Job>,
}

/// What the thread starts.
enum Job {
    /// A keeper that goes its own way.
    Keep(oneshot::Sender<io::Result<Pipes>>),
    /// A command that hangs on the server: a death of the thread would end it, too.
    Exec(oneshot::Sender<io::Result<Streams>>),
}

struct Pipes {
    stdin: OwnedFd,
    stdout: OwnedFd,
}

/// Our ends of the streams of a process that runs a command.
pub(super) struct Streams {
    pub line: UnixStream,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    pub process: Collected,
}

impl Spawner {
    /// Starts the two threads: one spawns, one collects the short-lived processes in between.
    pub fn start(binary: KeeperBinary) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(WAITING);
        let (children, spawned) = std_mpsc::channel();
        std::thread::Builder::new()
            .name("keeper-collect".to_owned())
            .spawn(move || collect(&spawned))?;
        std::thread::Builder::new()
            .name("keeper-spawn".to_owned())
            .spawn(move || serve(&binary, queue, &children))?;
        Ok(Self { jobs })
    }

    /// Starts a keeper and its program. When it returns `Ok`, the program has been executed.
    /// Not to be cancelled: a keeper whose answer nobody reads runs on alone.
    pub async fn spawn(&self, spec: Spec) -> Result<Started, SpawnError> {
        let (job, pipes) = oneshot::channel();
        let job = Job::Keep(job);
        self.jobs.send(job).await.or(Err(SpawnError::Gone))?;
        let pipes = pipes
            .await
            .or(Err(SpawnError::Gone))?
            .map_err(SpawnError::Keeper)?;
        let answer = tokio::time::timeout(ANSWER, converse(pipes, &spec));
        let begun = answer
            .await
            .or(Err(SpawnError::Timeout))??
            .map_err(SpawnError::Start)?;
        tracing::debug!(
            session.id = %spec.session,
            incarnation = spec.incarnation,
            keeper = begun.keeper_pid,
            pid = begun.program_pid,
            "keeper started"
        );
        Ok(Started {
            keeper_pid: begun.keeper_pid,
            program: ProcessId {
                pid: begun.program_pid,
                start_ticks: begun.start_ticks,
                boot_id: begun.boot_id,
            },
        })
    }

    /// Starts a command that ends with what is returned.
    ///
    /// # Errors
    /// [`SpawnError::Keeper`], [`SpawnError::Gone`].
    pub async fn exec(&self, spec: ExecSpec) -> Result<Execution, SpawnError> {
        let (job, streams) = oneshot::channel();
        let job = Job::Exec(job);
        self.jobs.send(job).await.or(Err(SpawnError::Gone))?;
        let streams = streams.await.or(Err(SpawnError::Gone))?;
        Execution::begin(streams.map_err(SpawnError::Keeper)?, spec).await
    }
}

async fn converse(pipes: Pipes, spec: &Spec) -> Result<StartReply, SpawnError> {
    let mut stdin = pipe::Sender::from_owned_fd(pipes.stdin).map_err(SpawnError::Keeper)?;
    let mut stdout = pipe::Receiver::from_owned_fd(pipes.stdout).map_err(SpawnError::Keeper)?;
    // A keeper that refuses early closes its end; its answer is still to be read.
    let _refused = stdin.write_all(&spec.encode()).await;
    drop(stdin);
    let mut decoder = Decoder::new(MAX_KEEPER_BODY);
    let mut buffer = [0_u8; 1024];
    loop {
        if let Some(raw) = decoder.next_frame().or(Err(SpawnError::Answer))? {
            return decode_reply(&raw).or(Err(SpawnError::Answer));
        }
        let count = stdout.read(&mut buffer).await.map_err(SpawnError::Keeper)?;
        if count == 0 {
            return Err(SpawnError::Answer);
        }
        decoder.feed(buffer.get(..count).unwrap_or_default());
    }
}

fn serve(binary: &KeeperBinary, mut queue: mpsc::Receiver<Job>, children: &std_mpsc::Sender<Left>) {
    while let Some(job) = queue.blocking_recv() {
        match job {
            Job::Keep(caller) => {
                let spawned = spawn(binary).map(|(child, pipes)| {
                    let _collector = children.send(Left::alone(child));
                    pipes
                });
                let _caller = caller.send(spawned);
            }
            Job::Exec(caller) => {
                // For a caller who has gone it is dropped, and ends before it has begun.
                let _caller = caller.send(spawn_exec(binary, children));
            }
        }
    }
}

fn spawn_exec(binary: &KeeperBinary, children: &std_mpsc::Sender<Left>) -> io::Result<Streams> {
    let (line, theirs) = UnixStream::pair()?;
    let mut child = Command::new(binary.path())
        .arg("exec")
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let process = Collected {
        child: Some(child),
        leaf: None,
        collector: children.clone(),
    };
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    Ok(Streams {
        line,
        stdout: stdout.into(),
        stderr: stderr.into(),
        process,
    })
}

/// `process_group` keeps std on its fast path; everything else the keeper does for itself.
fn spawn(binary: &KeeperBinary) -> io::Result<(Child, Pipes)> {
    let mut child = Command::new(binary.path())
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let pipes = Pipes {
        stdin: stdin.into(),
        stdout: stdout.into(),
    };
    Ok((child, pipes))
}

/// Waits for the processes that split off their keepers. One that hangs delays nobody's start.
fn collect(spawned: &std_mpsc::Receiver<Left>) {
    let mut waiting: Vec<Left> = Vec::new();
    loop {
        let next = if waiting.is_empty() {
            spawned
                .recv()
                .or(Err(std_mpsc::RecvTimeoutError::Disconnected))
        } else {
            spawned.recv_timeout(COLLECT)
        };
        match next {
            Ok(left) => waiting.push(left),
            Err(std_mpsc::RecvTimeoutError::Timeout) => {}
            Err(std_mpsc::RecvTimeoutError::Disconnected) if waiting.is_empty() => return,
            Err(std_mpsc::RecvTimeoutError::Disconnected) => std::thread::sleep(COLLECT),
        }
        waiting.retain_mut(|left| !left.is_gone());
    }
}
