//! Making an agent: checks, one durable row, then its first prompt or its process.
//!
//! Never two agents for one Idempotency-Key.

mod rules;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::people::stands;
use super::{App, MessageRequest, OptionsRequest, SessionOverview, WhenBusy, options, place};
use crate::crash;
use crate::domain::prompt::IdempotencyKey;
use crate::domain::{
    Error, Facts, Kind, OnUncertain, PermissionMode, Placement, Principal, Prompt, Result, Session,
    SessionId, Status, WorkspaceId,
};
use crate::store::idempotency::{self, KeptReply};
use crate::store::sessions::{self, NewSessionRow};
use crate::store::{Connection, StoreError, workspaces};
use rules::{label, parent, reply_key, settled, taken_name, task_key};

pub(super) use rules::metadata;

/// What a client asks for.
#[derive(Clone, Default)]
pub struct AgentRequest {
    /// Program; the default kind when absent.
    pub kind: Option<String>,
    /// The program when none is named; what it has no use for is kept then, not refused.
    pub fallback: Option<Kind>,
    /// Add it to the group of this session.
    pub session: Option<SessionId>,
    /// Name, unique for its owner.
    pub name: Option<String>,
    /// Free label.
    pub topic: Option<String>,
    /// Model, for kinds that have one.
    pub model: Option<String>,
    /// First prompt.
    pub message: Option<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// The workspace that it works in.
    pub workspace: Option<WorkspaceId>,
    /// Permission mode or an alias.
    pub permission_mode: Option<String>,
    /// Scenario, for `script`.
    pub scenario: Option<String>,
    /// What else it is made with.
    pub options: OptionsRequest,
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// The client's own data.
    pub metadata: Value,
    /// For the first prompt.
    pub on_uncertain: OnUncertain,
    /// Whether to leave the process for the first prompt.
    pub lazy: Lazy,
    /// The client's key.
    pub key: Option<IdempotencyKey>,
}

/// When the process starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lazy {
    /// At once.
    #[default]
    No,
    /// With the first prompt or an explicit start.
    Yes,
}

/// A made agent.
#[derive(Debug, Clone)]
pub enum Created {
    /// Made now.
    Now {
        /// The agent.
        agent: Box<SessionOverview>,
        /// Where its first prompt landed.
        placement: Option<Placement>,
    },
    /// Made by an earlier request with the same key: its reply.
    Before(String),
}

/// Names alone: values may be secrets.
impl fmt::Debug for AgentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRequest")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("options", &self.options)
            .field("env", &self.env.keys())
            .finish_non_exhaustive()
    }
}

impl App {
    /// Makes an agent and starts it.
    ///
    /// # Errors
    /// `bad_name`, `name_taken`, `unknown_agent_kind`, `bad_permission_mode`, `bad_env`,
    /// `cwd_*`, `*_scenario`, `not_found` for the group or the origin of a fork, `cannot_fork`,
    /// `no_conversation`, `option_not_supported`, `bad_field`, `draining`, and the start's own.
    pub async fn create_agent(&self, who: &Principal, request: AgentRequest) -> Result<Created> {
        self.may_drive_own(who, "agents").await?;
        self.refuse_new_work()?;
        if let Some(key) = &request.key {
            let kept = reply_key(key);
            let (owner, now) = (who.user, self.now());
            let found = self
                .store()
                .read(move |conn| idempotency::find(conn, owner, &kept, now))
                .await?;
            if let Some(reply) = found {
                return Ok(Created::Before(reply));
            }
        }
        let prompt = first_prompt(&request)?;
        let _below = match request.session {
            Some(_) => Some(self.inner.trees.read().await),
            None => None,
        };
        let id = self.insert_session(who, &request).await?;
        crash::point("app.created");
        let session = self.readable(who, id).await.map_err(|_gone| {
            Error::conflict(
                "creation_failed",
                "the first request with this Idempotency-Key could not start its agent",
            )
        })?;
        self.done(who, "agent.created", id).await;
        if session.permission_mode == PermissionMode::BypassPermissions {
            self.done(who, "agent.permissions_bypassed", id).await;
        }
        let worked = self.first_work(who, &session, &request, prompt).await;
        let placement = worked.map_err(deleted)?;
        crash::point("app.worked");
        let agent = Box::new(self.agent(who, id).await.map_err(deleted)?);
        Ok(Created::Now { agent, placement })
    }

