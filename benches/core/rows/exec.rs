//! Commands in a workspace, one after the other: HTTP, namespaces, pipes and the end of the tree
//! included, beside the bare spawn.
//!
//! Never another program on the bare side: the same shell with the same words.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Run, settings};
use crate::Res;
use crate::finding::{Finding, Target};
use crate::http::{Line, post};
use crate::seed;
use crate::server::{Server, command};
use crate::stats::{in_turns, median, real_len};

/// The workspace that everybody has.
const PATH: &str = "/api/workspaces/00000000-0000-0000-0000-000000000000/exec";

/// `true`, over one connection.
pub async fn run(run: &Run<'_>) -> Res<Vec<Finding>> {
    let count = if run.quick { 40 } else { 200 };
    let place = run.database.place()?;
    seed::empty(&place).await?;
    let server = Server::start(&place, &settings("")).await?;
    let request = post(PATH, Some(&server.token), &json!({"command": "true"}));
    let mut line = Line::open(&server.address).await?;
    let mut plain = Vec::new();
    let pair = in_turns(
        if run.quick { 3 } else { 7 },
        async || {
            plain.push(spawned(count, Path::new("/bin/true"), &[])?);
            spawned(count, shell(), &["-c", "true"])
        },
        async || {
            let begun = Instant::now();
            for _command in 0..count {
                let answer = line.ask(&request).await?;
                let done: Value = serde_json::from_slice(answer.body)?;
                if done.get("exit_code").and_then(Value::as_i64) != Some(0) {
                    return Err(format!("`true` did not run: {done}").into());
                }
            }
            Ok(real_len(count) / begun.elapsed().as_secs_f64())
        },
    )
    .await?;
    server.stop().await?;
    let to_true = pair.ours / median(&plain);
    let note = format!("to the spawn of /bin/true {to_true:.2} x");
    let name = "exec of `true`";
    Ok(vec![
        Finding::ratio(name, &pair, "commands/s", Target::AtLeast(0.25)).noting(note),
    ])
}

/// The server's choice.
fn shell() -> &'static Path {
    let bash = Path::new("/bin/bash");
    if bash.exists() {
        bash
    } else {
        Path::new("/bin/sh")
    }
}

/// Bare: spawn, both outputs to their ends, wait.
fn spawned(count: usize, program: &Path, args: &[&str]) -> Res<f64> {
    let begun = Instant::now();
    for _start in 0..count {
        let mut child = command(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut text = Vec::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_end(&mut text)?;
        }
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_end(&mut text)?;
        }
        child.wait()?;
    }
    Ok(real_len(count) / begun.elapsed().as_secs_f64())
}
