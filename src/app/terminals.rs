//! Terminals and named sessions: finding one by its name, its screen, its keys, its end.
//!
//! Never types for somebody who may only look.

use tokio::sync::watch;

use super::{App, LogSlice, TtyMark, Verdicts};
use crate::domain::{
    Completion, Error, Incarnation, Kind, Principal, Result, Session, SessionId, Timestamp,
};
use crate::drivers::driver;
use crate::runtime::TTY_RING;
use crate::store::sessions;

/// Most bytes of a completion's word and of its comment.
const MAX_WORD: usize = 128;
const MAX_COMMENT: usize = 64 * 1024;
/// Most lines and characters of a terminal (contract/hammurabi.md 4).
const MAX_SIZE: u16 = 500;
/// Bytes at the beginning of a cut replay in which a line's end is looked for.
const LINE: usize = 4 * 1024;

/// A place in the output of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TtyPlace {
    /// Which life of the process; 0 before the first.
    pub incarnation: Incarnation,
    /// Offset in its log.
    pub offset: u64,
    /// The log's length at that moment.
    pub length: u64,
}

/// From where a terminal is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenStart {
    /// Its last bytes, as many as a ring holds, and then what comes.
    Tail,
    /// What comes from now on.
    Now,
    /// From this place on.
    At {
        /// Which life of the process; `None`: the latest.
        incarnation: Option<u64>,
        /// Offset in its log.
        offset: u64,
    },
}

/// What a person says of work that is done.
#[derive(Debug, Clone, Default)]
pub struct CompletionRequest {
    /// One word; `success` when absent.
    pub status: Option<String>,
    /// Free words.
    pub comment: Option<String>,
    /// What it cost.
    pub cost_usd: Option<serde_json::Number>,
}

