//! `restore`: a data directory of a backup.
//!
//! Never beside a running server, and never over anything: what is there is put aside.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::super::binding;
use super::super::error::BootError;
use super::super::lock::{DataDir, KeyHold};
use super::draft::Draft;
use super::manifest::{Manifest, Rows, Writing, make_dir};
use super::{KEYS, ROWS, beside, failed, of_rows, parent, refused, sync_dir, tell};
use crate::config::Config;
use crate::domain::SERVER_LOCK;
use crate::keeper::Dir;
use crate::store::archive::{Finished, Table, Target};
use crate::store::{Claim, StoreError};

/// Makes the data directory that these settings name of the backup `from`.
///
/// # Errors
/// Why there is none; what was there is as it was.
pub fn restore(config: &Config, from: &Path, force: bool) -> Result<(), BootError> {
    let place = &config.data_dir;
    apart(from, place)?;
    let manifest = Manifest::checked(from)?;
    // The lock goes with this value: nobody starts a server there meanwhile.
    let lock = place.is_dir().then(|| held(place)).transpose()?;
    let occupied = occupied(place)?;
    if occupied && !force {
        let shown = place.display();
        return Err(refused(format!(
            "{shown} is not empty; with --force it is put aside"
        )));
    }
    no_agents(place)?;
    std::fs::create_dir_all(parent(place)).map_err(failed(parent(place)))?;
    let draft = Draft::begin(place, "restore")?;
    let filled = fill(config, (from, &manifest), draft.path());
    let placed = filled.and_then(|finished| Ok((put(draft.path(), place, occupied)?, finished)));
    let (aside, finished) = match placed {
        Ok(placed) => placed,
        Err(error) => {
            draft.discard();
            return Err(error);
        }
    };
    drop((draft, lock));
    report(config, &manifest, (aside.as_deref(), &finished));
    Ok(())
}

/// Nobody else works on the directory: no server, and no backup, whose keys would not be its rows'.
fn held(place: &Path) -> Result<(DataDir, KeyHold), BootError> {
    Ok((DataDir::take(place)?, KeyHold::alone(place)?))
}

/// Refuses a data directory in the backup, which would not be what it was any more.
fn apart(from: &Path, place: &Path) -> Result<(), BootError> {
    let from = from.canonicalize().map_err(failed(from))?;
    let whole = std::path::absolute(place).map_err(failed(place))?;
    // What is not there yet is below something that is.
    let real = whole.ancestors().find_map(|dir| dir.canonicalize().ok());
    if whole.starts_with(&from) || real.is_some_and(|dir| dir.starts_with(&from)) {
        let shown = place.display();
        return Err(refused(format!("{shown} is in the backup: name another")));
    }
    Ok(())
}

/// What the person who restored has to know.
fn report(config: &Config, manifest: &Manifest, (aside, made): (Option<&Path>, &Finished)) {
    let place = &config.data_dir;
    if let Some(aside) = aside {
        tell(&format!("what was there is in {}", aside.display()));
    }
    tell(&format!("the new epoch is {}", made.epoch));
    tell(&format!("{} is restored", place.display()));
    if made.paused > 0 {
        tell(&format!(
            "warning: {} sessions had open tasks, which may have run after the backup: they are \
             paused. Look at each, and resume it",
            made.paused
        ));
    }
    if manifest.keys.is_empty() {
        let keys = place.join(KEYS);
        tell(&format!(
            "warning: the backup has no keys: put them into {} before the first start",
            keys.display()
        ));
    }
    if let Some(file) = &manifest.outside_key {
        tell(&format!(
            "warning: the master key was in {file}, which is not in the backup: name it with \
             `secrets.master_key_file` before the first start"
        ));
    }
}

/// Refuses a data directory whose agents live on: put aside, nobody would find them again.
fn no_agents(place: &Path) -> Result<(), BootError> {
    let keepers = place.join("keepers");
    let all = Dir::all(&keepers).map_err(failed(&keepers))?;
    let alive = all.iter().filter(|(_, _, dir)| dir.alive()).count();
    if alive == 0 {
        return Ok(());
    }
    Err(refused(format!(
        "{alive} agents of {} live on: start its server and end them first (`callboard serve \
         --stop-agents`, then Ctrl-C)",
        place.display()
    )))
}

/// Whether something but a lock is in the directory.
fn occupied(place: &Path) -> Result<bool, BootError> {
    let entries = match std::fs::read_dir(place) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(failed(place))?,
    };
    for entry in entries {
        if entry.map_err(failed(place))?.file_name() != SERVER_LOCK {
            return Ok(true);
        }
    }
    Ok(false)
}

fn fill(
    config: &Config,
    (from, manifest): (&Path, &Manifest),
    draft: &Path,
) -> Result<Finished, BootError> {
    copy_keys(from, manifest, draft)?;
    let rows = |error| of_rows(&error);
    // A database below the data directory is made in the draft; any other where it is to be.
    let own = own_file(config).map(|file| draft.join(file));
    let url = config.database_url();
    let (_claim, created) = match &own {
        Some(file) => (None, Target::create(file, &manifest.schema)),
        None => {
            let claim = Claim::take(url.expose()).map_err(rows)?;
            let created = Target::create(url.expose(), &manifest.schema);
            (Some(claim), created)
        }
    };
    let mut target = created.map_err(|error| unmade(&error, own.is_none()))?;
    let finished = match load_all(&mut target, from, manifest) {
        Ok(finished) => finished,
        Err(error) => {
            if let Err(left) = target.abandon() {
                tell(&format!("tables without rows are left: {left}"));
            }
            return Err(error);
        }
    };
    drop(target);
    binding::note_restored(draft, &finished.id)?;
    if let Some(file) = own {
        let synced = File::open(&file).and_then(|file| file.sync_all());
        synced.map_err(failed(&file))?;
    }
    sync_dir(draft)?;
    Ok(finished)
}

