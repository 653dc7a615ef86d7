//! One connection from its acceptance to its end: the actor, its session and the watch over it.
//!
//! Never acts in the actor: commands run in order in a task beside it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::app::{
    AnswerRequest, App, Bounds, Caller, Connection, Ending, MessageRequest, Visit, WhenBusy,
};
use crate::crash;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{Error, Result, SessionId};

use super::close::Close;
use super::cutter::{Line, PING_EVERY, watch};
use super::dialect::{Channels, Command, Dialect, Mark, Opened, Opening, Refusal, Reply, Scope};
use super::figures::Figures;
use super::follow::Follows;
use super::keys::Keys;
use super::outbox::Outbox;
use super::screen::{Behind, Screen};
use super::speech::Parts;
use super::upgrade;

/// Commands of one connection that wait to be done; one more is refused.
const MAX_COMMANDS: usize = 32;
/// How often, and after which pause, a connection is opened again while a part of the server is
/// away: 5 s.
const OPEN_TRIES: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(100);
/// Most characters of a message over a socket (contract/octipus.md 4).
const MAX_CONTENT: usize = 50_000;

/// Upgrades a request to a connection that speaks `dialect`.
///
/// # Errors
/// `bad_handshake`, `too_many_connections`, `draining`, `token_revoked`.
pub async fn accept<D: Dialect>(
    app: &App,
    visit: Visit,
    dialect: D,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let response = upgrade::handshake(request)?;
    let outbox = Arc::new(Outbox::new());
    let listed: Arc<dyn Connection> = Arc::<Outbox>::clone(&outbox);
    let (registration, visit) = app.register(&visit, listed).await?;
    let dialect = Arc::new(dialect);
    let (commands, waiting) = mpsc::channel(MAX_COMMANDS);
    let keys = Keys::new(Arc::clone(&outbox));
    let line = request
        .conn_data::<Arc<Line>>()
        .map_or_else(Weak::new, Arc::downgrade);
    let remaining = {
        let (app, visit) = (app.clone(), visit.clone());
        move || app.remaining(&visit).unwrap_or(Duration::ZERO)
    };
    let beat = {
        let (app, dialect, outbox) = (app.clone(), Arc::clone(&dialect), Arc::clone(&outbox));
        move || {
            if let Some(frame) = dialect.heartbeat(app.now()) {
                outbox.reply(frame);
            }
        }
    };
    outbox.serve(watch(
        Arc::clone(&outbox),
        line,
        remaining,
        (PING_EVERY, beat),
    ));
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
        figures: Figures::default(),
    };
    if let Some(Command::Open(opening)) = dialect.opening() {
        let (app, visit) = (app.clone(), session.visit.clone());
        let say = (Arc::clone(&dialect), Arc::clone(&outbox));
        let typing = typing(app, visit, (opening.agent, keys.clone()), say);
        outbox.serve(Caller::carry(typing));
    }
    outbox.serve(Caller::carry(session.run(waiting)));
    let parts = Parts {
        outbox,
        dialect,
        commands,
        keys,
        registration,
    };
    Ok(upgrade::carry(response, parts, payload))
}

struct ConnectionSession<D: Dialect> {
    app: App,
    visit: Visit,
    follows: Arc<Follows<D>>,
    dialect: Arc<D>,
    outbox: Arc<Outbox>,
    figures: Figures,
}

impl<D: Dialect> ConnectionSession<D> {
    /// Ends when the actor is gone: it holds the only sender.
    async fn run(self, mut commands: mpsc::Receiver<Command>) {
        if let Some(Command::Open(opening)) = self.dialect.opening() {
            self.begin(opening).await;
        }
        while let Some(command) = commands.recv().await {
            crash::point("socket.act");
            // It waits behind answers that are not read; at the end what was said is done all the same,
            // by who may still do it.
            if !self.outbox.wait_calm().await && !self.app.still_may(&self.visit).await {
                return;
            }
            self.answer(command).await;
        }
    }

    /// Opens; a connection that cannot show what it is about closes and says why.
    async fn begin(&self, opening: Opening) {
        let mut tries = 0_u32;
        let error = loop {
            match self.open(&opening).await {
                Ok(()) => return,
                Err(Error::Unavailable { .. }) if tries < OPEN_TRIES => {
                    tries = tries.saturating_add(1);
                    tokio::time::sleep(OPEN_PAUSE).await;
                }
                Err(error) => break error,
            }
        };
        self.say(&Reply::Error(Refusal::of(&error, None)));
        let away = matches!(error, Error::Unavailable { .. } | Error::Internal(_));
        let gone = matches!(error, Error::NotFound { .. });
        self.outbox.close_after(match (gone, away) {
            (true, _) => Close::NotFound,
            (false, true) => Close::Later,
            (false, false) => Close::Refused,
        });
    }

