//! Ctrl-C of the client.
//!
//! Never handled in a signal handler: the signals are blocked and a thread waits for them.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::failure::{Exit, Failure};

/// Blocked signals that wait for somebody who takes them.
#[derive(Debug)]
pub struct Held {
    set: SigSet,
}

/// Blocks these signals in this thread and all that it starts later: to be called before the
/// first of them. Programs that are started inherit that, so a server begins with [`release`].
///
/// # Errors
/// When the system refuses.
pub fn hold(signals: &[Signal]) -> Result<Held, Failure> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block().map_err(|error| {
        Failure::new(Exit::Failed, "signals cannot be taken").because(error.to_string())
    })?;
    Ok(Held { set })
}

/// Lets every signal through in this thread, whatever the parent process had blocked.
///
/// # Errors
/// When the system refuses.
pub fn release() -> Result<(), Failure> {
    SigSet::empty().thread_set_mask().map_err(|error| {
        Failure::new(Exit::Failed, "signals cannot be let through").because(error.to_string())
    })
}

impl Held {
    /// The same signals as a descriptor to poll.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn descriptor(&self) -> Result<SignalFd, Failure> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&self.set, flags).map_err(|error| {
            Failure::new(Exit::Failed, "signals cannot be taken").because(error.to_string())
        })
    }

    /// Calls `act` for each signal from now on, in a thread of its own, with its number in the
    /// row, from 1.
    pub fn each(self, mut act: impl FnMut(u32) + Send + 'static) {
        std::thread::spawn(move || {
            let mut count = 0_u32;
            while self.set.wait().is_ok() {
                count = count.saturating_add(1);
                act(count);
            }
        });
    }
}

/// Ends this process now as Ctrl-C does.
pub fn quit() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
}
