//! Overrides: answers that are given again by themselves.
//!
//! Never two for the same request in the same scope: the newer one takes the place of the older.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::convert::{bound, parse, plain, unsigned, word};
use super::schema::overrides;
use super::{Connection, StoreError};
use crate::domain::overrides::{Matcher, Override};
use crate::domain::{Kind, OverrideId, SessionId, Timestamp, UserId};

/// What an agent asks for, as overrides are found by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whose session it is.
    pub owner: UserId,
    /// The session.
    pub session: SessionId,
    /// The kind of agent.
    pub kind: Kind,
    /// The tool.
    pub tool: String,
    /// What the request is remembered by.
    pub matcher: Matcher,
}

/// Keeps an override, in the place of one for the same.
///
/// # Errors
/// When the database fails.
pub fn put(conn: &mut Connection, new: &Override) -> Result<(), StoreError> {
    let (match_kind, match_text) = new.matcher.parts();
    let (tool, match_text) = (plain(&new.tool), plain(match_text));
    let session = new.session.map(|id| id.to_string());
    let mut same = diesel::delete(overrides::table)
        .filter(overrides::owner_id.eq(new.owner.to_string()))
        .filter(overrides::kind.eq(new.kind.name()))
        .filter(overrides::tool.eq(tool.as_ref()))
        .filter(overrides::match_kind.eq(match_kind))
        .filter(overrides::match_text.eq(match_text.as_ref()))
        .into_boxed();
    same = match &session {
        Some(session) => same.filter(overrides::session_id.eq(session.clone())),
        None => same.filter(overrides::session_id.is_null()),
    };
    same.execute(conn)?;
    diesel::insert_into(overrides::table)
        .values((
            overrides::id.eq(new.id.to_string()),
            overrides::owner_id.eq(new.owner.to_string()),
            overrides::session_id.eq(session),
            overrides::kind.eq(new.kind.name()),
            overrides::tool.eq(tool.as_ref()),
            overrides::match_kind.eq(match_kind),
            overrides::match_text.eq(match_text.as_ref()),
            overrides::approved.eq(new.approved),
            overrides::created_by.eq(&new.by),
            overrides::created_at.eq(new.created_at.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// Those for exactly this request: at most one of its session and one for all sessions.
///
/// # Errors
/// When the database fails.
pub fn matching(conn: &mut Connection, request: &Request) -> Result<Vec<Override>, StoreError> {
    let (match_kind, match_text) = request.matcher.parts();
    let (tool, match_text) = (plain(&request.tool), plain(match_text));
    let rows: Vec<Row> = overrides::table
        .filter(overrides::owner_id.eq(request.owner.to_string()))
        .filter(overrides::kind.eq(request.kind.name()))
        .filter(overrides::tool.eq(tool.as_ref()))
        .filter(overrides::match_kind.eq(match_kind))
        .filter(overrides::match_text.eq(match_text.as_ref()))
        .filter(
            overrides::session_id
                .is_null()
                .or(overrides::session_id.eq(request.session.to_string())),
        )
        .load(conn)?;
    rows.into_iter().map(read).collect()
}

/// One override.
///
/// # Errors
/// When the database fails.
pub fn by_id(conn: &mut Connection, id: OverrideId) -> Result<Option<Override>, StoreError> {
    let row = overrides::table.find(id.to_string()).first::<Row>(conn);
    row.optional()?.map(read).transpose()
}

/// One page, newest first, and the number of all; `None`: of everybody, of every session.
///
/// # Errors
/// When the database fails.
pub fn list(
    conn: &mut Connection,
    (owner, session): (Option<UserId>, Option<SessionId>),
    (offset, limit): (usize, usize),
) -> Result<(Vec<Override>, u64), StoreError> {
    let found = || {
        let mut found = overrides::table.into_boxed();
        if let Some(owner) = owner {
            found = found.filter(overrides::owner_id.eq(owner.to_string()));
        }
        if let Some(session) = session {
            found = found.filter(overrides::session_id.eq(session.to_string()));
        }
        found
    };
    let total: i64 = found().select(count_star()).get_result(conn)?;
    let rows: Vec<Row> = found()
        .order((overrides::created_at.desc(), overrides::id.desc()))
        .offset(bound(offset))
        .limit(bound(limit))
        .load(conn)?;
    let page: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    Ok((page?, unsigned(total)?))
}

/// Forgets one. Whether it was there.
///
/// # Errors
/// When the database fails.
pub fn remove(conn: &mut Connection, id: OverrideId) -> Result<bool, StoreError> {
    let gone = diesel::delete(overrides::table.find(id.to_string())).execute(conn)?;
    Ok(gone > 0)
}

/// Forgets those of a session.
///
/// # Errors
/// When the database fails.
pub fn forget_session(conn: &mut Connection, session: SessionId) -> Result<(), StoreError> {
    let own = overrides::table.filter(overrides::session_id.eq(session.to_string()));
    diesel::delete(own).execute(conn)?;
    Ok(())
}

type Row = (
    String,
    String,
    Option<String>,
    String,
    String,
    String,
    String,
    bool,
    String,
    i64,
);

fn read(row: Row) -> Result<Override, StoreError> {
    let (id, owner, session, kind, tool, match_kind, text, approved, by, created_at) = row;
    let session = session.map(|text| parse("session id", &text)).transpose()?;
    Ok(Override {
        id: parse("override id", &id)?,
        owner: parse("user id", &owner)?,
        session,
        kind: word("kind", &kind, |text| Kind::parse(text).ok())?,
        tool,
        matcher: word("matcher", &match_kind, |kind| {
            Matcher::parse(kind, text.clone())
        })?,
        approved,
        by,
        created_at: Timestamp(created_at),
    })
}