    /// Keeps the reply of a creation for repeated requests with its key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_reply(
        &self,
        who: &Principal,
        key: &IdempotencyKey,
        reply: &str,
    ) -> Result<()> {
        let kept = KeptReply {
            owner: who.user,
            key: reply_key(key),
            reply: reply.to_owned(),
            created_at: self.now(),
        };
        let now = kept.created_at;
        let write =
            move |conn: &mut Connection| match idempotency::find(conn, kept.owner, &kept.key, now)?
            {
                Some(_) => Ok(()),
                None => idempotency::insert(conn, &kept),
            };
        self.store().write(write).await?;
        crash::point("app.kept");
        Ok(())
    }

    async fn first_work(
        &self,
        who: &Principal,
        session: &Session,
        request: &AgentRequest,
        prompt: Option<Prompt>,
    ) -> Result<Option<Placement>> {
        let id = session.id;
        let started = match request.lazy {
            Lazy::Yes => Ok(()),
            Lazy::No => self.runtime().start_agent(id).await,
        };
        let done = match prompt {
            // What would fail again is told at once; else the prompt is durable, and the start is
            // tried again for it.
            Some(_) if matches!(started, Err(Error::Invalid { .. })) => started.map(|()| None),
            Some(prompt) => {
                let message = MessageRequest {
                    on_uncertain: prompt.on_uncertain,
                    metadata: prompt.metadata,
                    key: request.key.as_ref().map(task_key),
                    ..MessageRequest::new(prompt.text, WhenBusy::Queue)
                };
                self.message(who, id, message).await.map(Some)
            }
            None => started.map(|()| None),
        };
        if let Err(Error::Invalid { .. }) = &done
            && let Err(error) = self.runtime().archive(id, &who.username).await
        {
            tracing::warn!(session.id = %id, %error, "an agent that could not start was not removed");
        }
        done
    }

    /// Stores the session, or finds the one that an unfinished request with this key stored.
    async fn insert_session(&self, who: &Principal, request: &AgentRequest) -> Result<SessionId> {
        let session = self.new_session(who, request).await?;
        let given = match session.workspace {
            Some(workspace) => self.variables_of(workspace).await?,
            None => BTreeMap::new(),
        };
        let env_blob = self.sealed(session.id, request, &given)?;
        let key = request.key.clone();
        let write = move |conn: &mut Connection| {
            if let Some(key) = &key {
                let found = idempotency::find(conn, session.owner, key, session.created_at)?;
                if let Some(text) = found {
                    return text
                        .parse()
                        .map_err(|_not_an_id| StoreError::Domain(Error::KeyReused));
                }
                let kept = KeptReply {
                    owner: session.owner,
                    key: key.clone(),
                    reply: session.id.to_string(),
                    created_at: session.created_at,
                };
                idempotency::insert(conn, &kept)?;
            }
            // Who was deleted or shut out meanwhile gets no agent that nobody would stop.
            stands(conn, session.owner)?;
            if let Some(id) = session.workspace.filter(|id| *id != WorkspaceId::HOST)
                && workspaces::by_id(conn, id)?.is_none()
            {
                return Err(Error::not_found("workspace", id).into());
            }
            let row = NewSessionRow {
                session: &session,
                env_blob,
            };
            sessions::insert(conn, &row)?;
            Ok(session.id)
        };
        self.store().write(write).await.map_err(taken_name)
    }

    async fn new_session(&self, who: &Principal, request: &AgentRequest) -> Result<Session> {
        let named = request.kind.as_deref().map(Kind::parse).transpose()?;
        let origin = self.origin(who, &request.options).await?;
        let fallback = origin.as_ref().map(|origin| origin.kind);
        let fallback = fallback.or(request.fallback).unwrap_or(Kind::Shell);
        let kind = named.unwrap_or(fallback);
        let options = settled(kind, (named, request), origin.as_ref())?;
        options::model(named, request.model.as_deref())?;
        let mode = request.permission_mode.as_deref();
        let permission_mode = mode.map_or(Ok(PermissionMode::Default), PermissionMode::parse)?;
        if let Some(name) = &request.name {
            place::name(name)?;
        }
        label("topic", request.topic.as_deref())?;
        metadata(&request.metadata)?;
        place::variables(&request.env)?;
        let scenario = self.scenario(kind, request.scenario.as_deref()).await?;
        let (cwd, workspace) = self.place(who, request, origin.as_ref()).await?;
        let id = SessionId::generate();
        let group = match request.session {
            Some(other) => self.writable(who, other).await.map_err(as_session)?.group,
            None => id,
        };
        let now = self.now();
        Ok(Session {
            id,
            owner: who.user,
            group,
            name: request.name.clone(),
            kind,
            cwd,
            workspace,
            model: request.model.clone(),
            permission_mode,
            scenario,
            options,
            topic: request.topic.clone(),
            metadata: request.metadata.clone(),
            created_at: now,
            updated_at: now,
            archived_at: None,
            status: Status::Created,
            facts: Facts::default(),
            parent: parent(request.session.map(|_| group), origin.as_ref()),
        })
    }

    async fn scenario(&self, kind: Kind, asked: Option<&str>) -> Result<Option<String>> {
        let Some(text) = asked else {
            return Ok(None);
        };
        if kind != Kind::Script {
            return Err(Error::invalid(
                "bad_scenario",
                "scenario",
                "only agents of the kind script play a scenario",
                "no scenario, or agentType script",
            ));
        }
        place::scenario(self.config(), text).await.map(Some)
    }
}

fn first_prompt(request: &AgentRequest) -> Result<Option<Prompt>> {
    let Some(text) = &request.message else {
        return Ok(None);
    };
    let mut prompt = Prompt::new(text.clone())?;
    prompt.on_uncertain = request.on_uncertain;
    Ok(Some(prompt))
}

/// What was made is gone already.
fn deleted(error: Error) -> Error {
    if let Error::NotFound { .. } = error {
        return Error::conflict("deleted", "the agent was deleted while it was being made");
    }
    error
}

fn as_session(error: Error) -> Error {
    if let Error::NotFound { id, .. } = error {
        return Error::NotFound {
            what: "session",
            id,
        };
    }
    error
}
