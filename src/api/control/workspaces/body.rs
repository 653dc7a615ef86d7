//! What clients say of a workspace or a command, field by field.
//!
//! Never a field that is not there taken for one that is null.

use serde_json::Value;

use crate::api::shared::body::bad_field;
use crate::api::shared::{Fault, Fields};
use crate::app::{ExecRequest, WorkspacePatch};
use crate::domain::Error;

/// Reads a workspace, whole or in parts.
///
/// # Errors
/// `bad_field`.
pub fn patch(body: &Fields) -> Result<WorkspacePatch, Fault> {
    let env = match body.value("env_vars") {
        None => None,
        Some(_) => Some(body.texts("env_vars")?),
    };
    let mut lists: [Option<Vec<String>>; 5] = Default::default();
    for (list, name) in lists.iter_mut().zip(WorkspacePatch::LISTS) {
        *list = names(body, name)?;
    }
    if matches!(body.value("name"), Some(Value::Null)) {
        return Err(bad_field("name", "a string").into());
    }
    Ok(WorkspacePatch {
        name: body.text(&["name"])?,
        kind: body.text(&["workspace_type"])?,
        path: text(body, "path")?,
        template: text(body, "template")?,
        distro: text(body, "distro")?,
        init_script: text(body, "init_script")?,
        env,
        lists,
        config_profile: text(body, "config_profile")?,
        shared_network: body
            .value("shared_network")
            .map(|_| body.flag("shared_network"))
            .transpose()?,
        tailscale_mode: text(body, "tailscale_mode")?,
    })
}

/// Reads a command.
///
/// # Errors
/// `bad_field`.
pub fn command(body: &Fields) -> Result<ExecRequest, Fault> {
    let timeout = body.number(&["timeout_secs"])?;
    let most = body.number(&["max_output_bytes"])?;
    let whole = |number: serde_json::Number| {
        number
            .as_u64()
            .ok_or_else(|| bad_field("max_output_bytes", "a whole number"))
    };
    Ok(ExecRequest {
        command: body.required_text(&["command"])?,
        cwd: body.text(&["cwd"])?,
        timeout: timeout.and_then(|number| number.as_f64()),
        env: body.texts("env")?,
        input: body.text(&["stdin"])?,
        max_output: most.map(whole).transpose()?,
    })
}

/// A text that may be null; an empty one clears too, as clients of the wire say it.
fn text(body: &Fields, name: &str) -> Result<Option<Option<String>>, Error> {
    if body.value(name).is_none() {
        return Ok(None);
    }
    let said = body.text(&[name])?;
    Ok(Some(said.filter(|said| !said.is_empty())))
}

/// A list of texts; null is an empty one.
fn names(body: &Fields, name: &str) -> Result<Option<Vec<String>>, Error> {
    let bad = || bad_field(name, "an array of strings");
    let items = match body.value(name) {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(Vec::new())),
        Some(said) => said.as_array().ok_or_else(bad)?,
    };
    let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(bad);
    items.iter().map(text).collect::<Result<_, _>>().map(Some)
}
