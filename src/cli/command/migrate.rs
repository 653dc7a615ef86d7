//! `migrate`: brings the database of a server that does not run to this version's schema.
//!
//! Never opens it itself: the server's part of the program does, and tells what it found.

use serde_json::{Value, json};

use super::super::args::MigrateArgs;
use super::super::failure::{Exit, Failure};
use super::super::{Programs, out};

/// What was found in a database, and done to it.
#[derive(Debug, Clone)]
pub struct Migrated {
    /// Which database, without its password.
    pub database: String,
    /// Every migration of this version, in order.
    pub migrations: Vec<Migration>,
}

/// One migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The digits that order it.
    pub version: String,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: MigrationState,
}

/// How a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// The database had it.
    Applied,
    /// It was run now.
    Ran,
    /// The database lacks it.
    Pending,
}

impl MigrationState {
    fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Ran => "ran",
            Self::Pending => "pending",
        }
    }
}

/// Runs what is missing, or says it.
pub fn migrate(args: &MigrateArgs, programs: Programs) -> Result<Exit, Failure> {
    let found = (programs.migrate)(args)?;
    let count = |state| {
        let same = |one: &&Migration| one.state == state;
        found.migrations.iter().filter(same).count()
    };
    let (ran, pending) = (count(MigrationState::Ran), count(MigrationState::Pending));
    if args.json {
        out::json(&document(&found, ran, pending))?;
    } else {
        let row = |one: &Migration| vec![one.name.clone(), one.state.name().to_owned()];
        let rows = found.migrations.iter().map(row).collect();
        out::line(&out::table(&["MIGRATION", "STATE"], rows))?;
        out::line(&format!("{}: {}", found.database, summary(ran, pending)))?;
    }
    Ok(if pending > 0 {
        Exit::Failed
    } else {
        Exit::Completed
    })
}

fn summary(ran: usize, pending: usize) -> String {
    match (ran, pending) {
        (0, 0) => String::from("nothing is missing"),
        (ran, 0) => format!("{ran} run"),
        (_, pending) => format!("{pending} missing"),
    }
}

fn document(found: &Migrated, ran: usize, pending: usize) -> Value {
    let one = |one: &Migration| json!({ "version": one.version, "name": one.name, "state": one.state.name() });
    let migrations: Vec<Value> = found.migrations.iter().map(one).collect();
    json!({
        "database": found.database,
        "migrations": migrations,
        "ran": ran,
        "pending": pending,
    })
}
