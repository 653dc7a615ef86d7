//! Workspaces: rows, names, sealed variables, and the sessions in them.

use crate::domain::workspace::{Trouble, Workspace, WorkspaceOptions, WorkspaceState};
use crate::domain::*;
use crate::store::fixture::*;
use crate::store::sealed::PLACES;
use crate::store::*;

fn workspace(owner: UserId, name: &str, at: i64) -> Workspace {
    Workspace {
        id: WorkspaceId::generate(),
        name: name.to_owned(),
        options: WorkspaceOptions {
            variables: vec!["TOKEN".into()],
            skills: vec!["one".into(), "two".into()],
            shared_network: Some(false),
            ..WorkspaceOptions::default()
        },
        init_script: Some("#!/bin/sh\n".into()),
        distro: Some("debian-bookworm".into()),
        state: WorkspaceState::Pending,
        ..Workspace::host(owner, format!("/srv/{name}"), Timestamp(at))
    }
}

async fn put(store: &Store, one: &Workspace, env: Option<Vec<u8>>) -> Result<(), StoreError> {
    let one = one.clone();
    let write = move |conn: &mut Connection| workspaces::insert(conn, &one, env.as_deref());
    store.write(write).await
}

pub async fn workspaces_are_stored_listed_and_changed(store: Store) {
    let (ann, _) = owned(&store).await;
    let (bob, _) = owned(&store).await;
    let rows: Vec<Workspace> = (0..3)
        .map(|n| workspace(ann.id, &format!("w{n}"), n))
        .collect();
    for row in &rows {
        put(&store, row, Some(vec![7])).await.unwrap();
    }
    put(&store, &workspace(bob.id, "w1", 9), None)
        .await
        .unwrap();
    let twice = put(&store, &workspace(ann.id, "w1", 4), None).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let page = |owner, range| store.read(move |conn| workspaces::list(conn, owner, range));
    let (found, total) = page(Some(ann.id), (1, 1)).await.unwrap();
    assert_eq!((found, total), (vec![rows[1].clone()], 3));
    assert_eq!(page(None, (0, 9)).await.unwrap().1, 4);

    let ready = Workspace {
        updated_at: Timestamp(50),
        ..rows[0].clone().settled(Ok(()))
    };
    let wanted = ready.clone();
    let settle = store.write(move |conn| workspaces::settle(conn, &ready));
    settle.await.unwrap();
    let id = rows[0].id;
    let read = |id| store.read(move |conn| workspaces::by_id(conn, id));
    assert_eq!(read(id).await.unwrap(), Some(wanted.clone()));
    let open = store.read(workspaces::unsettled).await.unwrap();
    assert!(!open.contains(&wanted) && open.contains(&rows[2]));

    let lost = Trouble::new("interrupted", "the server ended");
    let mut other = wanted.settled(Err(lost));
    other.name = "w1".into();
    let (clash, free) = (other.clone(), other.clone());
    let update = store.write(move |conn| workspaces::update(conn, &clash, None));
    assert!(matches!(update.await, Err(StoreError::Conflict(_))));
    let free = Workspace {
        name: "w9".into(),
        ..free
    };
    let stored = free.clone();
    let update = store.write(move |conn| workspaces::update(conn, &stored, Some(&[1, 2])));
    update.await.unwrap();
    assert_eq!(read(id).await.unwrap(), Some(free));
    let blob = store.read(move |conn| workspaces::env_blob(conn, id)).await;
    assert_eq!(blob.unwrap(), Some(vec![1, 2]));
}

pub async fn a_workspace_goes_and_its_sessions_stay(store: Store) {
    let (ann, _) = owned(&store).await;
    let one = workspace(ann.id, "w", 1);
    put(&store, &one, None).await.unwrap();
    let mut inside = session(ann.id);
    inside.workspace = Some(one.id);
    let mut living = Session {
        workspace: Some(one.id),
        ..session(ann.id)
    };
    living.facts.process = Process::Starting {
        since: Timestamp(1),
        pid: None,
    };
    let rows = [inside.clone(), living.clone()];
    let add_both = store.write(move |conn| rows.iter().try_for_each(|row| add(conn, row)));
    add_both.await.unwrap();
    let id = one.id;
    let used = store.read(move |conn| workspaces::used_by(conn, id)).await;
    assert_eq!(used.unwrap(), Some(living.id));
    let at = inside.id;
    let give = store.write(move |conn| workspaces::give(conn, at, Some(&[4, 2])));
    give.await.unwrap();
    let given = || store.read(move |conn| workspaces::given(conn, at));
    assert_eq!(given().await.unwrap(), (Some(vec![4, 2]), Some(id)));
    store
        .write(move |conn| workspaces::remove(conn, id))
        .await
        .unwrap();
    // Its sessions are still said to be in it: none of their processes starts without its variables.
    assert_eq!(given().await.unwrap(), (Some(vec![4, 2]), Some(id)));
    let again = store.write(move |conn| workspaces::remove(conn, id)).await;
    assert_eq!(again, Err(StoreError::NotFound));
    let kept = store.read(move |conn| sessions::by_id(conn, at)).await;
    assert_eq!(kept.unwrap().unwrap().workspace, Some(id));
}

pub async fn those_of_a_deleted_person_go_with_what_they_hold(store: Store) {
    let (ann, _) = owned(&store).await;
    put(&store, &workspace(ann.id, "w", 1), Some(vec![3]))
        .await
        .unwrap();
    let id = ann.id;
    let gone = store.write(move |conn| users::delete(conn, id, Timestamp(9)));
    gone.await.unwrap();
    let left = store.read(move |conn| workspaces::list(conn, Some(id), (0, 9)));
    assert_eq!(left.await.unwrap().1, 0);
}

pub async fn their_variables_are_among_the_sealed_places(store: Store) {
    let (ann, one) = owned(&store).await;
    let row = workspace(ann.id, "w", 1);
    put(&store, &row, Some(vec![9, 9])).await.unwrap();
    let at = one.id;
    let give = store.write(move |conn| workspaces::give(conn, at, Some(&[8, 8])));
    give.await.unwrap();
    for (name, key, aad, blob) in [
        ("workspaces.env", row.id.to_string(), "workspace", [9, 9]),
        ("sessions.workspace_env", at.to_string(), "given", [8, 8]),
    ] {
        let place = PLACES.iter().find(|place| place.name == name).unwrap();
        let page = store.read(move |conn| place.page(conn, "", 9));
        let found = page.await.unwrap().rows.remove(0);
        assert_eq!((&found.key, &found.blob[..]), (&key, &blob[..]), "{name}");
        assert_eq!(found.aad, format!("{key}/{aad}"), "{name}");
        let write = store.write(move |conn| place.put(conn, &found, &[1]));
        assert!(write.await.unwrap(), "{name}");
    }
}
