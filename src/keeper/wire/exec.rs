//! What the two sides of an exec say beside the start frame and its refusal: input, a stop, the end.
//! Never a byte of the command's output: that has pipes of its own.

use super::bytes::{Malformed, Put, Take};
use super::stream::{RawFrame, frame};

const INPUT: u8 = 34;
const STOP: u8 = 35;
const ENDED: u8 = 99;

/// What the server says behind the start frame. The end of its stream ends the whole tree at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// All that the command reads; one frame, and only in the mode that has input.
    Input(Vec<u8>),
    /// The command is asked to end, and its tree is killed when the grace is over.
    Stop {
        /// Milliseconds.
        grace_ms: u64,
    },
}

impl Order {
    /// The frame with its header.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Input(bytes) => frame(INPUT, bytes),
            Self::Stop { grace_ms } => frame(STOP, &Put::default().u64(*grace_ms).0),
        }
    }

    /// Malformed: another kind, or a field that does not fit.
    pub fn decode(raw: &RawFrame) -> Result<Self, Malformed> {
        match raw.kind {
            INPUT => Ok(Self::Input(raw.body.clone())),
            STOP => Ok(Self::Stop {
                grace_ms: Take(&raw.body).u64()?,
            }),
            _ => Err(Malformed),
        }
    }
}

/// How a command ended. It is said when nothing of its tree is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Exit code; `None`: a signal ended it.
    pub code: Option<i32>,
    /// The signal.
    pub signal: Option<i32>,
    /// Whether the kernel killed in its tree for lack of memory.
    pub oom: bool,
}

impl End {
    /// The frame with its header.
    pub fn encode(&self) -> Vec<u8> {
        let field = |value: Option<i32>| value.unwrap_or(i32::MIN);
        let body = Put::default()
            .i32(field(self.code))
            .i32(field(self.signal))
            .u8(self.oom.into());
        frame(ENDED, &body.0)
    }

    /// Whether a frame is one of these.
    pub fn is(raw: &RawFrame) -> bool {
        raw.kind == ENDED
    }

    /// Malformed: another kind, or too short.
    pub fn decode(raw: &RawFrame) -> Result<Self, Malformed> {
        if !Self::is(raw) {
            return Err(Malformed);
        }
        let mut body = Take(&raw.body);
        let mut field = || Ok(Some(body.i32()?).filter(|value| *value != i32::MIN));
        Ok(Self {
            code: field()?,
            signal: field()?,
            oom: body.u8()? != 0,
        })
    }
}
