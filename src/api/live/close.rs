//! Why a connection is closed, with the code and the reason on the wire.
//!
//! Never a code that says less than the server knows.

/// Why the server closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// The token was revoked or has expired: 4001.
    AuthEnded,
    /// What the person may do has changed; the token stands, and a new connection has the new
    /// rights: 1012.
    RightsChanged,
    /// The reader was over the bound for the grace of an overflow: 4008.
    TooSlow,
    /// A frame was larger than the bound: 1009.
    TooLarge,
    /// The frames broke the protocol: 1002.
    Protocol,
    /// The server failed over it: 1011.
    Internal,
    /// The server stops: 1001.
    Draining,
    /// Two pings stayed without an answer: 1001.
    Silent,
    /// The process of the one session that the connection is about is gone, and no other comes by
    /// itself: 1000.
    SessionEnded,
    /// A person ended that session: 1000.
    SessionKilled,
    /// There is no such session: 4004.
    NotFound,
    /// What the connection asked for when it opened was refused; an error frame says why: 1008.
    Refused,
    /// A part of the server is away: 1013.
    Later,
    /// The client closed; its code is echoed.
    Echo(u16),
}

impl Close {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::AuthEnded => 4001,
            Self::RightsChanged => 1012,
            Self::TooSlow => 4008,
            Self::TooLarge => 1009,
            Self::Protocol => 1002,
            Self::Internal => 1011,
            Self::Draining | Self::Silent => 1001,
            Self::SessionEnded | Self::SessionKilled => 1000,
            Self::NotFound => 4004,
            Self::Refused => 1008,
            Self::Later => 1013,
            Self::Echo(code) => code,
        }
    }

    /// A stable word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AuthEnded => "auth_ended",
            Self::RightsChanged => "rights_changed",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::Protocol => "protocol",
            Self::Internal => "internal",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::SessionEnded => "session_ended",
            Self::SessionKilled => "session_killed",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Later => "later",
            Self::Echo(_) => "closed",
        }
    }

    /// The reason on the wire.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::AuthEnded => "authentication ended",
            Self::RightsChanged => "rights changed, connect again",
            Self::TooSlow => "too slow",
            Self::TooLarge => "frame too large",
            Self::Protocol => "protocol error",
            Self::Internal => "internal error",
            Self::Draining => "server is stopping",
            Self::Silent => "no answer to pings",
            Self::SessionEnded => "Session ended",
            Self::SessionKilled => "Session killed",
            Self::NotFound => "Session not found",
            Self::Refused => "refused",
            Self::Later => "try again later",
            Self::Echo(_) => "",
        }
    }
}
