//! The feed of a terminal: its last bytes, and the news that there are more.
//!
//! Never a numbered event: bytes have their offset in the process's log.

use actix::prelude::*;
use tokio::sync::watch;

use crate::crash;
use crate::domain::Incarnation;

use super::super::tty::TtyMark;
use super::Feed;

/// Bytes of the terminal as they come, before anybody has understood them.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::runtime) struct Printed {
    pub incarnation: Incarnation,
    /// Of the first byte.
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// Read the bytes that are held; `None`: they are not here.
#[derive(Message)]
#[rtype(result = "Option<Vec<u8>>")]
pub(in crate::runtime) struct ReadTty {
    pub incarnation: Incarnation,
    pub offset: u64,
    /// At most so many.
    pub limit: usize,
}

/// Hear of more. The channel closes when this feed is being replaced.
#[derive(Message)]
#[rtype(result = "watch::Receiver<TtyMark>")]
pub(in crate::runtime) struct TtyNews;

impl Handler<Printed> for Feed {
    type Result = ();

    fn handle(&mut self, printed: Printed, _ctx: &mut Self::Context) {
        crash::point("feed.Printed");
        self.tty
            .push(printed.incarnation, printed.offset, &printed.bytes);
        let mark = self.tty.mark();
        let newest = mark.incarnation.max(self.tty_news.borrow().incarnation);
        self.tty_news.send_replace(TtyMark {
            incarnation: newest,
            ..mark
        });
    }
}

impl Handler<ReadTty> for Feed {
    type Result = Option<Vec<u8>>;

    fn handle(&mut self, read: ReadTty, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("feed.ReadTty");
        self.readers.touch();
        self.tty.read(read.incarnation, read.offset, read.limit)
    }
}

impl Handler<TtyNews> for Feed {
    type Result = MessageResult<TtyNews>;

    fn handle(&mut self, _message: TtyNews, _ctx: &mut Self::Context) -> Self::Result {
        crash::point("feed.TtyNews");
        MessageResult(self.tty_news.subscribe())
    }
}
