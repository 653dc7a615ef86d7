//! The edges on which an actor tells without waiting.
//!
//! Never used where the number of untold messages has no bound of its own: `do_send` ignores a
//! mailbox's bound (reliability.md finding 3).

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message};

/// Tells a peer of the same session's subtree. Bounded by construction: one session sends a
/// constant number of messages per commit, and every commit waits for the last. A closed mailbox
/// is no error: its next generation asks for what it needs.
pub(super) fn tell<A, M>(peer: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the one allowed place; see above"
    )]
    peer.do_send(message);
}
