//! `user`: accounts, passwords and invitations.
//!
//! Never takes a password from an argument, and never prints one.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::args::{
    CreateUserArgs, InviteArgs, PasswordArgs, UnlockArgs, UserAction, UserArgs,
};
use super::super::client::{Client, Request};
use super::super::failure::{Exit, Failure};
use super::super::render::field;
use super::super::{clock, credentials, find, out, terminal};
use super::login::first_line_of;
use crate::domain::account;

/// Rows of one page.
const PAGE: usize = 200;
const USERS: &str = "/api/users";
const INVITES: &str = "/api/v1/invites";

/// Does what was asked. Questions come before the client: its threads would take Ctrl-C away.
pub fn user(
    url: Option<&str>,
    args: &UserArgs,
    opener: fn(&UnlockArgs) -> Result<bool, Failure>,
) -> Result<Exit, Failure> {
    let client = || credentials::signed_in(url);
    let json = args.json;
    match &args.action {
        UserAction::List => list(&client()?, json),
        UserAction::Create(new) => {
            let password = new_password(new.password_file.as_deref(), &new.name)?;
            create(&client()?, new, &password, json)
        }
        UserAction::Show { name } => {
            let client = client()?;
            let account = match name {
                Some(name) => named(&client, name)?,
                None => client.json(&Request::get("/api/auth/me"))?,
            };
            show(&account, json)
        }
        UserAction::Role { name, role } => change(&client()?, name, &json!({"role": role}), json),
        UserAction::Disable { name } => change(&client()?, name, &json!({"disabled": true}), json),
        UserAction::Enable { name } => change(&client()?, name, &json!({"disabled": false}), json),
        UserAction::Delete { name } => delete(&client()?, name, json),
        UserAction::Password(args) => password(url, args, json),
        UserAction::Unlock(args) => unlock(&args.name, opener(args)?, json),
        UserAction::Invite(args) => invite(&client()?, args, json),
    }
}

fn unlock(name: &str, known: bool, json: bool) -> Result<Exit, Failure> {
    if !known {
        let text = format!("there is no account `{name}`");
        return Err(Failure::new(Exit::NotFound, text).mend("name the server's --data-dir"));
    }
    if json {
        out::json(&json!({"unlocked": name}))?;
    } else {
        out::note(&format!("{name} may try to sign in again"));
    }
    Ok(Exit::Completed)
}

fn list(client: &Client, json: bool) -> Result<Exit, Failure> {
    let all = pages(client, USERS, "users")?;
    if json {
        out::json(&json!({ "users": all }))?;
        return Ok(Exit::Completed);
    }
    let rows = all.iter().map(row).collect();
    out::line(&out::table(&["ID", "NAME", "ROLE", "STATE", "EMAIL"], rows))?;
    Ok(Exit::Completed)
}

fn row(account: &Value) -> Vec<String> {
    let word = |key: &str| field(account, &[key]).unwrap_or_default();
    vec![
        word("id").chars().take(8).collect(),
        word("username"),
        word("role"),
        state(account).to_owned(),
        word("email"),
    ]
}

fn state(account: &Value) -> &'static str {
    match account.get("disabled").and_then(Value::as_bool) {
        Some(true) => "disabled",
        Some(false) | None => "active",
    }
}

fn show(account: &Value, json: bool) -> Result<Exit, Failure> {
    if json {
        out::json(account)?;
        return Ok(Exit::Completed);
    }
    for (name, key) in [
        ("id", "id"),
        ("name", "username"),
        ("email", "email"),
        ("role", "role"),
        ("since", "createdAt"),
    ] {
        let value = field(account, &[key]).unwrap_or_default();
        out::line(&format!("{name:<6} {value}"))?;
    }
    out::line(&format!("state  {}", state(account)))?;
    Ok(Exit::Completed)
}

fn create(
    client: &Client,
    new: &CreateUserArgs,
    password: &str,
    json: bool,
) -> Result<Exit, Failure> {
    let mut body = json!({"username": new.name, "password": password, "role": new.role});
    if let (Some(email), Some(body)) = (&new.email, body.as_object_mut()) {
        body.insert("email".into(), email.as_str().into());
    }
    let made: Value = client.json(&Request::post(USERS).body(body))?;
    show(&made, json)
}

