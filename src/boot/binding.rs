//! That a data directory and a database belong together: both carry one random id.
//!
//! Never ends an agent and never changes either side where they do not: the start is refused.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::config::DatabaseUrl;
use crate::domain::SessionId;
use crate::keeper::Dir;
use crate::store::{Store, StoreError, identity, migrations};

use super::error::BootError;

/// The id, in the data directory.
const FILE: &str = "database-id";
/// The same until the database has it too.
const DRAFT: &str = "database-id.new";

/// What the two sides say.
#[derive(Debug, Default)]
struct Sides {
    noted: Option<String>,
    drafted: Option<String>,
    row: Option<String>,
    /// The data directory has processes or their logs.
    keepers: bool,
    /// The database has sessions.
    sessions: bool,
    /// One of the processes or logs is of a session that the database has.
    related: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// They belong together.
    Go,
    /// They did not end to say so.
    Finish,
    /// They are to say so from now on.
    Bind,
    /// They do not belong together.
    Refuse,
}

impl Sides {
    fn step(&self) -> Step {
        let empty = !self.keepers && !self.sessions;
        match (&self.noted, &self.row) {
            (Some(noted), Some(row)) if noted == row => Step::Go,
            (Some(_), Some(_)) => Step::Refuse,
            (None, Some(row)) if self.drafted.as_ref() == Some(row) => Step::Finish,
            // Both are of a version that had no ids, or are new.
            (None, None) if self.related || !self.keepers => Step::Bind,
            (None, None) => Step::Refuse,
            (Some(_), None) | (None, Some(_)) if empty => Step::Bind,
            (Some(_), None) | (None, Some(_)) => Step::Refuse,
        }
    }
}

/// Sees to it that this data directory and this database go with each other.
///
/// # Errors
/// [`BootError::Database`] where they do not; nothing is changed then.
pub async fn bind(store: &Store, dir: &Path, url: &DatabaseUrl) -> Result<(), BootError> {
    let sides = look(store, dir).await?;
    match sides.step() {
        Step::Go => Ok(()),
        Step::Finish => place(dir),
        Step::Bind => {
            let id = uuid::Uuid::new_v4().to_string();
            note(dir, DRAFT, &id)?;
            let written = store.write(move |conn| identity::set(conn, &id)).await;
            written.map_err(rows)?;
            place(dir)
        }
        Step::Refuse => Err(refusal(dir, url, &sides)),
    }
}

