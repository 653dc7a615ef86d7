//! PostgreSQL: what a connection is told first, the lock that keeps a second server out, and what
//! became of a commit whose answer was lost.
//!
//! Never a password in an error: only the server's own words, and those are searched for it.

use std::cmp::Ordering as CmpOrdering;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::connection::Role;
use super::error::StoreError;
use crate::config::DatabaseUrl;

/// The writer of a database holds this advisory lock for as long as it is connected ("callboar").
const LOCK: i64 = 0x6361_6c6c_626f_6172;

/// For every connection. The server looks after a client that went away without a word, so that its
/// lock does not outlive it for long.
const SESSION: &str = "SET client_encoding = 'UTF8'; SET standard_conforming_strings = on; \
    SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;";

/// Only a superuser may choose the language of messages; to others the server speaks its own.
const ENGLISH: &str = "SELECT set_config('lc_messages', 'C', false) \
    WHERE current_setting('is_superuser') = 'on'";

/// An answer of the writer's means that the commit is on the disk, whatever the server's default is.
const WRITER: &str = "SET synchronous_commit = on; SET lock_timeout = '10s'; \
    SET statement_timeout = '60s'; SET default_transaction_read_only = off;";

const READER: &str = "SET default_transaction_read_only = on; SET lock_timeout = '5s'; \
    SET statement_timeout = '30s';";

/// How libpq itself gives up on a server that does not answer; what the address says wins.
const PATIENCE: [(&str, &str); 5] = [
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "15000"),
];

/// A new connection. The writer's has the lock: it waits some seconds for that of a predecessor
/// that was killed.
///
/// # Errors
/// [`StoreError::Taken`] while another server has the database.
pub fn open(url: &DatabaseUrl, role: Role) -> Result<PgConnection, StoreError> {
    let mut conn = PgConnection::establish(&dialled(url, role)).map_err(|error| {
        let text = error.to_string().replace('\n', " ");
        StoreError::Other(format!("{url}: {}", url.without_password(text.trim())))
    })?;
    conn.batch_execute(SESSION)?;
    conn.batch_execute(ENGLISH)?;
    conn.batch_execute(&format!("SET application_name = '{}'", name(role)))?;
    check_encoding(&mut conn)?;
    match role {
        Role::Reader => conn.batch_execute(READER)?,
        Role::Writer => {
            lock(&mut conn)?;
            conn.batch_execute(WRITER)?;
        }
    }
    Ok(conn)
}

fn dialled(url: &DatabaseUrl, role: Role) -> String {
    let mut text = url.expose().to_owned();
    // Of several servers, the one that takes writes: not the one that was the first before.
    let writes = Some(("target_session_attrs", "read-write"));
    let writes = writes.filter(|_| role == Role::Writer);
    for (name, value) in PATIENCE.into_iter().chain(writes) {
        let named = |sign| text.contains(&format!("{sign}{name}="));
        if !named('?') && !named('&') {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&format!("{name}={value}"));
        }
    }
    text
}

/// What people see in `pg_stat_activity`, and in the refusal of a second server. At most 63 bytes,
/// without a character that would end the text.
fn name(role: Role) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let host: String = host.trim().chars().filter(plain).take(20).collect();
    let word = match role {
        Role::Writer => "writer",
        Role::Reader => "reader",
    };
    format!("callboard {word} (pid {} on {host})", std::process::id())
}

fn check_encoding(conn: &mut PgConnection) -> Result<(), StoreError> {
    let found: String =
        diesel::select(sql::<Text>("current_setting('server_encoding')")).get_result(conn)?;
    if found == "UTF8" {
        return Ok(());
    }
    Err(StoreError::Other(format!(
        "the database has the encoding {found}; make one with ENCODING 'UTF8' TEMPLATE template0"
    )))
}

/// Takes the lock for as long as the connection lasts.
fn lock(conn: &mut PgConnection) -> Result<(), StoreError> {
    conn.batch_execute("SET lock_timeout = '5s'")?;
    match conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")) {
        Ok(()) => Ok(()),
        Err(error) => {
            let error = StoreError::from(error);
            match holder(conn)? {
                Some(by) => Err(StoreError::Taken { by }),
                None => Err(error),
            }
        }
    }
}

