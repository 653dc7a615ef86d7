//! One command that hangs on the server: its pipes, its stop and its end.
//! Never leaves a tree behind: a dropped line ends it at once.

use std::io;
use std::path::PathBuf;
use std::process::Child;
use std::sync::mpsc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use super::leaf::{Leaf, name_of_exec};
use super::spawner::SpawnError;
use super::wire::MAX_KEEPER_BODY;
use super::wire::caps::Caps;
use super::wire::exec::{End, Order};
use super::wire::spec::{Isolation, Limits, Mode, Spec, decode_reply};
use super::wire::stream::Decoder;

/// What a command is started with.
pub struct ExecSpec {
    /// Names its cgroup; never used twice.
    pub id: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// Where it starts; absolute.
    pub cwd: PathBuf,
    /// What it reads; `None`: nothing.
    pub input: Option<Vec<u8>>,
    /// By what means its tree is held together.
    pub isolation: Isolation,
    /// Where cgroups are made; `None`: nowhere.
    pub cgroup: Option<PathBuf>,
    /// What its tree may use.
    pub caps: Caps,
}

/// A command on its way: what it prints, and the line that it hangs on.
#[derive(Debug)]
pub struct Execution {
    /// What it prints.
    pub stdout: pipe::Receiver,
    /// What it prints on its standard error.
    pub stderr: pipe::Receiver,
    /// The line.
    pub line: ExecLine,
}

/// The line to a command. Dropping it ends the command and all that it has started.
#[derive(Debug)]
pub struct ExecLine {
    stream: UnixStream,
    decoder: Decoder,
    _process: Collected,
}

/// The process that holds the command; whoever collects it gets it when nobody waits any more.
#[derive(Debug)]
pub(super) struct Collected {
    pub child: Option<Child>,
    /// Its command's cgroup; it removes it itself, unless it is killed.
    pub leaf: Option<Leaf>,
    pub collector: mpsc::Sender<Left>,
}

/// A process that nobody waits for any more, and what it may leave behind.
#[derive(Debug)]
pub(super) struct Left {
    child: Child,
    leaf: Option<Leaf>,
}

impl Left {
    /// One that leaves nothing of ours.
    pub fn alone(child: Child) -> Self {
        Self { child, leaf: None }
    }

    /// Whether it has ended and left nothing. What it did leave is ended here.
    pub fn is_gone(&mut self) -> bool {
        if matches!(self.child.try_wait(), Ok(None)) {
            return false;
        }
        let Some(leaf) = self.leaf.as_ref().filter(|leaf| leaf.path().exists()) else {
            return true;
        };
        let _old_kernel = leaf.kill();
        leaf.remove().is_ok()
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            let leaf = self.leaf.take();
            let _nobody_collects = self.collector.send(Left { child, leaf });
        }
    }
}

impl Execution {
    /// Takes the streams of a process that was started for this, and says what it shall run.
    pub(super) async fn begin(
        streams: super::spawner::Streams,
        spec: ExecSpec,
    ) -> Result<Self, SpawnError> {
        let failed = SpawnError::Keeper;
        let mut process = streams.process;
        process.leaf = spec.leaf().map(|path| Leaf::at(&path));
        streams.line.set_nonblocking(true).map_err(failed)?;
        let mut line = ExecLine {
            stream: UnixStream::from_std(streams.line).map_err(failed)?,
            decoder: Decoder::new(MAX_KEEPER_BODY),
            _process: process,
        };
        let stdout = pipe::Receiver::from_owned_fd(streams.stdout).map_err(failed)?;
        let stderr = pipe::Receiver::from_owned_fd(streams.stderr).map_err(failed)?;
        // A program that refuses early hangs up; its answer is still to be read.
        let _refused = line.stream.write_all(&spec.frames()).await;
        Ok(Self {
            stdout,
            stderr,
            line,
        })
    }
}

impl ExecLine {
    /// Asks the command to end, and has its tree killed when the grace is over.
    ///
    /// # Errors
    /// When the line is gone, and with it the command.
    pub async fn stop(&mut self, grace_ms: u64) -> io::Result<()> {
        let order = Order::Stop { grace_ms };
        self.stream.write_all(&order.encode()).await
    }

    /// Waits until nothing of the command is left. It may be cancelled and asked again.
    ///
    /// # Errors
    /// [`SpawnError::Start`] when it never ran; [`SpawnError::Answer`] when its keeper was lost.
    pub async fn end(&mut self) -> Result<End, SpawnError> {
        let mut buffer = [0_u8; 1024];
        loop {
            if let Some(raw) = self.decoder.next_frame().or(Err(SpawnError::Answer))? {
                if End::is(&raw) {
                    return End::decode(&raw).or(Err(SpawnError::Answer));
                }
                return match decode_reply(&raw) {
                    Ok(Err(failure)) => Err(SpawnError::Start(failure)),
                    Ok(Ok(_)) | Err(_) => Err(SpawnError::Answer),
                };
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return Err(SpawnError::Answer),
                Ok(count) => self.decoder.feed(buffer.get(..count).unwrap_or_default()),
            }
        }
    }
}

impl ExecSpec {
    /// Where its cgroup is made.
    fn leaf(&self) -> Option<PathBuf> {
        let base = self.cgroup.as_deref()?;
        Some(base.join(name_of_exec(&self.id)))
    }

    /// The start frame, and the input where there is one.
    fn frames(self) -> Vec<u8> {
        let spec = Spec {
            cgroup: self.leaf(),
            session: self.id,
            incarnation: 0,
            dir: PathBuf::new(),
            argv: self.argv.into_iter().map(Into::into).collect(),
            env: self
                .env
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cwd: self.cwd,
            mode: match self.input {
                Some(_) => Mode::Pipes,
                None => Mode::PipesNoInput,
            },
            limits: Limits::default(),
            isolation: self.isolation,
            caps: self.caps,
        };
        let mut frames = spec.encode();
        if let Some(input) = self.input {
            frames.extend(Order::Input(input).encode());
        }
        frames
    }
}
