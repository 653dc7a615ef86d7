//! Which sessions a list shows, and in which order.
//!
//! Never a filter that reads inside a JSON column.

use diesel::prelude::*;

use super::super::backend::MultiBackend;
use super::super::schema::sessions;
use crate::domain::{Kind, Mission, SessionId, Status, UserId};

/// Which sessions match. The default matches every one that is not archived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only those of this person.
    pub owner: Option<UserId>,
    /// Only those of this group.
    pub group: Option<SessionId>,
    /// Only those with one of these statuses; empty: any.
    pub statuses: Vec<Status>,
    /// Only those that stand so as missions; empty: any.
    pub missions: Vec<Mission>,
    /// Only those of one of these kinds; empty: any.
    pub kinds: Vec<Kind>,
    /// Whether archived ones match too.
    pub include_archived: bool,
    /// In which order.
    pub order: Order,
}

/// The order of a list; ties are broken by id, so that pages never overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// Last changed first.
    Changed,
}

/// Statuses that a session with a process that is held, waits or is in back-off can have, or one that
/// goes on by itself at some time.
pub const ALIVE: [Status; 13] = [
    Status::Waiting,
    Status::Starting,
    Status::Idle,
    Status::Busy,
    Status::AwaitingApproval,
    Status::Quiet,
    Status::Stalled,
    Status::Stopping,
    Status::Unattached,
    Status::Paused,
    Status::Backoff,
    Status::RateLimited,
    Status::Uncertain,
];

type Query = sessions::BoxedQuery<'static, MultiBackend>;

/// The query of what matches.
pub fn matching(filter: &Filter) -> Query {
    let mut query = sessions::table.into_boxed();
    if let Some(owner) = filter.owner {
        query = query.filter(sessions::owner_id.eq(owner.to_string()));
    }
    if let Some(group) = filter.group {
        query = query.filter(sessions::group_id.eq(group.to_string()));
    }
    if !filter.statuses.is_empty() {
        let words: Vec<_> = filter.statuses.iter().map(|one| one.name()).collect();
        query = query.filter(sessions::status.eq_any(words));
    }
    if !filter.missions.is_empty() {
        let words: Vec<_> = filter.missions.iter().map(|one| one.name()).collect();
        query = query.filter(sessions::mission.eq_any(words));
    }
    if !filter.kinds.is_empty() {
        let words: Vec<_> = filter.kinds.iter().map(|one| one.name()).collect();
        query = query.filter(sessions::kind.eq_any(words));
    }
    if !filter.include_archived {
        query = query.filter(sessions::archived_at.is_null());
    }
    query
}

/// The query in the order of a list.
pub fn ordered(query: Query, order: Order) -> Query {
    match order {
        Order::Newest => query.order((sessions::created_at.desc(), sessions::id.desc())),
        Order::Oldest => query.order((sessions::created_at.asc(), sessions::id.asc())),
        Order::Changed => query.order((sessions::updated_at.desc(), sessions::id.desc())),
    }
}

/// The text as the start of a hyphenated lower-case UUID; `None` when it cannot be one.
pub fn id_prefix(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let plain = !digits.is_empty()
        && digits.len() <= 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !plain {
        return None;
    }
    let mut prefix = String::new();
    for (place, digit) in digits.to_ascii_lowercase().chars().enumerate() {
        if matches!(place, 8 | 12 | 16 | 20) {
            prefix.push('-');
        }
        prefix.push(digit);
    }
    Some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_read_with_and_without_dashes() {
        let id = SessionId::generate().to_string();
        let simple = id.replace('-', "").to_uppercase();
        for length in 1..=32 {
            let prefix = id_prefix(simple.get(..length).unwrap()).unwrap();
            assert!(id.starts_with(&prefix), "{prefix}");
        }
        for bad in ["", "-", "xyz", "0123%", &"a".repeat(33)] {
            assert_eq!(id_prefix(bad), None, "{bad}");
        }
    }
}
