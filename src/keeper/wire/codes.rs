//! The bytes that stand for the small enums of the frames.
//! Never renumbered: an old keeper lives through an upgrade of the server.

use super::bytes::Malformed;
use super::frame::{BlockReason, InputOutcome, InputState, Refusal, Target};

impl Target {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Program => 0,
            Self::Group => 1,
            Self::Tree => 2,
        }
    }

    /// Malformed: a target of a newer version.
    pub fn from_code(code: u8) -> Result<Self, Malformed> {
        match code {
            0 => Ok(Self::Program),
            1 => Ok(Self::Group),
            2 => Ok(Self::Tree),
            _ => Err(Malformed),
        }
    }
}

impl BlockReason {
    /// The byte on the wire; 0 stands for no reason in a [`super::frame::Status`].
    pub fn code(self) -> u8 {
        match self {
            Self::Cap => 1,
            Self::DiskFull => 2,
            Self::DiskError => 3,
        }
    }

    /// Malformed: 0, or a reason of a newer version.
    pub fn from_code(code: u8) -> Result<Self, Malformed> {
        match code {
            1 => Ok(Self::Cap),
            2 => Ok(Self::DiskFull),
            3 => Ok(Self::DiskError),
            _ => Err(Malformed),
        }
    }
}

impl InputState {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Accepted => 1,
            Self::Written => 2,
            Self::Unknown => 3,
        }
    }

    /// Malformed: a state of a newer version.
    pub fn from_code(code: u8) -> Result<Self, Malformed> {
        match code {
            0 => Ok(Self::None),
            1 => Ok(Self::Accepted),
            2 => Ok(Self::Written),
            3 => Ok(Self::Unknown),
            _ => Err(Malformed),
        }
    }
}

impl InputOutcome {
    /// Two bytes on the wire: the outcome, and the state or refusal that belongs to it.
    pub fn codes(self) -> (u8, u8) {
        match self {
            Self::Accepted => (1, 0),
            Self::Written => (2, 0),
            Self::Duplicate(state) => (3, state.code()),
            Self::Refused(Refusal::Full) => (4, 0),
            Self::Refused(Refusal::TooLarge) => (4, 1),
            Self::Refused(Refusal::Closed) => (4, 2),
            Self::Refused(Refusal::Disk) => (4, 3),
        }
    }

    /// Malformed: an outcome or refusal of a newer version.
    pub fn from_codes(code: u8, detail: u8) -> Result<Self, Malformed> {
        Ok(match (code, detail) {
            (1, _) => Self::Accepted,
            (2, _) => Self::Written,
            (3, state) => Self::Duplicate(InputState::from_code(state)?),
            (4, 0) => Self::Refused(Refusal::Full),
            (4, 1) => Self::Refused(Refusal::TooLarge),
            (4, 2) => Self::Refused(Refusal::Closed),
            (4, 3) => Self::Refused(Refusal::Disk),
            _ => return Err(Malformed),
        })
    }
}
