//! `backup`: one moment of the rows, and the keys.
//!
//! Never writes to the database, and never a key that others could read.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use super::super::error::BootError;
use super::super::lock::KeyHold;
use super::draft::Draft;
use super::manifest::{Entry, FORMAT, Manifest, Rows, Writing, make_dir};
use super::{KEYS, ROWS, TABLES, failed, is_free, of_rows, parent, refused, sync_dir, tell};
use crate::config::Config;
use crate::store::archive::{Source, Table};

/// Keys by the names of their files.
type KeyFiles = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Rows between two words about how far it is.
const TOLD: u64 = 100_000;

/// Writes a backup of what these settings name into the directory `to`.
///
/// # Errors
/// Why there is none; nothing is left of it then.
pub fn backup(config: &Config, to: &Path, with_keys: bool) -> Result<(), BootError> {
    let to = std::path::absolute(to).map_err(failed(to))?;
    if !is_free(&to)? {
        let shown = to.display();
        return Err(refused(format!("{shown} is there already and not empty")));
    }
    let draft = Draft::begin(&to, "partial")?;
    let written = fill(config, draft.path(), with_keys).and_then(|rows| {
        match std::fs::remove_dir(&to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(&to)(error));
            }
            Ok(()) | Err(_) => {}
        }
        std::fs::rename(draft.path(), &to).map_err(failed(&to))?;
        sync_dir(parent(&to))?;
        Ok(rows)
    });
    match written {
        Ok(rows) => {
            tell(&format!("{rows} rows are in {}", to.display()));
            Ok(())
        }
        Err(error) => {
            draft.discard();
            Err(error)
        }
    }
}

fn fill(config: &Config, draft: &Path, with_keys: bool) -> Result<u64, BootError> {
    if let Some(file) = config.database_path() {
        there(&file, std::fs::metadata(&file).map(|found| found.is_file()))?;
    }
    // No key is changed until all is read: two changes would remove one that the rows still need.
    let hold = with_keys.then(|| KeyHold::shared(&config.data_dir));
    let hold = hold.transpose()?;
    // Before and after the rows: the first start of a server makes its keys meanwhile.
    let mut keys = KeyFiles::new();
    if with_keys {
        read_keys(&config.data_dir, &mut keys)?;
    }
    let database = config.database_url();
    let mut source = Source::open(database.expose()).map_err(|error| of_rows(&error))?;
    let schema = source.schema().map_err(|error| of_rows(&error))?;
    let epoch = source.epoch().map_err(|error| of_rows(&error))?;
    make_dir(&draft.join(TABLES))?;
    let mut tables = Vec::new();
    for table in source.tables().map_err(|error| of_rows(&error))? {
        tables.push(rows(&mut source, &table, draft)?);
    }
    if with_keys {
        read_keys(&config.data_dir, &mut keys)?;
    }
    drop(hold);
    let outside = config.secrets.master_key_file.as_deref();
    let outside_key = outside.map(|file| file.display().to_string());
    let keys = write_keys(&keys, draft)?;
    warn(!keys.is_empty(), outside_key.as_deref());
    sync_dir(&draft.join(TABLES))?;
    let count = tables.iter().map(|rows| rows.rows).sum();
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: crate::runtime::now().rfc3339(),
        schema,
        epoch,
        tables,
        keys,
        outside_key,
    };
    manifest.write(draft)?;
    sync_dir(draft)?;
    Ok(count)
}

/// Whether a database is there, as a look at its file says.
fn there(file: &Path, found: std::io::Result<bool>) -> Result<(), BootError> {
    let shown = file.display();
    match found {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(refused(
            format!("{shown} may not be read by this user: {error}"),
        )),
        Ok(false) | Err(_) => Err(refused(format!("there is no database at {shown}"))),
    }
}

fn rows(source: &mut Source, table: &Table, draft: &Path) -> Result<Rows, BootError> {
    let mut out = Writing::begin(draft, &format!("{TABLES}/{}.jsonl", table.name))?;
    let (mut count, mut told) = (0_u64, TOLD);
    let mut last: Option<String> = None;
    loop {
        let page = source.page(table, last.as_deref(), ROWS);
        let page = page.map_err(|error| of_rows(&error))?;
        for line in &page {
            out.add(line.as_bytes())?;
            out.add(b"\n")?;
            count = count.saturating_add(1);
        }
        if count >= told {
            tell(&format!("{}: {count} rows so far", table.name));
            told = count.saturating_add(TOLD);
        }
        let Some(line) = page.into_iter().last() else {
            break;
        };
        last = Some(line);
    }
    tell(&format!("{}: {count} rows", table.name));
    Ok(Rows {
        table: table.name.clone(),
        rows: count,
        entry: out.end()?,
    })
}

