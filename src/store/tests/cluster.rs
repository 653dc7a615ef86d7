//! The private PostgreSQL of tests, quick and without care for its disk. The integration tests share
//! this file by its path.
//!
//! Never skipped: without its programs a test fails with the command that brings them.

#[path = "postmaster.rs"]
pub mod postmaster;

use std::path::Path;
use std::sync::OnceLock;

use postmaster::Postmaster;

/// A crash of the machine is no part of the tests: what a killed server has written stays.
const QUICK: &str = "shared_buffers = 32MB\nfsync = off\nfull_page_writes = off";

/// A running server.
pub struct Cluster {
    /// The process.
    pub server: Postmaster,
}

/// How to end it.
#[derive(Clone, Copy)]
pub enum End {
    /// As an operator does: transactions are rolled back, connections are told.
    Fast,
    /// As a crash does.
    Crash,
}

impl Cluster {
    /// The one that all tests of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of one's own, for a test that ends it.
    pub fn start() -> Self {
        let server = Postmaster::start(QUICK).unwrap();
        Self { server }
    }

    /// The directory of its socket.
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// Makes a database with a name of its own, empty or as a copy.
    pub fn create(&self, template: Option<&str>) -> String {
        self.server.create(template).unwrap()
    }

    /// Ends the server; its files stay.
    pub fn end(&self, how: End) {
        let word = match how {
            End::Fast => "stop",
            End::Crash => "crash",
        };
        self.server.tell(word).unwrap();
    }

    /// Starts it again on its files.
    pub fn again(&self) {
        self.server.tell("start").unwrap();
    }
}
