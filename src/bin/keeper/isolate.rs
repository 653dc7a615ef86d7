//! The namespaces of a program's tree: with the end of one process, its init, all of it ends.
//! Never half: where the system refuses a part, the start fails and says which part.
//!
//! The keeper stays outside. Its next child becomes the init of a new pid namespace, and every later
//! child is born into that namespace while it remains the keeper's own child, so that its number
//! and its end are seen as before (pid_namespaces(7), "unshare"). The program itself takes mount
//! and ipc namespaces and puts a /proc of its own over the old one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, Pid};

use crate::sys;
use crate::wire::spec::{Isolation, StartCode, StartFailure};

/// The step that the system refused, with its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub step: &'static str,
    pub errno: Errno,
}

impl From<Refused> for StartFailure {
    fn from(refused: Refused) -> Self {
        let (step, why) = (refused.step, refused.errno.desc());
        Self {
            code: StartCode::SpawnFailed,
            errno: raw(refused.errno),
            text: format!("the system refused {step}: {why}"),
        }
    }
}

/// Holds the init: it goes when this end of its pipe does, thus at the latest with the keeper.
#[derive(Debug)]
pub struct Leash {
    _end: OwnedFd,
}

/// Makes the namespaces that later children are born into. `None`: none are wanted.
pub fn prepare(isolation: Isolation) -> Result<Option<Leash>, Refused> {
    match isolation {
        Isolation::Group => return Ok(None),
        Isolation::Namespaces => {}
        Isolation::UserNamespaces => own_users()?,
    }
    step("a pid namespace", unshare(CloneFlags::CLONE_NEWPID))?;
    let (watched, end) = step("a pipe", unistd::pipe2(OFlag::O_CLOEXEC))?;
    let init = sys::fork().map_err(|error| refused("an init", &error))?;
    if init.is_none() {
        drop(end);
        be_init(watched);
    }
    Ok(Some(Leash { _end: end }))
}

/// The program's own part, before it is executed: its mounts, its ipc, its /proc.
pub fn enter() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC)?;
    let none = None::<&str>;
    // Mounts of the machine still arrive; ours stay here.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, none)
}

/// What the machine gives, one line for each kind: its name and `ok`, or the step and the reason.
pub fn probe() -> String {
    let mut lines = String::new();
    for isolation in [Isolation::Namespaces, Isolation::UserNamespaces] {
        let answer = match attempt(isolation) {
            Ok(()) => "ok".to_owned(),
            Err(refused) => format!("{}: {}", refused.step, refused.errno.desc()),
        };
        lines.push_str(&format!("{} {answer}\n", isolation.name()));
    }
    lines
}

/// Tries the whole way in a process of its own. Its exit code is the error's number; the step is
/// told by which of two codes the end has: the namespaces' or the mounts'.
fn attempt(isolation: Isolation) -> Result<(), Refused> {
    let (mut told, tell) = step("a pipe", unistd::pipe2(OFlag::O_CLOEXEC))
        .map(|(read, write)| (File::from(read), File::from(write)))?;
    let trial = sys::fork().map_err(|error| refused("a process", &error))?;
    let Some(pid) = trial else {
        drop(told);
        let outcome = rehearse(isolation);
        if let Err(refused) = outcome {
            let line = format!("{} {}", raw(refused.errno), refused.step);
            let _told = io::Write::write_all(&mut &tell, line.as_bytes());
        }
        sys::leave(0);
    };
    drop(tell);
    let mut line = String::new();
    let read = told.read_to_string(&mut line);
    let _collected = waitpid(Pid::from_raw(pid), None);
    read.map_err(|error| refused("a process", &error))?;
    match line.split_once(' ') {
        None => Ok(()),
        Some((number, words)) => Err(Refused {
            step: STEPS
                .iter()
                .find(|step| **step == words)
                .unwrap_or(&"a step"),
            errno: Errno::from_raw(number.parse().unwrap_or(0)),
        }),
    }
}

const STEPS: [&str; 6] = [
    "a user namespace",
    "a pid namespace",
    "a pipe",
    "an init",
    "a process",
    "mounts and a /proc of its own",
];

fn rehearse(isolation: Isolation) -> Result<(), Refused> {
    let _leash = prepare(isolation)?;
    let child = sys::fork().map_err(|error| refused("a process", &error))?;
    let Some(pid) = child else {
        sys::leave(enter().err().map_or(0, raw));
    };
    match waitpid(Pid::from_raw(pid), None) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, code)) => Err(Refused {
            step: "mounts and a /proc of its own",
            errno: Errno::from_raw(code),
        }),
        Ok(_) | Err(_) => Err(Refused {
            step: "a process",
            errno: Errno::ECHILD,
        }),
    }
}

/// A user namespace in which everybody is who he was. Root is not in it: programs that change
/// their user do not work below it.
fn own_users() -> Result<(), Refused> {
    let (uid, gid) = (unistd::geteuid(), unistd::getegid());
    step("a user namespace", unshare(CloneFlags::CLONE_NEWUSER))?;
    let write = |path: &str, text: String| {
        fs::write(path, text).map_err(|error| refused("a user namespace", &error))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

/// Process 1 of the tree. It collects whoever is left to it and waits for its keeper's end.
fn be_init(watched: OwnedFd) -> ! {
    let _kept = prctl::set_pdeathsig(Signal::SIGKILL);
    let _named = prctl::set_name(c"callboard-init");
    let _session = unistd::setsid();
    // What the keeper holds open, its lock and the server's pipe, must not live longer than it.
    if unistd::dup2_stdin(&watched).is_ok()
        && let Ok(null) = File::options().write(true).open("/dev/null")
    {
        let _replaced = unistd::dup2_stdout(&null);
        let _replaced = unistd::dup2_stderr(&null);
        // Before its number is closed with the others: std ends a process that closes one twice.
        drop(null);
        sys::close_inherited();
        sys::collect_by_itself();
        let mut nothing = [0_u8; 1];
        while let Err(Errno::EINTR) | Ok(1..) = unistd::read(sys::stdin(), &mut nothing) {}
    }
    sys::leave(0)
}

fn step<T>(step: &'static str, done: nix::Result<T>) -> Result<T, Refused> {
    done.map_err(|errno| Refused { step, errno })
}

fn refused(step: &'static str, error: &io::Error) -> Refused {
    let errno = Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    Refused { step, errno }
}

/// The number of an error.
#[expect(
    clippy::as_conversions,
    reason = "the discriminants of Errno are the numbers of libc"
)]
pub fn raw(errno: Errno) -> i32 {
    errno as i32
}
