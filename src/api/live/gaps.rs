//! What was pushed out of an outbox before its reader took it: counted exactly, by agent.
//!
//! Never grows with the number of agents: beyond a bound their gaps become one of the stream.

use std::collections::BTreeMap;

use crate::domain::SessionId;

/// Most agents whose gaps are told one by one.
const MAX_GAPS: usize = 256;

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The reader was too slow.
    Slow,
    /// Retention removed them.
    Retention,
}

impl Reason {
    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slow => "slow_reader",
            Self::Retention => "retention",
        }
    }
}

/// Events that the reader does not get: they were pushed out before it took them, or are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Whose; `None` when too many agents lost some to list them.
    pub agent: Option<SessionId>,
    /// First missing number (seq of the agent; pos without an agent).
    pub first: u64,
    /// Last missing number.
    pub last: u64,
    /// How many frames were left out; of places that retention removed: at most so many.
    pub dropped: u64,
    /// Why.
    pub reason: Reason,
}

/// The place of an event in its agent and in the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Whose event.
    pub agent: SessionId,
    /// Its number within the agent.
    pub seq: u64,
    /// Its number within the server.
    pub pos: u64,
}

/// The gaps that are to be told.
#[derive(Default)]
pub(super) struct Lost {
    by_agent: BTreeMap<SessionId, Gap>,
    many: Option<Gap>,
}

impl Lost {
    pub(super) fn add(&mut self, origin: Origin) {
        if let Some(many) = &mut self.many {
            widen(many, origin.pos);
            return;
        }
        if let Some(gap) = self.by_agent.get_mut(&origin.agent) {
            widen(gap, origin.seq);
            return;
        }
        if self.by_agent.len() < MAX_GAPS {
            let gap = Gap {
                agent: Some(origin.agent),
                first: origin.seq,
                last: origin.seq,
                dropped: 1,
                reason: Reason::Slow,
            };
            self.by_agent.insert(origin.agent, gap);
            return;
        }
        // Gaps told so far by agent stay; what follows is told by pos.
        self.many = Some(Gap {
            agent: None,
            first: origin.pos,
            last: origin.pos,
            dropped: 1,
            reason: Reason::Slow,
        });
    }

    pub(super) fn take(&mut self) -> Option<Gap> {
        match self.by_agent.pop_first() {
            Some((_, gap)) => Some(gap),
            None => self.many.take(),
        }
    }
}

fn widen(gap: &mut Gap, number: u64) {
    gap.first = gap.first.min(number);
    gap.last = gap.last.max(number);
    gap.dropped = gap.dropped.saturating_add(1);
}