/// Who has the lock, as it calls itself.
fn holder(conn: &mut PgConnection) -> Result<Option<String>, StoreError> {
    let (high, low) = (LOCK >> 32, LOCK & 0xffff_ffff);
    let query = format!(
        "(SELECT coalesce(a.application_name, 'unknown') FROM pg_locks l \
         LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
         AND l.classid::bigint = {high} AND l.objid::bigint = {low} AND l.database = \
         (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1)"
    );
    Ok(diesel::select(sql::<Nullable<Text>>(&query)).get_result(conn)?)
}

/// Which server life wrote last, and its how-manieth write it was: a row of `meta`.
const MARK: &str = "last_write";

/// This process among all that ever wrote; a mark of another one is no word about ours.
static LIFE: LazyLock<String> = LazyLock::new(|| uuid::Uuid::new_v4().simple().to_string());
static WRITES: AtomicI64 = AtomicI64::new(0);

/// Marks the open transaction by a row that is kept or lost with it, and returns the mark. Fails in
/// one that PostgreSQL has given up after an error, which a COMMIT would only roll back without a
/// word. Transaction numbers would not do: those that a crash took back are given again.
pub fn mark(conn: &mut PgConnection) -> Result<i64, StoreError> {
    let number = WRITES.fetch_add(1, Ordering::Relaxed).saturating_add(1);
    let life = LIFE.as_str();
    conn.batch_execute(&format!(
        "INSERT INTO meta (key, value) VALUES ('{MARK}', '{life}-{number}') \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    ))?;
    Ok(number)
}

/// Whether the transaction with that mark was committed; `None` when another process has written
/// since. Ask on a connection that has the lock: then the one that had it has ended, and so has its
/// transaction.
pub fn committed(conn: &mut PgConnection, number: i64) -> Result<Option<bool>, StoreError> {
    let query = format!("(SELECT value FROM meta WHERE key = '{MARK}')");
    let found: Option<String> = diesel::select(sql::<Nullable<Text>>(&query)).get_result(conn)?;
    Ok(judge(found.as_deref(), number))
}

fn judge(found: Option<&str>, number: i64) -> Option<bool> {
    let (life, last) = found?.rsplit_once('-')?;
    let last: i64 = last.parse().ok()?;
    // Of one database, this process writes one after the other.
    match last.cmp(&number) {
        _ if life != LIFE.as_str() => None,
        CmpOrdering::Less => Some(false),
        CmpOrdering::Equal => Some(true),
        CmpOrdering::Greater => None,
    }
}

/// Whether a writer was refused by a server that only follows another one.
pub fn stands_by(error: &StoreError) -> bool {
    matches!(error, StoreError::Other(text)
        if text.contains("during recovery") || text.contains("read-only transaction"))
}

/// Gives the text columns that the open transaction has made the order of SQLite: by bytes.
/// PostgreSQL would sort and compare them by the rules of the database's language otherwise.
pub const BY_BYTES: &str = r#"DO $$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT c.oid::regclass AS place, a.attname AS name
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
        AND a.atttypid = 'text'::regtype AND a.attcollation = 'default'::regcollation
        AND a.xmin::text = (txid_current() & 4294967295)::text
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE text COLLATE "C"', one.place, one.name);
    END LOOP;
END $$"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_tells_a_commit_of_this_process_and_of_no_other() {
        let life = LIFE.as_str();
        let judged = |text: String| judge(Some(&text), 7);
        assert_eq!(judged(format!("{life}-7")), Some(true));
        assert_eq!(judged(format!("{life}-6")), Some(false));
        assert_eq!(judged(format!("{life}-8")), None);
        assert_eq!(judged("another-7".to_owned()), None);
        assert_eq!(judge(None, 7), None);
    }

    #[test]
    fn the_writer_looks_for_a_server_that_takes_writes() {
        let url = DatabaseUrl::from("postgres://ann@a,b/board");
        assert!(dialled(&url, Role::Writer).contains("target_session_attrs=read-write"));
        assert!(!dialled(&url, Role::Reader).contains("target_session_attrs"));
        let own = DatabaseUrl::from("postgres://ann@a,b/board?target_session_attrs=primary");
        assert!(!dialled(&own, Role::Writer).contains("read-write"));
        for text in [
            "cannot set transaction read-write mode during recovery",
            "cannot execute INSERT in a read-only transaction",
        ] {
            assert!(stands_by(&StoreError::Other(text.to_owned())));
        }
        assert!(!stands_by(&StoreError::Busy));
    }
}
