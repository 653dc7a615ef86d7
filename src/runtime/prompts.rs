//! The words of prompts on their way to the rows and back: what is shown of them has no known secret,
//! what their program is sent is exactly what was said.
//!
//! Never stores a known secret unsealed, and never sends what is covered in place of what was said.

use crate::domain::{Prompt, Result, Task, TaskId, Words};
use crate::secrets::{Redactor, said_aad};
use crate::store;

use super::clock::now;
use super::context::Shared;
use super::queue::Edit;

/// Reason of a waiting task whose words cannot be opened: it is withdrawn.
const LOST: &str = "words_lost";

/// A prompt as it is stored, and its exact words, sealed, if they hold a secret.
pub(super) fn kept(
    shared: &Shared,
    redactor: &Redactor,
    task: TaskId,
    mut prompt: Prompt,
) -> Result<(Prompt, Option<Vec<u8>>)> {
    redactor.value(&mut prompt.metadata);
    let said = cover(shared, redactor, task, &mut prompt.text)?;
    Ok((prompt, said))
}

/// The same for words that replace others.
pub(super) fn edited(
    shared: &Shared,
    redactor: &Redactor,
    mut edit: Edit,
) -> Result<(Edit, Option<Vec<u8>>)> {
    let said = match &mut edit {
        Edit::Text(task, text) => cover(shared, redactor, *task, text)?,
        Edit::Cancel(_) | Edit::Order(_) | Edit::Clear => None,
    };
    Ok((edit, said))
}

fn cover(
    shared: &Shared,
    redactor: &Redactor,
    task: TaskId,
    text: &mut String,
) -> Result<Option<Vec<u8>>> {
    let mut shown = text.clone();
    redactor.cover(&mut shown);
    if shown == *text {
        return Ok(None);
    }
    let said = shared.secrets.seal(&said_aad(task), text.as_bytes())?;
    *text = shown;
    Ok(Some(said))
}

/// Opens the words that the program of a task is sent. `false`, and told: nothing opens them.
pub(super) fn open(shared: &Shared, task: &mut Task) -> bool {
    let Words::Sealed(blob) = &task.said else {
        return true;
    };
    let plain = shared.secrets.open_sealed(&said_aad(task.id), blob);
    if let Ok(Ok(words)) = plain.map(String::from_utf8) {
        task.said = Words::Opened(words);
        return true;
    }
    tracing::error!(task.id = %task.id, session.id = %task.session,
        "the words of a prompt cannot be opened: callboard secrets status --check");
    false
}

/// Waiting tasks with the words that are sent; one whose words nothing opens is withdrawn.
pub(super) async fn sendable(shared: &Shared, rows: Vec<Task>) -> Result<Vec<Task>> {
    let mut waiting = Vec::with_capacity(rows.len());
    for mut task in rows {
        if open(shared, &mut task) {
            waiting.push(task);
            continue;
        }
        let lost = task.id;
        let write =
            move |conn: &mut store::Connection| store::tasks::withdraw(conn, lost, LOST, now());
        shared.store.write(write).await?;
    }
    Ok(waiting)
}
