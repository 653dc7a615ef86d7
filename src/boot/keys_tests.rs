//! A change of the master key, cut at every step. Never a running server.

use super::*;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{SessionId, SignInId, TaskId, Timestamp, WorkspaceId};
use crate::secrets::{env_aad, given_aad, provider_aad, said_aad, snapshot_aad, workspace_aad};
use crate::store::fixture::{owned, session, sqlite};
use crate::store::idempotency::{self, KeptReply};
use crate::store::sessions;

const COUNT: usize = 250;

fn plain(id: SessionId) -> Vec<u8> {
    format!("TOKEN=of-{id}").into_bytes()
}

async fn add(store: &Store, secrets: &Secrets, count: usize) -> Vec<SessionId> {
    let (owner, _) = owned(store).await;
    let mut ids = Vec::new();
    for _ in 0..count {
        let session = session(owner.id);
        let blob = secrets
            .seal(&env_aad(session.id), &plain(session.id))
            .unwrap();
        ids.push(session.id);
        let insert = move |conn: &mut Connection| {
            let row = sessions::NewSessionRow {
                session: &session,
                env_blob: Some(blob),
            };
            sessions::insert(conn, &row)
        };
        store.write(insert).await.unwrap();
    }
    ids
}

async fn all_open(store: &Store, secrets: &Secrets, ids: &[SessionId]) {
    for id in ids.iter().copied() {
        let blob = store.read(move |conn| sessions::env_blob(conn, id)).await;
        let blob = blob.unwrap().unwrap();
        assert_eq!(secrets.open_sealed(&env_aad(id), &blob).unwrap(), plain(id));
    }
}

fn active(secrets: &Secrets) -> KeyId {
    secrets.master_keys()[0].id()
}

#[test]
fn the_places_of_the_store_are_bound_as_they_are_sealed() {
    let id = SessionId::generate();
    let names: Vec<&str> = PLACES.iter().map(|place| place.name).collect();
    assert_eq!(
        names,
        [
            "sessions.env",
            "incarnations.snapshot",
            "tasks.said",
            "idempotency.reply",
            "workspaces.env",
            "sessions.workspace_env",
            "provider_sign_ins.secret",
        ]
    );
    let task = TaskId::generate();
    assert_eq!(said_aad(task), format!("{task}/said"));
    assert_eq!(env_aad(id), format!("{id}/env"));
    assert_eq!(snapshot_aad(id), format!("{id}/snapshot"));
    assert_eq!(given_aad(id), format!("{id}/given"));
    let (place, sign_in) = (WorkspaceId::generate(), SignInId::generate());
    assert_eq!(workspace_aad(place), format!("{place}/workspace"));
    assert_eq!(provider_aad(sign_in), format!("{sign_in}/provider"));
}

#[tokio::test]
async fn a_change_brings_everything_below_a_new_key_and_removes_the_old_one() {
    let (dir, store) = sqlite();
    let mut secrets = Secrets::open(dir.path()).unwrap();
    let old = active(&secrets);
    let ids = add(&store, &secrets, COUNT).await;
    let report = rekey(&store, &mut secrets).await.unwrap();
    assert_eq!(report.rewrapped, 250);
    assert_eq!(report.removed, [old.to_string()]);
    assert_eq!(report.made.as_deref(), Some(report.active.as_str()));
    assert_eq!((report.keys.len(), report.keys[0].values), (1, 250));
    assert!(!dir.path().join("keys/master.key").exists());
    let again = Secrets::open(dir.path()).unwrap();
    assert_ne!(active(&again), old);
    all_open(&store, &again, &ids).await;
    let text = serde_json::to_string(&look(&store, &again, Depth::Keys).await.unwrap()).unwrap();
    assert!(
        !again.texts().iter().any(|key| text.contains(key)),
        "{text}"
    );
}

#[tokio::test]
async fn a_new_signing_key_stands_before_the_last_one_and_no_older_one() {
    let (dir, store) = sqlite();
    let mut secrets = Secrets::open(dir.path()).unwrap();
    let first = look(&store, &secrets, Depth::Keys).await.unwrap().signing;
    secrets.renew_signing().unwrap();
    let second = look(&store, &Secrets::open(dir.path()).unwrap(), Depth::Keys)
        .await
        .unwrap()
        .signing;
    assert_eq!((second.len(), &second[1]), (2, &first[0]));
    secrets.renew_signing().unwrap();
    let third = look(&store, &Secrets::open(dir.path()).unwrap(), Depth::Keys)
        .await
        .unwrap()
        .signing;
    assert_eq!((third.len(), &third[1]), (2, &second[0]));
}

