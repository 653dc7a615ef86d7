//! What the server hands a new keeper over its standard input, and the one answer it gets.
//! Never touches the disk: the environment holds secrets.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bytes::{Malformed, Put, Take};
use super::caps::Caps;
use super::stream::{RawFrame, frame};

const START: u8 = 33;
const STARTED: u8 = 97;
const FAILED: u8 = 98;

/// Everything a keeper needs to start one program.
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    /// The session's id as text; goes into the record.
    pub session: String,
    /// Which life of the session's process this is.
    pub incarnation: u64,
    /// Directory of the incarnation; made by the keeper, 0700.
    pub dir: PathBuf,
    /// Program and arguments. A name without a slash is looked up in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The program's whole environment; only the mark is added.
    pub env: Vec<(OsString, OsString)>,
    /// Where the program starts; absolute.
    pub cwd: PathBuf,
    /// How it is connected.
    pub mode: Mode,
    /// Bounds and habits; the defaults are the server's.
    pub limits: Limits,
    /// By what means the tree is held together.
    pub isolation: Isolation,
    /// The cgroup that the keeper makes for the tree; its last part is [`super::super::leaf::name`].
    pub cgroup: Option<PathBuf>,
    /// What the tree may use.
    pub caps: Caps,
}

/// By what means a tree is held together, so that it can be ended for sure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Isolation {
    /// The process group, and a keeper that adopts orphans.
    #[default]
    Group,
    /// Pid, mount and ipc namespaces, by the rights of the keeper's user.
    Namespaces,
    /// The same within a user namespace, for a user without these rights.
    UserNamespaces,
}

impl Isolation {
    const ALL: [(Self, u8, &'static str); 3] = [
        (Self::Group, 0, "group"),
        (Self::Namespaces, 1, "namespaces"),
        (Self::UserNamespaces, 2, "user_namespaces"),
    ];

    /// The word in replies, and in the answers of `callboard-keeper probe`.
    pub fn name(self) -> &'static str {
        let own = Self::ALL
            .iter()
            .find(|(isolation, _, _)| *isolation == self);
        own.map_or("group", |(_, _, name)| name)
    }

    /// The means of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, _, known)| *known == name);
        found.map(|(isolation, _, _)| *isolation)
    }

    fn code(self) -> u8 {
        let own = Self::ALL
            .iter()
            .find(|(isolation, _, _)| *isolation == self);
        own.map_or(0, |(_, code, _)| *code)
    }

    fn from_code(code: u8) -> Result<Self, Malformed> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == code);
        found.map(|(isolation, _, _)| *isolation).ok_or(Malformed)
    }
}

/// How the program's input and output are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Three pipes; standard output is the log, standard error goes to a capped file.
    Pipes,
    /// As [`Mode::Pipes`], but standard input is at its end from the start.
    PipesNoInput,
    /// One terminal of this size.
    Pty {
        /// Lines of text.
        rows: u16,
        /// Characters in a line.
        cols: u16,
    },
}

/// Bounds and habits of a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in one log segment.
    pub segment_bytes: u64,
    /// Segments kept; with unacknowledged bytes at `segments * segment_bytes` the program waits.
    pub segments: u32,
    /// Seconds without any client until an orderly stop; 0: for ever.
    pub orphan_ttl_s: u64,
    /// Whether the program outlives the server's connection.
    pub on_server_loss: OnServerLoss,
    /// File mode mask of the program.
    pub umask: u32,
}

impl Default for Limits {
    /// 64 MiB twice and 24 h: reliability.md 1.2.
    fn default() -> Self {
        Self {
            segment_bytes: 64 * 1024 * 1024,
            segments: 2,
            orphan_ttl_s: 24 * 3600,
            on_server_loss: OnServerLoss::Keep,
            umask: 0o077,
        }
    }
}

