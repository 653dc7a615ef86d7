//! Tasks as lists show them: whole as long as their words are not too many, then by the beginning.
//!
//! Never more in memory than a page of beginnings beside the bound.

use std::collections::{HashMap, HashSet};

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use super::schema::tasks;
use super::tasks::{Row, task};
use super::{Connection, StoreError};
use crate::domain::{Task, TaskId};

/// Bytes of prompts and answers that one list shows whole.
const WHOLE: i64 = 8 * 1024 * 1024;
/// What else there is of a task's words, in both databases; they know it without a look at the words.
const SIZE: &str =
    "CAST(octet_length(tasks.prompt) + coalesce(octet_length(tasks.text), 0) AS BIGINT)";
/// Rows of one statement: a database takes so many values and more.
const ROWS: usize = 500;

/// Tasks of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// In the order that was asked for, without those that are gone.
    pub tasks: Vec<Task>,
    /// Those of which only the beginning is here.
    pub cut: HashSet<TaskId>,
}

/// Reads these tasks in this order.
///
/// # Errors
/// When the database fails.
pub fn read(conn: &mut Connection, ids: &[TaskId]) -> Result<Listed, StoreError> {
    let named: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut sizes: HashMap<String, i64> = HashMap::new();
    for some in named.chunks(ROWS) {
        let rows: Vec<(String, i64)> = tasks::table
            .filter(tasks::id.eq_any(some))
            .select((tasks::id, sql::<BigInt>(SIZE)))
            .load(conn)?;
        sizes.extend(rows);
    }
    let mut sum = 0_i64;
    let (whole, cut): (Vec<&String>, Vec<&String>) = named.iter().partition(|id| {
        sum = sum.saturating_add(sizes.get(*id).copied().unwrap_or_default());
        sum <= WHOLE
    });
    let mut found: HashMap<TaskId, Task> = HashMap::new();
    let mut listed = Listed::default();
    for some in whole.chunks(ROWS) {
        let rows = tasks::table.filter(tasks::id.eq_any(some.iter().copied()));
        let rows: Vec<Row> = rows.load(conn)?;
        for row in rows {
            let one = task(row)?;
            found.insert(one.id, one);
        }
    }
    for some in cut.chunks(ROWS) {
        for row in beginnings(conn, some)? {
            let one = task(row)?;
            listed.cut.insert(one.id);
            found.insert(one.id, one);
        }
    }
    listed.tasks = ids.iter().filter_map(|id| found.remove(id)).collect();
    Ok(listed)
}

/// Tasks with the first 500 characters of their words.
fn beginnings(conn: &mut Connection, ids: &[&String]) -> Result<Vec<Row>, StoreError> {
    let rows = tasks::table
        .filter(tasks::id.eq_any(ids.iter().copied()))
        .select((
            tasks::id,
            tasks::session_id,
            tasks::owner_id,
            tasks::ord,
            tasks::state,
            sql::<Text>("substr(tasks.prompt, 1, 500)"),
            tasks::on_uncertain,
            tasks::metadata,
            tasks::attempt,
            tasks::incarnation,
            tasks::reason,
            sql::<Nullable<Text>>("substr(tasks.text, 1, 500)"),
            tasks::usage,
            tasks::created_at,
            tasks::started_at,
            tasks::ended_at,
            sql::<Nullable<Binary>>("NULL"),
        ));
    Ok(rows.load(conn)?)
}
