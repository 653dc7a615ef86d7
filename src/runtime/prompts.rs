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

/// A task with the words that its program is sent; the same task, still sealed, if nothing opens them.
pub(super) fn opened(shared: &Shared, mut task: Task) -> std::result::Result<Task, Task> {
    let Words::Sealed(blob) = &task.said else {
        return Ok(task);
    };
    let plain = shared.secrets.open_sealed(&said_aad(task.id), blob);
    match plain.map(String::from_utf8) {
        Ok(Ok(words)) => {
            task.said = Words::Opened(words);
            Ok(task)
        }
        Ok(Err(_)) | Err(_) => {
            tracing::error!(task.id = %task.id, session.id = %task.session,
                "the words of a prompt cannot be opened: callboard secrets status --check");
            Err(task)
        }
    }
}

/// Waiting tasks with the words that are sent; one whose words nothing opens is withdrawn.
pub(super) async fn sendable(shared: &Shared, rows: Vec<Task>) -> Result<Vec<Task>> {
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        match opened(shared, row) {
            Ok(task) => waiting.push(task),
            Err(lost) => {
                let write = move |conn: &mut store::Connection| {
                    store::tasks::withdraw(conn, lost.id, LOST, now())
                };
                shared.store.write(write).await?;
            }
        }
    }
    Ok(waiting)
}
