//! `cargo xtask bench`: the server beside bare ceilings that do nothing but the same transport, in
//! one run, in turns.
//!
//! Never a number without its ceiling or its stated target: machines differ, ratios travel.

mod agent;
mod ceiling;
mod crowd;
mod database;
mod finding;
mod fleet;
mod http;
mod parts;
mod room;
mod rows;
mod seed;
mod server;
mod socket;
mod stats;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use database::{Database, Kind};
use finding::Finding;
use rows::Run;

/// Any failure; a benchmark tells it and goes on with the next row.
pub type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = include_str!("usage.txt");

/// What was asked for.
#[derive(Debug, Default)]
struct Asked {
    only: Vec<String>,
    /// All, when it is empty.
    databases: Vec<Kind>,
    quick: bool,
    json: Option<PathBuf>,
    help: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        // The server starts its script agents with this program.
        Some((first, _)) if first == "agent" => agent::supervised(),
        Some((first, rest)) if first == agent::BARE => agent::bare(rest),
        Some((first, rest)) if first == ceiling::FLAG => ceiling::run(rest),
        _ => bench(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn bench(words: &[String]) -> Res<()> {
    let asked = read(words)?;
    if asked.help {
        say(USAGE);
        return Ok(());
    }
    server::raise_open_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let databases = match asked.databases.as_slice() {
        [] => Kind::ALL.as_slice(),
        some => some,
    };
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for (place, kind) in databases.iter().enumerate() {
        match Database::start(*kind) {
            Ok(database) => {
                let run = Run {
                    database: &database,
                    quick: asked.quick,
                    first: place == 0,
                };
                let more = runtime.block_on(measure(&asked, *kind, &run));
                found.extend(more.0);
                failed.extend(more.1);
            }
            Err(error) => {
                say(&format!("{} cannot be measured: {error}", kind.name()));
                failed.push(kind.name().to_owned());
            }
        }
    }
    say("");
    for line in finding::table(&found) {
        say(&line);
    }
    if let Some(file) = asked.json {
        std::fs::write(file, serde_json::to_vec_pretty(&finding::json(&found))?)?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("these failed: {}", failed.join(", ")).into())
    }
}

/// The rows on one database: what they found, and which of them failed.
async fn measure(asked: &Asked, kind: Kind, run: &Run<'_>) -> (Vec<Finding>, Vec<String>) {
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for row in rows::ALL {
        let unasked = !asked.only.is_empty() && !asked.only.iter().any(|name| name == row);
        if unasked || (!run.first && rows::ONCE.contains(row)) {
            continue;
        }
        let title = format!("{row}, {}", kind.name());
        say(&format!("==> {title}"));
        match rows::run(row, run).await {
            Ok(findings) => {
                for finding in findings {
                    let finding = finding.on(kind.name());
                    say(&finding.line());
                    found.push(finding);
                }
            }
            Err(error) => {
                say(&format!("    failed: {error}"));
                failed.push(title);
            }
        }
    }
    (found, failed)
}

fn read(words: &[String]) -> Res<Asked> {
    let mut asked = Asked::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => {
                let name = words.next().ok_or("`--only` needs the name of a row")?;
                if !rows::ALL.contains(&name.as_str()) {
                    return Err(format!("there is no row `{name}`; see --help").into());
                }
                asked.only.push(name.clone());
            }
            "--database" => {
                let name = words.next().ok_or("`--database` needs a name")?;
                let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
                let kind = kind.ok_or("`--database` is sqlite or postgresql")?;
                if !asked.databases.contains(&kind) {
                    asked.databases.push(kind);
                }
            }
            "--quick" => asked.quick = true,
            "--json" => {
                let file = words.next().ok_or("`--json` needs the name of a file")?;
                asked.json = Some(file.into());
            }
            "--help" | "-h" => asked.help = true,
            // Cargo adds it.
            "--bench" => {}
            _ => return Err(format!("`{word}` is not known; see --help").into()),
        }
    }
    Ok(asked)
}

/// One line for the person who waits.
pub fn say(text: &str) {
    // A closed stdout takes nothing; the exit code still tells.
    let _ = writeln!(std::io::stdout(), "{text}");
}
