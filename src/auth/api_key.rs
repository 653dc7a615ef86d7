//! API keys as texts: `PREFIX` + id (22) + 32 random bytes (43) + CRC-32 (6), all in base 62.
//!
//! Never stored as themselves: the server keeps the SHA-256, which is enough for 256 random bits.

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::refused;
use crate::domain::{Error, KeyId, Result};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of 16, 32 and 4 bytes.
const ID: usize = 22;
const SECRET: usize = 43;
const CHECK: usize = 6;
/// Digits of the id that are shown beside the prefix.
const SHOWN: usize = 4;

/// A fresh key.
pub struct NewKey {
    /// Its text, for its owner alone.
    pub text: Zeroizing<String>,
    /// Its id.
    pub id: KeyId,
    /// How it begins, for lists.
    pub start: String,
    /// What the server keeps of it.
    pub hash: [u8; 32],
}

/// A key that came with a request and is whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented {
    /// The id that it names.
    pub id: KeyId,
    /// Its SHA-256.
    pub hash: [u8; 32],
}

/// Makes a key.
///
/// # Errors
/// When the system gives no random bytes.
pub fn generate(prefix: &str) -> Result<NewKey> {
    let mut secret = Zeroizing::new([0_u8; 32]);
    SysRng
        .try_fill_bytes(secret.as_mut_slice())
        .map_err(Error::internal)?;
    let id = KeyId::generate();
    let number = encode(id.0.as_bytes(), ID);
    let shown: String = number.chars().take(SHOWN).collect();
    let mut text = Zeroizing::new(String::with_capacity(prefix.len().saturating_add(71)));
    text.push_str(prefix);
    text.push_str(&number);
    text.push_str(&Zeroizing::new(encode(secret.as_slice(), SECRET)));
    let check = checksum(&text);
    text.push_str(&check);
    Ok(NewKey {
        id,
        start: format!("{prefix}{shown}"),
        hash: Sha256::digest(text.as_bytes()).into(),
        text,
    })
}

/// Reads a key; a wrong or mistyped one is known by its checksum, without a look at any row.
///
/// # Errors
/// `bad_key`.
pub fn read(prefix: &str, text: &str) -> Result<Presented> {
    let rest = text.strip_prefix(prefix).ok_or_else(bad_key)?;
    let whole = ID.saturating_add(SECRET).saturating_add(CHECK);
    if rest.len() != whole || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad_key());
    }
    let (body, check) = text
        .split_at_checked(text.len().saturating_sub(CHECK))
        .ok_or_else(bad_key)?;
    if checksum(body) != check {
        return Err(bad_key());
    }
    let id = rest.get(..ID).and_then(number).ok_or_else(bad_key)?;
    Ok(Presented {
        id: KeyId(Uuid::from_u128(id)),
        hash: Sha256::digest(text.as_bytes()).into(),
    })
}

impl Presented {
    /// Whether it is the key that this was kept of, in hexadecimal; in a time that tells nothing.
    #[must_use]
    pub fn is(&self, kept: &str) -> bool {
        let own: String = self.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        own.as_bytes().ct_eq(kept.as_bytes()).into()
    }
}

/// The key is none of this server's.
#[must_use]
pub fn bad_key() -> Error {
    refused("bad_key", "the API key is not one of this server")
}

/// The key was revoked.
#[must_use]
pub fn key_revoked() -> Error {
    refused("key_revoked", "the API key was revoked")
}

/// The key is over.
#[must_use]
pub fn key_expired() -> Error {
    refused("key_expired", "the API key is over; make a new one")
}

fn checksum(text: &str) -> String {
    encode(&crc32(text.as_bytes()).to_be_bytes(), CHECK)
}

/// CRC-32 as in Ethernet and zip (reflected, polynomial 0xEDB88320).
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _bit| {
            let carried = if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
            (crc >> 1) ^ carried
        })
    });
    !crc
}

/// A number, its highest byte first, in so many digits.
fn encode(bytes: &[u8], width: usize) -> String {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut digits: Vec<char> = (0..width)
        .map(|_place| digit(divide(&mut number)))
        .collect();
    digits.reverse();
    digits.into_iter().collect()
}

/// Divides by 62 in place and gives the rest.
fn divide(number: &mut [u8]) -> u8 {
    let mut rest = 0_u16;
    for byte in number.iter_mut() {
        let value = rest.saturating_mul(256).saturating_add(u16::from(*byte));
        // Below 256, because the rest is below 62.
        *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
        rest = value % 62;
    }
    u8::try_from(rest).unwrap_or(0)
}

fn digit(value: u8) -> char {
    let found = DIGITS.get(usize::from(value)).copied();
    found.map_or('0', char::from)
}

/// The number that these digits are; `None` when it needs more than 128 bits.
fn number(digits: &str) -> Option<u128> {
    digits.bytes().try_fold(0_u128, |number, byte| {
        let value = DIGITS.iter().position(|digit| *digit == byte)?;
        number
            .checked_mul(62)?
            .checked_add(u128::try_from(value).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "agor_sk_";

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn digits_are_of_base_62() {
        assert_eq!(encode(&[0, 61], 3), "00z");
        assert_eq!(encode(&[1, 0], 3), "048");
        assert_eq!(encode(&[255; 4], 6), "4gfFC3");
        assert_eq!(number("4gfFC3"), Some(u128::from(u32::MAX)));
        assert_eq!(encode(&[255; 32], SECRET).len(), SECRET);
        let most = encode(&[255; 16], ID);
        assert_eq!(number(&most), Some(u128::MAX));
        assert_eq!(number(&"z".repeat(ID)), None);
    }

    #[test]
    fn a_key_reads_back_and_differs_each_time() {
        let (one, two) = (generate(PREFIX).unwrap(), generate(PREFIX).unwrap());
        assert_eq!(one.text.len(), PREFIX.len() + 71);
        assert!(one.text.starts_with(&one.start));
        assert_ne!(*one.text, *two.text);
        let read = read(PREFIX, &one.text).unwrap();
        assert_eq!((read.id, read.hash), (one.id, one.hash));
        let hex = |key: &NewKey| -> String { key.hash.map(|b| format!("{b:02x}")).concat() };
        assert!(read.is(&hex(&one)) && !read.is(&hex(&two)) && !read.is(""));
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let key = generate(PREFIX).unwrap();
        let text: Vec<char> = key.text.chars().collect();
        for place in 0..text.len() {
            let mut other = text.clone();
            other[place] = if other[place] == 'x' { 'y' } else { 'x' };
            let other: String = other.into_iter().collect();
            assert!(read(PREFIX, &other).is_err(), "{place}");
            let cut: String = text[..place].iter().collect();
            assert!(read(PREFIX, &cut).is_err(), "cut at {place}");
        }
        assert!(read("other_", &key.text).is_err());
        assert!(read(PREFIX, &format!("{}0", *key.text)).is_err());
        assert!(read(PREFIX, &"\u{e4}".repeat(40)).is_err());
    }
}
