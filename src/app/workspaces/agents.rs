//! What an agent has of a workspace: its directory, and room for its secrets beside its own.
//!
//! Never a workspace of somebody else.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{blocking, yard};
use crate::app::{AgentRequest, App, place};
use crate::domain::{Confidential, Error, Principal, Result, Session, SessionId, WorkspaceId};
use crate::secrets::{env_aad, of_confidential, of_environment, too_many};
use crate::workspace::place::Refusal;

impl App {
    /// Where a new agent works. A fork works where its origin does, unless it is told otherwise.
    pub(in crate::app) async fn place(
        &self,
        who: &Principal,
        request: &AgentRequest,
        origin: Option<&Session>,
    ) -> Result<(String, Option<WorkspaceId>)> {
        let asked = request.cwd.as_deref();
        if let Some(id) = request.workspace {
            return self.place_in(who, id, asked).await;
        }
        let beside = origin.filter(|_| asked.is_none());
        let cwd = beside.map(|origin| origin.cwd.as_str()).or(asked);
        let cwd = place::directory(self.config(), cwd).await?;
        Ok((cwd, beside.and_then(|origin| origin.workspace)))
    }

    async fn place_in(
        &self,
        who: &Principal,
        id: WorkspaceId,
        asked: Option<&str>,
    ) -> Result<(String, Option<WorkspaceId>)> {
        let found = self.workspace(who, id).await?;
        if found.owner != who.user {
            return Err(Error::not_found("workspace", id));
        }
        if id == WorkspaceId::HOST {
            let cwd = asked.unwrap_or(&found.path);
            return Ok((place::directory(self.config(), Some(cwd)).await?, None));
        }
        found.usable()?;
        Ok((self.directory_in(&found.path, asked).await?, Some(id)))
    }

    /// A directory in a workspace.
    pub(in crate::app) async fn directory_in(
        &self,
        path: &str,
        asked: Option<&str>,
    ) -> Result<String> {
        let roots = self.config().agents.roots.clone();
        let (base, asked) = (PathBuf::from(path), asked.map(str::to_owned));
        let found = blocking(move || yard::inside(&roots, &base, asked.as_deref())).await?;
        let found = found.map_err(|refusal| {
            let (code, message) = match refusal {
                Refusal::Denied => ("cwd_denied", "the directory is outside of the workspace"),
                Refusal::Missing => ("cwd_missing", "the directory does not exist"),
                Refusal::NotADirectory => ("cwd_not_a_directory", "it is no directory"),
            };
            Error::invalid(
                code,
                "cwd",
                message,
                "an existing directory of the workspace",
            )
        })?;
        let text = found.to_str().map(str::to_owned);
        text.ok_or_else(|| {
            let message = "the directory has a name that is not UTF-8";
            Error::invalid("cwd_denied", "cwd", message, "UTF-8")
        })
    }

    /// What an agent is made with and keeps sealed, if that can be covered beside what it is given.
    pub(in crate::app) fn sealed(
        &self,
        id: SessionId,
        request: &AgentRequest,
        given: &BTreeMap<String, String>,
    ) -> Result<Option<Vec<u8>>> {
        let own = Confidential {
            env: request.env.clone(),
            mcp_servers: request.options.mcp_servers.clone(),
        };
        if own.is_empty() {
            return Ok(None);
        }
        let mut values = of_environment(given);
        values.extend(of_confidential(&own));
        if too_many(&values) {
            return Err(Error::invalid(
                "bad_env",
                "env",
                "the secrets in it are too large to be kept out of what the agent says",
                "about 8 KiB of secret values in env, mcpServers and the workspace's variables \
                 together; put larger ones in a file and name that",
            ));
        }
        let text = own.to_bytes().map_err(Error::internal)?;
        Ok(Some(self.inner.base.secrets.seal(&env_aad(id), &text)?))
    }
}
