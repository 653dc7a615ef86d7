//! Frames of the keeper's socket: kind (1), length of the body (4, big-endian), body.
//! Never trusts the other side: unknown kinds are skipped, extra fields at a body's end are ignored.

use super::bytes::{Malformed, Put, Take};
use super::record::ExitRecord;
use super::stream::{RawFrame, frame};

/// What a client (the server, or an `attach`) says to a keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// First frame of a connection: the newest version that the client speaks.
    Hello {
        /// A keeper refuses a client older than itself; a newer server speaks the keeper's version.
        version: u8,
    },
    /// Send the log from this absolute offset on, and follow it.
    Attach {
        /// First byte wanted. Below the oldest kept one the data begin later; beyond the end is the
        /// error `offset_ahead`.
        offset: u64,
    },
    /// Bytes for the program's input. An empty id (raw keys of a terminal) is neither recorded nor answered.
    Input {
        /// Chosen by the client, at most [`super::MAX_INPUT_ID`] bytes; a repeated one is dropped.
        id: Vec<u8>,
        /// At most [`super::MAX_INPUT`] bytes, handed over as they are.
        data: Vec<u8>,
    },
    /// Everything below this offset is safe with the server; the keeper may let go of it.
    Ack {
        /// Absolute; the first byte that may still be asked for again.
        offset: u64,
    },
    /// A signal outside the stop ladder, such as an interrupt.
    Signal {
        /// 1 to 64; anything else is the error `bad_signal`.
        signo: i32,
        /// Who gets it.
        target: Target,
    },
    /// A new size of the terminal; on pipes the error `no_terminal`.
    Resize {
        /// Lines of text.
        rows: u16,
        /// Characters in a line.
        cols: u16,
    },
    /// End of the program's input, after what is queued.
    CloseStdin,
    /// SIGTERM to the group; after the grace SIGKILL to the whole tree.
    Stop {
        /// Who asked; stands in the exit record.
        by: String,
        /// Milliseconds between the two signals.
        grace_ms: u64,
    },
    /// SIGKILL to the whole tree now.
    Kill {
        /// Who asked; stands in the exit record.
        by: String,
    },
    /// Asks what became of an input; answered from the record on disk.
    InputStatus {
        /// The id that the input was sent with.
        id: Vec<u8>,
    },
    /// Asks for the figures of [`Status`].
    Status,
    /// The server has stored the exit record: the keeper may end.
    ExitAck,
}

/// Whom a signal goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The one process that the keeper started.
    Program,
    /// The process group of the program; on a terminal what it has put into others is not reached.
    Group,
    /// Every process below the keeper, found by parentage.
    Tree,
}

/// What a keeper says to its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeeperFrame {
    /// First frame of a connection, in answer to the client's.
    Hello(Hello),
    /// Output bytes at an absolute offset. An offset above the one asked for is a gap: the log begins later.
    Data {
        /// Of the first of these bytes.
        offset: u64,
        /// As the program wrote them; cut anywhere, also inside a character.
        bytes: Vec<u8>,
    },
    /// Answer to an input with an id. Comes again as `Written` after `Accepted`.
    InputAck {
        /// The id that the input was sent with.
        id: Vec<u8>,
        /// How far it has come.
        outcome: InputOutcome,
    },
    /// Answer to the question of the same name.
    InputStatus {
        /// The id that was asked for.
        id: Vec<u8>,
        /// What the record says.
        state: InputState,
    },
    /// The program's output is no longer read; nothing is lost, the program waits.
    Blocked {
        /// What it waits for.
        reason: BlockReason,
    },
    /// The output is read again.
    Unblocked,
    /// The program has ended and its tree is gone. Comes after the last data frame of an attached
    /// client, and to a client that asked for the end. Once more when `drained` has become true.
    Exit(ExitRecord),
    /// A frame could not be carried out. The connection goes on, unless no frame after it could be
    /// understood: a refused greeting, a malformed or too long frame.
    Error {
        /// Stable name, for programs.
        code: String,
        /// For the log.
        text: String,
    },
    /// Answer to the question of the same name.
    Status(Status),
}

