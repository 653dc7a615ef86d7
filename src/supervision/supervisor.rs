//! The supervisor actor: carries out what the machine decides.
//! Never decides itself, never waits in a handler, and never starts a child in its own task:
//! a start function that panics or hangs harms nobody else.

use std::{
    collections::HashMap, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use actix::prelude::ActorContext;
use actix::{Actor, Addr, AsyncContext, Context, SpawnHandle, StreamHandler};
use futures_util::{FutureExt, stream};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::JoinHandle,
    time::Instant,
};

use crate::crash;

use super::{
    Child, ChildSpec, Exit, Kind, Lifeline, Observer, Restart, Shutdown, StartError, StartFn,
    SupervisorSpec,
    lifeline::{self, Key, Leash, Life, Note},
    machine::{Action, Machine},
    observer::Event,
    panic, start_fn,
};

type Started = Result<(), StartError>;

/// An actor that starts, watches, restarts and ends children by OTP's rules.
///
/// Made by [`start_root`](Self::start_root) or as a child by [`child_spec`](Self::child_spec);
/// its messages are in this module's front page.
pub struct Supervisor {
    pub(super) machine: Machine,
    pub(super) living: HashMap<Key, Living>,
    pub(super) closers: Vec<oneshot::Sender<()>>,
    starters: HashMap<Key, oneshot::Sender<Started>>,
    enders: HashMap<Key, Vec<oneshot::Sender<()>>>,
    boot: Option<oneshot::Sender<Started>>,
    notes: UnboundedSender<Note>,
    inbox: Option<UnboundedReceiver<Note>>,
    alarm: Option<(Instant, SpawnHandle)>,
    start_timeout: Duration,
    observer: Arc<dyn Observer>,
    path: Arc<str>,
    lifeline: Lifeline,
}

/// What is held of a living generation. Its drop cuts the leash and takes back a start in
/// progress.
pub(super) struct Living {
    pub(super) child: Option<Child>,
    _leash: Leash,
    /// Until the child is up.
    start: Option<StartTask>,
}

struct StartTask(JoinHandle<()>);

impl Drop for StartTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Supervisor {
    /// A supervisor as the child of another: permanent, waited for without limit. The factory
    /// gives each generation a fresh spec; the path is the one in the tree.
    pub fn child_spec(
        id: impl Into<String>,
        factory: Arc<dyn Fn() -> SupervisorSpec + Send + Sync>,
    ) -> ChildSpec {
        ChildSpec {
            id: id.into(),
            restart: Restart::Permanent,
            shutdown: Shutdown::Infinity,
            significant: false,
            kind: Kind::Supervisor,
            start: start_fn(move |lifeline| {
                let factory = Arc::clone(&factory);
                async move {
                    let address = Self::launch(factory(), lifeline).await?;
                    Ok(Child::supervisor(address))
                }
            }),
        }
    }

    /// Starts a supervisor on the current arbiter; returns when its children are up. When one
    /// of them does not start, the others are stopped in reverse order first.
    ///
    /// # Errors
    /// The spec is invalid, or a child failed to start.
    pub async fn launch(
        spec: SupervisorSpec,
        lifeline: Lifeline,
    ) -> Result<Addr<Self>, StartError> {
        spec.validate()?;
        let (boot, booted) = oneshot::channel();
        let (notes, inbox) = unbounded_channel();
        let start_timeout = spec.start_timeout;
        let observer = Arc::clone(&spec.observer);
        let path = lifeline.shared_path();
        let generation = lifeline.generation();
        let machine = Machine::new(spec, path.to_string(), generation, rand::random::<f64>);
        let supervisor = Self {
            machine,
            living: HashMap::new(),
            closers: Vec::new(),
            starters: HashMap::new(),
            enders: HashMap::new(),
            boot: Some(boot),
            notes,
            inbox: Some(inbox),
            alarm: None,
            start_timeout,
            observer,
            path,
            lifeline,
        };
        let address = supervisor.start();
        let crashed = StartError::Failed("the supervisor ended while it started".to_owned());
        booted.await.unwrap_or(Err(crashed))?;
        Ok(address)
    }

    /// Goes through the crash point of a message at this level of the tree.
    pub(super) fn point(&self, message: &str) {
        crash::point_of(|| format!("{}.{message}", level(&self.path)));
    }

    pub(super) fn await_start(&mut self, key: Key) -> oneshot::Receiver<Started> {
        let (tell, told) = oneshot::channel();
        self.starters.insert(key, tell);
        told
    }

