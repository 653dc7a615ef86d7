//! Registration: closed, by invitation, open.

use callboard::auth::Ticket;
use callboard::domain::{Invite, InviteId, Role, Timestamp};
use callboard::store::{Store, invites, users};
use futures_util::future::join_all;

use super::*;

async fn register(app: &TestApp, body: &Value) -> Answer {
    answer(app.http.post(app.url() + "/api/auth/register").json(body)).await
}

fn guest(name: &str, code: Option<&Value>) -> Value {
    json!({"username": name, "password": OTHER, "inviteCode": code})
}

#[tokio::test]
async fn a_closed_server_takes_nobody() {
    let app = TestApp::start().await;
    register(&app, &guest("kim", None))
        .await
        .fails(403, "registration_closed");
    let admin = app.sign_in("admin").await;
    let code = admin.post(INVITES, &json!({})).await.ok(201)["code"].clone();
    register(&app, &guest("kim", Some(&code)))
        .await
        .fails(403, "registration_closed");
}

#[tokio::test]
async fn an_open_server_takes_everyone_with_a_usable_name() {
    let app = TestApp::with("[auth]\nregistration = \"open\"\n").await;
    let mut body = guest("Kim", None);
    body["email"] = json!("kim@example.org");
    let reply = register(&app, &body).await;
    assert!(!reply.text.contains("argon2"));
    let made = reply.ok(201);
    assert_eq!(made["username"], "Kim");
    assert_eq!(made["user"]["role"], "member");
    assert_eq!(made["isAdmin"], false);
    let request = app.http.get(app.url() + "/api/auth/me");
    let me = answer(request.bearer_auth(made["token"].as_str().unwrap())).await;
    assert_eq!(me.ok(200)["email"], "kim@example.org");
    for (name, code) in [
        ("ADA", "username_taken"),
        ("limit", "reserved_username"),
        ("Orphan-TTL", "reserved_username"),
        ("server", "reserved_username"),
        ("x", "bad_username"),
        ("a@b", "bad_username"),
        ("a b c", "bad_username"),
    ] {
        let reply = register(&app, &guest(name, None)).await;
        let status = if code == "username_taken" { 409 } else { 400 };
        reply.fails(status, code);
    }
}

#[tokio::test]
async fn registrations_from_one_address_are_slowed_down() {
    let app = TestApp::with("[auth]\nregistration = \"open\"\n").await;
    for n in 0..5 {
        register(&app, &guest(&format!("guest{n}"), None))
            .await
            .ok(201);
    }
    let shut = register(&app, &guest("guest5", None)).await;
    shut.fails(429, "too_many_attempts");
    // Nobody is kept from signing in by that.
    login(&app, "guest0", OTHER).await.ok(200);
}

#[tokio::test]
async fn mistakes_of_a_registration_name_their_field() {
    let app = TestApp::with("[auth]\nregistration = \"open\"\n").await;
    for (body, code, field) in [
        (json!({"password": OTHER}), "bad_field", "username"),
        (json!({"username": "kim"}), "bad_field", "password"),
        (
            json!({"username": 5, "password": OTHER}),
            "bad_field",
            "username",
        ),
        (
            json!({"username": "kim", "password": "short"}),
            "bad_password",
            "password",
        ),
        (
            json!({"username": "kim", "password": OTHER, "email": "k"}),
            "bad_email",
            "email",
        ),
    ] {
        let refused = register(&app, &body).await.fails(400, code);
        assert_eq!(refused["field"], field, "{refused}");
        assert!(refused["expected"].is_string(), "{refused}");
    }
}

