//! Supervision by OTP's rules on actix: supervisors start, watch, restart and end children.
//! Never knows what a child does, and never relies on actix's own supervisor, which neither
//! restarts after a panic nor makes a fresh value.
//!
//! Two links tie a child to its supervisor. The [`Lifeline`] is held by the child: its drop, by
//! whatever cause, reports the end. The leash is held by the supervisor: its drop tells the
//! child's [`Tether`] that it is alone. What to do about an end is decided by a state machine
//! without clock or actors (`machine`, `restart`, `shutdown`); `supervisor` carries it out.
//!
//! Messages to an [`Addr<Supervisor>`](actix::Addr): [`StartChild`], [`TerminateChild`],
//! [`DeleteChild`], [`RestartChild`], [`WhichChildren`], [`CountChildren`], [`Tree`],
//! [`StopTree`], [`Stop`].

mod backoff;
mod child;
mod exit;
mod lifeline;
mod machine;
mod messages;
mod observer;
mod panic;
mod restart;
mod root;
mod shutdown;
mod slot;
mod spec;
mod supervisor;
mod tireless;
mod tree;
mod window;

pub use backoff::Backoff;
pub use child::{Child, Stop};
pub use exit::{ChildError, Exit, StartError};
pub use lifeline::{Lifeline, Tether};
pub use machine::ChildCounts;
pub use messages::{
    ChildInfo, ChildState, CountChildren, DeleteChild, RestartChild, StartChild, StateName,
    StopTree, TerminateChild, WhichChildren,
};
pub use observer::{Event, LogObserver, Observer, Record};
pub use panic::{install_panic_hook, replace_panic_hook};
pub use root::Root;
pub use spec::{
    AutoShutdown, ChildSpec, Kind, Restart, START_TIMEOUT, Shutdown, StartFn, Strategy,
    SupervisorSpec, WORKER_GRACE, start_fn,
};
pub use supervisor::Supervisor;
pub use tireless::tireless;
pub use tree::{Tree, TreeNode};
pub use window::{Intensity, RestartWindow};

#[cfg(test)]
mod tests;
