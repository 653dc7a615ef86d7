//! The `callboard` program: reads the command line and hands over to the client or the server.
//!
//! Never holds logic of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use callboard::boot::{self, BootError, KeyWork, Options, StopAgents};
use callboard::cli::args::{
    AuditVerifyArgs, BackupArgs, Cli, MigrateArgs, RestoreArgs, SecretsAction, SecretsArgs,
    ServeArgs, UnlockArgs,
};
use callboard::cli::{
    AuditVerdict, Exit, Failure, Migrated, Migration, MigrationState, Programs, run,
};
use callboard::config::{Config, ConfigError, Overrides};
use clap::Parser;

fn main() -> ExitCode {
    let programs = Programs {
        serve,
        backup,
        restore,
        data_dir,
        migrate,
        audit,
        secrets,
        unlock,
        document: boot::document,
    };
    run(Cli::parse(), programs)
}

/// The seam between the command line and a backup.
fn backup(args: BackupArgs) -> ExitCode {
    let settings = Overrides {
        data_dir: args.data_dir,
        config_file: args.config,
        ..Overrides::default()
    };
    let done = Config::load(settings).map(|config| {
        let written = boot::backup(&config, &args.to, !args.without_keys);
        written.map_err(|error| error.to_string())
    });
    outcome(done, "no backup was written")
}

/// The same of a restore.
fn restore(args: RestoreArgs) -> ExitCode {
    let settings = Overrides {
        data_dir: Some(args.data_dir),
        config_file: args.config,
        ..Overrides::default()
    };
    let done = Config::load(settings).map(|config| {
        let restored = boot::restore(&config, &args.from, args.force);
        restored.map_err(|error| error.to_string())
    });
    outcome(done, "nothing was restored")
}

/// A refused setting is wrong usage (2), a failure is 1.
fn outcome(done: Result<Result<(), String>, ConfigError>, otherwise: &str) -> ExitCode {
    let (exit, why) = match done {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(why)) => (Exit::Failed, why),
        Err(error) => (Exit::Usage, error.to_string()),
    };
    Failure::new(exit, otherwise).because(why).print();
    exit.into()
}

/// The seam between the command line and the server. A refused setting is wrong usage (2), a
/// failed start is 1.
fn serve(args: ServeArgs) -> ExitCode {
    let stop_agents = if args.stop_agents {
        StopAgents::Yes
    } else {
        StopAgents::No
    };
    let config = match Config::load(overrides(&args)) {
        Ok(config) => config,
        Err(error) => return refuse(Exit::Usage, &error.to_string()),
    };
    let options = Options { stop_agents };
    boot::serve(config, options).unwrap_or_else(|error| {
        // The filter of the log is a setting too.
        let exit = match matches!(error, BootError::Log { .. }) {
            true => Exit::Usage,
            false => Exit::Failed,
        };
        refuse(exit, &error.to_string())
    })
}

/// Where a server with these arguments keeps its data.
fn data_dir(args: &ServeArgs) -> Result<PathBuf, Failure> {
    Config::load(overrides(args))
        .map(|config| config.data_dir)
        .map_err(|error| unstarted(Exit::Usage, &error.to_string()))
}

/// The seam between `migrate` and the server's part.
fn migrate(args: &MigrateArgs) -> Result<Migrated, Failure> {
    let failed = |exit, why: String| {
        let what = match args.check {
            true => "the database cannot be looked at",
            false => "the database is not migrated",
        };
        Failure::new(exit, what).because(why)
    };
    let overrides = Overrides {
        data_dir: args.data_dir.clone(),
        config_file: args.config.clone(),
        ..Overrides::default()
    };
    let config = Config::load(overrides).map_err(|e| failed(Exit::Usage, e.to_string()))?;
    let found = match args.check {
        true => boot::schema::look(&config),
        false => boot::schema::migrate(&config, args.compact),
    };
    let found = found.map_err(|error| failed(Exit::Failed, error.to_string()))?;
    let migrations = found.into_iter().map(|one| Migration {
        version: one.version,
        name: one.name,
        state: match (one.applied, args.check) {
            (true, _) => MigrationState::Applied,
            (false, true) => MigrationState::Pending,
            (false, false) => MigrationState::Ran,
        },
    });
    Ok(Migrated {
        database: config.database_url().to_string(),
        migrations: migrations.collect(),
    })
}

