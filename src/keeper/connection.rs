//! A connection to one keeper: greeting, frames in, frames out through a bounded queue.
//! Never ends the program by ending: a dropped connection is a detach.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::crash;

use super::reader::Reader;
use super::wire::bytes::Malformed;
use super::wire::frame::{ClientFrame, Hello, KeeperFrame, Target};
use super::wire::stream::TooLong;
use super::wire::{VERSION, file};

/// Frames that wait for the keeper to read.
const OUTGOING: usize = 64;
/// A keeper is one loop without waiting; two seconds without a greeting are a wedged one.
const GREETING: Duration = Duration::from_secs(2);
/// Between attempts while the keeper's backlog is full.
const BACKLOG: Duration = Duration::from_millis(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No socket in the directory: never started, or ended.
    #[error("no keeper socket")]
    NoSocket,
    /// A socket that nobody listens on: the keeper is dead.
    #[error("the keeper is gone")]
    Gone,
    /// A keeper newer than this server; a server can be older after a downgrade.
    #[error("the keeper speaks protocol version {0}")]
    Version(u8),
    /// The process behind the socket belongs to another user.
    #[error("the socket belongs to user {0}")]
    Peer(u32),
    /// Nothing came in time, neither a connection nor a greeting.
    #[error("the keeper did not greet within {} s", GREETING.as_secs())]
    Silent,
    /// The keeper answered the greeting with an error: its code and text.
    #[error("the keeper refused: {0}")]
    Refused(String),
    /// The greeting cannot be read.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Any other error of the system.
    #[error(transparent)]
    Io(io::Error),
}

/// The stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// The fields of a known kind do not fit its body.
    #[error("malformed frame")]
    Malformed,
    /// A header announces a body of so many bytes, more than [`super::wire::MAX_KEEPER_BODY`].
    #[error("a frame of {0} bytes")]
    TooLong(u32),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Malformed> for ProtocolError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<TooLong> for ProtocolError {
    fn from(error: TooLong) -> Self {
        Self::TooLong(error.announced)
    }
}

/// A frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many frames wait as may; only [`Writer::try_send`] says so, the others wait.
    #[error("the keeper's queue is full")]
    Full,
    /// The keeper has closed or the socket failed; the reader tells which.
    #[error("the connection to the keeper is over")]
    Closed,
}

/// Frames to the keeper; cheap to clone. The connection ends with the last clone.
#[derive(Debug, Clone)]
pub struct Writer {
    frames: mpsc::Sender<ClientFrame>,
}

/// Connects to the keeper of an incarnation's directory and exchanges greetings.
pub async fn connect(dir: &Path) -> Result<(Hello, Reader, Writer), ConnectError> {
    tokio::time::timeout(GREETING, greet(dir))
        .await
        .or(Err(ConnectError::Silent))?
}

async fn greet(dir: &Path) -> Result<(Hello, Reader, Writer), ConnectError> {
    let stream = open(dir).await?;
    let peer = stream.peer_cred().map_err(ConnectError::Io)?;
    if peer.uid() != nix::unistd::geteuid().as_raw() && peer.uid() != 0 {
        return Err(ConnectError::Peer(peer.uid()));
    }
    let (half, write_half) = stream.into_split();
    let mut reader = Reader::new(half);
    let (frames, queue) = mpsc::channel(OUTGOING);
    tokio::spawn(write(write_half, queue));
    let writer = Writer { frames };
    let greeting = ClientFrame::Hello { version: VERSION };
    writer.send(greeting).await.or(Err(ConnectError::Gone))?;
    match reader.next().await? {
        Some(KeeperFrame::Hello(hello)) if hello.version <= VERSION => Ok((hello, reader, writer)),
        Some(KeeperFrame::Hello(hello)) => Err(ConnectError::Version(hello.version)),
        Some(KeeperFrame::Error { code, text }) => {
            Err(ConnectError::Refused(format!("{code}: {text}")))
        }
        None => Err(ConnectError::Gone),
        Some(other) => {
            tracing::warn!(?other, "keeper did not greet first");
            Err(ProtocolError::Malformed.into())
        }
    }
}

