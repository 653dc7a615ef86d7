//! What a built-in agent program does to itself: dying by a signal and leaving a process behind.
//!
//! Never called by the server; these are the faults that scenarios play.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

/// Ends this process by a signal, without a core file. The signal gets its default action first:
/// the language's runtime handles SIGSEGV and ignores SIGPIPE.
///
/// # Errors
/// When the number is no signal or the signal did not end the process.
pub fn die_by(number: i32) -> io::Result<()> {
    let signal = Signal::try_from(number)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    if !matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        #[expect(unsafe_code, reason = "the default action runs no code of ours")]
        // SAFETY: as said.
        unsafe { sigaction(signal, &default) }?;
        let mut only = SigSet::empty();
        only.add(signal);
        only.thread_unblock()?;
    }
    raise(signal)?;
    Err(io::Error::other("the signal did not end the process"))
}

/// Where a process that is left behind belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// In this process's session and group: a signal to the group reaches it.
    Same,
    /// In a session of its own.
    OwnSession,
}

/// Starts a process that does nothing for `seconds`, with no stream of ours, and does not wait
/// for it. Returns its pid as this process sees it.
///
/// # Errors
/// When it cannot be started.
pub fn leave_behind(seconds: u32, kin: Kin) -> io::Result<u32> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a scenario asks for a stray process"
    )]
    let mut command = Command::new("sleep");
    command
        .arg(seconds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if kin == Kin::OwnSession {
        #[expect(unsafe_code, reason = "setsid(2) is async-signal-safe")]
        // SAFETY: as said, and it touches no memory of ours.
        unsafe {
            command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(io::Error::from));
        }
    }
    command.spawn().map(|child| child.id())
}
