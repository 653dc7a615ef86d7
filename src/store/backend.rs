//! The databases that this build speaks to, as one connection type.
//!
//! Never anything else: the derive puts its own names into this module.

use diesel::pg::PgConnection;
use diesel::sqlite::SqliteConnection;

/// A connection to any database that this build knows. Queries in the shared vocabulary go to it
/// as it is; upserts and batches match on the variant.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// A PostgreSQL server.
    Postgres(PgConnection),
}