/// Through the directory's descriptor: the path of a socket may have 108 bytes at most.
async fn open(dir: &Path) -> Result<UnixStream, ConnectError> {
    let held = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(dir)
        .map_err(not_there)?;
    let path = format!("/proc/self/fd/{}/{}", held.as_raw_fd(), file::SOCKET);
    loop {
        match UnixStream::connect(&path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(BACKLOG).await;
            }
            other => return other.map_err(not_there),
        }
    }
}

fn not_there(error: io::Error) -> ConnectError {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => ConnectError::NoSocket,
        Some(libc::ECONNREFUSED | libc::ECONNRESET) => ConnectError::Gone,
        Some(_) | None => ConnectError::Io(error),
    }
}

async fn write(mut half: OwnedWriteHalf, mut queue: mpsc::Receiver<ClientFrame>) {
    while let Some(frame) = queue.recv().await {
        crash::point("keeper.write");
        if half.write_all(&frame.encode()).await.is_err() {
            return;
        }
    }
}

impl Writer {
    /// Queues a frame; waits for a place.
    pub async fn send(&self, frame: ClientFrame) -> Result<(), SendError> {
        self.frames.send(frame).await.or(Err(SendError::Closed))
    }

    /// Queues a frame or says at once that it cannot; for handlers that must not wait.
    pub fn try_send(&self, frame: ClientFrame) -> Result<(), SendError> {
        self.frames.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Follow the log from an absolute offset.
    pub async fn attach(&self, offset: u64) -> Result<(), SendError> {
        self.send(ClientFrame::Attach { offset }).await
    }

    /// Input for the program; the outcome comes back as `InputAck` with the same id.
    pub async fn input(&self, id: &[u8], data: Vec<u8>) -> Result<(), SendError> {
        let id = id.to_vec();
        self.send(ClientFrame::Input { id, data }).await
    }

    /// Everything below `offset` is committed.
    pub async fn ack(&self, offset: u64) -> Result<(), SendError> {
        self.send(ClientFrame::Ack { offset }).await
    }

    /// A signal outside the stop ladder. Whether it arrived is not answered; an error frame says why
    /// it could not.
    pub async fn signal(&self, signo: i32, target: Target) -> Result<(), SendError> {
        self.send(ClientFrame::Signal { signo, target }).await
    }

    /// SIGHUP to the group, which ends an interactive shell where SIGTERM does not.
    pub async fn hang_up(&self) -> Result<(), SendError> {
        self.signal(libc::SIGHUP, Target::Group).await
    }

    /// A new size of the terminal, in characters.
    pub async fn resize(&self, rows: u16, cols: u16) -> Result<(), SendError> {
        self.send(ClientFrame::Resize { rows, cols }).await
    }

    /// Ends the program's input behind what is queued for it.
    pub async fn close_stdin(&self) -> Result<(), SendError> {
        self.send(ClientFrame::CloseStdin).await
    }

    /// SIGTERM to the group, after the grace SIGKILL to the tree.
    pub async fn stop(&self, by: &str, grace: Duration) -> Result<(), SendError> {
        let by = by.to_owned();
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.send(ClientFrame::Stop { by, grace_ms }).await
    }

    /// SIGKILL to the tree.
    pub async fn kill(&self, by: &str) -> Result<(), SendError> {
        self.send(ClientFrame::Kill { by: by.to_owned() }).await
    }

    /// Asks what became of an input; the answer is an `InputStatus` frame with the same id.
    pub async fn input_status(&self, id: &[u8]) -> Result<(), SendError> {
        self.send(ClientFrame::InputStatus { id: id.to_vec() })
            .await
    }

    /// Asks for the keeper's figures; the answer is a `Status` frame.
    pub async fn status(&self) -> Result<(), SendError> {
        self.send(ClientFrame::Status).await
    }

    /// The exit record is committed; the keeper ends.
    pub async fn exit_ack(&self) -> Result<(), SendError> {
        self.send(ClientFrame::ExitAck).await
    }
}