/// Why a database is not made. What holds something is never put aside outside of the data directory.
fn unmade(error: &StoreError, outside: bool) -> BootError {
    if let StoreError::Conflict(text) = error
        && outside
    {
        return refused(format!(
            "the database: {text}; --force puts aside the data directory alone: make a new, empty \
             database and name it as `database.url`, or empty this one yourself"
        ));
    }
    of_rows(error)
}

/// The database's file as it is named below the data directory, if it is there.
fn own_file(config: &Config) -> Option<PathBuf> {
    let file = std::path::absolute(config.database_path()?).ok()?;
    let place = std::path::absolute(&config.data_dir).ok()?;
    file.strip_prefix(place).map(Path::to_owned).ok()
}

fn load_all(target: &mut Target, from: &Path, manifest: &Manifest) -> Result<Finished, BootError> {
    let tables = target.tables().map_err(|error| of_rows(&error))?;
    for table in &tables {
        let rows = manifest.tables.iter().find(|rows| rows.table == table.name);
        if let Some(rows) = rows {
            load(target, table, (from, rows))?;
        }
    }
    if let Some(rows) = manifest.tables.iter().find(|rows| !there(&tables, rows)) {
        let name = &rows.table;
        return Err(refused(format!("the schema has no table `{name}`")));
    }
    target.finish().map_err(|error| of_rows(&error))
}

fn there(tables: &[Table], rows: &Rows) -> bool {
    tables.iter().any(|table| table.name == rows.table)
}

fn load(target: &mut Target, table: &Table, (from, rows): (&Path, &Rows)) -> Result<(), BootError> {
    let path = from.join(&rows.entry.file);
    let file = super::regular(&path)?;
    let mut count = 0_u64;
    let mut some: Vec<String> = Vec::with_capacity(ROWS);
    let mut insert = |some: &mut Vec<String>| {
        let done = target.insert(table, some);
        some.clear();
        done.map_err(|error| of_rows(&error))
    };
    for line in BufReader::new(file).lines() {
        some.push(line.map_err(failed(&path))?);
        count = count.saturating_add(1);
        if some.len() == ROWS {
            insert(&mut some)?;
        }
    }
    if !some.is_empty() {
        insert(&mut some)?;
    }
    if count != rows.rows {
        let (name, said) = (&rows.table, rows.rows);
        return Err(refused(format!("`{name}` has {count} rows, not {said}")));
    }
    tell(&format!("{}: {count} rows", rows.table));
    Ok(())
}

fn copy_keys(from: &Path, manifest: &Manifest, draft: &Path) -> Result<(), BootError> {
    if manifest.keys.is_empty() {
        return Ok(());
    }
    make_dir(&draft.join(KEYS))?;
    for key in &manifest.keys {
        let path = from.join(&key.file);
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        let read = super::regular(&path)?.read_to_end(&mut bytes);
        read.map_err(failed(&path))?;
        let mut out = Writing::begin(draft, &key.file)?;
        out.add(&bytes)?;
        out.end()?;
    }
    sync_dir(&draft.join(KEYS))
}

/// Gives the draft its name. Returns where what was there is now.
fn put(draft: &Path, place: &Path, occupied: bool) -> Result<Option<PathBuf>, BootError> {
    let mut aside = None;
    if occupied {
        let now = crate::runtime::now().0;
        let old = beside(place, &format!("before-{now}"))?;
        std::fs::rename(place, &old).map_err(failed(place))?;
        aside = Some(old);
    } else if place.is_dir() {
        let lock = place.join(SERVER_LOCK);
        match std::fs::remove_file(&lock) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(&lock)(error));
            }
            Ok(()) | Err(_) => {}
        }
        std::fs::remove_dir(place).map_err(failed(place))?;
    }
    if let Err(error) = std::fs::rename(draft, place) {
        if let Some(old) = &aside {
            // As it was.
            let _back = std::fs::rename(old, place);
        }
        return Err(failed(place)(error));
    }
    sync_dir(parent(place))?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_restored_into_the_backup_itself() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("bk");
        std::fs::create_dir(&from).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&from, &link).unwrap();
        for place in [&from, &from.join("inner"), &link.join("a/b")] {
            let refused = apart(&from, place).unwrap_err().to_string();
            assert!(refused.contains("in the backup"), "{refused}");
        }
        assert!(apart(&from, &dir.path().join("bk2/inner")).is_ok());
    }

    #[test]
    fn what_force_does_not_do_is_said() {
        let full = StoreError::Conflict("the database is not empty".to_owned());
        assert!(unmade(&full, true).to_string().contains("--force"));
        assert!(!unmade(&full, false).to_string().contains("--force"));
    }
}
