//! The actor that holds the live side of a session: the connection to the keeper and the codec.
//!
//! Never owns the process: when this actor goes, in order or by a panic, the connection goes and
//! the process lives on below its keeper.

mod keys;
mod launch;
mod life;
mod outbox;
mod pump;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;

use crate::crash;
use crate::domain::{Incarnation, Progress, Session};
use crate::drivers::Command;
use crate::keeper::KeeperFrame;
use crate::supervision::{Exit, Lifeline, Stop};

pub(super) use self::keys::{Keys, Resize};

use self::launch::Launching;
use self::life::Life;
use super::context::Shared;
use super::facade::Force;
use super::feed::Feed;
use super::session::{Cause, LaunchFailed, Launched, SessionActor};

/// How often progress without events is committed, refused input is tried again, and the
/// terminal is looked at.
const TICK: Duration = Duration::from_millis(500);

/// What the session wants of its agent's actor. Carried out one after the other.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum Order {
    /// Start a keeper and the program.
    Launch {
        session: Box<Session>,
        incarnation: Incarnation,
        nonce: String,
        /// The wrapped snapshot that it goes on from.
        resume: Option<String>,
        /// Set when nobody wants the program any more.
        cancelled: Arc<AtomicBool>,
    },
    /// Connect to the keeper of a process from before, or read what a dead one left.
    Attach {
        session: Box<Session>,
        nonce: String,
        progress: Progress,
        /// The input id of a task that was not acknowledged yet.
        input: Option<String>,
    },
    /// Translate a command.
    Do {
        command: Command,
        cause: Option<Cause>,
    },
    /// End the process.
    End { force: Force, by: String },
}

/// A frame of the keeper of this incarnation; `None` when the connection is over.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct Heard {
    pub incarnation: Incarnation,
    pub frame: Option<KeeperFrame>,
}

/// See the module.
pub(super) struct AgentActor {
    shared: Arc<Shared>,
    session: Addr<SessionActor>,
    feed: Addr<Feed>,
    lifeline: Lifeline,
    life: Option<Life>,
}

type Acting<T> = AtomicResponse<AgentActor, T>;

impl AgentActor {
    pub(super) fn new(
        shared: Arc<Shared>,
        (session, feed): (Addr<SessionActor>, Addr<Feed>),
        lifeline: Lifeline,
    ) -> Self {
        Self {
            shared,
            session,
            feed,
            lifeline,
            life: None,
        }
    }

    /// Runs work on the life while the mailbox waits; the life comes back unless the work ended
    /// it.
    fn with_life<T, F, Fut>(&mut self, work: F) -> ResponseActFuture<Self, T>
    where
        T: 'static,
        F: FnOnce(Option<Life>, Addr<SessionActor>) -> Fut,
        Fut: Future<Output = (Option<Life>, T)> + 'static,
    {
        let working = work(self.life.take(), self.session.clone());
        Box::pin(
            wrap_future::<_, Self>(working).map(|(life, answer), agent, _| {
                agent.life = life;
                answer
            }),
        )
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        crash::point("agent.tick");
        if self.life.is_some() {
            let ticking = self.with_life(|life, session| async move {
                match life {
                    Some(life) => (life.tick(&session).await, ()),
                    None => (None, ()),
                }
            });
            ctx.wait(ticking);
        }
    }

    fn launch(
        &mut self,
        launching: Launching,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, ()> {
        let me = ctx.address();
        let (incarnation, session) = (launching.incarnation, self.session.clone());
        let (shared, feed) = (Arc::clone(&self.shared), self.feed.clone());
        let place = launch::place(&shared, &launching.session, incarnation);
        let starting = async move {
            match launch::start(&shared, feed, launching).await {
                Ok(begun) => {
                    let pid = begun.pid;
                    // An error means that the session is being replaced: the next generation finds
                    // the keeper by itself.
                    let told = session.send(Launched { incarnation, pid }).await;
                    match told {
                        Ok(Ok(())) => begun.connect(&session, me).await,
                        Ok(Err(_)) | Err(_) => None,
                    }
                }
                Err((code, text)) => {
                    launch::forget(place).await;
                    let _told = session
                        .send(LaunchFailed {
                            incarnation,
                            code,
                            text,
                        })
                        .await;
                    None
                }
            }
        };
        Box::pin(wrap_future::<_, Self>(starting).map(|life, agent, _| agent.life = life))
    }
}

impl Actor for AgentActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        crash::point("agent.started");
        self.lifeline.tether().hold(ctx, |_, ctx| ctx.stop());
        ctx.run_interval(TICK, Self::tick);
    }
}

impl Handler<Order> for AgentActor {
    type Result = Acting<()>;

    fn handle(&mut self, order: Order, ctx: &mut Self::Context) -> Self::Result {
        crash::point("agent.Order");
        AtomicResponse::new(match order {
            Order::Launch {
                session,
                incarnation,
                nonce,
                resume,
                cancelled,
            } => {
                self.life = None;
                self.launch(
                    Launching {
                        session,
                        incarnation,
                        nonce,
                        resume,
                        cancelled,
                    },
                    ctx,
                )
            }
            Order::Attach {
                session,
                nonce,
                progress,
                input,
            } => {
                self.life = None;
                let (shared, me) = (Arc::clone(&self.shared), ctx.address());
                let feed = self.feed.clone();
                self.with_life(move |_, to| async move {
                    let from = (nonce, progress, input);
                    let life = Life::resume(&shared, feed, &session, from);
                    (life.attach(&to, me).await, ())
                })
            }
            Order::Do { command, cause } => self.with_life(move |life, session| async move {
                match life {
                    Some(life) => (life.command(command, cause, &session).await, ()),
                    None => (None, ()),
                }
            }),
            Order::End { force, by } => self.with_life(move |life, _| async move {
                match life {
                    Some(life) => (Some(life.halt(force, by).await), ()),
                    None => (None, ()),
                }
            }),
        })
    }
}

impl Handler<Heard> for AgentActor {
    type Result = Acting<bool>;

    fn handle(&mut self, heard: Heard, ctx: &mut Self::Context) -> Self::Result {
        crash::point("agent.Heard");
        let me = ctx.address();
        AtomicResponse::new(self.with_life(move |life, session| async move {
            let Some(life) = life.filter(|life| life.incarnation == heard.incarnation) else {
                return (None, false);
            };
            let life = match heard.frame {
                Some(frame) => life.hear(frame, &session).await,
                None => life.reconnect(&session, me).await,
            };
            let goes_on = life.is_some();
            (life, goes_on)
        }))
    }
}

impl Handler<Stop> for AgentActor {
    type Result = ();

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) {
        crash::point("agent.Stop");
        self.lifeline.record(Exit::Shutdown);
        ctx.stop();
    }
}