/// What a keeper does when its last client goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnServerLoss {
    /// Runs on until the orphan time is over.
    Keep,
    /// Stops the program unless a client comes back within ten seconds.
    Stop,
}

/// The keeper runs and so does its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Process number of the keeper, which is no child of the server.
    pub keeper_pid: u32,
    /// Process number of the program; with `start_ticks` and `boot_id` it stays unique.
    pub program_pid: u32,
    /// Start time of the program, clock ticks since boot.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`
    pub boot_id: String,
}

/// Why no program runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartFailure {
    /// What failed.
    pub code: StartCode,
    /// Error number of the system, 0 when there is none.
    pub errno: i32,
    /// The same for a person; names paths, never values of the environment.
    pub text: String,
}

/// Stable names of the ways a start can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartCode {
    /// No such file, or no such name in the `PATH` of the environment given.
    ProgramNotFound,
    /// The file is there and may not be executed.
    NotExecutable,
    /// The working directory is not there, or is no directory.
    CwdMissing,
    /// The working directory may not be entered.
    CwdDenied,
    /// The system refused a process, a pipe or a terminal; also a code that this build does not know.
    SpawnFailed,
    /// A keeper lives in this directory.
    DirBusy,
    /// The directory holds the traces of an earlier life.
    DirUsed,
    /// The directory or a file in it cannot be made.
    DirFailed,
    /// The start frame could not be read.
    BadSpec,
}

impl StartCode {
    const ALL: [(Self, &'static str); 9] = [
        (Self::ProgramNotFound, "program_not_found"),
        (Self::NotExecutable, "not_executable"),
        (Self::CwdMissing, "cwd_missing"),
        (Self::CwdDenied, "cwd_denied"),
        (Self::SpawnFailed, "spawn_failed"),
        (Self::DirBusy, "dir_busy"),
        (Self::DirUsed, "dir_used"),
        (Self::DirFailed, "dir_failed"),
        (Self::BadSpec, "bad_spec"),
    ];

    /// The code as replies show it.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find_map(|(code, name)| (*code == self).then_some(*name))
            .unwrap_or("spawn_failed")
    }

    fn from_name(name: &str) -> Self {
        Self::ALL
            .iter()
            .find_map(|(code, known)| (*known == name).then_some(*code))
            .unwrap_or(Self::SpawnFailed)
    }
}

impl std::fmt::Debug for Spec {
    /// Values of the environment and arguments stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("session", &self.session)
            .field("incarnation", &self.incarnation)
            .field("dir", &self.dir)
            .field("program", &self.argv.first())
            .field(
                "env",
                &self.env.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            )
            .field("cwd", &self.cwd)
            .field("mode", &self.mode)
            .field("limits", &self.limits)
            .field("isolation", &self.isolation)
            .field("cgroup", &self.cgroup)
            .field("caps", &self.caps)
            .finish()
    }
}

impl Spec {
    /// The start frame with its header.
    pub fn encode(&self) -> Vec<u8> {
        let (mode, rows, cols) = match self.mode {
            Mode::Pipes => (0, 0, 0),
            Mode::PipesNoInput => (1, 0, 0),
            Mode::Pty { rows, cols } => (2, rows, cols),
        };
        let limits = &self.limits;
        let on_loss = match limits.on_server_loss {
            OnServerLoss::Keep => 0,
            OnServerLoss::Stop => 1,
        };
        let mut body = Put::default()
            .u8(super::VERSION)
            .block(self.session.as_bytes())
            .u64(self.incarnation)
            .block(self.dir.as_os_str().as_bytes())
            .block(self.cwd.as_os_str().as_bytes())
            .u8(mode)
            .u16(rows)
            .u16(cols)
            .u64(limits.segment_bytes)
            .u32(limits.segments)
            .u64(limits.orphan_ttl_s)
            .u8(on_loss)
            .u32(limits.umask)
            .u32(count(self.argv.len()));
        for argument in &self.argv {
            body = body.block(argument.as_bytes());
        }
        body = body.u32(count(self.env.len()));
        for (name, value) in &self.env {
            body = body.block(name.as_bytes()).block(value.as_bytes());
        }
        let cgroup = self.cgroup.as_deref().unwrap_or(Path::new(""));
        body = body
            .u8(self.isolation.code())
            .block(cgroup.as_os_str().as_bytes());
        frame(START, &self.caps.put(body).0)
    }

