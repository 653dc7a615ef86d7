//! The response body of a WebSocket: gives its actor a fresh window each time the writer asks.
//!
//! Never asks the actor for more than the writer wants: being polled is the credit.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::Stream;

/// Bytes of frames that go into one chunk of the body (websockets.md: 8 KiB).
pub const WINDOW: usize = 8 * 1024;

/// Bytes that the actor has put into the chunk being made; shared by body and actor, which are one
/// task.
#[derive(Debug, Clone, Default)]
pub struct Window(Rc<Cell<usize>>);

impl Window {
    /// Whether another frame may go into this chunk.
    #[must_use]
    pub fn open(&self) -> bool {
        self.0.get() < WINDOW
    }

    /// Counts a frame.
    pub fn spend(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_add(bytes));
    }
}

/// A body over the actor's stream.
pub struct Paced<S> {
    inner: Pin<Box<S>>,
    window: Window,
}

impl<S> Paced<S> {
    /// Paces `inner` by `window`.
    pub fn new(inner: S, window: Window) -> Self {
        Self {
            inner: Box::pin(inner),
            window,
        }
    }
}

impl<S: Stream> Stream for Paced<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.window.0.set(0);
        self.inner.as_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_poll_opens_the_window_again() {
        let window = Window::default();
        let mut body = Paced::new(futures_util::stream::iter([1, 2]), window.clone());
        window.spend(WINDOW);
        assert!(!window.open());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_next(&mut cx).is_ready());
        assert!(window.open());
    }
}
