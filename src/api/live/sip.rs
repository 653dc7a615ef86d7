//! The input of a WebSocket in sips: no more is read than the actor has handled, plus a bound.
//!
//! Never below the largest frame, and never on in one that is larger: the codec refuses such a
//! frame only once it holds all of it, which it never will, so its length is read here.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::MAX_FRAME;
use super::speech::Limit;

/// Bytes that may be read and not handled (websockets.md: 128 KiB, twice the frame limit), above the
/// largest frame where that is larger.
pub const SIP: usize = 128 * 1024;

/// Bytes that were read and not handled yet; shared by the input and the actor, one task.
#[derive(Debug, Clone, Default)]
pub struct Unhandled(Rc<Cell<usize>>);

impl Unhandled {
    /// Bytes of a masked frame with this payload (RFC 6455 5.2).
    #[must_use]
    pub fn size(payload: usize) -> usize {
        let head = match payload {
            0..=125 => 6,
            126..=65_535 => 8,
            _ => 14,
        };
        payload.saturating_add(head)
    }

    /// Counts so many bytes as handled.
    pub fn done(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

/// A limited input.
pub struct Sip<S, F> {
    inner: S,
    unhandled: Unhandled,
    sip: usize,
    frames: Frames,
    /// Called once, when a frame is too large; nothing is read from then on.
    refuse: Option<F>,
}

impl<S, F> Sip<S, F> {
    /// Limits `inner`; `refuse` hears of a frame whose payload is larger than the limit.
    pub fn new(inner: S, (unhandled, limit): (Unhandled, Limit), refuse: F) -> Self {
        let sip = match limit.most() {
            ..=MAX_FRAME => SIP,
            most => most.saturating_add(SIP),
        };
        Self {
            inner,
            unhandled,
            sip,
            frames: Frames::new(limit),
            refuse: Some(refuse),
        }
    }
}

impl<S, E, F> Stream for Sip<S, F>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    F: FnOnce() + Unpin,
{
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.refuse.is_none() || self.unhandled.0.get() >= self.sip {
            // Sound without a waker: at this bound the decoder holds a whole message, and the
            // input is asked again after each one that is handled.
            return Poll::Pending;
        }
        let next = Pin::new(&mut self.inner).poll_next(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &next {
            let taken = &self.unhandled.0;
            taken.set(taken.get().saturating_add(chunk.len()));
            if self.frames.too_large(chunk) {
                if let Some(refuse) = self.refuse.take() {
                    refuse();
                }
                return Poll::Pending;
            }
        }
        next
    }
}

/// Follows the frames in a stream of bytes by their heads (RFC 6455 5.2).
struct Frames {
    limit: Limit,
    /// Bytes of the payload under way that are still to come.
    payload: u64,
    head: Vec<u8>,
}

impl Frames {
    fn new(limit: Limit) -> Self {
        Self {
            limit,
            payload: 0,
            head: Vec::with_capacity(14),
        }
    }

    /// Takes the next bytes; `true` as soon as a head announces too much.
    fn too_large(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.payload)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            self.payload = self
                .payload
                .saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((byte, rest)) = bytes.split_first() else {
                return false;
            };
            self.head.push(*byte);
            bytes = rest;
            if let Some(length) = self.length() {
                if length > u64::try_from(self.limit.now()).unwrap_or(u64::MAX) {
                    return true;
                }
                self.payload = length;
                self.head.clear();
            }
        }
        false
    }

    /// The payload's length once the head is whole, its mask included.
    fn length(&self) -> Option<u64> {
        let second = *self.head.get(1)?;
        let mask = if second & 0x80 == 0 { 0_usize } else { 4 };
        let (from, to) = match second & 0x7f {
            126 => (2, 4),
            127 => (2, 10),
            _ => (1, 2),
        };
        let number = self.head.get(from..to)?;
        let whole = self.head.len() == to.saturating_add(mask);
        let length = number.iter().enumerate().fold(0_u64, |sum, (at, byte)| {
            let byte = if to == 2 && at == 0 {
                byte & 0x7f
            } else {
                *byte
            };
            sum.wrapping_shl(8) | u64::from(byte)
        });
        whole.then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked text frame's head, and so many bytes behind it.
    fn frame(payload: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match u16::try_from(payload) {
            Ok(small @ ..126) => bytes.push(0x80 | u8::try_from(small).unwrap()),
            Ok(middle) => {
                bytes.push(0x80 | 126);
                bytes.extend(middle.to_be_bytes());
            }
            Err(_) => {
                bytes.push(0x80 | 127);
                bytes.extend(u64::try_from(payload).unwrap().to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(vec![0; payload]);
        bytes
    }

    proptest::proptest! {
        #[test]
        fn the_first_frame_over_the_bound_is_seen(
            sizes in proptest::collection::vec(0_usize..300_000, 1..6),
            piece in 1_usize..70_000,
        ) {
            let max = 150_000_usize;
            let stream: Vec<u8> = sizes.iter().flat_map(|size| frame(*size)).collect();
            let mut frames = Frames::new(Limit::new(max, max));
            let seen = stream.chunks(piece).any(|chunk| frames.too_large(chunk));
            proptest::prop_assert_eq!(seen, sizes.iter().any(|size| *size > max));
        }
    }

    fn poll<F: FnOnce() + Unpin>(
        sip: &mut Sip<impl Stream<Item = Result<Bytes, ()>> + Unpin, F>,
    ) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        Pin::new(sip).poll_next(&mut cx).is_ready()
    }

    #[test]
    fn reading_stops_at_the_bound_and_goes_on_when_messages_are_handled() {
        let unhandled = Unhandled::default();
        let chunks = std::iter::repeat_with(|| Ok(Bytes::from(vec![0; 32 * 1024])));
        let chunks = futures_util::stream::iter(chunks);
        let mut sip = Sip::new(
            chunks,
            (unhandled.clone(), Limit::new(MAX_FRAME, MAX_FRAME)),
            || (),
        );
        for _ in 0..4 {
            assert!(poll(&mut sip));
        }
        assert!(!poll(&mut sip));
        unhandled.done(10);
        assert!(poll(&mut sip));
    }
}