/// Adds the keys that are there; of one that is known, what it is now.
fn read_keys(data_dir: &Path, keys: &mut KeyFiles) -> Result<(), BootError> {
    let from = data_dir.join(KEYS);
    let found = match std::fs::read_dir(&from) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed(&from))?,
    };
    for entry in found {
        let path = entry.map_err(failed(&from))?.path();
        // Names with a dot in front are keys that are just being made.
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| !name.starts_with('.') && path.is_file()) else {
            continue;
        };
        match std::fs::read(&path) {
            Ok(bytes) => drop(keys.insert(name.to_owned(), Zeroizing::new(bytes))),
            // It went meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&path)(error)),
        }
    }
    Ok(())
}

fn write_keys(keys: &KeyFiles, draft: &Path) -> Result<Vec<Entry>, BootError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    make_dir(&draft.join(KEYS))?;
    let mut written = Vec::new();
    for (name, bytes) in keys {
        let mut out = Writing::begin(draft, &format!("{KEYS}/{name}"))?;
        out.add(bytes)?;
        written.push(out.end()?);
    }
    sync_dir(&draft.join(KEYS))?;
    Ok(written)
}

/// What the keys in it, or not in it, mean for who keeps the backup.
fn warn(keys: bool, outside: Option<&str>) {
    match (keys, outside) {
        (true, None) => {
            tell(
                "warning: the backup holds the keys of all stored secrets: keep it as safe as them",
            );
        }
        (true, Some(_)) => {
            tell("warning: the backup holds keys of stored secrets: keep it as safe as them");
        }
        (false, _) => {}
    }
    if let Some(file) = outside {
        tell(&format!(
            "warning: the master key in {file} is not in the backup, and stored secrets cannot be \
             opened without it: keep a copy of it elsewhere"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secrets;
    use crate::store::{fixture, meta};

    fn settings(dir: &Path) -> Config {
        let overrides = crate::config::Overrides {
            data_dir: Some(dir.to_owned()),
            ..Default::default()
        };
        let home = BTreeMap::from([("HOME".to_owned(), dir.display().to_string())]);
        Config::load_from(&overrides, &home).unwrap()
    }

    /// Whether somebody of this process waits for a share of a lock.
    fn one_waits() -> bool {
        let all = std::fs::read_to_string("/proc/locks").unwrap();
        let pid = std::process::id().to_string();
        all.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let waits = ["->", "FLOCK", "READ", pid.as_str()];
            waits.iter().all(|word| words.contains(word))
        })
    }

    #[tokio::test]
    async fn a_backup_waits_for_the_end_of_a_change_of_the_keys() {
        let (dir, store) = fixture::sqlite();
        store.write(meta::epoch).await.unwrap();
        let mut secrets = Secrets::open(dir.path()).unwrap();
        let old = secrets.master_keys()[0].id();
        let parent = tempfile::tempdir().unwrap();
        let copy = parent.path().join("copy");
        let change = KeyHold::alone(dir.path()).unwrap();
        let (config, to) = (settings(dir.path()), copy.clone());
        let made = std::thread::spawn(move || backup(&config, &to, true));
        let waits = async {
            while !one_waits() {
                assert!(!made.is_finished(), "it did not wait");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let bound = std::time::Duration::from_secs(30);
        tokio::time::timeout(bound, waits).await.unwrap();
        // More than one change while it runs: neither is seen in part.
        let first = secrets.renew().unwrap();
        assert!(secrets.discard(old).unwrap());
        let last = secrets.renew().unwrap();
        assert!(secrets.discard(first).unwrap());
        drop(change);
        made.join().unwrap().unwrap();
        let held = Secrets::open(&copy).unwrap();
        let held: Vec<_> = held.master_keys().iter().map(|key| key.id()).collect();
        assert_eq!(held, [last]);
    }

    #[test]
    fn what_may_not_be_read_is_not_called_missing() {
        use std::io::ErrorKind;
        let told = |found| there(Path::new("x.db"), found).unwrap_err().to_string();
        let denied = told(Err(ErrorKind::PermissionDenied.into()));
        assert!(denied.contains("may not be read"), "{denied}");
        for found in [Ok(false), Err(ErrorKind::NotFound.into())] {
            assert!(told(found).contains("there is no database"));
        }
    }

    #[test]
    fn keys_that_came_or_went_meanwhile_are_both_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join(KEYS);
        let put = |name: &str, text: &str| std::fs::write(keys.join(name), text).unwrap();
        std::fs::create_dir(&keys).unwrap();
        put("master.key", "old");
        put("active", "1");
        put(".half", "x");
        let mut found = KeyFiles::new();
        read_keys(dir.path(), &mut found).unwrap();
        std::fs::remove_file(keys.join("master.key")).unwrap();
        put("master-2.key", "new");
        put("active", "2");
        read_keys(dir.path(), &mut found).unwrap();
        let found: Vec<(&str, &[u8])> = found
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        let both: [(&str, &[u8]); 3] = [
            ("active", b"2"),
            ("master-2.key", b"new"),
            ("master.key", b"old"),
        ];
        assert_eq!(found, both);
    }
}
