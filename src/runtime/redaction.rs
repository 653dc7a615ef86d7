//! What keeps a session's secrets out of everything that is written down or shown of it: one set of
//! values for each session that is awake, made when it wakes.
//!
//! Never changes what a program is sent: prompts and answers reach it as they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;

use crate::domain::overrides::{Matcher, is_covered};
use crate::domain::{
    Approval, Change, Confidential, Draft, Error, EventKind, ExitReport, Facts, Result, SessionId,
};
use crate::drivers::Output;
use crate::secrets::{Redactor, env_aad, house, of_confidential, while_awake};
use crate::store;

use super::context::Shared;

/// Those of the sessions that are awake and have secrets of their own.
#[derive(Default)]
pub(super) struct Redactors(Mutex<HashMap<SessionId, Weak<Redactor>>>);

/// What covers the secrets of a session, and the server's.
pub(super) async fn of_session(shared: &Shared, id: SessionId) -> Result<Arc<Redactor>> {
    if let Some(held) = shared.redactors.look(id) {
        return Ok(held);
    }
    let own = match confidential(shared, id).await? {
        Ok(own) => own,
        Err(error) => {
            tracing::warn!(session.id = %id, %error, "its secrets cannot be opened");
            return unopened(shared, id).await;
        }
    };
    let values = of_confidential(&own);
    if values.is_empty() {
        return Ok(house());
    }
    let redactor = Arc::new(house().with(&values)?);
    shared.redactors.hold(id, &redactor);
    while_awake(&redactor);
    Ok(redactor)
}

/// A session whose secrets cannot be opened: none of its programs can be started with them. One that
/// was, and is not known to have ended, could say them, so nothing is read of it.
async fn unopened(shared: &Shared, id: SessionId) -> Result<Arc<Redactor>> {
    let latest = shared
        .store
        .read(move |conn| store::incarnations::latest(conn, id))
        .await?;
    match latest {
        Some(row) if row.exit.is_none() => Err(Error::internal(
            "its secrets cannot be opened, so what its program says cannot be shown",
        )),
        Some(_) | None => Ok(house()),
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
    fn look(&self, id: SessionId) -> Option<Arc<Redactor>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&id)?.upgrade()
    }

    fn hold(&self, id: SessionId, redactor: &Arc<Redactor>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, one| one.strong_count() > 0);
        held.insert(id, Arc::downgrade(redactor));
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
