//! The hash chain of the audit table: the encoding of a row, its hash, and the seal of the last one.
//!
//! Never trusts a row because its own hash fits: the row before it must fit too, and the last row
//! must be the one that was sealed.
//!
//! What it finds: a changed column, a row that is gone, put in or in another place, rows cut off at
//! the end (the sealed head names a later one), rows that were written behind the head, and a chain
//! that was computed anew without the key of the seal.
//!
//! What it does not find: a copy of the whole database, head included, that takes the place of a
//! later one; and whatever somebody writes who can read the key files of the data directory. Against
//! these, copy the head out of the machine from time to time (`callboard audit verify` prints it).
//! That a table was emptied together with its head, a mark in the data directory tells.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::id::Timestamp;

/// Bytes that SHA-256 takes at a time (FIPS 180-4).
const BLOCK: usize = 64;
/// The encoding's name, so that another one never gives the same bytes.
const ENCODING: &str = "callboard audit 1";

/// One thing that was done, before it has a place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Who: a user's id, the name of the account that somebody tried, or `server`.
    pub actor: String,
    /// With what: `token:SID` or `key:ID`; empty where there was none.
    pub credential: String,
    /// From which address; empty where there was none.
    pub address: String,
    /// In which request; empty outside of one.
    pub request: String,
    /// What.
    pub action: String,
    /// To what.
    pub object: String,
    /// How it ended.
    pub result: String,
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Its number, from 1 without holes.
    pub n: u64,
    /// What was done.
    pub record: Record,
    /// The hash of the row before it, in hexadecimal; zeros before the first.
    pub prev: String,
    /// Its own.
    pub hash: String,
}

impl Link {
    /// Puts a record behind `head`.
    #[must_use]
    pub fn behind(head: &Head, record: Record) -> Self {
        let mut link = Self {
            n: head.n.saturating_add(1),
            record,
            prev: head.hash.clone(),
            hash: String::new(),
        };
        link.hash = link.own_hash();
        link
    }

    /// The hash that its columns give.
    #[must_use]
    pub fn own_hash(&self) -> String {
        let record = &self.record;
        let (n, at) = (self.n.to_string(), record.at.0.to_string());
        let columns: [&str; 11] = [
            ENCODING,
            &n,
            &at,
            &record.actor,
            &record.credential,
            &record.address,
            &record.request,
            &record.action,
            &record.object,
            &record.result,
            &self.prev,
        ];
        hex(&Sha256::digest(encoded(&columns)).into())
    }

    /// Its number and hash.
    #[must_use]
    pub fn head(&self) -> Head {
        Head {
            n: self.n,
            hash: self.hash.clone(),
        }
    }
}

/// A place in the chain: the number and hash of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number.
    pub n: u64,
    /// The hash.
    pub hash: String,
}

impl Default for Head {
    /// The place before the first row.
    fn default() -> Self {
        Self {
            n: 0,
            hash: "0".repeat(64),
        }
    }
}

/// What a sealed place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The last row.
    Last,
    /// The row before the first that is kept.
    Base,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Base => "base",
        }
    }
}

/// The key of the seals; wiped when it is dropped.
#[derive(Clone)]
pub struct SealKey(Zeroizing<[u8; 32]>);

impl SealKey {
    /// Derives it from a key of the server, which it does not give away.
    #[must_use]
    pub fn derive(secret: &[u8; 32]) -> Self {
        let label = b"callboard: the key of the audit table's seals, 1";
        Self(Zeroizing::new(hmac(secret, label)))
    }

    /// The text that is kept of a place: `N HASH MAC`.
    #[must_use]
    pub fn seal(&self, place: Place, head: &Head) -> String {
        format!("{} {} {}", head.n, head.hash, hex(&self.mac(place, head)))
    }

    /// Reads such a text; `None` when this key did not make it for this place.
    #[must_use]
    pub fn open(&self, place: Place, text: &str) -> Option<Head> {
        let mut parts = text.split(' ');
        let head = Head {
            n: parts.next()?.parse().ok()?,
            hash: parts.next()?.to_owned(),
        };
        let mac = parts.next()?;
        let ours = hex(&self.mac(place, &head));
        let same: bool = ours.as_bytes().ct_eq(mac.as_bytes()).into();
        (same && parts.next().is_none()).then_some(head)
    }

    fn mac(&self, place: Place, head: &Head) -> [u8; 32] {
        let n = head.n.to_string();
        hmac(&self.0, &encoded(&[ENCODING, place.name(), &n, &head.hash]))
    }
}

/// Columns as bytes, each behind its length, so that no two rows give the same.
fn encoded(columns: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for column in columns {
        let length = u64::try_from(column.len()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(column.as_bytes());
    }
    bytes
}

/// HMAC-SHA256 (RFC 2104) with a key of 32 bytes.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut padded = Zeroizing::new([0_u8; BLOCK]);
    for (to, from) in padded.iter_mut().zip(key) {
        *to = *from;
    }
    let with = |pad: u8| Zeroizing::new(padded.map(|byte| byte ^ pad));
    let inner = Sha256::new()
        .chain_update(with(0x36).as_slice())
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(with(0x5c).as_slice())
        .chain_update(inner)
        .finalize()
        .into()
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_the_standards() {
        // RFC 4231, test case 1, its key filled up with zeros as the standard does.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex(&hmac(&key, b"Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
    }

    fn record() -> Record {
        Record {
            at: Timestamp(5),
            actor: "a".into(),
            credential: "c".into(),
            address: "127.0.0.1".into(),
            request: "r".into(),
            action: "x.done".into(),
            object: "o".into(),
            result: "done".into(),
        }
    }

    #[test]
    fn every_column_is_in_the_hash_and_none_runs_into_the_next() {
        let link = Link::behind(&Head::default(), record());
        assert_eq!(link.own_hash(), link.hash);
        let changes: [fn(&mut Link); 10] = [
            |link| link.n = 2,
            |link| link.record.at = Timestamp(6),
            |link| link.record.actor.push('b'),
            |link| link.record.credential.push('b'),
            |link| link.record.address.push('2'),
            |link| link.record.request.push('b'),
            |link| link.record.action.push('b'),
            |link| link.record.object.push('b'),
            |link| link.record.result.push('b'),
            |link| link.prev.replace_range(..1, "1"),
        ];
        for change in changes {
            let mut other = link.clone();
            change(&mut other);
            assert_ne!(other.own_hash(), link.hash);
        }
        let mut shifted = link.clone();
        shifted.record.actor = "ac".into();
        shifted.record.credential = String::new();
        assert_ne!(shifted.own_hash(), link.hash);
    }

    #[test]
    fn a_seal_opens_for_its_place_and_its_key_alone() {
        let key = SealKey::derive(&[7; 32]);
        let head = Link::behind(&Head::default(), record()).head();
        let text = key.seal(Place::Last, &head);
        assert_eq!(key.open(Place::Last, &text), Some(head.clone()));
        assert_eq!(key.open(Place::Base, &text), None);
        assert_eq!(SealKey::derive(&[8; 32]).open(Place::Last, &text), None);
        let other = text.replacen("1 ", "2 ", 1);
        assert_eq!(key.open(Place::Last, &other), None);
        for broken in ["", "1", "1 x", &format!("{text} x")] {
            assert_eq!(key.open(Place::Last, broken), None, "{broken}");
        }
    }
}
