//! Tasks that match a find.
//!
//! Never one of a session that is archived.

use diesel::dsl::count_star;
use diesel::expression::BoxableExpression;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable};

use crate::domain::find::{Condition, Direction, Find, TaskField as Field, Test};
use crate::domain::{TaskId, UserId};
use crate::store::backend::MultiBackend;
use crate::store::convert::{bound, parse, unsigned};
use crate::store::listed::{self, Listed};
use crate::store::schema::sessions;
use crate::store::schema::tasks::{self, dsl};
use crate::store::{Connection, StoreError};

type Leaf = Box<dyn BoxableExpression<tasks::table, MultiBackend, SqlType = Nullable<Bool>>>;
type Query = tasks::BoxedQuery<'static, MultiBackend>;

/// One page and the number of all that match; `owner` absent: of everybody's sessions.
///
/// # Errors
/// When the database fails.
pub fn page(
    conn: &mut Connection,
    owner: Option<UserId>,
    find: &Find<Field>,
) -> Result<(Listed, u64), StoreError> {
    let total: i64 = matching(owner, find)
        .select(count_star())
        .get_result(conn)?;
    let ids: Vec<String> = ordered(matching(owner, find), find)
        .select(dsl::id)
        .offset(bound(find.skip))
        .limit(bound(find.limit))
        .load(conn)?;
    let ids: Result<Vec<TaskId>, StoreError> = ids.iter().map(|id| parse("task id", id)).collect();
    Ok((listed::read(conn, &ids?)?, unsigned(total)?))
}

fn matching(owner: Option<UserId>, find: &Find<Field>) -> Query {
    let mut query = tasks::table.into_boxed();
    let standing = sessions::table
        .filter(sessions::archived_at.is_null())
        .select(sessions::id);
    query = match owner {
        Some(owner) => {
            let theirs = standing.filter(sessions::owner_id.eq(owner.to_string()));
            query.filter(dsl::session_id.eq_any(theirs))
        }
        None => query.filter(dsl::session_id.eq_any(standing)),
    };
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
        Field::Session => tested!(dsl::session_id.nullable(), test),
        Field::Owner => tested!(dsl::owner_id.nullable(), test),
        Field::State => tested!(dsl::state.nullable(), test),
        Field::Order | Field::CreatedAt | Field::StartedAt | Field::EndedAt => never(),
    }
}

fn number(field: Field, test: &Test<i64>) -> Leaf {
    match field {
        Field::Order => tested!(dsl::ord.nullable(), test),
        Field::CreatedAt => tested!(dsl::created_at.nullable(), test),
        Field::StartedAt => tested!(dsl::started_at, test),
        Field::EndedAt => tested!(dsl::ended_at, test),
        Field::Id | Field::Session | Field::Owner | Field::State => never(),
    }
}

/// The order of a find; the oldest first without one.
fn ordered(mut query: Query, find: &Find<Field>) -> Query {
    for (field, direction) in &find.sort {
        query = by(query, *field, *direction);
    }
    query.then_order_by((dsl::created_at.asc(), dsl::id.asc()))
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
        Field::Session => then!(dsl::session_id),
        Field::Owner => then!(dsl::owner_id),
        Field::State => then!(dsl::state),
        Field::Order => then!(dsl::ord),
        Field::CreatedAt => then!(dsl::created_at),
        Field::StartedAt => then!(dsl::started_at),
        Field::EndedAt => then!(dsl::ended_at),
    }
}
