//! The words of prompts on their way to the rows and back: what is shown of them has no known secret,
//! what their program is sent is exactly what was said.
//!
//! Never stores a known secret unsealed, and never sends what is covered in place of what was said.

use std::borrow::Cow;

use crate::domain::overrides::is_covered;
use crate::domain::{Prompt, Result, Task, TaskId, Words};
use crate::secrets::{Redactor, said_aad};
use crate::store::plain;
use crate::store::tasks::Exact;

use super::context::Shared;
use super::queue::Edit;

/// A prompt as it is stored, and its exact words, sealed, if they hold a secret.
pub(super) fn kept(
    shared: &Shared,
    redactor: &Redactor,
    task: TaskId,
    mut prompt: Prompt,
) -> Result<(Prompt, Option<Vec<u8>>)> {
    redactor.inner(&mut prompt.metadata);
    let said = cover(shared, redactor, task, &mut prompt.text)?;
    Ok((prompt, said))
}

/// The same for words that replace others.
pub(super) fn edited(
    shared: &Shared,
    redactor: &Redactor,
    mut edit: Edit,
) -> Result<(Edit, Exact)> {
    let exact = match &mut edit {
        Edit::Text(task, text) => Exact {
            covered: is_covered(text),
            said: cover(shared, redactor, *task, text)?,
        },
        Edit::Cancel(_) | Edit::Order(_) | Edit::Clear => Exact::default(),
    };
    Ok((edit, exact))
}

fn cover(
    shared: &Shared,
    redactor: &Redactor,
    task: TaskId,
    text: &mut String,
) -> Result<Option<Vec<u8>>> {
    if let Cow::Owned(clean) = plain(text) {
        *text = clean;
    }
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
