//! `callboard agent model`: a model server with scripted answers, in a process of its own.
//!
//! Never prints more than its one line: a program reads the address from it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::cli::args::ModelArgs;
use crate::cli::{Exit, Failure, interrupt, out};
use crate::fake_model::{FakeModel, FakeModelError};

/// Serves until a signal, or the end of stdin where that is asked for.
///
/// # Errors
/// When the address is refused, or cannot be told.
pub fn run(args: &ModelArgs) -> Result<ExitCode, Failure> {
    interrupt::release()?;
    let model = FakeModel::bind(args.bind).map_err(refused)?;
    let url = model.url();
    if let Some(file) = &args.address_file {
        note(file, &url)?;
    }
    model
        .run(serving(&url, args.until_eof))
        .map_err(refused)??;
    Ok(ExitCode::SUCCESS)
}

fn refused(error: FakeModelError) -> Failure {
    let exit = match &error {
        FakeModelError::NotLoopback(_) => Exit::Usage,
        FakeModelError::Bind(..) | FakeModelError::Server(_) => Exit::Failed,
    };
    Failure::new(exit, "the model server does not start").because(error.to_string())
}

/// Writes the file whole or not at all, so that nobody reads half of an address.
fn note(file: &Path, url: &str) -> Result<(), Failure> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, format!("{url}\n"))
        .and_then(|()| fs::rename(&beside, file))
        .map_err(|error| {
            let what = format!("{} cannot be written", file.display());
            Failure::new(Exit::Failed, what).because(error.to_string())
        })
}

/// Tells the address when a signal would already be an end in order, and waits for the end.
async fn serving(url: &str, until_eof: bool) -> Result<(), Failure> {
    let mut term = taken(SignalKind::terminate())?;
    let mut int = taken(SignalKind::interrupt())?;
    out::line(&format!("listening on {url}"))?;
    let closed = async {
        if until_eof {
            drop(stdin_closed().await);
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = closed => {}
    }
    Ok(())
}

fn taken(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| {
        Failure::new(Exit::Failed, "signals cannot be taken").because(error.to_string())
    })
}

/// Tells when nothing more comes from stdin.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (tell, closed) = oneshot::channel();
    // Not joined: it ends with the process, mostly in a blocked read.
    std::thread::spawn(move || {
        let _read = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _gone = tell.send(());
    });
    closed
}
