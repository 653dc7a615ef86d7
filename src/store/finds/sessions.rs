//! Sessions that match a find.
//!
//! Never an archived one.

use diesel::dsl::count_star;
use diesel::expression::BoxableExpression;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};

use crate::domain::find::{Condition, Direction, Find, SessionField as Field, Test};
use crate::domain::{SessionId, UserId};
use crate::store::backend::MultiBackend;
use crate::store::convert::{bound, parse, unsigned};
use crate::store::schema::sessions::{self, dsl};
use crate::store::sessions::SessionOverview;
use crate::store::{Connection, StoreError, sessions as rows};

type Leaf = Box<dyn BoxableExpression<sessions::table, MultiBackend, SqlType = Nullable<Bool>>>;
type Query = sessions::BoxedQuery<'static, MultiBackend>;

/// One page and the number of all that match; `owner` absent: of everybody.
///
/// # Errors
/// When the database fails.
pub fn page(
    conn: &mut Connection,
    owner: Option<UserId>,
    find: &Find<Field>,
) -> Result<(Vec<SessionOverview>, u64), StoreError> {
    let total: i64 = matching(owner, find)
        .select(count_star())
        .get_result(conn)?;
    if find.limit == 0 {
        return Ok((Vec::new(), unsigned(total)?));
    }
    let query = ordered(matching(owner, find), find);
    let found = rows::loaded(
        conn,
        query.offset(bound(find.skip)).limit(bound(find.limit)),
    )?;
    Ok((rows::with_figures(conn, found)?, unsigned(total)?))
}

/// The sessions that come from these, oldest first, at most so many.
///
/// # Errors
/// When the database fails.
pub fn children(
    conn: &mut Connection,
    of: &[SessionId],
    most: usize,
) -> Result<Vec<(SessionId, SessionId)>, StoreError> {
    let parents = of.iter().map(|id| Some(id.to_string()));
    let found: Vec<(Option<String>, String)> = sessions::table
        .filter(dsl::parent_id.eq_any(parents))
        .filter(dsl::archived_at.is_null())
        .order((dsl::created_at.asc(), dsl::id.asc()))
        .select((dsl::parent_id, dsl::id))
        .limit(bound(most))
        .load(conn)?;
    let pair = |(parent, child): (Option<String>, String)| {
        let parent = parse("session id", &parent.unwrap_or_default())?;
        Ok((parent, parse("session id", &child)?))
    };
    found.into_iter().map(pair).collect()
}

fn matching(owner: Option<UserId>, find: &Find<Field>) -> Query {
    let mut query = sessions::table.into_boxed();
    query = query.filter(dsl::archived_at.is_null());
    if let Some(owner) = owner {
        query = query.filter(dsl::owner_id.eq(owner.to_string()));
    }
    match condition(&find.condition) {
        Some(leaf) => query.filter(leaf),
        None => query,
    }
}

folded!(condition, Field, Leaf, text, number, never);

fn never() -> Leaf {
    Box::new(dsl::id.nullable().is_null().nullable())
}

fn text(field: Field, test: &Test<String>) -> Leaf {
    match field {
        Field::Id => tested!(dsl::id.nullable(), test),
        Field::Owner => tested!(dsl::owner_id.nullable(), test),
        Field::Kind => tested!(dsl::kind.nullable(), test),
        Field::Status => tested!(dsl::status.nullable(), test),
        Field::Name => tested!(dsl::name, test),
        Field::Topic => tested!(dsl::topic, test),
        Field::Model => tested!(dsl::model, test),
        Field::Mode => tested!(dsl::permission_mode.nullable(), test),
        Field::Workspace => tested!(dsl::workspace_id, test),
        Field::Parent => tested!(dsl::parent_id, test),
        Field::ParentReason => tested!(dsl::parent_reason, test),
        Field::CreatedAt | Field::UpdatedAt => never(),
    }
}

fn number(field: Field, test: &Test<i64>) -> Leaf {
    match field {
        Field::CreatedAt => tested!(dsl::created_at.nullable(), test),
        Field::UpdatedAt => tested!(dsl::updated_at.nullable(), test),
        Field::Id
        | Field::Owner
        | Field::Kind
        | Field::Status
        | Field::Name
        | Field::Topic
        | Field::Model
        | Field::Mode
        | Field::Workspace
        | Field::Parent
        | Field::ParentReason => never(),
    }
}

/// The order of a find; the newest first without one.
fn ordered(mut query: Query, find: &Find<Field>) -> Query {
    if find.sort.is_empty() {
        return query.order((dsl::created_at.desc(), dsl::id.desc()));
    }
    for (field, direction) in &find.sort {
        query = by(query, *field, *direction);
    }
    query.then_order_by(dsl::id.asc())
}

fn by(query: Query, field: Field, direction: Direction) -> Query {
    macro_rules! then {
        ($column:expr) => {
            match direction {
                Direction::Up => query.then_order_by($column.asc()),
                Direction::Down => query.then_order_by($column.desc()),
            }
        };
    }
    match field {
        Field::Id => then!(dsl::id),
        Field::Owner => then!(dsl::owner_id),
        Field::Kind => then!(dsl::kind),
        Field::Status => then!(dsl::status),
        Field::Name => then!(dsl::name),
        Field::Topic => then!(dsl::topic),
        Field::Model => then!(dsl::model),
        Field::Mode => then!(dsl::permission_mode),
        Field::Workspace => then!(dsl::workspace_id),
        Field::Parent => then!(dsl::parent_id),
        Field::ParentReason => then!(dsl::parent_reason),
        Field::CreatedAt => then!(dsl::created_at),
        Field::UpdatedAt => then!(dsl::updated_at),
    }
}
