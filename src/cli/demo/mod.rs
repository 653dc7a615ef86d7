//! `demo`: a server of its own, and the main job once from end to end, explained step by step.
//!
//! Never touches the server, the data or the sign-in of the person who runs it.

mod claude;
mod model;
mod server;
mod stage;
mod steps;

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::Signal;

use super::args::DemoArgs;
use super::client::Client;
use super::command::login;
use super::failure::{Exit, Failure};
use super::{credentials, interrupt, out, terminal};
use server::Server;
use stage::Stage;

/// Runs it. Exit 1 when any step fails, with the reason.
pub fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let held = interrupt::hold(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP])?;
    let (signalled, signal) = channel();
    // Only noted: a demo that is broken off ends its server before it goes.
    let signalled = Mutex::new(signalled);
    held.each(move |_| {
        if let Ok(sender) = signalled.lock() {
            let _ = sender.send(());
        }
    });
    let place = Place::new(args)?;
    let bind = server::choose(args.bind)?;
    let ended = perform(args, &place, bind, &signal);
    match &ended {
        // A failed one keeps its log.
        Err(failure) if failure.exit != Exit::Interrupted => {}
        Ok(_) | Err(_) => place.clean(),
    }
    ended
}

fn perform(
    args: &DemoArgs,
    place: &Place,
    bind: std::net::SocketAddr,
    signal: &Receiver<()>,
) -> Result<Exit, Failure> {
    let mut server = Server::start(&place.dir, bind)?;
    let (client, name) = sign_in(&server, place)?;
    let mut stage = Stage::new(client, signal);
    stage.title(&format!(
        "A server of its own runs at {} (pid {}), signed in as {name}",
        server.url(),
        server.pid().unwrap_or_default()
    ));
    let wish = claude::Wish {
        asked: args.with_claude,
        dir: place.dir.clone(),
    };
    let shown = steps::all(&mut stage, &mut server, &wish).and_then(|_model| {
        let keep = args.keep || (terminal::person() && !args.once);
        next(&server, place, keep)?;
        if keep {
            let _ = signal.recv();
        }
        Ok(())
    });
    stage.clear();
    let stopped = server.stop();
    match shown {
        Ok(()) => stopped?,
        Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
        Err(failure) => {
            out::note(&format!("the server's log is {}", server.log().display()));
            return Err(Failure {
                exit: Exit::Failed,
                ..failure
            });
        }
    }
    out::note("the demo's server and its agents have ended");
    Ok(Exit::Completed)
}

fn sign_in(server: &Server, place: &Place) -> Result<(Client, String), Failure> {
    let admin = credentials::admin(&place.dir).map_err(|error| {
        Failure::new(
            Exit::Failed,
            "the server left no credentials for its first admin",
        )
        .because(error.to_string())
    })?;
    let client = Client::new(&server.url(), None)?;
    let stored = login::sign_in(&client, &admin)?;
    Ok((client.signed_in(stored.token), stored.username))
}

fn next(server: &Server, place: &Place, keep: bool) -> Result<(), Failure> {
    out::line("\nThat was the main job.")?;
    if !keep {
        return out::line("Next: callboard serve, callboard login, callboard run \"df -h\"");
    }
    let (url, dir) = (server.url(), place.dir.display());
    out::line(&format!(
        "The server stays until Ctrl-C. In another terminal:\n\
         \n  callboard --url {url} login --data-dir {dir}\
         \n  callboard ps --all\
         \n  callboard run \"df -h\"\
         \n  callboard tree\
         \n\
         \n  address      {url}      (WebSocket {ws})\
         \n  credentials  {dir}/admin-credentials\
         \n  log          {log}",
        ws = url.replacen("http", "ws", 1) + "/ws",
        log = server.log().display()
    ))
}

/// The demo's data directory.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    temporary: bool,
}

impl Place {
    fn new(args: &DemoArgs) -> Result<Self, Failure> {
        let temporary = args.data_dir.is_none();
        let dir = match &args.data_dir {
            Some(dir) => std::path::absolute(dir).map_err(|error| unusable(dir, &error))?,
            None => std::env::temp_dir().join(format!("callboard-demo-{}", uuid::Uuid::new_v4())),
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| unusable(&dir, &error))?;
        Ok(Self { dir, temporary })
    }

    /// Removes what the demo made.
    fn clean(&self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.dir)
        {
            out::note(&format!("{} stays: {error}", self.dir.display()));
        }
    }
}

fn unusable(dir: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be used", dir.display()))
        .because(error.to_string())
        .mend("name another one with --data-dir")
}
