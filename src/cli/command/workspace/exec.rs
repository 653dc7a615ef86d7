//! `workspace exec`: a command's output as it comes, and its exit code.
//!
//! Never changes what the command prints: it goes where the command would have written it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::super::args::WorkspaceExecArgs;
use super::super::super::client::{Client, Request};
use super::super::super::failure::{Exit, Failure};
use super::super::super::out;
use super::super::super::render::field;
use super::super::run::variables;

/// Most bytes that a command can be given to read: the server takes no more.
const MAX_INPUT: u64 = 1024 * 1024;

/// Runs it and ends as it did.
pub fn exec(client: &Client, args: &WorkspaceExecArgs) -> Result<ExitCode, Failure> {
    let id = super::named(client, &args.id)?;
    let env = variables(&args.env, |name| std::env::var(name).ok())?;
    let mut body = json!({"command": args.command.join(" "), "env": env});
    if args.input
        && let Some(fields) = body.as_object_mut()
    {
        fields.insert("stdin".into(), input()?.into());
    }
    if let Some(fields) = body.as_object_mut() {
        if let Some(cwd) = &args.cwd {
            fields.insert("cwd".into(), cwd.clone().into());
        }
        if let Some(time) = args.timeout {
            fields.insert("timeout_secs".into(), time.as_secs_f64().into());
        }
    }
    let request = Request::post(format!("{}/{id}/exec", super::PATH))
        .with("stream", true)
        .body(body);
    follow(BufReader::new(client.open(&request, None)?))
}

/// What is handed in, to its end.
fn input() -> Result<String, Failure> {
    let stdin = io::stdin();
    let mut bytes = Vec::new();
    let bound = MAX_INPUT.saturating_add(1);
    stdin.lock().take(bound).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_INPUT {
        return Err(Failure::new(Exit::Usage, "standard input is too long")
            .because("a command is given at most 1 MiB")
            .mend("put it into a file of the workspace"));
    }
    String::from_utf8(bytes).map_err(|_binary| {
        Failure::new(Exit::Usage, "standard input is no UTF-8")
            .mend("encode it (`base64`), and decode it in the command")
    })
}

/// Reads events to the last one.
fn follow(mut events: impl BufRead) -> Result<ExitCode, Failure> {
    let mut name = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        let read = events
            .read_line(&mut line)
            .map_err(|error| lost(&error.to_string()))?;
        if read == 0 {
            return Err(lost("the answer broke off"));
        }
        let text = line.trim_end();
        if let Some(event) = text.strip_prefix("event: ") {
            event.clone_into(&mut name);
        } else if let Some(data) = text.strip_prefix("data: ") {
            let data: Value =
                serde_json::from_str(data).map_err(|error| lost(&error.to_string()))?;
            if let Some(code) = heard(&name, &data)? {
                return Ok(code);
            }
        }
    }
}

/// Shows one event; the code, when it was the last.
fn heard(name: &str, data: &Value) -> Result<Option<ExitCode>, Failure> {
    let text = data.get("text").and_then(Value::as_str).unwrap_or_default();
    match name {
        "stdout" => out::bytes(text.as_bytes())?,
        "stderr" => {
            let mut err = io::stderr().lock();
            err.write_all(text.as_bytes())?;
            err.flush()?;
        }
        "exit" => return Ok(Some(ended(data))),
        "error" => {
            let what = field(data, &["error"]).unwrap_or_default();
            return Err(Failure::new(Exit::Failed, what));
        }
        // A heartbeat, or a word of a later server.
        _ => {}
    }
    Ok(None)
}

fn ended(end: &Value) -> ExitCode {
    let is = |name: &str| end.get(name).and_then(Value::as_bool) == Some(true);
    if is("timed_out") {
        out::note("its time was over");
        return Exit::TimedOut.into();
    }
    if is("oom") {
        out::note("the system had no memory left for it");
    }
    if is("draining") {
        out::note("the server stops");
    }
    let code = end.get("exit_code").and_then(Value::as_u64);
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(Exit::Failed.into(), ExitCode::from)
}

fn lost(why: &str) -> Failure {
    Failure::new(Exit::Unreachable, "the command was lost")
        .because(why.to_owned())
        .mend("it ended with the connection; look at the server (`callboard daemon status`)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(text: &str) -> Result<ExitCode, Failure> {
        follow(text.as_bytes())
    }

    #[test]
    fn the_last_event_gives_the_code() {
        let quiet = "event: heartbeat\ndata: {}\n\n";
        let exit = |data: &str| format!("{quiet}event: exit\ndata: {data}\n\n");
        let code = |data: &str| format!("{:?}", followed(&exit(data)).unwrap());
        assert_eq!(
            code(r#"{"exit_code":7}"#),
            format!("{:?}", ExitCode::from(7))
        );
        let late = r#"{"exit_code":-1,"timed_out":true}"#;
        assert_eq!(code(late), format!("{:?}", ExitCode::from(8)));
        let broken = followed(quiet).unwrap_err();
        assert_eq!(broken.exit, Exit::Unreachable);
        let refused = "event: error\ndata: {\"error\":\"gone\",\"code\":\"exec_lost\"}\n\n";
        assert_eq!(followed(refused).unwrap_err().what, "gone");
    }
}