/// Refuses a database that is known to be another one. Changes nothing.
///
/// # Errors
/// [`BootError::Database`] where both sides have an id, and not the same.
pub async fn check(store: &Store, dir: &Path, url: &DatabaseUrl) -> Result<(), BootError> {
    let sides = look(store, dir).await?;
    match (&sides.noted, &sides.row) {
        (Some(noted), Some(row)) if noted != row => Err(refusal(dir, url, &sides)),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// The same before its schema is this build's, without opening more than one connection. Blocks.
///
/// # Errors
/// As [`check`].
pub fn check_unopened(dir: &Path, url: &DatabaseUrl) -> Result<(), BootError> {
    let noted = read(&dir.join(FILE)).map_err(|error| failed(dir, &error))?;
    let Some(noted) = noted else { return Ok(()) };
    // A database without our tables has no id.
    let versions = migrations::look(url.expose().as_ref()).map_err(rows)?;
    if !versions.iter().any(|one| one.applied) {
        return Ok(());
    }
    let row = Store::look(url.expose(), identity::get).map_err(rows)?;
    if row.as_ref().is_none_or(|row| *row == noted) {
        return Ok(());
    }
    let sides = Sides {
        noted: Some(noted),
        row,
        ..Sides::default()
    };
    Err(refusal(dir, url, &sides))
}

/// Writes the id of a database that was restored into its data directory.
///
/// # Errors
/// When it cannot be written.
pub fn note_restored(dir: &Path, id: &str) -> Result<(), BootError> {
    note(dir, FILE, id)
}

async fn look(store: &Store, dir: &Path) -> Result<Sides, BootError> {
    let dir = dir.to_owned();
    let looked = tokio::task::spawn_blocking(move || {
        let kept = Dir::all(&dir.join("keepers"))?;
        let ids = kept.iter().filter_map(|(name, _, _)| name.parse().ok());
        let ids: Vec<SessionId> = ids.collect();
        Ok::<_, std::io::Error>((read(&dir.join(FILE))?, read(&dir.join(DRAFT))?, ids))
    });
    let looked = looked.await.map_err(BootError::fault)?;
    let (noted, drafted, ids) = looked.map_err(BootError::fault)?;
    let keepers = !ids.is_empty();
    let asked = store.read(move |conn| {
        Ok((
            identity::get(conn)?,
            identity::has_sessions(conn)?,
            identity::knows_one_of(conn, &ids)?,
        ))
    });
    let (row, sessions, related) = asked.await.map_err(rows)?;
    Ok(Sides {
        noted,
        drafted,
        row,
        keepers,
        sessions,
        related,
    })
}

fn read(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn note(dir: &Path, name: &str, id: &str) -> Result<(), BootError> {
    let path = dir.join(name);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| {
            file.write_all(format!("{id}\n").as_bytes())?;
            file.sync_all()
        });
    written.map_err(|error| failed(dir, &error))
}

/// Gives the draft its name.
fn place(dir: &Path) -> Result<(), BootError> {
    let placed = std::fs::rename(dir.join(DRAFT), dir.join(FILE))
        .and_then(|()| std::fs::File::open(dir)?.sync_all());
    placed.map_err(|error| failed(dir, &error))
}

fn failed(dir: &Path, error: &std::io::Error) -> BootError {
    BootError::DataDir {
        dir: dir.to_owned(),
        reason: error.to_string(),
    }
}

fn rows(error: StoreError) -> BootError {
    BootError::Database(error.to_string())
}

fn refusal(dir: &Path, url: &DatabaseUrl, sides: &Sides) -> BootError {
    let file = dir.join(FILE);
    let (dir, file) = (dir.display(), file.display());
    let mend = match (&sides.noted, &sides.row) {
        (_, Some(row)) => format!("write {row} into {file}"),
        (Some(_), None) => format!("remove {file}"),
        (None, None) => "start once without the directory `keepers`".to_owned(),
    };
    BootError::Database(format!(
        "the data directory {dir} and the database {url} do not belong together, and agents \
         would be lost if they were used so. Name the database of this directory (`database.url` \
         or CALLBOARD_DATABASE_URL), or the directory of this database (--data-dir). If they do \
         belong together, {mend}. Nothing was changed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture;

    async fn bound(store: &Store, dir: &Path) -> Result<(), BootError> {
        bind(store, dir, &DatabaseUrl::from("sqlite:x.db")).await
    }

    async fn checked(store: &Store, dir: &Path) -> Result<(), BootError> {
        check(store, dir, &DatabaseUrl::from("sqlite:x.db")).await
    }

    #[tokio::test]
    async fn a_directory_with_agents_is_no_other_databases() {
        let dir = tempfile::tempdir().unwrap();
        let (_one, store) = fixture::sqlite();
        let (_, session) = fixture::owned(&store).await;
        let keepers = dir.path().join("keepers");
        // As a version without ids has left it.
        std::fs::create_dir_all(keepers.join(session.id.to_string()).join("1")).unwrap();
        let (_two, other) = fixture::sqlite();
        let refused = bound(&other, dir.path()).await.unwrap_err().to_string();
        assert!(refused.contains("do not belong together"), "{refused}");
        assert!(!dir.path().join(FILE).exists());
        assert_eq!(other.read(identity::get).await.unwrap(), None);

        bound(&store, dir.path()).await.unwrap();
        bound(&store, dir.path()).await.unwrap();
        checked(&store, dir.path()).await.unwrap();
        let id = store.read(identity::get).await.unwrap().unwrap();
        let noted = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(noted.trim(), id);
        // An empty one, and one of another directory.
        assert!(bound(&other, dir.path()).await.is_err());
        other
            .write(|conn| identity::set(conn, "another"))
            .await
            .unwrap();
        assert!(bound(&other, dir.path()).await.is_err());
        assert!(checked(&other, dir.path()).await.is_err());
        // The database with another directory.
        let empty = tempfile::tempdir().unwrap();
        assert!(bound(&store, empty.path()).await.is_err());
    }

    #[tokio::test]
    async fn a_foreign_database_is_known_before_it_is_migrated() {
        let dir = tempfile::tempdir().unwrap();
        let (_one, store) = fixture::sqlite();
        let url = DatabaseUrl::from(store.setting().as_str());
        check_unopened(dir.path(), &url).unwrap();
        bound(&store, dir.path()).await.unwrap();
        check_unopened(dir.path(), &url).unwrap();
        let another = store.write(|conn| identity::set(conn, "another")).await;
        another.unwrap();
        let refused = check_unopened(dir.path(), &url).unwrap_err().to_string();
        assert!(refused.contains("do not belong together"), "{refused}");
        let empty = dir.path().join("empty.db");
        std::fs::write(&empty, "").unwrap();
        let empty = DatabaseUrl::from(empty.to_str().unwrap());
        check_unopened(dir.path(), &empty).unwrap();
    }

    #[tokio::test]
    async fn what_is_new_is_bound_and_what_broke_off_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let (_one, store) = fixture::sqlite();
        bound(&store, dir.path()).await.unwrap();
        let _owned = fixture::owned(&store).await;
        let (file, draft) = (dir.path().join(FILE), dir.path().join(DRAFT));
        assert!(!draft.exists());
        std::fs::rename(&file, &draft).unwrap();
        bound(&store, dir.path()).await.unwrap();
        assert!(file.exists() && !draft.exists());
        std::fs::remove_file(&file).unwrap();
        assert!(
            bound(&store, dir.path()).await.is_err(),
            "sessions are there"
        );
    }
}
