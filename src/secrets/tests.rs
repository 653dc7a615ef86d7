//! Tests of sealing and of the key files.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_secret_opens_in_its_own_place_only() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open(dir.path()).unwrap();
    let (here, there) = (
        env_aad(SessionId::generate()),
        env_aad(SessionId::generate()),
    );
    let blob = secrets.seal(&here, b"TOKEN=hunter2").unwrap();
    assert!(!blob.windows(7).any(|part| part == b"hunter2"));
    assert_eq!(secrets.open_sealed(&here, &blob).unwrap(), b"TOKEN=hunter2");
    assert_eq!(
        secrets.open_sealed(&there, &blob),
        Err(SecretsError::Broken)
    );
}

#[test]
fn the_same_bytes_are_sealed_differently_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open(dir.path()).unwrap();
    assert_ne!(
        secrets.seal("a", b"x").unwrap(),
        secrets.seal("a", b"x").unwrap()
    );
}

#[test]
fn every_changed_or_missing_byte_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::open(dir.path()).unwrap();
    let blob = secrets.seal("a", b"secret").unwrap();
    for place in 0..blob.len() {
        let mut changed = blob.clone();
        changed[place] ^= 1;
        assert!(secrets.open_sealed("a", &changed).is_err(), "byte {place}");
        assert!(
            secrets.open_sealed("a", &blob[..place]).is_err(),
            "cut at {place}"
        );
    }
}

#[test]
fn the_keys_outlive_a_restart_and_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let first = Secrets::open(dir.path()).unwrap();
    let blob = first.seal("a", b"kept").unwrap();
    let second = Secrets::open(dir.path()).unwrap();
    assert_eq!(second.open_sealed("a", &blob).unwrap(), b"kept");
    assert_eq!(first.signing_key().expose(), second.signing_key().expose());
    let keys = dir.path().join("keys");
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&keys.join("master.key")), 0o600);
    assert_eq!(mode(&keys.join("jwt.key")), 0o600);
    assert_eq!(mode(&keys.join("audit.key")), 0o600);
    assert_eq!(first.audit_key().expose(), second.audit_key().expose());
    assert_ne!(first.audit_key().expose(), first.signing_key().expose());
    assert_eq!(std::fs::read_dir(&keys).unwrap().count(), 3);
}

#[test]
fn a_secret_of_another_key_says_which_key_it_needs() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let blob = Secrets::open(one.path()).unwrap().seal("a", b"x").unwrap();
    let refused = Secrets::open(two.path()).unwrap().open_sealed("a", &blob);
    assert!(matches!(refused, Err(SecretsError::UnknownKey { .. })));
}

#[test]
fn a_key_that_others_may_read_or_that_is_damaged_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Secrets::open(dir.path()).unwrap();
    let master = dir.path().join("keys/master.key");
    std::fs::set_permissions(&master, std::fs::Permissions::from_mode(0o644)).unwrap();
    let Err(error) = Secrets::open(dir.path()) else {
        panic!("trusted");
    };
    assert!(error.to_string().contains("chmod 600"), "{error}");
    std::fs::set_permissions(&master, std::fs::Permissions::from_mode(0o600)).unwrap();
    let keys = dir.path().join("keys");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o770)).unwrap();
    let Err(error) = Secrets::open(dir.path()) else {
        panic!("trusted");
    };
    assert!(error.to_string().contains("chmod 700"), "{error}");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(&master, "short\n").unwrap();
    assert!(Secrets::open(dir.path()).is_err());
}

#[test]
fn keys_made_at_the_same_time_are_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let open = || *Secrets::open(dir.path()).unwrap().signing_key().expose();
    let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
}
