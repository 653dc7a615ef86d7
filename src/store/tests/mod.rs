//! Tests of the databases: files, migrations, a full disk, a killed process, a lost server, and a
//! model of the event log.

pub mod cluster;
mod crash;
mod lost;
mod model;
mod schema;
mod wire;

use std::os::unix::fs::PermissionsExt;

use diesel::connection::SimpleConnection;

use super::connection::{Opener, Role};
use super::fixture::*;
use super::*;

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
    reads_beside_a_write(store).await;
    let (_fresh, store) = postgres();
    reads_beside_a_write(store).await;
}

async fn reads_beside_a_write(store: Store) {
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
    let place = Place::File(store.path().unwrap().to_owned());
    let opener = Opener::new(place, Role::Writer);
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