    pub(super) fn await_end(&mut self, key: Key) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.enders.entry(key).or_default().push(tell);
        told
    }

    /// Carries out everything the machine has decided since the last call.
    pub(super) fn act(&mut self, ctx: &mut Context<Self>) {
        for action in self.machine.take_actions() {
            self.perform(action, ctx);
        }
        self.set_alarm(ctx);
    }

    fn perform(&mut self, action: Action, ctx: &mut Context<Self>) {
        match action {
            Action::Start(life) => self.begin(life),
            Action::Stop(key) => self.tell_to_stop(key),
            Action::Release(key) => {
                self.living.remove(&key);
                for waiting in self.enders.remove(&key).unwrap_or_default() {
                    let _told = waiting.send(());
                }
            }
            Action::Accepted(key) => self.answer_start(key, Ok(())),
            Action::Refused(key, error) => self.answer_start(key, Err(error)),
            Action::Record(record) => self.observer.record(&record),
            Action::Booted => self.answer_boot(Ok(())),
            Action::End(exit) => self.end(exit, ctx),
        }
    }

    fn begin(&mut self, life: Life) {
        let Some(slot) = self.machine.table.get(life.key) else {
            return;
        };
        let path: Arc<str> = format!("{}/{}", self.path, slot.spec.id).into();
        let (leash, lifeline) = lifeline::tie(life, path, self.notes.clone());
        let limit = match slot.spec.kind {
            Kind::Worker => Some(self.start_timeout),
            Kind::Supervisor => None,
        };
        let start = attempt(Arc::clone(&slot.spec.start), lifeline, limit);
        let notes = self.notes.clone();
        let task = actix::spawn(async move {
            // Without a supervisor the child goes with the note, and its leash is cut already.
            let _sent = notes.send(Note::Started(life, start.await));
        });
        let living = Living {
            child: None,
            _leash: leash,
            start: Some(StartTask(task)),
        };
        self.living.insert(life.key, living);
    }

    fn tell_to_stop(&mut self, key: Key) {
        match self.living.get_mut(&key).map(|living| &mut living.child) {
            Some(Some(child)) => child.ask_to_stop(),
            // Not up yet: its start is taken back, what there is of it is let go.
            Some(None) => {
                self.living.remove(&key);
            }
            None => {}
        }
    }

    fn answer_start(&mut self, key: Key, outcome: Started) {
        if let Some(waiting) = self.starters.remove(&key) {
            let _told = waiting.send(outcome);
        }
    }

    fn answer_boot(&mut self, outcome: Started) {
        if let Some(waiting) = self.boot.take() {
            let _told = waiting.send(outcome);
        }
    }

    fn end(&mut self, exit: Exit, ctx: &mut Context<Self>) {
        self.answer_boot(Err(match &exit {
            Exit::Failed(reason) => StartError::Failed(reason.clone()),
            Exit::Normal | Exit::Shutdown | Exit::Panic | Exit::Abandoned => StartError::Stopping,
        }));
        self.lifeline.record(exit);
        for waiting in self.closers.drain(..) {
            let _told = waiting.send(());
        }
        ctx.stop();
    }

    /// Its own supervisor is gone: lets all children go at once and ends.
    fn detach(&mut self, ctx: &mut Context<Self>) {
        self.observer
            .record(&self.machine.own_record(Event::Detached));
        self.living.clear();
        self.end(Exit::Shutdown, ctx);
    }

    fn hear(&mut self, note: Note, now: Instant) {
        match note {
            Note::Down(life, death) => self.machine.down(life, death, now),
            Note::Started(life, Err(reason)) => self.machine.start_failed(life, reason, now),
            Note::Started(life, Ok(child)) => {
                // A child that is not awaited any more is dropped here; its leash is cut.
                if self.machine.awaits(life)
                    && let Some(living) = self.living.get_mut(&life.key)
                {
                    living.child = Some(child);
                    living.start = None;
                    self.machine.started(life, now);
                }
            }
        }
    }

    fn set_alarm(&mut self, ctx: &mut Context<Self>) {
        let Some(next) = self.machine.next_deadline() else {
            return;
        };
        match self.alarm {
            // An earlier one looks again when it rings.
            Some((at, _)) if at <= next => return,
            Some((_, alarm)) => {
                ctx.cancel_future(alarm);
            }
            None => {}
        }
        let wait = next.saturating_duration_since(Instant::now());
        let alarm = ctx.run_later(wait, |supervisor, ctx| {
            supervisor.alarm = None;
            supervisor.machine.tick(Instant::now());
            supervisor.act(ctx);
        });
        self.alarm = Some((next, alarm));
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.point("started");
        if let Some(mut inbox) = self.inbox.take() {
            ctx.add_stream(stream::poll_fn(move |task| inbox.poll_recv(task)));
        }
        self.lifeline.tether().hold(ctx, Self::detach);
        self.machine.boot(Instant::now());
        self.act(ctx);
    }
}

impl StreamHandler<Note> for Supervisor {
    fn handle(&mut self, note: Note, ctx: &mut Self::Context) {
        self.point("Note");
        self.hear(note, Instant::now());
        self.act(ctx);
    }
}

/// What supervisors of this depth are called: `root`, `root/sessions`, one session's.
fn level(path: &str) -> &'static str {
    match path.split('/').count() {
        1 => "root",
        2 => "sessions",
        _ => "subtree",
    }
}

/// One call of a start function, with its panic caught and its time limited.
fn attempt(
    start: StartFn,
    lifeline: Lifeline,
    limit: Option<Duration>,
) -> impl Future<Output = Result<Child, String>> {
    let call = AssertUnwindSafe(async move { start(lifeline).await }).catch_unwind();
    async move {
        let outcome = match limit {
            None => call.await,
            Some(limit) => match tokio::time::timeout(limit, call).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => return Err(format!("the start took longer than {limit:?}")),
            },
        };
        match outcome {
            Ok(Ok(child)) => Ok(child),
            Ok(Err(StartError::Failed(reason))) => Err(reason),
            Ok(Err(error)) => Err(error.to_string()),
            Err(payload) => Err(panic::text_of_caught(payload.as_ref())),
        }
    }
}