    /// Malformed: another kind or version, no program, or a log without room.
    pub fn decode(raw: &RawFrame) -> Result<Self, Malformed> {
        let mut body = Take(&raw.body);
        if raw.kind != START || body.u8()? != super::VERSION {
            return Err(Malformed);
        }
        let session = body.text()?;
        let incarnation = body.u64()?;
        let dir = PathBuf::from(os(body.block()?));
        let cwd = PathBuf::from(os(body.block()?));
        let mode = match (body.u8()?, body.u16()?, body.u16()?) {
            (0, _, _) => Mode::Pipes,
            (1, _, _) => Mode::PipesNoInput,
            (2, rows, cols) => Mode::Pty { rows, cols },
            _ => return Err(Malformed),
        };
        let limits = Limits {
            segment_bytes: body.u64()?,
            segments: body.u32()?,
            orphan_ttl_s: body.u64()?,
            on_server_loss: match body.u8()? {
                0 => OnServerLoss::Keep,
                1 => OnServerLoss::Stop,
                _ => return Err(Malformed),
            },
            umask: body.u32()?,
        };
        let mut argv = Vec::new();
        for _ in 0..body.u32()? {
            argv.push(os(body.block()?));
        }
        let mut env = Vec::new();
        for _ in 0..body.u32()? {
            env.push((os(body.block()?), os(body.block()?)));
        }
        // Servers of the first days sent nothing here.
        let isolation = body
            .u8()
            .map_or(Ok(Isolation::Group), Isolation::from_code)?;
        let cgroup = if body.0.is_empty() {
            None
        } else {
            Some(PathBuf::from(os(body.block()?))).filter(|path| !path.as_os_str().is_empty())
        };
        let caps = Caps::take(&mut body)?;
        if argv.is_empty() || limits.segment_bytes == 0 || limits.segments == 0 {
            return Err(Malformed);
        }
        Ok(Self {
            session,
            incarnation,
            dir,
            argv,
            env,
            cwd,
            mode,
            limits,
            isolation,
            cgroup,
            caps,
        })
    }
}

/// The answer of a keeper to its start frame.
pub type StartReply = Result<Begun, StartFailure>;

/// The frame of an answer, with its header.
pub fn encode_reply(reply: &StartReply) -> Vec<u8> {
    let put = Put::default();
    match reply {
        Ok(begun) => {
            let body = put
                .u32(begun.keeper_pid)
                .u32(begun.program_pid)
                .u64(begun.start_ticks)
                .block(begun.boot_id.as_bytes());
            frame(STARTED, &body.0)
        }
        Err(failure) => {
            let body = put
                .block(failure.code.name().as_bytes())
                .i32(failure.errno)
                .block(failure.text.as_bytes());
            frame(FAILED, &body.0)
        }
    }
}

/// The answer in a frame. Malformed: any other kind, or fields that do not fit.
pub fn decode_reply(raw: &RawFrame) -> Result<StartReply, Malformed> {
    let mut body = Take(&raw.body);
    match raw.kind {
        STARTED => Ok(Ok(Begun {
            keeper_pid: body.u32()?,
            program_pid: body.u32()?,
            start_ticks: body.u64()?,
            boot_id: body.text()?,
        })),
        FAILED => {
            let code = StartCode::from_name(&body.text()?);
            let errno = body.i32()?;
            let text = body.text()?;
            Ok(Err(StartFailure { code, errno, text }))
        }
        _ => Err(Malformed),
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn os(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_os_string()
}