#[tokio::test]
async fn a_change_that_is_cut_anywhere_is_taken_up_and_loses_nothing() {
    // After the key was made; after it seals; after none, one and two pages.
    for cut in [None, Some(0), Some(1), Some(2)] {
        let (dir, store) = sqlite();
        let mut secrets = Secrets::open(dir.path()).unwrap();
        let old = active(&secrets);
        let ids = add(&store, &secrets, COUNT).await;
        match cut {
            None => drop(crate::secrets::testing::unused_key(dir.path())),
            Some(pages) => {
                secrets.renew().unwrap();
                rewrap(&store, &secrets, Some(pages)).await.unwrap();
            }
        }
        // Nothing is lost when the server is started in between, and what it seals counts.
        let mut secrets = Secrets::open(dir.path()).unwrap();
        assert_eq!(active(&secrets) == old, cut.is_none());
        all_open(&store, &secrets, &ids).await;
        let more = add(&store, &secrets, 3).await;
        let before = look(&store, &secrets, Depth::Keys).await.unwrap();
        assert_eq!(before.keys.len(), 2, "{cut:?}");
        let report = rekey(&store, &mut secrets).await.unwrap();
        assert_eq!(report.made.is_some(), cut.is_none(), "{cut:?}");
        assert_eq!(
            (report.keys.len(), report.keys[0].values),
            (1, 253),
            "{cut:?}"
        );
        let again = Secrets::open(dir.path()).unwrap();
        all_open(&store, &again, &ids).await;
        all_open(&store, &again, &more).await;
    }
}

#[tokio::test]
async fn an_outside_key_takes_over_and_is_never_made_or_removed() {
    let (dir, store) = sqlite();
    let own = Secrets::open(dir.path()).unwrap();
    let ids = add(&store, &own, 3).await;
    let file = dir.path().join("outside.key");
    assert!(Secrets::open_with(dir.path(), Some(&file)).is_err());
    let lines = |first: &str, second: &str| {
        format!("# ours\n{}\n{}\n", first.repeat(32), second.repeat(32))
    };
    std::fs::write(&file, lines("a1", "b2")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    let mut secrets = Secrets::open_with(dir.path(), Some(&file)).unwrap();
    all_open(&store, &secrets, &ids).await;
    let report = rekey(&store, &mut secrets).await.unwrap();
    assert_eq!((report.made, report.rewrapped), (None, 3));
    assert_eq!(report.removed, [active(&own).to_string()]);
    assert_eq!(report.keys.len(), 2);
    // The lines change places: the next change goes to the other key.
    let first = active(&secrets);
    std::fs::write(&file, lines("b2", "a1")).unwrap();
    let mut secrets = Secrets::open_with(dir.path(), Some(&file)).unwrap();
    assert_ne!(active(&secrets), first);
    assert_eq!(rekey(&store, &mut secrets).await.unwrap().rewrapped, 3);
    all_open(&store, &secrets, &ids).await;
}

#[tokio::test]
async fn a_value_whose_key_is_missing_is_told_and_left() {
    let (dir, store) = sqlite();
    let other = tempfile::tempdir().unwrap();
    let stranger = Secrets::open(other.path()).unwrap();
    let ids = add(&store, &stranger, 2).await;
    // A server does without this one: nobody is kept from starting it.
    let (owner, _) = owned(&store).await;
    let blob = stranger.seal("a", b"reply").unwrap();
    let kept = KeptReply {
        owner: owner.id,
        key: IdempotencyKey {
            key: "one".into(),
            digest: [1; 32],
        },
        reply: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob),
        created_at: Timestamp(1),
    };
    let insert = move |conn: &mut Connection| idempotency::insert(conn, &kept);
    store.write(insert).await.unwrap();
    let mut secrets = Secrets::open(dir.path()).unwrap();
    let report = rekey(&store, &mut secrets).await.unwrap();
    let missing = BTreeMap::from([(active(&stranger).to_string(), 2)]);
    assert_eq!((report.missing, report.rewrapped), (missing, 0));
    all_open(&store, &stranger, &ids).await;
}

