//! The bare ceilings: what the transport alone can do, each a process of its own.
//!
//! Never more than a ceiling needs: no tokens, no checks, no numbers of its own.

mod bytes;
mod relay;
pub mod rows;

pub use bytes::Same;

use std::io::Write;
use std::path::Path;

use super::Res;

/// The word that makes this program a ceiling.
pub const FLAG: &str = "--ceiling";

/// Runs one until it is killed.
pub fn run(words: &[String]) -> Res<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bytes", file] => bytes::serve(Path::new(file)),
        ["broadcast", file] => relay::broadcast(Path::new(file), relay::Wire::Sockets),
        ["parts", file] => relay::broadcast(Path::new(file), relay::Wire::Streams),
        ["hub", socket] => relay::hub(Path::new(socket)),
        ["pipe", socket, lines, period] => relay::pipe(Path::new(socket), lines, period),
        ["open", database] => rows::open(database),
        _ => Err(format!("there is no ceiling {words:?}").into()),
    }
}

/// The first line: where it is, or that it is there.
fn announce(text: &str) -> Res<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}
