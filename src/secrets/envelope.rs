//! The form of a sealed value: its own data key, wrapped by a master key, and the value below it.
//!
//! Never opened in another place than the one it was sealed for: wrapping and value are both bound
//! to its name.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroize;

use super::keyfile::random;
use super::{KeyId, MasterKey, SecretsError};

/// `1 | key id (8) | nonce (24) | value`: sealed by the master key itself. Only read.
const DIRECT: u8 = 1;
/// `2 | key id (8) | nonce (24) | wrapped data key (48) | nonce (24) | value`.
const WRAPPED: u8 = 2;
const NONCE: usize = 24;
/// A data key with its tag.
const WRAP: usize = 48;

/// A sealed value, taken apart.
struct Parts<'a> {
    layout: u8,
    key: KeyId,
    nonce: [u8; NONCE],
    rest: &'a [u8],
}

/// Seals bytes under a fresh data key.
pub fn seal(master: &MasterKey, aad: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let mut data_key: [u8; 32] = random()?;
    let head = wrap(master, aad, &data_key);
    let sealed = random().and_then(|nonce| Ok((nonce, encrypt(&data_key, &nonce, aad, plain)?)));
    data_key.zeroize();
    let (nonce, sealed) = sealed?;
    let mut blob = head?;
    blob.extend_from_slice(&nonce);
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

/// Opens what was sealed under one of these keys for the same place.
pub fn open(keys: &[MasterKey], aad: &str, blob: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let parts = parts(blob)?;
    let master = held(keys, parts.key)?;
    if parts.layout == DIRECT {
        return decrypt(master.bytes(), &parts.nonce, aad, parts.rest);
    }
    let (mut data_key, rest) = unwrap(master, aad, &parts)?;
    let opened = split(rest).and_then(|(nonce, value)| decrypt(&data_key, &nonce, aad, value));
    data_key.zeroize();
    opened
}

/// The same value under the first of these keys; `None` when it is there already. The value itself
/// stays as it is unless its layout is an old one.
pub fn rewrap(keys: &[MasterKey], aad: &str, blob: &[u8]) -> Result<Option<Vec<u8>>, SecretsError> {
    let active = keys.first().ok_or(SecretsError::Broken)?;
    let parts = parts(blob)?;
    if parts.layout == DIRECT {
        let mut plain = open(keys, aad, blob)?;
        let sealed = seal(active, aad, &plain);
        plain.zeroize();
        return sealed.map(Some);
    }
    if parts.key == active.id() {
        return Ok(None);
    }
    let (mut data_key, rest) = unwrap(held(keys, parts.key)?, aad, &parts)?;
    let head = wrap(active, aad, &data_key);
    data_key.zeroize();
    let mut blob = head?;
    blob.extend_from_slice(rest);
    Ok(Some(blob))
}

/// Which master key it needs.
pub fn key_of(blob: &[u8]) -> Result<KeyId, SecretsError> {
    parts(blob).map(|parts| parts.key)
}

fn wrap(master: &MasterKey, aad: &str, data_key: &[u8; 32]) -> Result<Vec<u8>, SecretsError> {
    let nonce = random()?;
    let wrapped = encrypt(master.bytes(), &nonce, &key_aad(aad), data_key)?;
    let mut head = vec![WRAPPED];
    head.extend_from_slice(&master.id().0);
    head.extend_from_slice(&nonce);
    head.extend_from_slice(&wrapped);
    Ok(head)
}

fn unwrap<'a>(
    master: &MasterKey,
    aad: &str,
    parts: &Parts<'a>,
) -> Result<([u8; 32], &'a [u8]), SecretsError> {
    let (wrapped, rest) = parts
        .rest
        .split_first_chunk::<WRAP>()
        .ok_or(SecretsError::Broken)?;
    let mut plain = decrypt(master.bytes(), &parts.nonce, &key_aad(aad), wrapped)?;
    let data_key = <[u8; 32]>::try_from(plain.as_slice()).map_err(|_size| SecretsError::Broken);
    plain.zeroize();
    Ok((data_key?, rest))
}

fn parts(blob: &[u8]) -> Result<Parts<'_>, SecretsError> {
    let (layout, rest) = blob.split_first().ok_or(SecretsError::Broken)?;
    let (id, rest) = rest.split_first_chunk().ok_or(SecretsError::Broken)?;
    let (nonce, rest) = split(rest)?;
    if !matches!(*layout, DIRECT | WRAPPED) {
        return Err(SecretsError::Broken);
    }
    Ok(Parts {
        layout: *layout,
        key: KeyId(*id),
        nonce,
        rest,
    })
}

fn split(bytes: &[u8]) -> Result<([u8; NONCE], &[u8]), SecretsError> {
    let (nonce, rest) = bytes.split_first_chunk().ok_or(SecretsError::Broken)?;
    Ok((*nonce, rest))
}

fn held(keys: &[MasterKey], id: KeyId) -> Result<&MasterKey, SecretsError> {
    let unknown = || SecretsError::UnknownKey {
        key_id: id.to_string(),
    };
    keys.iter().find(|key| key.id() == id).ok_or_else(unknown)
}

/// A wrapped key is no value of its place.
fn key_aad(aad: &str) -> String {
    format!("{aad}#key")
}

fn encrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    aad: &str,
    plain: &[u8],
) -> Result<Vec<u8>, SecretsError> {
    let payload = Payload {
        msg: plain,
        aad: aad.as_bytes(),
    };
    XChaCha20Poly1305::new(&Key::from(*key))
        .encrypt(&XNonce::from(*nonce), payload)
        .map_err(|_too_long| SecretsError::Broken)
}

fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    aad: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, SecretsError> {
    let payload = Payload {
        msg: sealed,
        aad: aad.as_bytes(),
    };
    XChaCha20Poly1305::new(&Key::from(*key))
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_refused| SecretsError::Broken)
}