fn change(client: &Client, name: &str, patch: &Value, json: bool) -> Result<Exit, Failure> {
    let path = path_of(client, name)?;
    let request = Request::of(Method::PATCH, path).body(patch.clone());
    show(&client.json(&request)?, json)
}

fn delete(client: &Client, name: &str, json: bool) -> Result<Exit, Failure> {
    let path = path_of(client, name)?;
    let reply: Value = client.json(&Request::of(Method::DELETE, path))?;
    if json {
        out::json(&reply)?;
    } else {
        out::note(&format!("{name} is deleted"));
    }
    Ok(Exit::Completed)
}

fn password(url: Option<&str>, args: &PasswordArgs, json: bool) -> Result<Exit, Failure> {
    let client = || credentials::signed_in(url);
    let file = args.password_file.as_deref();
    if let Some(name) = &args.name {
        let new = new_password(file, name)?;
        return change(&client()?, name, &json!({"password": new}), json);
    }
    let current = match args.current_password_file.as_deref() {
        Some(file) => first_line_of(file)?,
        None if terminal::person() => terminal::ask_hidden("Your present password: ")?,
        None => terminal::first_line()?,
    };
    let new = new_password(file, "you")?;
    let body = json!({"currentPassword": current, "newPassword": new});
    let reply: Value = client()?.json(&Request::post("/api/auth/password").body(body))?;
    if json {
        out::json(&reply)?;
    } else {
        out::note("your password is changed; you are signed in here alone now");
    }
    Ok(Exit::Completed)
}

fn invite(client: &Client, args: &InviteArgs, json: bool) -> Result<Exit, Failure> {
    if args.list {
        return invitations(client, json);
    }
    if let Some(typed) = &args.revoke {
        let all = pages(client, INVITES, "invites")?;
        let ids: Vec<&str> = all
            .iter()
            .filter_map(|one| one.get("id")?.as_str())
            .collect();
        let id = find::pick(&ids, typed, "invitation")?;
        let request = Request::of(Method::DELETE, format!("{INVITES}/{id}"));
        let reply: Value = client.json(&request)?;
        if json {
            out::json(&reply)?;
        } else {
            out::note("the invitation is taken back");
        }
        return Ok(Exit::Completed);
    }
    let seconds = u64::from(args.days).saturating_mul(86_400);
    let body = json!({"role": args.role, "expiresIn": seconds});
    let made: Value = client.json(&Request::post(INVITES).body(body))?;
    if json {
        out::json(&made)?;
        return Ok(Exit::Completed);
    }
    out::line(&field(&made, &["code"]).unwrap_or_default())?;
    out::note(&format!(
        "good once, until {}, for a {}; it is not shown again. Its guest sends it as `inviteCode` \
         to {}/api/auth/register",
        field(&made, &["expiresAt"]).unwrap_or_default(),
        args.role,
        client.base()
    ));
    Ok(Exit::Completed)
}

fn invitations(client: &Client, json: bool) -> Result<Exit, Failure> {
    let all = pages(client, INVITES, "invites")?;
    if json {
        out::json(&json!({ "invites": all }))?;
        return Ok(Exit::Completed);
    }
    let row = |one: &Value| {
        let word = |key: &str| field(one, &[key]).unwrap_or_default();
        vec![
            find::tail(&word("id")).to_owned(),
            word("role"),
            word("status"),
            clock::age(&word("createdAt")),
            word("expiresAt"),
        ]
    };
    let rows = all.iter().map(row).collect();
    out::line(&out::table(
        &["INVITE", "ROLE", "STATE", "AGE", "UNTIL"],
        rows,
    ))?;
    Ok(Exit::Completed)
}

/// The account that a person means: by name or address, else by id or the beginning of one.
fn named(client: &Client, name: &str) -> Result<Value, Failure> {
    if uuid::Uuid::parse_str(name).is_ok() {
        return client.json(&Request::get(format!("{USERS}/{name}")));
    }
    if account::like_id(name) {
        return meant(&pages(client, USERS, "users")?, name);
    }
    let page: Value = client.json(&Request::get(USERS).with("username", name))?;
    let found = page.get("users").and_then(|users| users.get(0)).cloned();
    found.ok_or_else(|| nobody(name))
}

