//! PostgreSQL that goes away: a second server on it, a cut line, a restart, and a commit whose
//! answer is lost.

use super::cluster::{Cluster, End};
use super::wire::{Cut, Wire};
use super::*;

async fn until_written(store: &Store, value: &'static str) {
    let begun = tokio::time::Instant::now();
    loop {
        match store.write(move |conn| meta::set(conn, "k", value)).await {
            Ok(()) => return,
            Err(StoreError::Busy | StoreError::Unreachable) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(begun.elapsed().as_secs() < 20, "it does not come back");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn read(store: &Store) -> Option<String> {
    store.read(|conn| meta::get(conn, "k")).await.unwrap()
}

#[tokio::test]
async fn a_second_store_on_one_database_is_refused_until_the_first_has_gone() {
    let (fresh, store) = postgres();
    let refused = Store::open(fresh.url()).unwrap_err();
    assert_eq!(refused.code(), "database_taken");
    let pid = format!("pid {}", std::process::id());
    assert!(refused.to_string().contains(&pid), "{refused}");
    assert_eq!(
        migrations::apply(fresh.url().as_ref()).unwrap_err(),
        refused
    );
    assert!(migrations::look(fresh.url().as_ref()).is_ok());
    let (_beside, other) = postgres();
    store.write(|conn| meta::set(conn, "k", "v")).await.unwrap();
    other.write(|conn| meta::set(conn, "k", "w")).await.unwrap();
    drop(store);
    let again = Store::open(fresh.url()).unwrap();
    assert_eq!(read(&again).await.as_deref(), Some("v"));
}

#[tokio::test]
async fn connections_that_were_cut_in_a_quiet_moment_are_made_again_unnoticed() {
    let (fresh, store) = postgres();
    let reads = (0..4).map(|_| store.read(|conn| meta::get(conn, "k")));
    futures_util::future::join_all(reads).await;
    fresh.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    for n in 0..4 {
        assert_eq!(read(&store).await, None, "read {n}");
    }
    store.write(|conn| meta::set(conn, "k", "v")).await.unwrap();
    assert_eq!(read(&store).await.as_deref(), Some("v"));
}

#[tokio::test]
async fn a_write_that_is_cut_in_the_middle_leaves_nothing_and_the_next_one_works() {
    let (_fresh, store) = postgres();
    let cut = store.write(|conn| {
        meta::set(conn, "k", "half")?;
        conn.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())")?;
        Ok(())
    });
    assert_eq!(cut.await, Err(StoreError::Busy));
    until_written(&store, "whole").await;
    assert_eq!(read(&store).await.as_deref(), Some("whole"));
}

#[tokio::test]
async fn a_restart_of_the_server_is_told_for_a_while_and_then_over() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let store = Store::open(cluster.url(&cluster.create(None))).unwrap();
    for (end, value) in [(End::Fast, "fast"), (End::Crash, "crash")] {
        store
            .write(|conn| meta::set(conn, "k", "before"))
            .await
            .unwrap();
        cluster.end(end);
        let away = store.write(|conn| meta::set(conn, "k", "lost")).await;
        assert_eq!(away, Err(StoreError::Unreachable));
        let away = store.read(|conn| meta::get(conn, "k")).await;
        assert_eq!(away, Err(StoreError::Unreachable));
        assert!(store.is_away());
        cluster.again();
        assert_eq!(read(&store).await.as_deref(), Some("before"));
        until_written(&store, value).await;
        assert_eq!(read(&store).await.as_deref(), Some(value));
    }
    // Without a server it closes all the same.
    cluster.end(End::Fast);
    drop(store);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    let cluster = Cluster::shared();
    let database = cluster.create(None);
    let wire = Wire::to(cluster.dir());
    let store = Store::open(wire.url(&database)).unwrap();
    let count = |conn: &mut Connection| {
        let before = meta::get(conn, "n")?.map_or(0, |text| text.parse::<u64>().unwrap());
        meta::set(conn, "n", &(before + 1).to_string())?;
        Ok(before + 1)
    };
    assert_eq!(store.write(count).await, Ok(1));
    wire.cut(Cut::After);
    assert_eq!(store.write(count).await, Ok(2), "it was kept");
    wire.cut(Cut::Before);
    assert_eq!(
        store.write(count).await,
        Err(StoreError::Busy),
        "it was not"
    );
    assert_eq!(store.write(count).await, Ok(3));
    let n = store.read(|conn| meta::get(conn, "n")).await.unwrap();
    assert_eq!(n.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_store_that_is_closed_over_a_doubt_says_that_nobody_knows() {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await.unwrap();
    let database = cluster.create(None);
    let wire = Wire::to(cluster.dir());
    let store = Store::open(wire.url(&database)).unwrap();
    wire.cut(Cut::After);
    let (inside, go) = (store.clone(), tokio::sync::oneshot::channel::<()>());
    let (told, entered) = tokio::sync::oneshot::channel();
    let doubted = tokio::spawn(async move {
        let write = inside.write(move |conn| {
            meta::set(conn, "k", "v")?;
            told.send(()).unwrap();
            go.1.blocking_recv().unwrap();
            Ok(())
        });
        write.await
    });
    entered.await.unwrap();
    // Nobody can connect any more, while the open transaction goes on.
    let shut = cluster.server.execute(
        "postgres",
        &format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"),
    );
    shut.unwrap();
    go.0.send(()).unwrap();
    let busy = store.write(|conn| meta::set(conn, "k", "w")).await;
    assert_eq!(busy, Err(StoreError::Busy));
    assert!(!doubted.is_finished(), "it was answered without knowing");
    tokio::task::spawn_blocking(move || store.close())
        .await
        .unwrap();
    assert_eq!(doubted.await.unwrap(), Err(StoreError::Unknown));
}

#[test]
fn an_address_that_does_not_answer_is_told_without_its_password() {
    let url = "postgres://ann:s%40cret@127.0.0.1:9/board";
    let refused = Store::open(url).unwrap_err().to_string();
    assert!(
        refused.contains("postgres://ann@127.0.0.1:9/board"),
        "{refused}"
    );
    assert!(!refused.contains("cret"), "{refused}");
    let refused = Store::open("postgres://ann:s@cret@host/board").unwrap_err();
    assert!(!refused.to_string().contains("cret"), "{refused}");
}

/// As PostgreSQL words them; the first one was seen with a tablespace that was full.
#[test]
fn what_passes_is_told_from_what_does_not() {
    use diesel::result::{DatabaseErrorKind, Error};
    let said =
        |kind, text: &str| StoreError::from(Error::DatabaseError(kind, Box::new(text.to_owned())));
    let unknown = |text| said(DatabaseErrorKind::Unknown, text);
    let full = "could not extend file \"base/5/1\": No space left on device";
    assert_eq!(unknown(full), StoreError::Full);
    for busy in [
        "canceling statement due to lock timeout",
        "canceling statement due to statement timeout",
        "deadlock detected",
        "sorry, too many clients already",
        "remaining connection slots are reserved for superusers",
        "the database system is starting up",
        "terminating connection due to administrator command",
    ] {
        assert_eq!(unknown(busy), StoreError::Busy, "{busy}");
    }
    let kind = DatabaseErrorKind::ClosedConnection;
    assert_eq!(said(kind, "whatever"), StoreError::Busy);
    let other = unknown("relation \"x\" does not exist");
    assert!(matches!(other, StoreError::Other(_)), "{other:?}");
}
