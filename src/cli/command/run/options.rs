//! What `run` asks for beside program, place and prompt.
//!
//! Never prints a variable's value.

use serde_json::{Map, Value, json};

use super::super::super::args::{MakingArgs, RunArgs};
use super::super::super::client::Client;
use super::super::super::failure::{Exit, Failure};
use super::super::super::find;

/// The members of a creation's body that these flags stand for.
pub fn body(client: &Client, args: &RunArgs) -> Result<Map<String, Value>, Failure> {
    let mut body = made_with(&args.making)?;
    if let Some(typed) = &args.fork {
        body.insert("forkOf".into(), find::agent(client, typed)?.into());
    }
    Ok(body)
}

/// The same of what every creation has.
///
/// # Errors
/// For a variable that is not there.
pub fn made_with(args: &MakingArgs) -> Result<Map<String, Value>, Failure> {
    let mut body = Map::new();
    for (name, value) in [
        ("effort", &args.effort),
        ("permissionMode", &args.permission_mode),
    ] {
        if let Some(value) = value {
            body.insert(name.into(), value.clone().into());
        }
    }
    let limits = limits(args);
    if !limits.is_empty() {
        body.insert("limits".into(), limits.into());
    }
    let env = variables(&args.env, |name| std::env::var(name).ok())?;
    if !env.is_empty() {
        body.insert("env".into(), env.into());
    }
    Ok(body)
}

fn limits(args: &MakingArgs) -> Map<String, Value> {
    let deadline = args.deadline.map(|deadline| deadline.as_secs());
    let parts = [
        ("spendUsd", args.max_usd.map(|usd| json!(usd))),
        ("turns", args.max_turns.map(Value::from)),
        ("turnSeconds", deadline.map(Value::from)),
    ];
    let set = parts.into_iter();
    set.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// `NAME=VALUE` as it stands, `NAME` with the value that it has here.
///
/// # Errors
/// For one that is not there.
pub fn variables(
    words: &[String],
    here: impl Fn(&str) -> Option<String>,
) -> Result<Map<String, Value>, Failure> {
    let read = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), Value::from(value))),
        None => {
            let value = here(word).ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no variable {word} here"))
                    .mend(format!("set it, or give its value: --env {word}=VALUE"))
            })?;
            Ok((word.clone(), Value::from(value)))
        }
    };
    words.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_given_or_taken_from_here() {
        let here = |name: &str| (name == "KEY").then(|| String::from("k=1"));
        let words = ["A=b=c", "KEY", "E="].map(String::from);
        let env = variables(&words, here).unwrap();
        assert_eq!(Value::from(env), json!({"A": "b=c", "KEY": "k=1", "E": ""}));
        let missing = variables(&["NONE".to_owned()], here).unwrap_err();
        assert_eq!(missing.exit, Exit::Usage);
    }
}
