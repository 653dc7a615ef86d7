//! Handles on processes: a signal through one reaches the process that was looked at, or nobody.
//! Never signals a bare number; shared with the keeper's binary by `#[path]`.

#![expect(
    unsafe_code,
    reason = "pidfds and open-file-description locks have no safe wrapper in nix"
)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A process, pinned.
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

impl Pidfd {
    /// Opens the process that has this number now.
    pub fn open(pid: u32) -> io::Result<Self> {
        // SAFETY: the call takes two integers and gives a new descriptor or -1.
        let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_ulong::from(pid), 0) };
        let raw = i32::try_from(raw).map_err(io::Error::other)?;
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Sends a signal; an error of kind `ESRCH` says that the process has been collected.
    pub fn signal(&self, signo: i32) -> io::Result<()> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open and a null siginfo is allowed.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signo,
                none,
                0,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}