/// A keeper's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The protocol's version on this connection.
    pub version: u8,
    /// Process number of the keeper that speaks.
    pub keeper_pid: u32,
    /// Process number of the program; of a dead one it may belong to another by now.
    pub program_pid: u32,
    /// Start time of the program in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_ticks: u64,
    /// Offset of the oldest output byte that is kept, and of the end.
    pub base: u64,
    /// Absolute offset behind the newest output byte.
    pub length: u64,
    /// The program has ended; the exit frame follows.
    pub exited: bool,
    /// Which life of the session's process this is.
    pub incarnation: u64,
    /// Value of [`super::MARK_VAR`] in this tree.
    pub mark: String,
}

/// Figures of a running keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Absolute offset of the oldest output byte that is kept.
    pub base: u64,
    /// Absolute offset behind the newest output byte.
    pub length: u64,
    /// Highest offset that a client has acknowledged.
    pub acked: u64,
    /// The program has ended.
    pub exited: bool,
    /// Why the output is not read at the moment; `None` while it is.
    pub blocked: Option<BlockReason>,
    /// Connections that have been greeted.
    pub clients: u32,
    /// Bytes of input that the program has not taken yet.
    pub queued_input: u64,
}

/// Why the program's output is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockReason {
    /// The log is at its cap with bytes that nobody has acknowledged.
    Cap,
    /// No space on the device, or the quota is used up.
    DiskFull,
    /// The log could not be written for another reason.
    DiskError,
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputState {
    /// The record knows no such id.
    None,
    /// Recorded; none, some or all of its bytes have reached the program's input.
    Accepted,
    /// Its last byte has been written to the program's input.
    Written,
    /// The record cannot tell (unreadable, or older than a power loss).
    Unknown,
}

/// Answer to an input frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputOutcome {
    /// Recorded; its bytes wait for the program to read them.
    Accepted,
    /// Its last byte is with the program's input.
    Written,
    /// The id was seen before and its bytes are dropped; what became of the first one.
    Duplicate(InputState),
    /// Nothing of it was recorded, and the id may be used again.
    Refused(Refusal),
}

/// Why an input was not taken; nothing of it reaches the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too much input waits for the program to read.
    Full,
    /// Larger than [`super::MAX_INPUT`], or its id is longer than [`super::MAX_INPUT_ID`].
    TooLarge,
    /// The program has ended or its input is closed.
    Closed,
    /// `accepted` could not be recorded.
    Disk,
}

/// Kind of a data frame; the keeper writes its body straight from the log.
pub const DATA: u8 = 66;

impl ClientFrame {
    /// The whole frame with its header. Cannot fail; callers bound the fields.
    pub fn encode(&self) -> Vec<u8> {
        let put = Put::default();
        let (kind, body) = match self {
            Self::Hello { version } => (1, put.u8(*version)),
            Self::Attach { offset } => (2, put.u64(*offset)),
            Self::Input { id, data } => (3, put.block(id).rest(data)),
            Self::Ack { offset } => (4, put.u64(*offset)),
            Self::Signal { signo, target } => (5, put.i32(*signo).u8(target.code())),
            Self::Resize { rows, cols } => (6, put.u16(*rows).u16(*cols)),
            Self::CloseStdin => (7, put),
            Self::Stop { by, grace_ms } => (8, put.u64(*grace_ms).block(by.as_bytes())),
            Self::Kill { by } => (9, put.block(by.as_bytes())),
            Self::InputStatus { id } => (10, put.block(id)),
            Self::Status => (11, put),
            Self::ExitAck => (12, put),
        };
        frame(kind, &body.0)
    }

