//! The two links between a supervisor and one generation of a child: the lifeline reports up
//! when it is dropped, the leash tells down when it is dropped.
//! Never panics in a destructor: both run while a thread unwinds, a second panic would abort.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::prelude::ActorFutureExt;
use actix::{Actor, AsyncContext, Context, fut::wrap_future};
use tokio::sync::{Notify, mpsc::UnboundedSender};

use super::{Child, Exit, panic};

/// Row of the supervisor's table; never used twice by one supervisor, in order of addition.
pub(super) type Key = u64;

/// One generation of one child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub key: Key,
    /// From 1; counts the attempts to start.
    pub generation: u64,
}

/// How a generation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Death {
    pub exit: Exit,
    /// Panic text, when it could be known.
    pub text: Option<String>,
}

/// What reaches a supervisor from its children's side. The channel has no bound of its own:
/// there is at most one of each kind per generation.
pub(super) enum Note {
    Down(Life, Death),
    Started(Life, Result<Child, String>),
}

/// Held by one generation of a child (a field of its actor, or owned by its task). Its drop is
/// the report of the end: by return, panic, a dropped future or the end of an arbiter alike.
///
/// The exit reported is [`Exit::Panic`] when the thread unwinds, else what was recorded, else
/// [`Exit::Shutdown`] when the supervisor had let go of it, else [`Exit::Normal`]. An actor
/// that is dropped with its arbiter therefore reports `Normal`: give children that must come
/// back from that [`Restart::Permanent`](super::Restart::Permanent).
pub struct Lifeline {
    life: Life,
    path: Arc<str>,
    tether: Tether,
    notes: UnboundedSender<Note>,
    exit: Mutex<Option<Exit>>,
}

impl Lifeline {
    /// Which life of the child this is, from 1. Starts again when the supervisor itself is
    /// replaced or the child's spec is deleted and added anew.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.life.generation
    }

    /// Place in the tree: `root/sessions/ab12cd34/feed`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// False once this generation was given up or replaced, or its supervisor is gone: whatever
    /// it still does must have no effect.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !self.tether.is_cut()
    }

    /// The child's end of the downward link.
    #[must_use]
    pub fn tether(&self) -> Tether {
        self.tether.clone()
    }

    /// Says how the child ends; the last word before the drop counts, a panic beats it.
    pub fn record(&self, exit: Exit) {
        *self.exit.lock().unwrap_or_else(PoisonError::into_inner) = Some(exit);
    }

    pub(super) fn shared_path(&self) -> Arc<str> {
        Arc::clone(&self.path)
    }
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lifeline({}#{})", self.path, self.life.generation)
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        let recorded = self
            .exit
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let exit = if std::thread::panicking() {
            Exit::Panic
        } else {
            let alone = self.tether.is_cut();
            recorded.unwrap_or(if alone { Exit::Shutdown } else { Exit::Normal })
        };
        let text = panic::text_of_current();
        // Fails only when the supervisor is gone, and then nobody needs the report.
        let _sent = self.notes.send(Note::Down(self.life, Death { exit, text }));
    }
}

/// The child's end of the downward link: tells when nobody supervises it any more. It should
/// then end in order, without ending what it owns outside (its successor takes that over).
#[derive(Clone)]
pub struct Tether(Arc<Link>);

impl Tether {
    /// Whether the link is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Acquire)
    }

    /// Resolves when the link is cut: the supervisor ended or panicked, or gave this child up.
    pub async fn cut(&self) {
        loop {
            // Created before the look at the flag: it hears a cut that comes in between.
            let heard = self.0.heard.notified();
            if self.is_cut() {
                return;
            }
            heard.await;
        }
    }

    /// Runs `detach` inside the actor when the link is cut; it ends the actor with
    /// `ctx.stop()`. To be called from `started`.
    pub fn hold<A, F>(&self, ctx: &mut Context<A>, detach: F)
    where
        A: Actor<Context = Context<A>>,
        F: FnOnce(&mut A, &mut Context<A>) + 'static,
    {
        let tether = self.clone();
        let cut = wrap_future::<_, A>(async move { tether.cut().await });
        ctx.spawn(cut.map(|(), actor, ctx| detach(actor, ctx)));
    }
}

impl fmt::Debug for Tether {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_cut() {
            "Tether(cut)"
        } else {
            "Tether"
        })
    }
}

/// The supervisor's end of the downward link; its drop cuts it.
pub(super) struct Leash(Arc<Link>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.heard.notify_waiters();
    }
}

struct Link {
    cut: AtomicBool,
    heard: Notify,
}

/// Both links of one generation: the end to keep and the end to give away.
pub(super) fn tie(life: Life, path: Arc<str>, notes: UnboundedSender<Note>) -> (Leash, Lifeline) {
    let link = Arc::new(Link {
        cut: AtomicBool::new(false),
        heard: Notify::new(),
    });
    let lifeline = Lifeline {
        life,
        path,
        tether: Tether(Arc::clone(&link)),
        notes,
        exit: Mutex::new(None),
    };
    (Leash(link), lifeline)
}