#[tokio::test]
async fn an_invitation_is_good_once_also_for_many_at_once() {
    let app = TestApp::with("[auth]\nregistration = \"invite\"\n").await;
    let admin = app.sign_in("admin").await;
    register(&app, &guest("kim", None))
        .await
        .fails(403, "invite_required");
    register(&app, &guest("kim", Some(&json!("x"))))
        .await
        .fails(403, "bad_invite");
    let body = json!({"role": "viewer", "expiresIn": 3600});
    let made = admin.post(INVITES, &body).await.ok(201);
    assert_eq!(made["status"], "open");
    let code = &made["code"];
    // A refusal does not use it up.
    register(&app, &guest("ada", Some(code)))
        .await
        .fails(409, "username_taken");
    let bodies: Vec<Value> = (0..3)
        .map(|n| guest(&format!("guest{n}"), Some(code)))
        .collect();
    let replies = join_all(bodies.iter().map(|body| register(&app, body))).await;
    let (good, bad): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
    assert_eq!((good.len(), bad.len()), (1, 2));
    assert_eq!(good[0].json()["user"]["role"], "viewer");
    for reply in bad {
        reply.fails(403, "bad_invite");
    }
    let list = admin.get(INVITES).await;
    assert!(
        !list.text.contains(code.as_str().unwrap()),
        "the code is shown"
    );
    let list = list.ok(200);
    assert_eq!(list["invites"][0]["status"], "used");
    assert_eq!(list["invites"][0]["usedBy"], good[0].json()["id"]);
    let users = admin.get(USERS).await.ok(200);
    assert_eq!(users["total"], 5);
}

#[tokio::test]
async fn an_invitation_ends_is_taken_back_and_falls_with_its_maker() {
    let app = TestApp::with("[auth]\nregistration = \"invite\"\n").await;
    let admin = app.sign_in("admin").await;
    let boss = hire(&app, &admin, "boss", "admin").await;
    let make = async |by: &Caller| by.post(INVITES, &json!({"role": "admin"})).await.ok(201);

    let taken = make(&admin).await;
    let path = format!("{INVITES}/{}", taken["id"].as_str().unwrap());
    admin.delete(&path).await.ok(200);
    admin.delete(&path).await.fails(404, "not_found");
    register(&app, &guest("kim", Some(&taken["code"])))
        .await
        .fails(403, "bad_invite");

    let falls = make(&boss).await;
    let id = id_of(&admin, "boss").await;
    let body = json!({"role": "member"});
    patch(&admin, &format!("{USERS}/{id}"), &body).await.ok(200);
    register(&app, &guest("kim", Some(&falls["code"])))
        .await
        .fails(403, "bad_invite");

    let store = Store::open(app.dir().join("callboard.db")).unwrap();
    let insert = move |conn: &mut callboard::store::Connection| {
        let by = users::by_login(conn, "admin")?.unwrap().id;
        let invite = Invite {
            id: InviteId::generate(),
            role: Role::Member,
            created_by: by,
            created_at: Timestamp(1),
            expires_at: Timestamp(2),
            used_by: None,
            used_at: None,
        };
        invites::insert(conn, &invite, &Ticket::hash("old"))
    };
    store.write(insert).await.unwrap();
    register(&app, &guest("kim", Some(&json!("old"))))
        .await
        .fails(403, "bad_invite");
}

#[tokio::test]
async fn invitations_are_made_by_admins_up_to_their_own_role() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin").await;
    let boss = hire(&app, &admin, "boss", "admin").await;
    let ada = app.sign_in("ada").await;
    ada.post(INVITES, &json!({})).await.fails(403, "forbidden");
    ada.get(INVITES).await.fails(403, "forbidden");
    let high = json!({"role": "superadmin"});
    boss.post(INVITES, &high).await.fails(403, "role_too_high");
    let made = admin.post(INVITES, &high).await.ok(201);
    let path = format!("{INVITES}/{}", made["id"].as_str().unwrap());
    ada.delete(&path).await.fails(403, "forbidden");
    boss.delete(&path).await.fails(403, "role_too_high");
    for bad in [
        json!({"role": "king"}),
        json!({"role": 1}),
        json!({"expiresIn": 1}),
        json!({"expiresIn": 1e12}),
        json!({"expiresIn": "1h"}),
    ] {
        admin.post(INVITES, &bad).await.fails(400, "bad_field");
    }
    app.told("invite.created").await;
    app.told("denied").await;
    let log = app.log();
    assert!(
        log.contains("invite.created") && log.contains("denied"),
        "{log}"
    );
    assert!(
        !log.contains(made["code"].as_str().unwrap()),
        "the log has a code"
    );
}