/// Looks at the audit table of a data directory.
fn audit(args: &AuditVerifyArgs) -> Result<AuditVerdict, Failure> {
    let failed =
        |exit, why: String| Failure::new(exit, "the audit table cannot be checked").because(why);
    let overrides = Overrides {
        data_dir: args.data_dir.clone(),
        config_file: args.config.clone(),
        ..Overrides::default()
    };
    let config = Config::load(overrides).map_err(|error| failed(Exit::Usage, error.to_string()))?;
    let verdict = boot::verify_audit(&config).map_err(|error| {
        let failure = failed(Exit::Failed, error.to_string());
        match matches!(error, BootError::Other(_)) {
            // It is the right place, and the table in it is not what it was.
            true => failure,
            false => failure.mend("name the server's --data-dir, or its --config"),
        }
    })?;
    Ok(AuditVerdict {
        rows: verdict.rows,
        head: verdict.head.map(|head| (head.n, head.hash)),
        broken: verdict.broken.map(|broken| (broken.n, broken.why)),
    })
}

/// Work on the keys, as the command line asks for it.
fn secrets(args: &SecretsArgs) -> Result<serde_json::Value, Failure> {
    let refused =
        |exit: Exit, why: &str| Failure::new(exit, "the keys cannot be worked on").because(why);
    let config = Config::load(Overrides {
        data_dir: args.data_dir.clone(),
        config_file: args.config.clone(),
        ..Overrides::default()
    });
    let config = config.map_err(|error| refused(Exit::Usage, &error.to_string()))?;
    let work = match args.action {
        SecretsAction::Status(how) if how.check => KeyWork::Check,
        SecretsAction::Status(_) => KeyWork::Status,
        SecretsAction::Rekey(how) if how.signing => KeyWork::Signing,
        SecretsAction::Rekey(_) => KeyWork::Rekey,
        SecretsAction::GiveUp(_) => KeyWork::GiveUp,
    };
    let report = boot::work_on_keys(&config, work)
        .map_err(|error| refused(exit_of(&error), &error.to_string()))?;
    serde_json::to_value(report).map_err(|error| refused(Exit::Failed, &error.to_string()))
}

/// Opens an account again, as the command line asks for it.
fn unlock(args: &UnlockArgs) -> Result<bool, Failure> {
    let refused =
        |exit: Exit, why: &str| Failure::new(exit, "the account is not unlocked").because(why);
    let config = Config::load(Overrides {
        data_dir: args.data_dir.clone(),
        config_file: args.config.clone(),
        ..Overrides::default()
    });
    let config = config.map_err(|error| refused(Exit::Usage, &error.to_string()))?;
    boot::unlock(&config, &args.name).map_err(|error| refused(exit_of(&error), &error.to_string()))
}

/// What work on a data directory ends with that could not be done.
fn exit_of(error: &BootError) -> Exit {
    match error {
        BootError::Taken { .. } | BootError::CopiesKeys { .. } => Exit::Refused,
        BootError::DataDir { .. }
        | BootError::Bind { .. }
        | BootError::Log { .. }
        | BootError::Keeper(_)
        | BootError::Database(_)
        | BootError::Keys(_)
        | BootError::Admin(_)
        | BootError::Runtime(_)
        | BootError::Other(_) => Exit::Failed,
    }
}

fn overrides(args: &ServeArgs) -> Overrides {
    Overrides {
        data_dir: args.data_dir.clone(),
        bind: args.bind,
        config_file: args.config.clone(),
        // The flag only switches on: without it the settings below decide.
        behind_proxy: args.behind_proxy.then_some(true),
        log: args.log.clone(),
        database_url: None,
    }
}

fn refuse(exit: Exit, why: &str) -> ExitCode {
    unstarted(exit, why).print();
    exit.into()
}

fn unstarted(exit: Exit, why: &str) -> Failure {
    Failure::new(exit, "the server does not start").because(why)
}
