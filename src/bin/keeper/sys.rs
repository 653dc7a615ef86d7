//! System calls that neither std nor nix offers safely.
//! Never called from more than one thread: the keeper has one.

#![expect(
    unsafe_code,
    reason = "the system calls that nix does not wrap, each with its own reason below"
)]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{grantpt, posix_openpt, unlockpt};
use nix::sys::resource::Resource;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

/// Closes everything but standard input, output and error.
pub fn close_inherited() {
    // SAFETY: runs first in `main`, where nothing owns a descriptor above 2 yet, and in a forked
    // child that leaves without dropping anything.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// Blocks from this size on are given back to the system when they are freed, bytes.
#[cfg(target_env = "gnu")]
const LARGE: i32 = 128 * 1024;

/// Makes the heap give large blocks back at once: glibc raises its own bound to the largest block
/// that was ever freed, and a keeper that once held a prompt of some MiB would keep them.
pub fn settle_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes two numbers and touches the heap's own settings alone.
    let _taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Locks the file for the life of its open description. `Ok(false)`: another keeper holds it.
/// An open-file-description lock, because it can be tested without being taken.
pub fn lock(file: &File) -> io::Result<bool> {
    // SAFETY: an all-zero flock is a valid value: the whole file from its start.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = i16::try_from(libc::F_WRLCK).unwrap_or_default();
    match fcntl(file, FcntlArg::F_OFD_SETLK(&range)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens a terminal: master and slave, both close-on-exec from the first moment.
pub fn open_terminal(rows: u16, cols: u16) -> io::Result<(File, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    // SAFETY: the descriptor is a terminal master; the call gives a new descriptor or -1.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) };
    if slave < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else owns it.
    let slave = unsafe { OwnedFd::from_raw_fd(slave) };
    // SAFETY: the master gives its only descriptor away.
    let master = unsafe { File::from_raw_fd(master.into_raw_fd()) };
    resize(&master, rows, cols)?;
    Ok((master, slave))
}

/// Sets the size of a terminal; the program gets SIGWINCH.
pub fn resize(master: &File, rows: u16, cols: u16) -> io::Result<()> {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the structure outlives the call.
    let result = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Makes the terminal the controlling one of the calling session leader.
pub fn take_terminal(slave: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the call takes two integers.
    let result = unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Signals that a terminal or a closed pipe would send: none of them ends a keeper.
const IGNORED: [Signal; 11] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGPIPE,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGXFSZ,
];

/// Ignores [`IGNORED`] and blocks what the loop reads from its signal descriptor.
pub fn settle_signals() -> io::Result<SigSet> {
    for signo in IGNORED {
        // SAFETY: ignoring runs no handler.
        unsafe { signal(signo, SigHandler::SigIgn) }?;
    }
    let mut read = SigSet::empty();
    read.add(Signal::SIGCHLD);
    read.add(Signal::SIGTERM);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&read), None)?;
    Ok(read)
}

/// Gives a new program the signals as a fresh process expects them.
pub fn restore_signals() {
    for signo in Signal::iterator() {
        // SAFETY: the default action is no handler. SIGKILL and SIGSTOP refuse, which is right.
        let _refused = unsafe { signal(signo, SigHandler::SigDfl) };
    }
    let _kept = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Lets the kernel collect the calling process's dead children.
pub fn collect_by_itself() {
    // SAFETY: ignoring runs no handler.
    let _refused = unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) };
    let _kept = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Makes a descriptor of ours non-blocking.
pub fn unblock(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Sends a signal to a process number that cannot have been used again (our uncollected child),
/// or with a negative number to its group.
pub fn kill(pid: i32, signo: i32) -> io::Result<()> {
    // SAFETY: the call takes two integers.
    if unsafe { libc::kill(pid, signo) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sets a limit of a process: the one that a signal or an error tells of, and the last one.
#[expect(
    clippy::as_conversions,
    reason = "the discriminants of Resource are the numbers of libc, of the type of each system"
)]
pub fn limit(pid: i32, resource: Resource, (soft, hard): (u64, u64)) -> io::Result<()> {
    let limits = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    let old = std::ptr::null_mut();
    // SAFETY: the structure outlives the call, and the old limits are not asked for.
    if unsafe { libc::prlimit(pid, resource as _, &raw const limits, old) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether an extended attribute of this name says `1`.
pub fn is_marked(path: &Path, name: &CStr) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    let mut value = [0_u8; 1];
    let room = value.as_mut_ptr().cast();
    // SAFETY: both texts end in a zero, and the room is as long as is said.
    let length = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), room, value.len()) };
    length == 1 && value == *b"1"
}

/// Splits off a child: its number in the parent, `None` in the child.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: one thread only, so the child may do anything that the parent may.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Parent { child } => Ok(Some(child.as_raw())),
        nix::unistd::ForkResult::Child => Ok(None),
    }
}

/// Ends a forked child at once, without any clean-up of the parent's.
pub fn leave(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// The standard streams as plain descriptors, without std's buffers.
pub fn stdin() -> BorrowedFd<'static> {
    // SAFETY: 0 to 2 are open from start to end; they are only ever replaced, never closed.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// See [`stdin`].
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: see `stdin`.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// See [`stdin`].
pub fn stderr() -> BorrowedFd<'static> {
    // SAFETY: see `stdin`.
    unsafe { BorrowedFd::borrow_raw(2) }
}

/// What [`wait_any`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// A dead child, collected; the status as `waitpid` gives it (also of real-time signals).
    Ended { pid: i32, status: i32 },
    /// Children live, none is dead.
    None,
    /// There is no child at all.
    Nobody,
}

/// Collects one dead child without waiting.
pub fn wait_any() -> Waited {
    let mut status = 0;
    loop {
        // SAFETY: the status outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        return match pid {
            0 => Waited::None,
            -1 if Errno::last() == Errno::EINTR => continue,
            -1 => Waited::Nobody,
            pid => Waited::Ended { pid, status },
        };
    }
}

/// Whether a process ignores a signal, by its mask in `/proc`; `false` where that cannot be read.
pub fn ignores(pid: i32, signo: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signo - 1) & 1 == 1)
}
