//! What keeps a session's secrets out of everything that is written down or shown of it: one set of
//! values for each session that is awake, made when it wakes.
//!
//! Never changes what a program is sent: prompts and answers reach it as they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use serde_json::Value;

use crate::domain::overrides::{Matcher, is_covered};
use crate::domain::{
    Approval, Change, Confidential, Draft, Error, EventKind, ExitReport, Facts, Result, Session,
    SessionId, WorkspaceId,
};
use crate::drivers::Output;
use crate::secrets::{
    Redactor, env_aad, given_aad, house, of_confidential, of_environment, too_many, while_awake,
    workspace_aad,
};
use crate::store;

use super::clock::now;
use super::context::Shared;

/// Those of the sessions that are awake.
#[derive(Default)]
pub(super) struct Redactors(Mutex<HashMap<SessionId, Weak<Cover>>>);

/// Variables by name; the inner error says why they cannot be opened.
type Opened = std::result::Result<BTreeMap<String, String>, String>;

/// What the next process of a session is given.
#[derive(Default)]
pub(super) struct Given {
    /// The variables of its workspace, over those of its owner's sign-ins.
    pub env: BTreeMap<String, String>,
    /// Names that are not to be given from elsewhere.
    pub instead_of: Vec<String>,
}

/// What covers the secrets of one session, and the server's: its own, and those that its processes
/// are given from its workspace, which may be others each time.
pub(super) struct Cover {
    now: RwLock<Arc<Redactor>>,
    values: Mutex<Values>,
}

#[derive(Default)]
struct Values {
    /// As long as it is awake.
    own: Vec<String>,
    /// Of the last process: what it said may be on its way when the next one begins.
    given: Vec<String>,
}

impl Cover {
    /// What covers now.
    pub(super) fn now(&self) -> Arc<Redactor> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(own: Vec<String>) -> Result<Arc<Self>> {
        let cover = Self {
            now: RwLock::new(house()),
            values: Mutex::new(Values {
                own,
                given: Vec::new(),
            }),
        };
        cover.give(Vec::new())?;
        Ok(Arc::new(cover))
    }

    /// Covers what the next process is given beside what the last one was.
    fn give(&self, values: Vec<String>) -> Result<()> {
        let mut kept = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let all = [&kept.own[..], &kept.given, &values].concat();
        if !all.is_empty() {
            let wider = Arc::new(house().with(&all)?);
            while_awake(&wider);
            *self.now.write().unwrap_or_else(PoisonError::into_inner) = wider;
        }
        kept.given = values;
        Ok(())
    }

    /// One that stays as it is.
    #[cfg(test)]
    pub(super) fn fixed(redactor: Arc<Redactor>) -> Arc<Self> {
        Arc::new(Self {
            now: RwLock::new(redactor),
            values: Mutex::default(),
        })
    }
}

/// What covers the secrets of a session, and the server's.
pub(super) async fn of_session(shared: &Shared, id: SessionId) -> Result<Arc<Cover>> {
    if let Some(held) = shared.redactors.look(id) {
        return Ok(held);
    }
    let opened = match confidential(shared, id).await? {
        Ok(own) => given(shared, id).await?.map(|given| (own, given)),
        Err(error) => Err(error),
    };
    let (own, (given, workspace)) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(session.id = %id, %error, "its secrets cannot be opened");
            unopened(shared, id).await?;
            return Cover::of(Vec::new());
        }
    };
    let mut values = of_confidential(&own);
    values.extend(of_environment(&given));
    values.extend(signed_in(shared, id, &given).await?);
    // Words about what the next process is given come before that; where these do not fit, its
    // start is refused.
    if let Some(workspace) = workspace
        && let Ok(next) = variables(shared, workspace).await?
    {
        let next = of_environment(&next);
        let all = [&values[..], &next].concat();
        values = if too_many(&all) { values } else { all };
    }
    let cover = Cover::of(values)?;
    Ok(shared.redactors.hold(id, cover))
}

/// The secrets of the owner's sign-ins among what the last process was given, and those that the next
/// one would be given now.
async fn signed_in(
    shared: &Shared,
    id: SessionId,
    given: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    let read = shared
        .store
        .read(move |conn| store::sessions::by_id(conn, id));
    let Some(session) = read.await? else {
        return Ok(Vec::new());
    };
    let (owner, kind) = (session.owner, session.kind);
    let mut values = shared.providers.secrets_in(kind, given);
    let none = BTreeMap::new();
    let next = shared.providers.variables((owner, kind), &none, now());
    if let Ok(next) = next.await? {
        values.extend(next.secrets);
    }
    Ok(values)
}

