//! Commands of people in their workspaces.
//!
//! Never a command, its variables or its output in the log or the record: they are their owner's.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::connections::Of;
use super::{App, place};
use crate::domain::{Error, Principal, Result, WorkspaceId};
use crate::workspace::{Command, Full, Run, Seat};

/// Bytes kept of each output, by default and at most.
const OUTPUT: (u64, u64) = (256 * 1024, 4 * 1024 * 1024);
/// Most bytes of a command: the kernel takes no longer argument.
const MAX_COMMAND: usize = 128 * 1024 - 1;
/// Most bytes that a command can be given to read.
const MAX_INPUT: usize = 1024 * 1024;

/// What a client asks for.
#[derive(Clone, Default)]
pub struct ExecRequest {
    /// For the shell.
    pub command: String,
    /// Where in the workspace.
    pub cwd: Option<String>,
    /// Seconds.
    pub timeout: Option<f64>,
    /// Over the workspace's.
    pub env: BTreeMap<String, String>,
    /// What it reads.
    pub input: Option<String>,
    /// Bytes kept of each output.
    pub max_output: Option<u64>,
}

impl App {
    /// Starts a command in a workspace; it ends with what is returned. How much of each output is to
    /// be kept comes with it.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `bad_field`, `bad_env`, `cwd_*`, `too_large`,
    /// `workspace_not_ready`, `too_many_execs`, `draining`, `spawn_failed`.
    pub async fn exec(
        &self,
        who: &Principal,
        id: WorkspaceId,
        request: ExecRequest,
    ) -> Result<(Run, usize)> {
        let workspace = self.drivable_workspace(who, id).await?;
        self.refuse_draining()?;
        checked(&request)?;
        let timeout = self.exec_time(request.timeout)?;
        let kept = bounded(request.max_output)?;
        place::variables(&request.env)?;
        workspace.usable()?;
        let cwd = self
            .directory_in(&workspace.path, request.cwd.as_deref())
            .await?;
        let mut env = self.variables_of(id).await?;
        env.extend(request.env);
        let command = Command {
            words: request.command,
            cwd: Path::new(&cwd).to_owned(),
            env,
            input: request.input.map(String::into_bytes),
            timeout,
            seat: self.seat(who)?,
            refused: self.refusal_of(who, id),
        };
        let drain = self.inner.draining.subscribe();
        let run = self.inner.base.yard.start(command, drain).await?;
        self.done(who, "workspace.exec", id).await;
        Ok((run, kept))
    }

    /// Waits until a person may no longer run commands in a workspace, and says why: their token was
    /// ended, or their rights are other ones.
    fn refusal_of(&self, who: &Principal, id: WorkspaceId) -> BoxFuture<'static, Error> {
        let (app, who) = (self.clone(), who.clone());
        Box::pin(async move { app.shut_out_of(&who, Of::Workspace(id)).await })
    }

    fn seat(&self, who: &Principal) -> Result<Seat> {
        self.inner.seats.take(who.user).map_err(|full| {
            let message = match full {
                Full::Server(most) => format!("the server runs at most {most} commands at once"),
                Full::Person(most) => format!("a person has at most {most} commands at once"),
            };
            Error::Busy {
                code: "too_many_execs",
                message,
                retry_after: 1,
            }
        })
    }

    fn exec_time(&self, asked: Option<f64>) -> Result<Duration> {
        let settings = &self.config().exec;
        let most = settings.max_timeout;
        let Some(seconds) = asked else {
            return Ok(settings.timeout);
        };
        let time = Duration::try_from_secs_f64(seconds).ok();
        time.filter(|time| !time.is_zero() && *time <= most)
            .ok_or_else(|| {
                Error::invalid(
                    "bad_field",
                    "timeout_secs",
                    "the time is out of range",
                    format!("more than 0 and at most {} seconds", most.as_secs()),
                )
            })
    }
}

fn bounded(asked: Option<u64>) -> Result<usize> {
    let (default, most) = OUTPUT;
    let kept = asked.unwrap_or(default);
    usize::try_from(kept)
        .ok()
        .filter(|_| (1..=most).contains(&kept))
        .ok_or_else(|| {
            Error::invalid(
                "bad_field",
                "max_output_bytes",
                "the bound is out of range",
                format!("1 to {most}"),
            )
        })
}

fn checked(request: &ExecRequest) -> Result<()> {
    if request.command.trim().is_empty() || request.command.contains('\0') {
        return Err(Error::invalid(
            "bad_field",
            "command",
            "the command is empty or has a NUL byte",
            "words for the shell",
        ));
    }
    let input = request.input.as_deref().unwrap_or_default();
    for (field, found, most) in [
        ("command", request.command.len(), MAX_COMMAND),
        ("stdin", input.len(), MAX_INPUT),
    ] {
        if found > most {
            return Err(Error::TooLarge {
                field: field.to_owned(),
                message: format!("it has {found} bytes; {most} are allowed"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_kept() {
        assert_eq!(bounded(None).unwrap(), 256 * 1024);
        assert_eq!(bounded(Some(4 * 1024 * 1024)).unwrap(), 4 * 1024 * 1024);
        for out in [0, 4 * 1024 * 1024 + 1, u64::MAX] {
            assert_eq!(bounded(Some(out)).unwrap_err().code(), "bad_field");
        }
        let ask = |command: &str, input: usize| ExecRequest {
            command: command.to_owned(),
            input: Some("x".repeat(input)),
            ..ExecRequest::default()
        };
        assert!(checked(&ask("true", MAX_INPUT)).is_ok());
        assert_eq!(checked(&ask(" ", 0)).unwrap_err().code(), "bad_field");
        assert_eq!(checked(&ask("a\0", 0)).unwrap_err().code(), "bad_field");
        let long = "x".repeat(MAX_COMMAND + 1);
        for large in [ask(&long, 0), ask("true", MAX_INPUT + 1)] {
            assert_eq!(checked(&large).unwrap_err().code(), "too_large");
        }
    }
}
