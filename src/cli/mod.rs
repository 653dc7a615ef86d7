//! The command line: what a person or a keeper runs by name.
//!
//! Never touches the database: commands speak HTTP to a server, built-in agents speak their
//! protocol on stdin and stdout.

pub mod agent;
