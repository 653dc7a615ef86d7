//! What a supervisor holds of a living child: how to ask it to stop.
//! Never keeps a child alive by force, and never ends what the child owns outside.

use actix::{Addr, Message, Recipient, dev::SendError};
use tokio::sync::oneshot;

use super::Supervisor;

/// The polite stop: end in order, then drop the lifeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Stop;

/// A living child, as its start function hands it over.
#[derive(Debug)]
pub struct Child {
    stop: StopLine,
    supervisor: Option<Addr<Supervisor>>,
}

#[derive(Debug)]
enum StopLine {
    Mailbox(Recipient<Stop>),
    Task(Option<oneshot::Sender<Stop>>),
}

impl Child {
    /// A child that is an actor.
    #[must_use]
    pub fn worker(stop: impl Into<Recipient<Stop>>) -> Self {
        Self {
            stop: StopLine::Mailbox(stop.into()),
            supervisor: None,
        }
    }

    /// A child that is a plain task with the other end of this channel.
    #[must_use]
    pub fn task(stop: oneshot::Sender<Stop>) -> Self {
        Self {
            stop: StopLine::Task(Some(stop)),
            supervisor: None,
        }
    }

    /// A child that is a supervisor, so that the tree can be read through it.
    #[must_use]
    pub fn supervisor(address: Addr<Supervisor>) -> Self {
        Self {
            stop: StopLine::Mailbox(address.clone().recipient()),
            supervisor: Some(address),
        }
    }

    pub(super) fn below(&self) -> Option<&Addr<Supervisor>> {
        self.supervisor.as_ref()
    }

    /// Asks once. A closed mailbox is no error: that child is on its way down already.
    pub(super) fn ask_to_stop(&mut self) {
        match &mut self.stop {
            StopLine::Task(line) => {
                if let Some(line) = line.take() {
                    let _asked = line.send(Stop);
                }
            }
            StopLine::Mailbox(mailbox) => match mailbox.try_send(Stop) {
                Ok(()) | Err(SendError::Closed(_)) => {}
                Err(SendError::Full(stop)) => {
                    // Waits in line; one such task per generation at most.
                    let waiting = mailbox.send(stop);
                    actix::spawn(async move {
                        let _answered = waiting.await;
                    });
                }
            },
        }
    }
}