/// The variables of a session's workspace and of its owner's sign-ins for its next process, covered and
/// noted before it begins. The inner error says why there are none to give.
pub(super) async fn give(
    shared: &Shared,
    session: &Session,
    own: &Confidential,
) -> Result<std::result::Result<Given, String>> {
    let id = session.id;
    let (last, workspace) = match given(shared, id).await? {
        Ok(given) => given,
        Err(error) => return Ok(Err(error)),
    };
    let env = match workspace {
        Some(workspace) => match variables(shared, workspace).await? {
            Ok(env) => env,
            Err(error) => return Ok(Err(error)),
        },
        None => BTreeMap::new(),
    };
    let taken = env.iter().chain(&own.env);
    let taken = taken.map(|(name, value)| (name.clone(), value.clone()));
    let whose = (session.owner, session.kind);
    let taken = taken.collect();
    let signed_in = shared.providers.variables(whose, &taken, now());
    let mut signed_in = match signed_in.await? {
        Ok(signed_in) => signed_in,
        Err(error) => return Ok(Err(error)),
    };
    signed_in.env.extend(env);
    let given = Given {
        env: signed_in.env,
        instead_of: signed_in.instead_of,
    };
    if given.env.is_empty() && last.is_empty() {
        return Ok(Ok(given));
    }
    let mut values = of_environment(&given.env);
    values.extend(signed_in.secrets);
    values.sort_unstable();
    values.dedup();
    if too_many(&[&of_confidential(own)[..], &values].concat()) {
        let text = "the secrets of its workspace, its owner's sign-ins and its own are too large \
                    together to be covered";
        return Ok(Err(text.to_owned()));
    }
    of_session(shared, id).await?.give(values)?;
    let blob = match serde_json::to_vec(&given.env) {
        Ok(text) => shared.secrets.seal(&given_aad(id), &text)?,
        Err(error) => return Err(Error::internal(error)),
    };
    let write = move |conn: &mut store::Connection| store::workspaces::give(conn, id, Some(&blob));
    shared.store.write(write).await?;
    Ok(Ok(given))
}

/// What the last process of a session was given, and its workspace.
async fn given(
    shared: &Shared,
    id: SessionId,
) -> Result<std::result::Result<(BTreeMap<String, String>, Option<WorkspaceId>), String>> {
    let read = shared
        .store
        .read(move |conn| store::workspaces::given(conn, id));
    let (blob, workspace) = read.await?;
    let opened = opened(shared, &given_aad(id), blob);
    Ok(opened.map(|env| (env, workspace)))
}

async fn variables(shared: &Shared, id: WorkspaceId) -> Result<Opened> {
    let read = shared
        .store
        .read(move |conn| store::workspaces::env_blob(conn, id));
    let blob = read.await?;
    Ok(opened(shared, &workspace_aad(id), blob))
}

fn opened(shared: &Shared, place: &str, blob: Option<Vec<u8>>) -> Opened {
    let Some(blob) = blob else {
        return Ok(BTreeMap::new());
    };
    let plain = shared.secrets.open_sealed(place, &blob);
    let plain = plain.map_err(|error| error.to_string())?;
    serde_json::from_slice(&plain).map_err(|_names_values| "it does not read as variables".into())
}

/// A session whose secrets cannot be opened: none of its programs can be started with them. One that
/// was, and is not known to have ended, could say them, so nothing is read of it.
async fn unopened(shared: &Shared, id: SessionId) -> Result<()> {
    let latest = shared
        .store
        .read(move |conn| store::incarnations::latest(conn, id))
        .await?;
    match latest {
        Some(row) if row.exit.is_none() => Err(Error::internal(
            "its secrets cannot be opened, so what its program says cannot be shown",
        )),
        Some(_) | None => Ok(()),
    }
}

/// What a session was made with and is kept sealed; the inner error says why it cannot be opened.
pub(super) async fn confidential(
    shared: &Shared,
    id: SessionId,
) -> Result<std::result::Result<Confidential, String>> {
    let sealed = shared
        .store
        .read(move |conn| store::sessions::env_blob(conn, id))
        .await?;
    let Some(blob) = sealed else {
        return Ok(Ok(Confidential::default()));
    };
    let opened = shared.secrets.open_sealed(&env_aad(id), &blob);
    let opened = opened.map_err(|error| error.to_string());
    Ok(opened.and_then(|plain| Confidential::parse(&plain).map_err(str::to_owned)))
}

