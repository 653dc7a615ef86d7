//! The command line: what a person or a keeper runs by name.
//!
//! Never touches the database: commands speak HTTP to a server, built-in agents speak their
//! protocol on stdin and stdout.

pub mod agent;
mod amid;
pub mod args;
mod attach;
mod child;
mod client;
mod clock;
mod command;
mod credentials;
mod daemon;
mod demo;
mod doctor;
mod failure;
mod find;
mod follow;
mod glance;
mod interrupt;
mod launch;
mod live;
mod out;
mod plain;
mod render;
mod sse;
mod stream;
mod terminal;
#[cfg(test)]
mod testing;
mod view;
mod wire;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

use args::{AgentProgram, AuditAction, Command};
pub use command::migrate::{Migrated, Migration, MigrationState};
pub use failure::{Exit, Failure};

/// What the rest of the program does for the client.
#[derive(Debug, Clone, Copy)]
pub struct Programs {
    /// Runs the server until it ends.
    pub serve: fn(args::ServeArgs) -> ExitCode,
    /// Writes a backup.
    pub backup: fn(args::BackupArgs) -> ExitCode,
    /// Makes a data directory of one.
    pub restore: fn(args::RestoreArgs) -> ExitCode,
    /// The data directory of a server that is started like this; an error for wrong settings.
    pub data_dir: fn(&args::ServeArgs) -> Result<PathBuf, Failure>,
    /// Runs the migrations that the server's database lacks, or looks which these are.
    pub migrate: fn(&args::MigrateArgs) -> Result<Migrated, Failure>,
    /// Checks the audit table of a data directory.
    pub audit: fn(&args::AuditVerifyArgs) -> Result<AuditVerdict, Failure>,
    /// Works on the keys of a data directory that no server uses, and reports as JSON.
    pub secrets: fn(&args::SecretsArgs) -> Result<Value, Failure>,
    /// Opens an account again in a data directory that no server uses; `false`: there is none.
    pub unlock: fn(&args::UnlockArgs) -> Result<bool, Failure>,
    /// The document of the API.
    pub document: fn() -> String,
}

/// What a look at the audit table found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditVerdict {
    /// Rows that there are.
    pub rows: u64,
    /// Number and hash of the last row that was sealed.
    pub head: Option<(u64, String)>,
    /// The first row that does not fit, and what is wrong with it.
    pub broken: Option<(u64, &'static str)>,
}

/// Runs one command and prints what went wrong.
#[must_use]
pub fn run(cli: args::Cli, programs: Programs) -> ExitCode {
    let url = cli.url.as_deref().filter(|url| !url.is_empty());
    match dispatch(cli.command, url, programs) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn dispatch(command: Command, url: Option<&str>, programs: Programs) -> Result<ExitCode, Failure> {
    let client = || credentials::signed_in(url);
    let exit = match command {
        Command::Serve(args) => {
            interrupt::release()?;
            if args.detached {
                launch::detach()?;
            }
            return Ok((programs.serve)(args));
        }
        Command::Agent { program } => {
            return match program {
                AgentProgram::Script(args) => Ok(agent::script::run(args.words)),
                AgentProgram::Model(args) => agent::model::run(&args),
            };
        }
        Command::Secrets(args) => {
            command::secrets::agreed(&args)?;
            let report = (programs.secrets)(&args)?;
            command::secrets::told(&args, &report)
        }
        Command::Daemon(args) => daemon::run(args, programs),
        Command::Completions(args) => command::completions::completions(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Doctor(args) => doctor::run(url, &args),
        Command::Migrate(args) => command::migrate::migrate(&args, programs),
        Command::Openapi => command::document::openapi(programs.document),
        Command::Login(args) => command::login::login(url, &args),
        Command::Logout => command::login::logout(url),
        Command::Whoami(args) => command::login::whoami(&client()?, args),
        Command::User(args) => command::user::user(url, &args, programs.unlock),
        Command::Run(args) => command::run::run(url, &args),
        Command::Ps(args) => command::list::ps(&client()?, &args),
        Command::Tree(args) => command::list::tree(&client()?, args),
        Command::Stats(args) => command::stats::stats(&client()?, &args),
        Command::Backup(args) => return Ok((programs.backup)(args)),
        Command::Restore(args) => return Ok((programs.restore)(args)),
        Command::Why(args) => command::list::why(&client()?, &args),
        Command::Send(args) => command::send::send(&client()?, &args),
        Command::Events(args) => command::watch::events(&client()?, &args),
        Command::Logs(args) => command::log::logs(&client()?, &args),
        Command::Attach(args) => attach::run(url, &args),
        Command::Export(args) => command::export::export(url, &args),
        Command::Approve(args) => command::answer::approve(&client()?, &args),
        Command::Interrupt(args) => command::steer::interrupt(&client()?, &args),
        Command::Start(args) => command::steer::start(&client()?, &args),
        Command::Stop(args) => command::steer::stop(&client()?, &args),
        Command::Kill(args) => command::steer::kill(&client()?, &args),
        Command::Pause(args) => command::steer::pause(&client()?, &args),
        Command::Resume(args) => command::steer::resume(&client()?, &args),
        Command::Queue(args) => command::queue::queue(&client()?, args),
        Command::Key(args) => command::key::key(&client()?, args),
        Command::Audit(args) => match args.action {
            AuditAction::List(args) => command::audit::list(&client()?, &args),
            AuditAction::Verify(args) => command::audit::verify(&args, programs.audit),
        },
        Command::Mission(args) => command::mission::mission(&client()?, args),
        Command::Workspace(args) => return command::workspace::workspace(&client()?, args),
        Command::Provider(args) => command::provider::provider(url, args),
        Command::Rm(args) => command::steer::rm(&client()?, &args),
    };
    exit.map(ExitCode::from)
}