    async fn answer(&self, command: Command) {
        let id = command.id();
        if let Err(error) = self.act(command).await {
            if let Error::Internal(text) = &error {
                tracing::error!(connection = %self.visit.who.user, error = %text, "a command of a socket failed");
            }
            self.say(&Reply::Error(Refusal::of(&error, id)));
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
                if channels.meets(Channels::FIGURES) {
                    let (dialect, outbox) = (&self.dialect, &self.outbox);
                    self.figures.begin(&self.app, dialect, outbox);
                }
                self.follow(channels.without(Channels::FIGURES), scope)
                    .await?;
            }
            Command::Unsubscribe {
                id,
                names,
                channels,
                agents,
            } => {
                if channels.meets(Channels::FIGURES) {
                    self.figures.end();
                }
                let events = channels.without(Channels::FIGURES);
                if !events.is_empty() {
                    self.follows.leave(events, &agents);
                }
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
                remember,
            } => {
                let answer = AnswerRequest {
                    id: request,
                    approved,
                    response,
                    remember,
                };
                let answered = self.app.approve(&self.visit.who, answer).await?;
                self.say(&Reply::Resolved {
                    id,
                    request,
                    answered,
                });
            }
            // The actor hands keys to whoever types; the opening was the first.
            Command::Open(_) | Command::Keys { .. } => {}
            Command::Resize { rows, cols } => {
                let agent = self.agent()?;
                self.app
                    .resize(&self.visit.who, agent, (rows, cols))
                    .await?;
            }
            Command::Interrupt { id } => {
                let task = self.app.interrupt(&self.visit.who, self.agent()?).await?;
                self.say(&Reply::Interrupted { id, task });
            }
            Command::Ping { id } => {
                let at = self.app.now().rfc3339();
                self.say(&Reply::Pong { id, at });
            }
        }
        Ok(())
    }

    /// Follows events; of no channel there are none.
    async fn follow(&self, channels: Channels, scope: Scope) -> Result<()> {
        let agents = match scope {
            _ if channels.is_empty() => return Ok(()),
            Scope::All(start) => return self.follows.all(channels, &start),
            Scope::Agents(agents) => agents,
        };
        for (agent, start) in agents {
            if !self.outbox.wait_calm().await {
                break;
            }
            let epoch = self.app.epoch().to_owned();
            let hello = |bounds: &Bounds| Reply::HelloAgent {
                agent,
                epoch,
                oldest: bounds.oldest,
                latest: bounds.latest,
            };
            let follows = &self.follows;
            follows.agent(agent, channels, &start, hello).await?;
        }
        Ok(())
    }

    /// Shows the agent that the connection is about.
    async fn open(&self, opening: &Opening) -> Result<()> {
        let Opening {
            agent,
            ref events,
            screen,
        } = *opening;
        let who = &self.visit.who;
        let session = self.app.readable(who, agent).await?;
        let row = self.app.agent(who, agent).await?;
        let place = self.app.tty_place(&session, screen).await?;
        let opened = |bounds: &Bounds| {
            Reply::Opened(Box::new(Opened {
                writable: who.may_write(row.session.owner),
                row,
                epoch: self.app.epoch().to_owned(),
                oldest: bounds.oldest,
                latest: bounds.latest,
                place,
            }))
        };
        let fresh = || Arc::new(Behind::default());
        let behind = match screen {
            Some(_) => Arc::clone(self.follows.behind.get_or_init(fresh)),
            None => fresh(),
        };
        let follows = &self.follows;
        follows.agent(agent, Channels::ALL, events, opened).await?;
        if screen.is_some() {
            let screen = Screen {
                app: self.app.clone(),
                session,
                dialect: Arc::clone(&self.dialect),
                outbox: Arc::clone(&self.outbox),
                behind,
                place,
            };
            self.outbox.serve(screen.run());
        }
        Ok(())
    }

    /// The agent that the connection is about.
    fn agent(&self) -> Result<SessionId> {
        match self.dialect.opening() {
            Some(Command::Open(opening)) => Ok(opening.agent),
            Some(_) | None => Err(Error::internal("a connection that is about no agent")),
        }
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
        self.follows.say(reply);
    }
}

/// Types what a client typed, until the connection is over.
async fn typing<D: Dialect>(
    app: App,
    visit: Visit,
    (agent, keys): (SessionId, Keys),
    (dialect, outbox): (Arc<D>, Arc<Outbox>),
) {
    while let Some(bytes) = keys.take().await {
        crash::point("socket.typing");
        if !outbox.wait_calm().await && !app.still_may(&visit).await {
            return;
        }
        if let Err(error) = app.type_in(&visit.who, agent, bytes).await {
            let refusal = Refusal::of(&error, None);
            outbox.reply(dialect.reply(&Reply::Error(refusal)));
        }
    }
}

impl Connection for Outbox {
    fn end(&self, why: Ending) {
        match why {
            Ending::AuthEnded => self.close(Close::AuthEnded),
            Ending::RightsChanged => self.close(Close::RightsChanged),
            Ending::Draining => self.close(Close::Draining),
        }
    }
}