impl Redactors {
    fn look(&self, id: SessionId) -> Option<Arc<Cover>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&id)?.upgrade()
    }

    /// Holds one, unless somebody was first: there is one for all parts of a session.
    fn hold(&self, id: SessionId, cover: Arc<Cover>) -> Arc<Cover> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, one| one.strong_count() > 0);
        if let Some(first) = held.get(&id).and_then(Weak::upgrade) {
            return first;
        }
        held.insert(id, Arc::downgrade(&cover));
        cover
    }
}

/// What a program said, before long texts in it are cut. What its driver has cut already has a mark
/// there (`domain::CUT`), and what stands of a secret beside it is covered with the rest.
pub(super) fn of_outputs(redactor: &Redactor, outputs: &mut [Output]) {
    for output in outputs {
        match output {
            Output::Event { data, .. } => redactor.value(data),
            // Events and rows of these are covered on their way; answers need the arguments.
            Output::Ask(_) | Output::TurnEnded { .. } => {}
            Output::Ready
            | Output::TurnStarted { .. }
            | Output::Delta(_)
            | Output::Conversation { .. }
            | Output::Withdrawn { .. }
            | Output::File { .. }
            | Output::Send { .. } => {}
        }
    }
}

/// Events on their way to the journal.
pub(super) fn of_events(redactor: &Redactor, events: &mut [Draft]) {
    for event in events {
        let covered = redactor.json(&event.data);
        if let std::borrow::Cow::Owned(covered) = covered {
            event.data = covered;
            if event.kind == EventKind::ApprovalRequested {
                unremembered(&mut event.data);
            }
        }
    }
}

/// A request with a secret cannot be known again, so nobody is told that it can be remembered.
fn unremembered(data: &mut String) {
    let Ok(mut value) = serde_json::from_str::<Value>(data) else {
        return;
    };
    if let Some(words) = value.get_mut("remembers")
        && words.as_str().is_some_and(is_covered)
    {
        *words = Value::Null;
        *data = value.to_string();
    }
}

/// The rows that follow from them.
pub(super) fn of_changes(redactor: &Redactor, changes: &mut [Change]) {
    for change in changes {
        match change {
            Change::Facts(facts) => of_facts(redactor, facts),
            Change::Task(step) => {
                maybe(redactor, &mut step.text);
                maybe(redactor, &mut step.reason);
                if let Some(usage) = &mut step.usage {
                    redactor.value(usage);
                }
            }
            Change::Ended(report) => of_report(redactor, report),
            Change::Asked(approval) => of_approval(redactor, approval),
            Change::Resolved { response, .. } => maybe(redactor, response),
            Change::Remembered(kept) => match &mut kept.matcher {
                Matcher::Command(text) | Matcher::Path(text) => redactor.cover(text),
                Matcher::Tool => {}
            },
            Change::Started(_) | Change::Tuned(_) | Change::Archived(_) => {}
        }
    }
}

fn of_facts(redactor: &Redactor, facts: &mut Facts) {
    if let Some(report) = &mut facts.last_exit {
        of_report(redactor, report);
    }
    if let Some(completed) = &mut facts.completed {
        maybe(redactor, &mut completed.comment);
    }
}

fn of_report(redactor: &Redactor, report: &mut ExitReport) {
    for line in &mut report.stderr_tail {
        redactor.cover(line);
    }
}

fn of_approval(redactor: &Redactor, approval: &mut Approval) {
    redactor.value(&mut approval.args);
    redactor.cover(&mut approval.summary);
    redactor.cover(&mut approval.question);
    for option in &mut approval.options {
        redactor.cover(option);
    }
}

fn maybe(redactor: &Redactor, text: &mut Option<String>) {
    if let Some(text) = text {
        redactor.cover(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use serde_json::json;

    #[test]
    fn a_question_with_a_secret_is_not_told_as_one_that_can_be_remembered() {
        let redactor = Redactor::bare().with(&["hunter2-hunter2".into()]).unwrap();
        let asked = |command: &str| {
            let data = json!({"summary": command, "remembers": format!("the command `{command}`")});
            let mut events = [Draft::new(EventKind::ApprovalRequested, Timestamp(0), data)];
            of_events(&redactor, &mut events);
            serde_json::from_str::<Value>(&events[0].data).unwrap()
        };
        let plain = asked("ls\u{2026}");
        assert_eq!(plain["remembers"], "the command `ls\u{2026}`");
        let covered = asked("curl hunter2-hunter2");
        assert_eq!(covered["summary"], "curl ***************");
        assert_eq!(covered["remembers"], Value::Null);
    }
}