fn nobody(name: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("there is no account `{name}`"))
        .mend("list them with `callboard user list`")
}

/// The one account that goes by this word, be it the name of one or the beginning of the id of
/// another: people choose their names, so a name never wins.
fn meant(accounts: &[Value], word: &str) -> Result<Value, Failure> {
    let goes_by = |account: &&Value| {
        let text = |key: &str| field(account, &[key]).unwrap_or_default();
        text("username").eq_ignore_ascii_case(word)
            || text("id").starts_with(&word.to_ascii_lowercase())
    };
    let found: Vec<&Value> = accounts.iter().filter(goes_by).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(nobody(word)),
        several => {
            let ids: Vec<String> = several
                .iter()
                .filter_map(|one| field(one, &["id"]))
                .collect();
            let what = format!("`{word}` fits more than one account");
            Err(Failure::new(Exit::Usage, what)
                .because(ids.join(", "))
                .mend("give the whole id of the one that you mean"))
        }
    }
}

fn path_of(client: &Client, name: &str) -> Result<String, Failure> {
    let account = named(client, name)?;
    let id = field(&account, &["id"]).unwrap_or_default();
    Ok(format!("{USERS}/{id}"))
}

/// Every row of a list.
fn pages(client: &Client, path: &str, key: &str) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    loop {
        let request = Request::get(path)
            .with("limit", PAGE)
            .with("offset", all.len());
        let page: Value = client.json(&request)?;
        let rows = page.get(key).and_then(Value::as_array);
        let rows = rows.map(Vec::as_slice).unwrap_or_default();
        all.extend(rows.iter().cloned());
        let more = page.get("hasMore").and_then(Value::as_bool);
        if rows.is_empty() || more != Some(true) {
            return Ok(all);
        }
    }
}

/// A new password: from a file, typed twice, or from stdin.
fn new_password(file: Option<&Path>, of: &str) -> Result<String, Failure> {
    if let Some(file) = file {
        return first_line_of(file);
    }
    if !terminal::person() {
        return terminal::first_line();
    }
    let one = terminal::ask_hidden(&format!("New password of {of}: "))?;
    let two = terminal::ask_hidden("Once more: ")?;
    if one == two {
        return Ok(one);
    }
    Err(Failure::new(Exit::Usage, "the two are not the same"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_row_with_its_state() {
        let account = json!({"id": "1f0c9e2a-0000", "username": "ada", "role": "admin",
                             "email": "ada@example.org", "disabled": true});
        let want = ["1f0c9e2a", "ada", "admin", "disabled", "ada@example.org"];
        assert_eq!(row(&account), want);
        assert_eq!(state(&json!({"disabled": false})), "active");
    }

    #[test]
    fn a_name_never_wins_over_the_id_of_another() {
        let of = |id: &str, name: &str| json!({"id": id, "username": name});
        let (ids, own) = (["0544980e-11", "77aa0000-22"], "0544980E");
        let caught = [of(ids[0], "mem2"), of(ids[1], own)];
        let refused = meant(&caught, "0544980e").unwrap_err();
        assert_eq!(refused.exit, Exit::Usage);
        assert_eq!(refused.why.as_deref(), Some("0544980e-11, 77aa0000-22"));
        let one = [of(ids[0], "mem2"), of(ids[1], "eve")];
        assert_eq!(meant(&one, "0544980E").unwrap(), one[0]);
        let old = [of(ids[0], "mem2"), of(ids[1], "deadbeef")];
        assert_eq!(meant(&old, "deadbeef").unwrap(), old[1]);
        assert_eq!(meant(&one, "12345678").unwrap_err().exit, Exit::NotFound);
    }

    #[test]
    fn a_name_of_nobody_is_not_unlocked() {
        let refused = unlock("nobody", false, true).unwrap_err();
        assert_eq!(refused.exit, Exit::NotFound);
        assert!(matches!(unlock("ada", true, false), Ok(Exit::Completed)));
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "correct horse \nsecond\n").unwrap();
        let read = new_password(Some(file.path()), "ada").unwrap();
        assert_eq!(read, "correct horse ");
    }
}
