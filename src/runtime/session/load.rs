//! How a session's actor comes up: its state from the rows.
//!
//! Never trusts memory of an earlier generation.

use std::sync::Arc;

use actix::Addr;

use crate::domain::{Error, Progress, Result, Session, SessionId, Timestamp};
use crate::drivers::driver;
use crate::store::{self, incarnations::IncarnationRow};
use crate::supervision::{Backoff, Lifeline};

use super::super::clock::Pace;
use super::super::context::{Readers, Shared};
use super::super::feed::Feed;
use super::super::{prompts, redaction};
use super::SessionActor;
use super::core::{Core, Rules};
use super::parking::Curve;
use super::stall::{Jumps, Watch};

impl Core {
    /// Reads session, running task, open questions and the progress of the latest incarnation, and
    /// whether the end of that one is still to be read.
    pub(super) async fn load(shared: &Shared, id: SessionId) -> Result<(Self, bool)> {
        let (session, task, approvals, latest) = shared
            .store
            .read(move |conn| {
                Ok((
                    store::sessions::by_id(conn, id)?,
                    store::tasks::current(conn, id)?,
                    store::approvals::pending_of(conn, id)?,
                    store::incarnations::latest(conn, id)?,
                ))
            })
            .await?;
        let task = task.map(|mut task| {
            // Told if they cannot be; then it is never sent.
            prompts::open(shared, &mut task);
            task
        });
        let session = session.ok_or_else(|| Error::not_found("session", id))?;
        let unread_end = latest.as_ref().is_some_and(|row| row.exit.is_none());
        let (progress, nonce, started_at) = reached(latest, &session);
        let rules = rules(shared, &session);
        let core = Self {
            session,
            progress,
            nonce,
            started_at,
            task,
            approvals,
            watch: Watch::default(),
            jumps: Jumps {
                pace: Some(Pace::begin()),
                ms: 0,
            },
            overrides: Vec::new(),
            rules,
            random: rand::random(),
        };
        Ok((core, unread_end))
    }
}

impl SessionActor {
    /// Its state from the rows.
    pub(in crate::runtime) async fn load(
        shared: Arc<Shared>,
        id: SessionId,
        feed: Addr<Feed>,
        (lifeline, readers): (Lifeline, Arc<Readers>),
    ) -> Result<Self> {
        let (core, unread_end) = Core::load(&shared, id).await?;
        let redactor = redaction::of_session(&shared, id).await?;
        Ok(Self {
            shared,
            core,
            feed,
            queue: None,
            agent: None,
            lifeline,
            readers,
            redactor,
            place: None,
            starters: Vec::new(),
            answering: std::collections::HashMap::new(),
            tuning: super::tuning::Adjustments::default(),
            unread_end,
            launch: None,
            asleep: false,
        })
    }
}

/// How far the latest life has come: progress, nonce and start. Without one, the beginning.
fn reached(latest: Option<IncarnationRow>, session: &Session) -> (Progress, String, Timestamp) {
    let Some(row) = latest else {
        let progress = Progress {
            incarnation: session.facts.incarnation,
            offset: 0,
            snapshot: String::new(),
        };
        return (progress, String::new(), session.created_at);
    };
    let progress = Progress {
        incarnation: row.incarnation,
        offset: row.offset,
        snapshot: row.snapshot,
    };
    (progress, row.nonce, row.started_at)
}

fn rules(shared: &Shared, session: &Session) -> Rules {
    let agents = &shared.config.agents;
    let driver = driver(session.kind);
    let watched = agents.stall.terminals || !driver.has_terminal();
    Rules {
        short_life: agents.short_life,
        crash_loop_after: agents.crash_loop_after,
        backoff: Backoff {
            base: agents.restart_base,
            cap: agents.restart_cap,
            jitter: 0.2,
            reset_after: agents.restart_reset,
        },
        start_timeout: agents.start_timeout,
        interrupt_grace: agents.interrupt_grace,
        approval_ttl: agents.approval_ttl,
        limits: session.options.limits.or(agents.hard_stops()),
        stall: watched.then_some(agents.stall),
        rate_limit: Curve {
            base: agents.rate_limit.base,
            cap: agents.rate_limit.cap,
        },
        resumable: driver.resumable(),
        has_prompt: driver.has_prompt(),
    }
}
