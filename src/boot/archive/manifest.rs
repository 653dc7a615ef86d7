//! The manifest of a backup: what is in it, and the digest of each file.
//!
//! Never trusted before the files are what it says.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::error::BootError;
use super::{failed, refused};

/// The file.
const NAME: &str = "manifest.json";
/// The form of a backup that this build writes and reads.
pub const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of the files.
    pub format: u32,
    /// The version of the program that wrote it.
    pub version: String,
    /// When.
    pub created_at: String,
    /// The versions of the schema that its rows have.
    pub schema: Vec<String>,
    /// The epoch of their numbers.
    pub epoch: Option<String>,
    /// The rows, each table behind those that it refers to.
    pub tables: Vec<Rows>,
    /// The keys.
    pub keys: Vec<Entry>,
    /// The file of master keys outside of the data directory, which is not in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_key: Option<String>,
}

/// The rows of one table.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rows {
    /// The table.
    pub table: String,
    /// How many there are.
    pub rows: u64,
    /// Where they are.
    #[serde(flatten)]
    pub entry: Entry,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its path in the backup.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: String,
}

impl Manifest {
    /// Writes it into a backup, the last file.
    pub fn write(&self, dir: &Path) -> Result<(), BootError> {
        let text = serde_json::to_vec_pretty(self).map_err(BootError::fault)?;
        let mut out = Writing::begin(dir, NAME)?;
        out.add(&text)?;
        out.add(b"\n")?;
        out.end().map(drop)
    }

    /// Reads that of a backup and compares every file with it.
    pub fn checked(dir: &Path) -> Result<Self, BootError> {
        let path = dir.join(NAME);
        let mut text = Vec::new();
        let read = super::regular(&path)?.read_to_end(&mut text);
        read.map_err(failed(&path))?;
        let unreadable = |error| refused(format!("{}: {error}", path.display()));
        let manifest: Self = serde_json::from_slice(&text).map_err(unreadable)?;
        if manifest.format != FORMAT {
            let form = manifest.format;
            return Err(refused(format!(
                "the backup has the form {form}, this program reads {FORMAT}"
            )));
        }
        let tables = manifest.tables.iter().map(|rows| &rows.entry);
        for entry in tables.chain(&manifest.keys) {
            entry.check(dir)?;
        }
        Ok(manifest)
    }
}

impl Entry {
    fn check(&self, dir: &Path) -> Result<(), BootError> {
        let inside = Path::new(&self.file)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside {
            return Err(refused(format!("`{}` is outside of the backup", self.file)));
        }
        let path = dir.join(&self.file);
        let file = super::regular(&path)?;
        let mut file = BufReader::new(file);
        let (mut digest, mut bytes) = (Sha256::new(), 0_u64);
        let mut block = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut block).map_err(failed(&path))?;
            let Some(part) = block.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            digest.update(part);
            bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(0));
        }
        if bytes != self.bytes || hex(digest) != self.sha256 {
            return Err(refused(format!(
                "{} is not what the manifest says: the backup is damaged",
                path.display()
            )));
        }
        Ok(())
    }
}

/// A file of a backup that is being written: 0600, counted and digested.
pub struct Writing {
    out: BufWriter<File>,
    path: std::path::PathBuf,
    name: String,
    digest: Sha256,
    bytes: u64,
}

impl Writing {
    /// Makes the file, which is not there yet.
    pub fn begin(dir: &Path, name: &str) -> Result<Self, BootError> {
        let path = dir.join(name);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        Ok(Self {
            out: BufWriter::with_capacity(256 * 1024, made.map_err(failed(&path))?),
            path,
            name: name.to_owned(),
            digest: Sha256::new(),
            bytes: 0,
        })
    }

    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), BootError> {
        self.out.write_all(bytes).map_err(failed(&self.path))?;
        self.digest.update(bytes);
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(count);
        Ok(())
    }

    /// Puts it on the disk.
    pub fn end(mut self) -> Result<Entry, BootError> {
        let done = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all());
        done.map_err(failed(&self.path))?;
        Ok(Entry {
            file: self.name,
            bytes: self.bytes,
            sha256: hex(self.digest),
        })
    }
}

/// Makes a directory that nobody else may enter.
pub fn make_dir(dir: &Path) -> Result<(), BootError> {
    DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .map_err(failed(dir))
}

fn hex(digest: Sha256) -> String {
    use std::fmt::Write;
    digest
        .finalize()
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}
