//! Cuts a stream of bytes into frames: kind (1), length of the body (4, big-endian), body.
//! Never holds more than one frame and one read.

/// Bytes before a body.
pub const HEADER: usize = 5;

/// Memory that a decoder keeps between frames, bytes.
const HELD: usize = 4096;

/// A frame as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// What the body means; each direction has its own numbers.
    pub kind: u8,
    /// Without the header.
    pub body: Vec<u8>,
}

/// The announced body is longer than the side allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Bytes, as the header says.
    pub announced: u32,
}

/// Cuts a stream of bytes into frames; holds at most one frame and one read.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    buffer: Vec<u8>,
}

impl Decoder {
    /// `limit`: longest body accepted, bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: Vec::new(),
        }
    }

    /// Appends what was read; take the frames out before the next read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame. After an error the stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<RawFrame>, TooLong> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [kind, a, b, c, d] = *head;
        let announced = u32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(TooLong { announced });
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let body = body.to_vec();
        self.buffer.drain(..HEADER + length);
        if self.buffer.capacity() > HELD && self.buffer.len() < HELD {
            self.buffer.shrink_to(HELD);
        }
        Ok(Some(RawFrame { kind, body }))
    }
}

/// Header of a frame with a body of `length` bytes.
pub fn header(kind: u8, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [kind, a, b, c, d]
}

/// A whole frame.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = header(kind, body.len()).to_vec();
    out.extend_from_slice(body);
    out
}
