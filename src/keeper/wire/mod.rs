//! What the keeper and the server both know: frames, records, log segments, process identity.
//! Never names a crate: the keeper's binary compiles these files by `#[path]` and stays small.

pub mod bytes;
pub mod caps;
pub mod codes;
pub mod exec;
pub mod frame;
pub mod identity;
pub mod input;
pub mod record;
pub mod segments;
pub mod spec;
pub mod stream;

/// Protocol version of this build. A newer server speaks every older version.
pub const VERSION: u8 = 1;

/// Environment variable that carries the incarnation's random mark into every process of its tree.
pub const MARK_VAR: &str = "CALLBOARD_INCARNATION_MARK";

/// Longest id of an input frame, bytes.
pub const MAX_INPUT_ID: usize = 64;

/// Largest input a single frame may carry, bytes: a prompt of 1 MiB (decisions.md 4, Queue) as JSON
/// text, where each byte may take six.
pub const MAX_INPUT: usize = 7 * 1024 * 1024;

/// Longest body that a client may send, bytes: one input and its framing.
pub const MAX_CLIENT_BODY: usize = MAX_INPUT + 4096;

/// Longest body that a keeper may send, bytes: a data frame or an exit record and its framing.
pub const MAX_KEEPER_BODY: usize = 128 * 1024;

/// Longest body of a start frame, bytes; an environment beyond this does not fit `execve` either.
pub const MAX_SPEC_BODY: usize = 4 * 1024 * 1024;

/// Most output bytes in one data frame.
pub const MAX_DATA: usize = 64 * 1024;

/// Lines and bytes of standard error that an exit record keeps (reliability.md 1.2, exit report).
pub const STDERR_TAIL_LINES: usize = 20;
/// See [`STDERR_TAIL_LINES`].
pub const STDERR_TAIL_BYTES: usize = 16 * 1024;

/// File names inside an incarnation's directory.
pub mod file {
    /// Socket of the keeper, 0600.
    pub const SOCKET: &str = "sock";
    /// Locked by the keeper for as long as it lives.
    pub const LOCK: &str = "lock";
    /// Who runs here; written before the program runs its first instruction.
    pub const RECORD: &str = "record";
    /// How the program ended.
    pub const EXIT: &str = "exit";
    /// Space set aside at the start, so that a full disk cannot keep the exit record out.
    pub const EXIT_RESERVE: &str = "exit.reserve";
    /// Which inputs were accepted and written.
    pub const INPUT: &str = "in.rec";
    /// Standard error of a program on pipes; the newest part.
    pub const STDERR: &str = "err.log";
    /// The part before it.
    pub const STDERR_OLD: &str = "err.log.1";
}