impl App {
    /// The session that `who` means by a name: one of their own, or any that they may see by its
    /// id.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn session_named(&self, who: &Principal, name: &str) -> Result<Session> {
        let (owner, text) = (who.user, name.to_owned());
        let own = self
            .store()
            .read(move |conn| sessions::by_name(conn, owner, &text))
            .await?;
        if let Some(session) = own {
            return Ok(session);
        }
        let shown: String = name.chars().take(64).collect();
        let missing = |_| Error::not_found("session", shown.clone());
        let id: SessionId = name.parse().map_err(missing)?;
        self.readable(who, id).await.map_err(|error| {
            if matches!(error, Error::NotFound { .. }) {
                return Error::not_found("session", shown.clone());
            }
            error
        })
    }

    /// Whether agents of this kind are terminals.
    #[must_use]
    pub fn has_terminal(&self, kind: Kind) -> bool {
        driver(kind).has_terminal()
    }

    /// Where a terminal is shown from.
    ///
    /// # Errors
    /// `bad_cursor` for a process that there was not yet.
    pub async fn tty_place(
        &self,
        session: &Session,
        start: Option<ScreenStart>,
    ) -> Result<TtyPlace> {
        let latest = session.facts.incarnation;
        let incarnation = match start {
            Some(ScreenStart::At {
                incarnation: Some(number),
                ..
            }) => Incarnation(number),
            Some(_) | None => latest,
        };
        if incarnation > latest {
            return Err(Error::invalid(
                "bad_cursor",
                "incarnation",
                "the session had no such process yet",
                format!("a number up to {latest}"),
            ));
        }
        let runtime = self.runtime();
        let length = match runtime.log(session.id, Some(incarnation.0), 0, 0).await {
            Ok(slice) => slice.len,
            // It has printed nothing, or nothing of it is kept.
            Err(Error::NotFound { .. }) => 0,
            Err(error) => return Err(error),
        };
        let ring = u64::try_from(TTY_RING).unwrap_or(u64::MAX);
        let offset = match start {
            None | Some(ScreenStart::Now) => length,
            Some(ScreenStart::At { offset, .. }) => offset.min(length),
            Some(ScreenStart::Tail) if length <= ring => 0,
            Some(ScreenStart::Tail) => {
                self.line_after(session, incarnation, length.saturating_sub(ring))
                    .await?
            }
        };
        Ok(TtyPlace {
            incarnation,
            offset,
            length,
        })
    }

    /// The beginning of the first line behind this place, so that a replay does not begin amid a
    /// character or a control string.
    async fn line_after(&self, session: &Session, of: Incarnation, offset: u64) -> Result<u64> {
        let slice = self.tty(session, (of, offset), LINE).await?;
        let end = slice.bytes.iter().position(|byte| *byte == b'\n');
        let skip = end.and_then(|at| u64::try_from(at).ok()?.checked_add(1));
        Ok(slice.offset.saturating_add(skip.unwrap_or(0)))
    }

    /// Bytes of a terminal.
    ///
    /// # Errors
    /// `not_found` when there is no such log.
    pub async fn tty(
        &self,
        session: &Session,
        place: (Incarnation, u64),
        limit: usize,
    ) -> Result<LogSlice> {
        self.runtime().tty(session.id, place, limit).await
    }

    /// Tells of more bytes of a terminal.
    ///
    /// # Errors
    /// `not_found`, `restarting`.
    pub async fn tty_news(&self, session: &Session) -> Result<watch::Receiver<TtyMark>> {
        self.runtime().tty_news(session.id).await
    }

    /// Types at an agent's terminal.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `no_process`, `no_terminal`, `draining`.
    pub async fn type_in(&self, who: &Principal, id: SessionId, bytes: Vec<u8>) -> Result<()> {
        self.writable(who, id).await?;
        self.runtime().type_in(id, bytes).await
    }

    /// Gives an agent's terminal a new size: lines and characters, 1 to 500 each.
    ///
    /// # Errors
    /// As [`App::type_in`]; `bad_field`.
    pub async fn resize(
        &self,
        who: &Principal,
        id: SessionId,
        (rows, cols): (u16, u16),
    ) -> Result<()> {
        self.writable(who, id).await?;
        for (name, size) in [("rows", rows), ("cols", cols)] {
            if !(1..=MAX_SIZE).contains(&size) {
                let message = format!("a terminal cannot have {size} {name}");
                return Err(Error::invalid("bad_field", name, message, "1 to 500"));
            }
        }
        self.runtime().resize(id, (rows, cols)).await
    }

    /// Says that the work of a session is done; returns the record that stands, the first one.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `bad_field`, `still_running`.
    pub async fn complete(
        &self,
        who: &Principal,
        id: SessionId,
        request: CompletionRequest,
    ) -> Result<Completion> {
        let session = self.writable(who, id).await?;
        let completion = completion(request, &who.username, self.now())?;
        self.runtime()
            .complete(&session, completion, Verdicts::First)
            .await
    }

    /// Begins a session from the beginning; returns it after that.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `draining`, `timeout`.
    pub async fn reset(&self, who: &Principal, id: SessionId) -> Result<super::Overview> {
        let session = self.writable(who, id).await?;
        self.refuse_new_work()?;
        self.runtime().reset(&session, &who.username).await?;
        self.done(who, "agent.reset", id).await;
        self.agent(who, id).await
    }
}

fn completion(request: CompletionRequest, by: &str, at: Timestamp) -> Result<Completion> {
    let status = request.status.unwrap_or_else(|| "success".to_owned());
    let word = status.trim();
    let bad = |field: &'static str, expected: &str| {
        let message = format!("the field `{field}` does not fit");
        Err(Error::invalid("bad_field", field, message, expected))
    };
    if word.is_empty() || word.len() > MAX_WORD || word.contains(char::is_control) {
        return bad(
            "status",
            "success, failed, cancelled, partial, or a short word of your own",
        );
    }
    if request
        .comment
        .as_ref()
        .is_some_and(|text| text.len() > MAX_COMMENT)
    {
        return bad("comment", "at most 64 KiB");
    }
    let cost = request
        .cost_usd
        .as_ref()
        .and_then(serde_json::Number::as_f64);
    if cost.is_some_and(|cost| cost < 0.0) {
        return bad("costUsd", "a number that is not negative");
    }
    Ok(Completion {
        status: word.to_owned(),
        comment: request.comment,
        cost_usd: request.cost_usd,
        by: by.to_owned(),
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_is_a_success_unless_it_says_otherwise() {
        let read = |status: Option<&str>| {
            let request = CompletionRequest {
                status: status.map(str::to_owned),
                ..CompletionRequest::default()
            };
            completion(request, "ada", Timestamp(1)).map(|read| read.status)
        };
        assert_eq!(read(None).unwrap(), "success");
        assert_eq!(read(Some(" done ")).unwrap(), "done");
        assert!(read(Some("")).is_err());
        assert!(read(Some("a\nb")).is_err());
        assert!(read(Some(&"x".repeat(129))).is_err());
    }
}
