//! One connection from its acceptance to its end: the actor, its session and the watch over it.
//!
//! Never acts in the actor: commands run in order in a task beside it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::{App, Connection, Ending, MessageRequest, Visit, WhenBusy};
use crate::crash;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Error, Result, SessionId};

use super::close::Close;
use super::cutter::{Line, watch};
use super::dialect::{Command, Dialect, Mark, Refusal, Reply, Scope};
use super::follow::Follows;
use super::outbox::Outbox;
use super::{Parts, Socket};

/// Commands of one connection that wait to be done; one more is refused.
const MAX_COMMANDS: usize = 32;
/// Most characters of a message over a socket (contract/octipus.md 4).
const MAX_CONTENT: usize = 50_000;

/// Upgrades a request to a connection that speaks `dialect`.
///
/// # Errors
/// `bad_handshake`, `too_many_connections`, `draining`.
pub fn accept<D: Dialect>(
    app: &App,
    visit: Visit,
    dialect: D,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let mut response =
        actix_web_actors::ws::handshake(request).map_err(|error| Error::Invalid {
            code: "bad_handshake",
            field: String::new(),
            message: error.to_string(),
            expected: Some("a WebSocket handshake of version 13".into()),
        })?;
    let outbox = Arc::new(Outbox::new());
    let listed: Arc<dyn Connection> = Arc::<Outbox>::clone(&outbox);
    let registration = app.register(&visit, listed)?;
    let dialect = Arc::new(dialect);
    let (commands, waiting) = mpsc::channel(MAX_COMMANDS);
    let line = request
        .conn_data::<Arc<Line>>()
        .map_or_else(Weak::new, Arc::downgrade);
    let remaining = app.remaining(&visit).unwrap_or(Duration::ZERO);
    outbox.serve(watch(Arc::clone(&outbox), line, Instant::now() + remaining));
    let session = ConnectionSession {
        app: app.clone(),
        follows: Follows::new(
            app.clone(),
            visit.who.clone(),
            Arc::clone(&dialect),
            Arc::clone(&outbox),
        ),
        visit,
        dialect: Arc::clone(&dialect),
        outbox: Arc::clone(&outbox),
    };
    outbox.serve(session.run(waiting));
    let parts = Parts {
        outbox,
        dialect,
        commands,
        registration,
    };
    Ok(response.streaming(Socket::body(parts, payload)))
}

struct ConnectionSession<D: Dialect> {
    app: App,
    visit: Visit,
    follows: Arc<Follows<D>>,
    dialect: Arc<D>,
    outbox: Arc<Outbox>,
}

impl<D: Dialect> ConnectionSession<D> {
    /// Ends when the actor is gone: it holds the only sender.
    async fn run(self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            crash::point("socket.act");
            let id = command.id();
            if let Err(error) = self.act(command).await {
                if let Error::Internal(text) = &error {
                    tracing::error!(connection = %self.visit.who.user, error = %text, "a command of a socket failed");
                }
                self.say(&Reply::Error(Refusal::of(&error, id)));
            }
        }
    }

    async fn act(&self, command: Command) -> Result<()> {
        match command {
            Command::Subscribe {
                id,
                names,
                channels,
                scope,
            } => {
                if let Scope::Agents(agents) = &scope {
                    // A refusal comes alone.
                    for (agent, _) in agents {
                        self.app.readable(&self.visit.who, *agent).await?;
                    }
                }
                self.say(&Reply::Subscribed { id, names });
                match scope {
                    Scope::All(start) => self.follows.all(channels, &start)?,
                    Scope::Agents(agents) => {
                        for (agent, start) in agents {
                            self.follows.agent(agent, channels, &start).await?;
                        }
                    }
                }
            }
            Command::Unsubscribe {
                id,
                names,
                channels,
                agents,
            } => {
                self.follows.leave(channels, &agents);
                self.say(&Reply::Unsubscribed { id, names });
            }
            Command::Message {
                id,
                agent,
                content,
                key,
            } => self.message(id, agent, content, key).await?,
            Command::Approve {
                id,
                request,
                approved,
                response,
            } => {
                let who = &self.visit.who;
                let state = self.app.approve(who, request, approved, response).await?;
                let status = state.name();
                self.say(&Reply::Resolved {
                    id,
                    request,
                    status,
                });
            }
            Command::Ping { id } => {
                let at = self.app.now().rfc3339();
                self.say(&Reply::Pong { id, at });
            }
        }
        Ok(())
    }

    async fn message(
        &self,
        id: Mark,
        agent: SessionId,
        content: String,
        key: Option<String>,
    ) -> Result<()> {
        if content.chars().count() > MAX_CONTENT {
            return Err(Error::TooLarge {
                field: "content".into(),
                message: format!("a message over a socket has at most {MAX_CONTENT} characters"),
            });
        }
        let key = key.map(|key| IdempotencyKey {
            digest: Sha256::new()
                .chain_update(b"socket message\0")
                .chain_update(agent.0.as_bytes())
                .chain_update(content.as_bytes())
                .finalize()
                .into(),
            key,
        });
        let request = MessageRequest {
            key,
            ..MessageRequest::new(content, WhenBusy::Queue)
        };
        let placement = self.app.message(&self.visit.who, agent, request).await?;
        self.say(&Reply::Accepted {
            id,
            agent,
            task: placement.task,
            queued: placement.queued,
            position: placement.position,
            depth: placement.depth,
        });
        Ok(())
    }

    fn say(&self, reply: &Reply) {
        self.outbox.push(self.dialect.reply(reply), None);
    }
}

impl Connection for Outbox {
    fn end(&self, why: Ending) {
        match why {
            Ending::AuthEnded => self.close(Close::AuthEnded),
            Ending::Draining => self.close(Close::Draining),
        }
    }
}
