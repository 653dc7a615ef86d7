//! Tests of the beginning of the record and of the look at it. Never a running server.

use super::*;
use crate::config::Overrides;
use crate::domain::Timestamp;
use crate::domain::chain::Record;
use crate::store::fixture;

fn at(dir: &Path) -> Config {
    let config = Config::load(Overrides {
        data_dir: Some(dir.to_owned()),
        ..Overrides::default()
    });
    config.unwrap()
}

/// What a server does with the record from its start to its end.
async fn lived(config: &Config) {
    let store = Store::open(config.database_url().expose()).unwrap();
    let secrets = Secrets::open(&config.data_dir).unwrap();
    let key = || SealKey::derive(secrets.audit_key().expose());
    ready(&store, &config.data_dir, key()).await.unwrap();
    let record = Record {
        at: Timestamp(1),
        actor: "server".into(),
        action: "server.started".into(),
        ..Record::default()
    };
    let key = key();
    let written = store.write(move |conn| audit::append(conn, &[record.clone(), record], &key));
    written.await.unwrap();
    store.close();
}

fn run(config: &Config, sql: &str) {
    fixture::execute(&config.database_path().unwrap(), sql);
}

const EMPTY: &str = "DELETE FROM audit; DELETE FROM meta WHERE key = 'audit.last';";

#[test]
fn a_look_beside_a_server_makes_and_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = at(dir.path());
    assert!(verify(&config).is_err());
    // A server that has the database, and no more keys than that one.
    let store = Store::open(config.database_url().expose()).unwrap();
    drop(Secrets::open(dir.path()).unwrap());
    let keys = dir.path().join("keys");
    for file in std::fs::read_dir(&keys).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "audit.key" {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let verdict = verify(&config).unwrap();
    assert_eq!((verdict.rows, verdict.broken), (0, None));
    assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 1);
    assert!(!mark(dir.path()).exists());
    store.close();
}

#[tokio::test]
async fn a_record_that_was_emptied_with_its_seal_is_found_before_and_behind_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = at(dir.path());
    lived(&config).await;
    lived(&config).await;
    let whole = verify(&config).unwrap();
    assert_eq!((whole.rows, whole.broken), (4, None));
    run(&config, EMPTY);
    let cut = verify(&config).unwrap();
    assert_eq!((cut.rows, cut.broken.map(|broken| broken.n)), (0, Some(1)));
    lived(&config).await;
    let after = verify(&config).unwrap();
    assert_eq!(
        (after.rows, after.broken.map(|broken| broken.n)),
        (3, Some(1))
    );
}

#[tokio::test]
async fn rows_from_elsewhere_and_a_start_that_was_cut_are_no_removed_record() {
    let dir = tempfile::tempdir().unwrap();
    let config = at(dir.path());
    lived(&config).await;
    // As a restored backup, or the directory of an older server: rows and seal without the mark.
    std::fs::remove_file(mark(dir.path())).unwrap();
    assert_eq!(verify(&config).unwrap().broken, None);
    lived(&config).await;
    assert!(mark(dir.path()).exists());
    assert_eq!(verify(&config).unwrap().broken, None);
    // A start that ended in front of its first row.
    let dir = tempfile::tempdir().unwrap();
    let config = at(dir.path());
    let store = Store::open(config.database_url().expose()).unwrap();
    let secrets = Secrets::open(dir.path()).unwrap();
    assert!(!begun(&store, dir.path()).await.unwrap());
    let key = SealKey::derive(secrets.audit_key().expose());
    ready(&store, dir.path(), key).await.unwrap();
    assert!(begun(&store, dir.path()).await.unwrap());
    store.close();
    assert_eq!(verify(&config).unwrap().broken, None);
    lived(&config).await;
    let verdict = verify(&config).unwrap();
    assert_eq!((verdict.rows, verdict.broken), (2, None));
}

#[tokio::test]
async fn a_row_that_is_no_text_is_named_and_a_missing_table_is_no_wrong_directory() {
    let dir = tempfile::tempdir().unwrap();
    let config = at(dir.path());
    lived(&config).await;
    lived(&config).await;
    run(&config, "UPDATE audit SET object = x'ff00' WHERE n = 3;");
    let verdict = verify(&config).unwrap();
    let broken = verdict.broken.unwrap();
    assert_eq!((broken.n, broken.why), (3, "the row cannot be read"));
    // What is wrong before it is named first.
    run(&config, "UPDATE audit SET actor = 'ann' WHERE n = 2;");
    assert_eq!(verify(&config).unwrap().broken.unwrap().n, 2);
    run(&config, "DROP TABLE audit;");
    let told = verify(&config).unwrap_err();
    assert!(matches!(told, BootError::Other(_)), "{told}");
    assert!(told.to_string().contains("the audit table"), "{told}");
}