#[tokio::test]
async fn a_value_that_cannot_be_opened_is_told_and_does_not_stop_later_changes() {
    let (dir, store) = sqlite();
    let mut secrets = Secrets::open(dir.path()).unwrap();
    let ids = add(&store, &secrets, 3).await;
    let first = page(&store, &PLACES[0], String::new())
        .await
        .unwrap()
        .rows
        .remove(0);
    let mut damaged = first.blob.clone();
    damaged[40] ^= 1;
    let old = active(&secrets).to_string();
    let write = move |conn: &mut Connection| PLACES[0].put(conn, &first, &damaged);
    assert!(store.write(write).await.unwrap());
    let report = rekey(&store, &mut secrets).await.unwrap();
    assert_eq!((report.rewrapped, report.broken), (2, 1));
    // Nothing else could ever open it.
    assert!(report.keys.iter().any(|key| key.id == old), "{report:?}");
    let again = rekey(&store, &mut secrets).await.unwrap();
    assert!(again.made.is_some(), "{again:?}");
    assert_eq!((again.rewrapped, again.broken), (2, 1));
    // Given up, it is gone, and so is its key with the next change.
    let given = give_up(&store, &secrets).await.unwrap();
    assert_eq!((given.given_up, given.broken), (1, 0));
    let last = rekey(&store, &mut secrets).await.unwrap();
    assert_eq!((last.keys.len(), last.keys[0].values), (1, 2));
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_damaged_end_of_a_value_is_named_by_a_change_and_by_a_check() {
    let (dir, store) = sqlite();
    let mut secrets = Secrets::open(dir.path()).unwrap();
    add(&store, &secrets, 3).await;
    let first = page(&store, &PLACES[0], String::new())
        .await
        .unwrap()
        .rows
        .remove(0);
    let name = format!("sessions.env of {}", first.key);
    let mut damaged = first.blob.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let write = move |conn: &mut Connection| PLACES[0].put(conn, &first, &damaged);
    assert!(store.write(write).await.unwrap());
    let check = look(&store, &secrets, Depth::Values).await.unwrap();
    assert_eq!((check.broken, &check.damaged), (1, &vec![name.clone()]));
    let report = rekey(&store, &mut secrets).await.unwrap();
    assert_eq!((report.broken, report.damaged), (1, vec![name]));
    // Its key is changed with the others: no old one has to stay for it.
    assert_eq!((report.rewrapped, report.keys.len()), (3, 1));
    let given = give_up(&store, &secrets).await.unwrap();
    assert_eq!(given.given_up, 1);
    let check = look(&store, &secrets, Depth::Values).await.unwrap();
    assert_eq!((check.broken, check.keys[0].values), (0, 2));
}

fn masters(dir: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(dir.join("keys")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let master = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("master") && name.ends_with(".key")
    };
    files.filter(master).collect()
}

#[tokio::test]
async fn a_key_that_is_lost_behind_a_change_can_be_given_up() {
    let (dir, store) = sqlite();
    let config = settings(dir.path());
    let mut secrets = Secrets::open(dir.path()).unwrap();
    add(&store, &secrets, 3).await;
    rekey(&store, &mut secrets).await.unwrap();
    for file in masters(dir.path()) {
        std::fs::remove_file(file).unwrap();
    }
    for work in [KeyWork::Status, KeyWork::Rekey] {
        let told = worked(&config, &store, work).await.unwrap_err().to_string();
        assert!(told.contains("give-up"), "{told}");
    }
    assert!(masters(dir.path()).is_empty());
    let given = worked(&config, &store, KeyWork::GiveUp).await.unwrap();
    assert_eq!((given.given_up, given.missing.len()), (3, 0));
    assert!(at_start(&config, &store).await.is_ok());
    // Where the note alone is gone, what is there still opens.
    let mut secrets = Secrets::open(dir.path()).unwrap();
    let ids = add(&store, &secrets, 2).await;
    secrets.renew().unwrap();
    std::fs::remove_file(dir.path().join("keys/active")).unwrap();
    let given = worked(&config, &store, KeyWork::GiveUp).await.unwrap();
    assert_eq!((given.given_up, given.missing.len()), (0, 0));
    all_open(&store, &Secrets::open(dir.path()).unwrap(), &ids).await;
}

#[tokio::test]
async fn a_lost_key_of_tokens_is_told_and_one_of_the_record_is_needed() {
    let (dir, store) = sqlite();
    let config = settings(dir.path());
    let secrets = at_start(&config, &store).await.unwrap();
    assert_eq!(secrets.made_anew(), [""; 0]);
    let seal = crate::domain::chain::SealKey::derive(secrets.audit_key().expose());
    record::ready(&store, dir.path(), seal).await.unwrap();
    std::fs::remove_file(dir.path().join("keys/jwt.key")).unwrap();
    let secrets = at_start(&config, &store).await.unwrap();
    assert_eq!(secrets.made_anew(), ["jwt.key"]);
    let secrets = at_start(&config, &store).await.unwrap();
    assert_eq!(secrets.made_anew(), [""; 0]);
    let file = Secrets::audit_file(dir.path());
    std::fs::remove_file(&file).unwrap();
    for work in [KeyWork::Status, KeyWork::Rekey, KeyWork::Signing] {
        let told = worked(&config, &store, work).await.unwrap_err().to_string();
        assert!(
            told.contains("audit.key") && told.contains("give-up"),
            "{told}"
        );
    }
    assert!(at_start(&config, &store).await.is_err());
    assert!(!file.exists(), "no key is made beside a record");
    let given = worked(&config, &store, KeyWork::GiveUp).await.unwrap();
    assert_eq!(given.made_anew, ["audit.key"]);
    assert!(at_start(&config, &store).await.is_ok());
}

fn settings(dir: &Path) -> Config {
    let overrides = crate::config::Overrides {
        data_dir: Some(dir.to_owned()),
        ..Default::default()
    };
    let home = BTreeMap::from([("HOME".to_owned(), dir.display().to_string())]);
    Config::load_from(&overrides, &home).unwrap()
}

#[tokio::test]
async fn a_server_does_not_start_without_the_keys_of_its_rows() {
    let (dir, store) = sqlite();
    let config = settings(dir.path());
    let own = at_start(&config, &store).await.unwrap();
    let ids = add(&store, &own, 2).await;
    let again = at_start(&config, &store).await.unwrap();
    all_open(&store, &again, &ids).await;
    let refused = async || match at_start(&config, &store).await {
        Ok(_) => panic!("it started"),
        Err(error) => error.to_string(),
    };
    let place = dir.path().join("keys");
    let aside = dir.path().join("aside");
    std::fs::rename(&place, &aside).unwrap();
    let told = refused().await;
    assert!(
        told.contains("holds none") && told.contains("give-up"),
        "{told}"
    );
    assert!(!place.exists(), "no key is made beside rows");
    // Other keys do not do either.
    drop(Secrets::open(dir.path()).unwrap());
    let told = refused().await;
    let old = active(&own).to_string();
    assert!(
        told.contains(&format!("2 sealed values need the key {old}")),
        "{told}"
    );
    // Both ways lead on.
    let fresh = Secrets::open(dir.path()).unwrap();
    let given = give_up(&store, &fresh).await.unwrap();
    assert_eq!((given.given_up, given.missing.len()), (2, 0));
    assert!(at_start(&config, &store).await.is_ok());
}

#[test]
fn a_mistyped_data_directory_is_refused_and_not_made() {
    let parent = tempfile::tempdir().unwrap();
    let config = settings(&parent.path().join("none"));
    for work in [
        KeyWork::Status,
        KeyWork::Rekey,
        KeyWork::Signing,
        KeyWork::GiveUp,
    ] {
        let told = work_on_keys(&config, work).unwrap_err().to_string();
        assert!(told.contains("--data-dir"), "{told}");
    }
    assert!(!config.data_dir.exists());
    // A database alone is not enough for all but one.
    std::fs::create_dir(&config.data_dir).unwrap();
    std::fs::write(config.data_dir.join("callboard.db"), "").unwrap();
    assert!(work_on_keys(&config, KeyWork::Rekey).is_err());
    assert!(!config.data_dir.join("keys").exists());
}

#[tokio::test]
async fn no_key_is_changed_while_a_backup_is_made() {
    let (dir, store) = sqlite();
    let secrets = Secrets::open(dir.path()).unwrap();
    add(&store, &secrets, 1).await;
    drop(store);
    let config = settings(dir.path());
    let before = active(&secrets);
    // It runs a system of its own.
    let work = |work| {
        let config = config.clone();
        let done = std::thread::spawn(move || work_on_keys(&config, work));
        done.join().unwrap()
    };
    let copy = lock::KeyHold::shared(dir.path()).unwrap();
    for refused in [KeyWork::Rekey, KeyWork::Signing, KeyWork::GiveUp] {
        let error = work(refused).unwrap_err();
        assert!(matches!(error, BootError::CopiesKeys { .. }), "{error}");
        assert_eq!(active(&Secrets::open(dir.path()).unwrap()), before);
    }
    assert!(work(KeyWork::Status).is_ok());
    drop(copy);
    let done = work(KeyWork::Rekey).unwrap();
    assert_eq!(done.removed, [before.to_string()]);
}
