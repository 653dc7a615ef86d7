//! Tests of the embedded database: files, migrations, a full disk, a killed process, and a model
//! of the event log.

mod crash;
mod model;

use std::os::unix::fs::PermissionsExt;

use diesel::connection::SimpleConnection;
use diesel_migrations::MigrationHarness;

use super::connection::{MIGRATIONS, Opener, Role};
use super::fixture::*;
use super::*;

fn schema(conn: &mut Connection) -> Vec<String> {
    use crate::store::Connection;
    use diesel::prelude::*;
    diesel::table! {
        sqlite_master (name) {
            name -> Text,
            sql -> Nullable<Text>,
        }
    }
    let Connection::Sqlite(conn) = conn;
    sqlite_master::table
        .filter(sqlite_master::sql.is_not_null())
        .filter(sqlite_master::name.not_like("__diesel%"))
        .order(sqlite_master::name.asc())
        .select(sqlite_master::sql.assume_not_null())
        .load(conn)
        .unwrap()
}

#[test]
fn migrations_go_up_down_and_up_again_to_the_same_schema() {
    let dir = tempfile::tempdir().unwrap();
    let opener = Opener {
        path: dir.path().join("x.db"),
        role: Role::Writer,
    };
    let mut conn = opener.open().unwrap();
    connection::migrate(&mut conn).unwrap();
    let first = schema(&mut conn);
    assert!(first.len() > 11, "{first:?}");
    let Connection::Sqlite(raw) = &mut conn;
    raw.revert_all_migrations(MIGRATIONS).unwrap();
    assert_eq!(schema(&mut conn), Vec::<String>::new());
    connection::migrate(&mut conn).unwrap();
    assert_eq!(schema(&mut conn), first);
}

#[tokio::test]
async fn a_database_of_a_newer_build_is_refused_and_left_alone() {
    let (_dir, store) = sqlite();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')";
    store
        .write(move |conn| Ok(conn.batch_execute(newer)?))
        .await
        .unwrap();
    let path = store.path().to_owned();
    drop(store);
    let refused = Store::open(path).unwrap_err();
    assert_eq!(refused.code(), "schema_newer");
    assert!(refused.to_string().contains("20991231000001"));
}

#[tokio::test]
async fn the_files_are_private_and_an_open_again_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data").join("callboard.db");
    let store = Store::open(format!("sqlite:{}", path.display())).unwrap();
    let (_, one) = owned(&store).await;
    let epoch = store.read(meta::epoch).await.unwrap();
    let files = std::fs::read_dir(dir.path().join("data")).unwrap();
    let modes: Vec<u32> = files
        .map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o777)
        .collect();
    assert!(
        modes.len() >= 2 && modes.iter().all(|mode| *mode == 0o600),
        "{modes:?}"
    );
    drop(store);
    let again = Store::open(&path).unwrap();
    let id = one.id;
    let found = again
        .read(move |conn| sessions::by_id(conn, id))
        .await
        .unwrap();
    assert_eq!(found, Some(one));
    assert_eq!(again.read(meta::epoch).await.unwrap(), epoch);
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_work_goes_on_when_there_is_room() {
    let (_dir, store) = sqlite();
    let (_, one) = owned(&store).await;
    let pragma = |text: &'static str| store.write(move |conn| Ok(conn.batch_execute(text)?));
    let commit = |first_seq: u64, bytes: usize| {
        let mut batch = batch(&one, first_seq, 1);
        batch.events[0].data = format!("{{\"x\":\"{}\"}}", "y".repeat(bytes));
        store.write(move |conn| journal::commit(conn, first_seq, &[batch]))
    };
    commit(1, 10).await.unwrap();
    // SQLite gives the same error for this bound as for ENOSPC.
    pragma("PRAGMA max_page_count = 100").await.unwrap();
    let full = commit(2, 1_000_000).await.unwrap_err();
    assert_eq!(full, StoreError::Full);
    let said = crate::domain::Error::from(full);
    assert_eq!(said.code(), "disk_full");
    let id = one.id;
    assert_eq!(
        store
            .read(move |conn| events::bounds(conn, id))
            .await
            .unwrap(),
        (1, 1)
    );
    pragma("PRAGMA max_page_count = 1000000").await.unwrap();
    commit(2, 1_000_000).await.unwrap();
    assert_eq!(
        store
            .read(move |conn| events::bounds(conn, id))
            .await
            .unwrap(),
        (1, 2)
    );
}

#[tokio::test]
async fn readers_read_while_a_write_is_open() {
    let (_dir, store) = sqlite();
    let (inside, entered) = tokio::sync::oneshot::channel();
    let (go, leave) = tokio::sync::oneshot::channel::<()>();
    let writer = store.clone();
    let write = tokio::spawn(async move {
        let held = writer.write(move |conn| {
            meta::set(conn, "k", "new")?;
            inside.send(()).unwrap();
            leave.blocking_recv().unwrap();
            Ok(())
        });
        held.await
    });
    entered.await.unwrap();
    assert_eq!(store.read(|conn| meta::get(conn, "k")).await.unwrap(), None);
    go.send(()).unwrap();
    write.await.unwrap().unwrap();
    let after = store.read(|conn| meta::get(conn, "k")).await.unwrap();
    assert_eq!(after.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_waits_for_the_disk() {
    let (_dir, store) = sqlite();
    let start = tokio::time::Instant::now();
    let write = store.write(|conn| meta::set(conn, "k", "v"));
    let late = tokio::time::timeout(std::time::Duration::from_millis(1), write).await;
    late.expect("the clock ran ahead of the write").unwrap();
    assert!(start.elapsed() < std::time::Duration::from_millis(1));
}

#[tokio::test]
async fn the_database_in_another_hand_is_busy() {
    let (_dir, store) = sqlite();
    store
        .write(|conn| Ok(conn.batch_execute("PRAGMA busy_timeout = 1")?))
        .await
        .unwrap();
    let opener = Opener {
        path: store.path().to_owned(),
        role: Role::Writer,
    };
    let mut other = opener.open().unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let busy = store.write(|conn| meta::set(conn, "k", "v")).await;
    assert_eq!(busy, Err(StoreError::Busy));
    assert_eq!(
        crate::domain::Error::from(StoreError::Busy).code(),
        "database_busy"
    );
    other.batch_execute("ROLLBACK").unwrap();
    store.write(|conn| meta::set(conn, "k", "v")).await.unwrap();
}
