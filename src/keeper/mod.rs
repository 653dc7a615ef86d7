//! The server's side of the keepers: find the binary, start one, talk to one, read what one left.
//! Never holds a child process and never ends an agent because a value was dropped.
//!
//! What a loss costs. The keeper appends output before anybody sees it, but does not wait for the
//! disk: after a **power loss** the end of the log may be missing, so a reader clamps its offset to the
//! log's length, and an input that is not on record as written counts as unknown
//! ([`Dir::input_state`]). After the death of the **server** nothing is missing. After the death of a
//! **keeper** its program is dead, too; `sweep` ends the rest of the tree, and what the program had
//! written but the keeper had not yet read (at most a pipe's content) is gone.

#![expect(
    clippy::disallowed_methods,
    reason = "the one room that starts processes, on a thread of its own that may sleep"
)]

mod binary;
mod connection;
mod dir;
mod exec;
pub mod leaf;
mod logreader;
mod means;
pub mod pidfd;
mod reader;
mod spawner;
mod stop;
mod sweep;
pub mod tree;
pub mod wire;

#[cfg(test)]
mod tests;

pub use binary::{BinaryError, KeeperBinary};
pub use connection::{ConnectError, ProtocolError, SendError, Writer, connect};
pub use dir::Dir;
pub use exec::{ExecLine, ExecSpec, Execution};
pub use logreader::{Chunk, LogReader};
pub use means::{LimitMeans, Means};
pub use reader::Reader;
pub use spawner::{ProcessId, SpawnError, Spawner, Started};
pub use stop::{Outcome, Path as StopPath, stop_past};
pub use sweep::{Swept, clear_leaves, sweep};
pub use wire::caps::Caps;
pub use wire::exec::End;
pub use wire::frame::{
    BlockReason, ClientFrame, Hello, InputOutcome, InputState, KeeperFrame, Refusal, Status, Target,
};
pub use wire::record::{ExitRecord, Record};
pub use wire::spec::{Isolation, Limits, Mode, OnServerLoss, Spec, StartCode, StartFailure};
