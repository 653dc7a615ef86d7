//! The server's side of the keepers: find the binary, start one, talk to one, read what one left.
//! Never holds a child process and never ends an agent because a value was dropped.

mod binary;
mod connection;
mod dir;
mod logreader;
pub mod pidfd;
mod spawner;
mod stop;
mod sweep;
pub mod tree;
pub mod wire;

#[cfg(test)]
mod tests;

pub use binary::{BinaryError, KeeperBinary};
pub use connection::{ConnectError, ProtocolError, Reader, SendError, Writer, connect};
pub use dir::Dir;
pub use logreader::{Chunk, LogReader};
pub use spawner::{ProcessId, SpawnError, Spawner, Started};
pub use stop::{Outcome, Path as StopPath, stop_past};
pub use sweep::{Swept, sweep};
pub use wire::frame::{
    BlockReason, ClientFrame, Hello, InputOutcome, InputState, KeeperFrame, Refusal, Status, Target,
};
pub use wire::record::{ExitRecord, Record};
pub use wire::spec::{Limits, Mode, OnServerLoss, Spec, StartCode, StartFailure};
