//! `users`: the own account, and to admins everybody's.
//!
//! Never a password or a hash in an answer.

use serde_json::{Value, json};

use super::{named, not_taken};
use crate::api::feathers::call::{Call, Method};
use crate::api::feathers::finding::selected;
use crate::api::feathers::wire::user as wire;
use crate::api::shared::Fields;
use crate::api::shared::body::bad_field;
use crate::app::{App, NewUser, UserPatch};
use crate::domain::{Error, Principal, Result, Role, User, UserId};

/// Rows of a page: default and most.
const PAGE: (usize, usize) = (100, 1_000);

/// Answers a call of the service.
///
/// # Errors
/// `bad_query`, `not_found`, `forbidden`, those of accounts.
pub async fn answer(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    match call.method {
        Method::Find => find(app, who, call).await,
        Method::Get => {
            let user = app.user(who, id(call)?).await?;
            Ok(wire::user(&user))
        }
        Method::Create => {
            let body = Fields::of(&call.data)?;
            let email = body.required_text(&["email"])?;
            let local = email.split('@').next().unwrap_or_default().to_owned();
            let new = NewUser {
                username: body.text(&["name", "username"])?.unwrap_or(local),
                email: Some(email),
                password: body.required_text(&["password"])?,
                role: role(&body)?,
            };
            let made = app.create_user(who, new).await;
            Ok(wire::user(&made.map_err(worded)?))
        }
        Method::Patch => {
            let body = Fields::of(&call.data)?;
            let patch = UserPatch {
                username: body.text(&["name", "username"])?,
                email: body.text(&["email"])?,
                role: role(&body)?,
                disabled: body.flag("disabled")?,
                password: body.text(&["password"])?,
            };
            let changed = app.change_user(who, id(call)?, patch).await;
            Ok(wire::user(&changed.map_err(worded)?))
        }
        Method::Remove => {
            let user = app.user(who, id(call)?).await?;
            app.remove_user(who, user.id).await?;
            Ok(wire::user(&user))
        }
        Method::Update => Err(not_taken(call)),
    }
}

/// People; to who is no admin, themselves.
async fn find(app: &App, who: &Principal, call: &Call) -> Result<Value> {
    let text = |name: &str| call.query.get(name).and_then(Value::as_str);
    let number = |name: &str| -> Result<Option<usize>> {
        let bad = || Error::invalid("bad_query", name, "no number", "a whole number");
        let value = match call.query.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok()),
        };
        value.map(Some).ok_or_else(bad)
    };
    for name in call.query.keys() {
        let known = ["email", "name", "$limit", "$skip", "$select", "$sort"];
        if !known.contains(&name.as_str()) {
            let name: String = name.chars().take(64).collect();
            let expected = "email, name, $limit, $skip, $select";
            return Err(Error::invalid(
                "bad_query",
                name,
                "people are not found by this",
                expected,
            ));
        }
    }
    let (limit, skip) = (number("$limit")?, number("$skip")?);
    let limit = limit.map_or(PAGE.0, |limit| limit.min(PAGE.1));
    let skip = skip.unwrap_or_default();
    let login = text("email").or_else(|| text("name")).map(str::to_owned);
    let (items, total): (Vec<User>, u64) = if who.is_admin() {
        let page = app.users(who, login, (skip, limit)).await?;
        (page.items, page.total)
    } else {
        let own = app.account(who).await?;
        let same = |login: &String| [&own.email, &own.username].contains(&login);
        let found = login.as_ref().is_none_or(same);
        let shown = found && skip == 0 && limit > 0;
        (shown.then_some(own).into_iter().collect(), u64::from(found))
    };
    let select = match call.query.get("$select") {
        Some(Value::Array(names)) => {
            let names = names.iter().filter_map(Value::as_str);
            Some(names.map(str::to_owned).collect::<Vec<_>>())
        }
        _ => None,
    };
    let data = items.iter().map(wire::user);
    let data: Vec<Value> = data
        .map(|one| selected(one, select.as_ref(), "user_id"))
        .collect();
    Ok(json!({"total": total, "limit": limit, "skip": skip, "data": data}))
}

fn id(call: &Call) -> Result<UserId> {
    let text = named(call)?;
    let missing = || Error::not_found("user", text.chars().take(64).collect::<String>());
    text.parse().map_err(|_no_id| missing())
}

fn role(body: &Fields) -> Result<Option<Role>> {
    let Some(word) = body.text(&["role"])? else {
        return Ok(None);
    };
    // The old word for the highest role (contract/agor.md 1).
    let word = if word == "owner" { "superadmin" } else { &word };
    let role = Role::parse(word);
    let expected = "viewer, member, admin or superadmin";
    role.map(Some).ok_or_else(|| bad_field("role", expected))
}

fn worded(error: Error) -> Error {
    error.in_words(&[("username", "name")])
}
