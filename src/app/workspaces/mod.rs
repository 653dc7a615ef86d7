//! Workspaces of people: rows, and the directories that they stand for.
//!
//! Never a variable's value to anybody: it goes to programs alone.

mod agents;
mod patch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::agents::Page;
use super::people::stands;
use super::{App, place};
use crate::domain::workspace::Trouble;
use crate::domain::{Error, Principal, Result, Workspace, WorkspaceId, WorkspaceState};
use crate::secrets::{of_environment, too_many, workspace_aad};
use crate::store::{Connection, StoreError, users, workspaces};
use crate::workspace::place as yard;
use crate::workspace::place::Refusal;

pub use patch::WorkspacePatch;

/// Most workspaces of one person.
const MAX_EACH: u64 = 1_000;

impl App {
    /// One page of what somebody may see, the one that everybody has first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workspaces(
        &self,
        who: &Principal,
        (offset, limit): (usize, usize),
    ) -> Result<Page<Workspace>> {
        let owner = (!who.is_admin()).then_some(who.user);
        let first = offset == 0;
        let range = if first {
            (0, limit.saturating_sub(1))
        } else {
            (offset.saturating_sub(1), limit)
        };
        let read = move |conn: &mut Connection| workspaces::list(conn, owner, range);
        let (rows, total) = self.store().read(read).await?;
        let mut items = Vec::new();
        if first {
            items.push(self.host_workspace(who).await?);
        }
        items.extend(rows);
        Ok(Page {
            items: looked_at(items).await?,
            total: total.saturating_add(1),
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn workspace(&self, who: &Principal, id: WorkspaceId) -> Result<Workspace> {
        let found = self.stored_workspace(who, id).await?;
        let missing = || Error::not_found("workspace", id);
        let found = found.filter(|row| who.may_read(row.owner));
        let shown = looked_at(vec![found.ok_or_else(missing)?]).await?;
        shown.into_iter().next().ok_or_else(missing)
    }

    /// Makes one: its row, then its directory.
    ///
    /// # Errors
    /// `forbidden`, `bad_name`, `name_taken`, `bad_field`, `bad_env`, `path_*`,
    /// `container_unsupported`, `too_many_workspaces`, `draining`.
    pub async fn create_workspace(
        &self,
        who: &Principal,
        patch: WorkspacePatch,
    ) -> Result<Workspace> {
        self.may_drive_own(who, "workspaces").await?;
        self.refuse_new_work()?;
        let _alone = self.inner.building.lock().await;
        let blank = Workspace {
            id: WorkspaceId::generate(),
            name: String::new(),
            state: WorkspaceState::Pending,
            ..Workspace::host(who.user, String::new(), self.now())
        };
        let (mut made, env) = patch.apply(blank, &BTreeMap::new())?;
        crate::domain::workspace::name(&made.name)?;
        made.path = self.settled(made.id, patch.path.flatten()).await?;
        let blob = self.seal_variables(made.id, &env)?;
        let row = made.clone();
        let write = move |conn: &mut Connection| {
            stands(conn, row.owner)?;
            let (_, total) = workspaces::list(conn, Some(row.owner), (0, 0))?;
            if total >= MAX_EACH {
                let message = format!("a person has at most {MAX_EACH} workspaces");
                return Err(Error::conflict("too_many_workspaces", message).into());
            }
            workspaces::insert(conn, &row, blob.as_deref())
        };
        self.store().write(write).await.map_err(taken)?;
        crate::crash::point("app.workspace_pending");
        let made = self.stood(made).await?;
        let row = made.clone();
        let settle = self
            .store()
            .write(move |conn| workspaces::settle(conn, &row));
        settle.await?;
        self.done(who, "workspace.created", made.id).await;
        Ok(made)
    }

    /// Changes what is named; what comes back as it was shown changes nothing.
    ///
    /// # Errors
    /// As [`App::create_workspace`]; `not_found`, `default_workspace`.
    pub async fn change_workspace(
        &self,
        who: &Principal,
        id: WorkspaceId,
        patch: WorkspacePatch,
    ) -> Result<Workspace> {
        let _alone = self.inner.building.lock().await;
        let before = self.own_workspace(who, id).await?;
        let held = self.variables_of(id).await?;
        let (mut after, env) = patch.apply(before.clone(), &held)?;
        if after.name != before.name {
            crate::domain::workspace::name(&after.name)?;
        }
        if let Some(path) = patch.path {
            // What was shown stays what it is, whatever links lead there by now.
            if path.as_ref() != Some(&before.path) {
                after.path = self.settled(id, path).await?;
            }
            let seen = looked_at(vec![before.clone()]).await?;
            let ready = seen.iter().all(|one| one.state == WorkspaceState::Ready);
            if !ready || before.path != after.path {
                after = self.stood(after).await?;
            }
        }
        if after != before || env != held {
            after.updated_at = self.now();
            let blob = self.seal_variables(id, &env)?;
            let row = after.clone();
            let write =
                move |conn: &mut Connection| workspaces::update(conn, &row, blob.as_deref());
            self.store().write(write).await.map_err(taken)?;
            self.done(who, "workspace.changed", id).await;
        }
        let shown = looked_at(vec![after]).await?;
        let shown = shown.into_iter().next();
        shown.ok_or_else(|| Error::not_found("workspace", id))
    }

    /// Forgets one. Its directory stays, and so do the directories of its sessions; no process of
    /// theirs is started any more.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `default_workspace`, `workspace_in_use`.
    pub async fn delete_workspace(&self, who: &Principal, id: WorkspaceId) -> Result<()> {
        let _alone = self.inner.building.lock().await;
        self.own_workspace(who, id).await?;
        let write = move |conn: &mut Connection| {
            if let Some(session) = workspaces::used_by(conn, id)? {
                let message = format!("the agent {session} runs in it; stop that first");
                return Err(Error::conflict("workspace_in_use", message).into());
            }
            workspaces::remove(conn, id)
        };
        self.store().write(write).await?;
        self.done(who, "workspace.deleted", id).await;
        Ok(())
    }

    /// What was being made when the server ended: it stands, or it was interrupted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_workspaces(&self) -> Result<()> {
        for row in self.store().read(workspaces::unsettled).await? {
            let path = PathBuf::from(&row.path);
            let found = blocking(move || yard::look(&path).and_then(|()| yard::plain(&path)));
            let found = found.await?;
            let text = "the server ended before it stood; change its path, or make it again";
            let settled = found.map_err(|_missing| Trouble::new("interrupted", text));
            let row = Workspace {
                updated_at: self.now(),
                ..row.settled(settled)
            };
            let settle = move |conn: &mut Connection| workspaces::settle(conn, &row);
            self.store().write(settle).await?;
        }
        Ok(())
    }

    /// The variables of a workspace, for programs.
    pub(super) async fn variables_of(&self, id: WorkspaceId) -> Result<BTreeMap<String, String>> {
        if id == WorkspaceId::HOST {
            return Ok(BTreeMap::new());
        }
        let read = self
            .store()
            .read(move |conn| workspaces::env_blob(conn, id));
        let Some(blob) = read.await? else {
            return Ok(BTreeMap::new());
        };
        let secrets = &self.inner.base.secrets;
        let plain = secrets.open_sealed(&workspace_aad(id), &blob);
        let plain = plain.map_err(Error::internal)?;
        serde_json::from_slice(&plain)
            .map_err(|_names_values| Error::internal("a workspace's variables cannot be read"))
    }

    /// One that somebody may run things in.
    pub(super) async fn drivable_workspace(
        &self,
        who: &Principal,
        id: WorkspaceId,
    ) -> Result<Workspace> {
        let missing = || Error::not_found("workspace", id);
        let found = self.stored_workspace(who, id).await?;
        let found = found.ok_or_else(missing)?;
        if !who.may_read(found.owner) {
            return self.denied(who, id, missing()).await;
        }
        if let Err(error) = who.need_write(found.owner) {
            return self.denied(who, id, error).await;
        }
        let shown = looked_at(vec![found]).await?;
        shown.into_iter().next().ok_or_else(missing)
    }

    /// One that somebody may change, as it is stored.
    async fn own_workspace(&self, who: &Principal, id: WorkspaceId) -> Result<Workspace> {
        self.drivable_workspace(who, id).await?;
        if id == WorkspaceId::HOST {
            let message = "this workspace is everybody's: it is neither changed nor deleted";
            return Err(Error::conflict("default_workspace", message));
        }
        let found = self.stored_workspace(who, id).await?;
        found.ok_or_else(|| Error::not_found("workspace", id))
    }

    async fn stored_workspace(
        &self,
        who: &Principal,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>> {
        if id == WorkspaceId::HOST {
            return self.host_workspace(who).await.map(Some);
        }
        let read = move |conn: &mut Connection| workspaces::by_id(conn, id);
        Ok(self.store().read(read).await?)
    }

    /// The one that everybody has, as old as their account.
    async fn host_workspace(&self, who: &Principal) -> Result<Workspace> {
        let owner = who.user;
        let person = self.store().read(move |conn| users::by_id(conn, owner));
        let since = person.await?.map_or(self.now(), |person| person.created_at);
        let (roots, home) = (
            self.config().agents.roots.clone(),
            place::home(self.config()),
        );
        let path = blocking(move || yard::host(&roots, &home)).await?;
        Ok(Workspace::host(
            owner,
            path.to_string_lossy().into_owned(),
            since,
        ))
    }

    /// Where a workspace's directory is or will be.
    async fn settled(&self, id: WorkspaceId, asked: Option<String>) -> Result<String> {
        let (roots, home) = (
            self.config().agents.roots.clone(),
            place::home(self.config()),
        );
        let settle = move || match &asked {
            // As in the working directories of agents.
            Some(asked) if asked == "~" => yard::settle(&roots, &home),
            Some(asked) => match asked.strip_prefix("~/") {
                Some(rest) => yard::settle(&roots, &home.join(rest)),
                None => yard::settle(&roots, Path::new(asked)),
            },
            None => yard::own(&roots, &id.to_string()),
        };
        let path = blocking(settle).await?.map_err(|refusal| {
            let (code, message) = match refusal {
                Refusal::NotADirectory => ("path_not_a_directory", "the path is no directory"),
                Refusal::Denied | Refusal::Missing => {
                    ("path_denied", "the path is outside of the allowed roots")
                }
            };
            let expected = "a directory below the roots of `agents.roots`, or one to be made there";
            Error::invalid(code, "path", message, expected)
        })?;
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| {
            Error::invalid(
                "path_denied",
                "path",
                "the path has a name that is not UTF-8",
                "UTF-8",
            )
        })
    }

    async fn stood(&self, workspace: Workspace) -> Result<Workspace> {
        let path = PathBuf::from(&workspace.path);
        let outcome = blocking(move || yard::stand(&path)).await?;
        Ok(Workspace {
            updated_at: self.now(),
            ..workspace.settled(outcome)
        })
    }

    fn seal_variables(
        &self,
        id: WorkspaceId,
        env: &BTreeMap<String, String>,
    ) -> Result<Option<Vec<u8>>> {
        if env.is_empty() {
            return Ok(None);
        }
        if too_many(&of_environment(env)) {
            return Err(Error::invalid(
                "bad_env",
                "env_vars",
                "the secrets in it are too large to be kept out of what agents say",
                "about 8 KiB of secret values; put larger ones in a file and name that",
            ));
        }
        let text = serde_json::to_vec(env).map_err(Error::internal)?;
        let sealed = self.inner.base.secrets.seal(&workspace_aad(id), &text)?;
        Ok(Some(sealed))
    }
}

/// The same as they are at this moment: one that was ready may have lost its directory.
async fn looked_at(found: Vec<Workspace>) -> Result<Vec<Workspace>> {
    let look = |one: Workspace| match one.state {
        WorkspaceState::Ready => {
            let place = Path::new(&one.path);
            // The home of the one that everybody has may be a link.
            let outcome = match one.id == WorkspaceId::HOST {
                true => yard::look(place),
                false => yard::look(place).and_then(|()| yard::plain(place)),
            };
            one.settled(outcome)
        }
        WorkspaceState::Pending | WorkspaceState::Building | WorkspaceState::Error => one,
    };
    blocking(move || found.into_iter().map(look).collect()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Error::internal)
}

/// The only unique columns beside the id, which is random, are owner and name.
fn taken(error: StoreError) -> Error {
    if let StoreError::Conflict(_) = error {
        return Error::conflict("name_taken", "you have another workspace with this name");
    }
    error.into()
}
