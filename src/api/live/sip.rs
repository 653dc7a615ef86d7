//! The input of a WebSocket in sips: no more is read than the actor has handled, plus a bound.
//!
//! Never below the largest frame, or one large frame would wait for itself.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

/// Bytes that may be read and not handled (websockets.md: 128 KiB, twice the frame limit).
pub const SIP: usize = 128 * 1024;

/// Bytes that were read and not handled yet; shared by the input and the actor, one task.
#[derive(Debug, Clone, Default)]
pub struct Unhandled(Rc<Cell<usize>>);

impl Unhandled {
    /// Counts a handled message by its payload, as a masked frame (RFC 6455 5.2).
    pub fn handled(&self, payload: usize) {
        let head = match payload {
            0..=125 => 6,
            126..=65_535 => 8,
            _ => 14,
        };
        let left = self.0.get().saturating_sub(payload.saturating_add(head));
        self.0.set(left);
    }
}

/// A limited input.
pub struct Sip<S> {
    inner: S,
    unhandled: Unhandled,
}

impl<S> Sip<S> {
    /// Limits `inner`.
    pub fn new(inner: S, unhandled: Unhandled) -> Self {
        Self { inner, unhandled }
    }
}

impl<S, E> Stream for Sip<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.unhandled.0.get() >= SIP {
            // Sound without a waker: at this bound the decoder holds a whole message, and the
            // input is asked again after each one that is handled.
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            let taken = &self.unhandled.0;
            taken.set(taken.get().saturating_add(chunk.len()));
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(sip: &mut Sip<impl Stream<Item = Result<Bytes, ()>> + Unpin>) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(sip).poll_next(&mut cx).is_ready()
    }

    #[test]
    fn reading_stops_at_the_bound_and_goes_on_when_messages_are_handled() {
        let unhandled = Unhandled::default();
        let chunks = std::iter::repeat_with(|| Ok(Bytes::from(vec![0; 32 * 1024])));
        let mut sip = Sip::new(futures_util::stream::iter(chunks), unhandled.clone());
        for _ in 0..4 {
            assert!(poll(&mut sip));
        }
        assert!(!poll(&mut sip));
        unhandled.handled(10);
        assert!(poll(&mut sip));
    }
}