    /// `None`: a kind that this version does not know.
    pub fn decode(raw: &RawFrame) -> Result<Option<Self>, Malformed> {
        let mut body = Take(&raw.body);
        Ok(Some(match raw.kind {
            1 => Self::Hello {
                version: body.u8()?,
            },
            2 => Self::Attach {
                offset: body.u64()?,
            },
            3 => Self::Input {
                id: body.block()?.to_vec(),
                data: body.rest().to_vec(),
            },
            4 => Self::Ack {
                offset: body.u64()?,
            },
            5 => Self::Signal {
                signo: body.i32()?,
                target: Target::from_code(body.u8()?)?,
            },
            6 => Self::Resize {
                rows: body.u16()?,
                cols: body.u16()?,
            },
            7 => Self::CloseStdin,
            8 => {
                let grace_ms = body.u64()?;
                let by = body.text()?;
                Self::Stop { by, grace_ms }
            }
            9 => Self::Kill { by: body.text()? },
            10 => Self::InputStatus {
                id: body.block()?.to_vec(),
            },
            11 => Self::Status,
            12 => Self::ExitAck,
            _ => return Ok(None),
        }))
    }
}

impl KeeperFrame {
    /// The whole frame with its header. Cannot fail; the fields are the keeper's own.
    pub fn encode(&self) -> Vec<u8> {
        let put = Put::default();
        let (kind, body) = match self {
            Self::Hello(hello) => (65, hello.put(put)),
            Self::Data { offset, bytes } => (DATA, put.u64(*offset).rest(bytes)),
            Self::InputAck { id, outcome } => {
                let (code, detail) = outcome.codes();
                (67, put.block(id).u8(code).u8(detail))
            }
            Self::InputStatus { id, state } => (68, put.block(id).u8(state.code())),
            Self::Blocked { reason } => (69, put.u8(reason.code())),
            Self::Unblocked => (70, put),
            Self::Exit(record) => (71, put.block(record.encode().as_bytes())),
            Self::Error { code, text } => (72, put.block(code.as_bytes()).block(text.as_bytes())),
            Self::Status(status) => (73, status.put(put)),
        };
        frame(kind, &body.0)
    }

    /// `None`: a kind that this version does not know.
    pub fn decode(raw: &RawFrame) -> Result<Option<Self>, Malformed> {
        let mut body = Take(&raw.body);
        Ok(Some(match raw.kind {
            65 => Self::Hello(Hello::take(&mut body)?),
            DATA => Self::Data {
                offset: body.u64()?,
                bytes: body.rest().to_vec(),
            },
            67 => Self::InputAck {
                id: body.block()?.to_vec(),
                outcome: InputOutcome::from_codes(body.u8()?, body.u8()?)?,
            },
            68 => Self::InputStatus {
                id: body.block()?.to_vec(),
                state: InputState::from_code(body.u8()?)?,
            },
            69 => Self::Blocked {
                reason: BlockReason::from_code(body.u8()?)?,
            },
            70 => Self::Unblocked,
            71 => Self::Exit(ExitRecord::decode(&body.text()?).ok_or(Malformed)?),
            72 => Self::Error {
                code: body.text()?,
                text: body.text()?,
            },
            73 => Self::Status(Status::take(&mut body)?),
            _ => return Ok(None),
        }))
    }
}

impl Hello {
    fn put(&self, put: Put) -> Put {
        put.u8(self.version)
            .u32(self.keeper_pid)
            .u32(self.program_pid)
            .u64(self.start_ticks)
            .u64(self.base)
            .u64(self.length)
            .u8(u8::from(self.exited))
            .u64(self.incarnation)
            .block(self.mark.as_bytes())
    }

    fn take(body: &mut Take<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            version: body.u8()?,
            keeper_pid: body.u32()?,
            program_pid: body.u32()?,
            start_ticks: body.u64()?,
            base: body.u64()?,
            length: body.u64()?,
            exited: body.u8()? != 0,
            incarnation: body.u64()?,
            mark: body.text()?,
        })
    }
}

impl Status {
    fn put(&self, put: Put) -> Put {
        put.u64(self.base)
            .u64(self.length)
            .u64(self.acked)
            .u8(u8::from(self.exited))
            .u8(self.blocked.map_or(0, BlockReason::code))
            .u32(self.clients)
            .u64(self.queued_input)
    }

    fn take(body: &mut Take<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            base: body.u64()?,
            length: body.u64()?,
            acked: body.u64()?,
            exited: body.u8()? != 0,
            blocked: match body.u8()? {
                0 => None,
                code => Some(BlockReason::from_code(code)?),
            },
            clients: body.u32()?,
            queued_input: body.u64()?,
        })
    }
}
