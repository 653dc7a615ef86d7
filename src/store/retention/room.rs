//! Room on the disk that removed rows have left in the embedded database's file.
//!
//! Never more than a step at one time: the writer is there for others.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use super::super::convert::narrow;
use super::super::{Connection, StoreError};

#[derive(QueryableByName)]
struct Free {
    #[diesel(sql_type = BigInt)]
    pages: i64,
}

/// Gives at most so many free pages back to the disk; returns how many. None on PostgreSQL, which
/// does it itself, and in a file that was made before files could shrink: that needs one
/// `callboard migrate --compact`.
///
/// # Errors
/// When the database fails.
pub fn give_back(conn: &mut Connection, most: usize) -> Result<usize, StoreError> {
    let Connection::Sqlite(conn) = conn else {
        return Ok(0);
    };
    let before = free(conn)?;
    if before == 0 {
        return Ok(0);
    }
    conn.batch_execute(&format!("PRAGMA incremental_vacuum({most})"))?;
    Ok(before.saturating_sub(free(conn)?))
}

fn free(conn: &mut SqliteConnection) -> Result<usize, StoreError> {
    let free: Free =
        diesel::sql_query("SELECT freelist_count AS pages FROM pragma_freelist_count()")
            .get_result(conn)?;
    narrow("number of pages", free.pages)
}

#[cfg(test)]
mod tests {
    use diesel::Connection as _;

    use super::super::super::fixture::sqlite;
    use super::*;
    use crate::store::migrations;

    async fn fill_and_remove(store: &crate::store::Store) {
        let words = "CREATE TABLE much (x TEXT); \
            INSERT INTO much VALUES (printf('%.1000000c', 'x')); DROP TABLE much";
        let gone = store.write(move |conn| Ok(conn.batch_execute(words)?));
        gone.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_removed_is_given_back_step_by_step() {
        let (dir, store) = sqlite();
        fill_and_remove(&store).await;
        let step = || store.write(|conn| give_back(conn, 100));
        assert_eq!(step().await.unwrap(), 100);
        while step().await.unwrap() > 0 {}
        drop(store);
        let size = dir.path().join("callboard.db").metadata().unwrap().len();
        assert!(size < 900_000, "{size}");
    }

    #[tokio::test]
    async fn an_older_file_shrinks_when_it_is_compacted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.db");
        let mut old = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        old.batch_execute("PRAGMA auto_vacuum = NONE; CREATE TABLE old (x TEXT)")
            .unwrap();
        drop(old);
        let store = crate::store::Store::open(&path).unwrap();
        fill_and_remove(&store).await;
        let step = store.write(|conn| give_back(conn, 100)).await;
        assert_eq!(step.unwrap(), 0);
        drop(store);
        let before = path.metadata().unwrap().len();
        migrations::compact(&path).unwrap();
        let after = path.metadata().unwrap().len();
        assert!(after < before, "{before} {after}");
        let store = crate::store::Store::open(&path).unwrap();
        fill_and_remove(&store).await;
        let step = store.write(|conn| give_back(conn, 100)).await;
        assert_eq!(step.unwrap(), 100);
    }
}
