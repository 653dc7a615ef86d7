//! `login`, `logout` and `whoami`.
//!
//! Never prints a password or a token.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::super::args::{JsonArgs, LoginArgs};
use super::super::client::{Client, Request};
use super::super::credentials::{self, Admin, Stored};
use super::super::failure::{Exit, Failure};
use super::super::render::field;
use super::super::{out, terminal};

/// Signs in and stores the token.
pub fn login(url: Option<&str>, args: &LoginArgs) -> Result<Exit, Failure> {
    // Asked before the client exists: its threads would take Ctrl-C away from the question.
    let who = who(args)?;
    let client = credentials::client(url)?;
    let stored = sign_in(&client, &who)?;
    let path = credentials::store(&stored)?;
    out::note(&format!(
        "signed in to {} as {} until {}; the token is in {}",
        stored.url,
        stored.username,
        stored.expires_at,
        path.display()
    ));
    if credentials::key_of_environment().is_some() {
        out::note("callboard: CALLBOARD_API_KEY or AGOR_API_KEY is set and is used instead of it");
    }
    Ok(Exit::Completed)
}

/// Signs in without storing anything.
///
/// # Errors
/// What the server refuses.
pub fn sign_in(client: &Client, who: &Admin) -> Result<Stored, Failure> {
    let body = json!({ "username": who.username, "password": who.password });
    let reply: Value = client.json(&Request::post("/api/auth/login").body(body))?;
    let token = field(&reply, &["token"])
        .ok_or_else(|| Failure::new(Exit::Failed, "the server signed you in without a token"))?;
    let user = reply.get("user").unwrap_or(&Value::Null);
    Ok(Stored {
        url: client.base().to_owned(),
        token,
        username: field(user, &["username"]).unwrap_or_else(|| who.username.clone()),
        expires_at: field(&reply, &["expires_at", "expiresAt"]).unwrap_or_default(),
    })
}

/// Revokes the token and forgets it.
pub fn logout(url: Option<&str>) -> Result<Exit, Failure> {
    let client = credentials::client_of_login(url)?;
    let told = match client.token() {
        Some(_) => client.send(&Request::post("/api/auth/logout")).map(drop),
        None => Ok(()),
    };
    credentials::forget()?;
    match told {
        Ok(()) => out::note("signed out"),
        Err(failure) if failure.exit == Exit::SignedOut => out::note("signed out"),
        Err(failure) => {
            return Err(Failure::new(
                failure.exit,
                "signed out here, but the server could not be told",
            )
            .because(failure.what)
            .mend("the token stays valid there until it expires"));
        }
    }
    Ok(Exit::Completed)
}

/// Prints who is signed in.
pub fn whoami(client: &Client, args: JsonArgs) -> Result<Exit, Failure> {
    let me: Value = client.json(&Request::get("/api/auth/me"))?;
    if args.json {
        out::json(&me)?;
    } else {
        let name = field(&me, &["username"]).unwrap_or_default();
        let role = field(&me, &["role"]).unwrap_or_default();
        out::line(&format!("{name} ({role}) at {}", client.base()))?;
    }
    Ok(Exit::Completed)
}

fn who(args: &LoginArgs) -> Result<Admin, Failure> {
    let Some(username) = &args.username else {
        if args.password_file.is_none() {
            return local_admin(args.data_dir.as_deref());
        }
        return Err(
            Failure::new(Exit::Usage, "a password without a user name").mend("add --username NAME")
        );
    };
    let password = match &args.password_file {
        Some(file) => first_line_of(file)?,
        None if terminal::person() => terminal::ask_hidden(&format!("Password of {username}: "))?,
        None => terminal::first_line()?,
    };
    Ok(Admin {
        username: username.clone(),
        password,
    })
}

/// The first admin of the server on this machine; where there is none, a person is asked.
fn local_admin(data_dir: Option<&Path>) -> Result<Admin, Failure> {
    let Some(dir) = credentials::data_dir(data_dir) else {
        return Err(Failure::new(Exit::Usage, "who signs in?").mend("add --username NAME"));
    };
    match credentials::admin(&dir) {
        Ok(admin) => Ok(admin),
        Err(error) if data_dir.is_none() && terminal::person() => {
            if error.kind() != io::ErrorKind::NotFound {
                out::note(&format!("callboard: {}: {error}", dir.display()));
            }
            let username = terminal::ask("User name: ")?;
            let password = terminal::ask_hidden("Password: ")?;
            Ok(Admin { username, password })
        }
        Err(error) => Err(Failure::new(
            Exit::SignedOut,
            format!("{} cannot be read", dir.join("admin-credentials").display()),
        )
        .because(error.to_string())
        .mend(
            "on the server's machine give its --data-dir (or CALLBOARD_DATA_DIR); elsewhere give \
             --username",
        )),
    }
}

/// The first line of a file with a password.
///
/// # Errors
/// `Usage` when it cannot be read.
pub fn first_line_of(file: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} cannot be read", file.display()))
            .because(error.to_string())
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
