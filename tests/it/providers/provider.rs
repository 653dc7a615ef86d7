//! A provider with accounts: it checks PKCE, changes its refresh tokens with each use, and can fail.
//! Never lenient: what a client may not do is refused, and noted.

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::app::TestApp;

pub const CLIENT: &str = "callboard-of-the-tests";

/// What it does with an exchange.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Fair,
    /// `invalid_grant` whatever comes.
    Refuses,
    /// A status of 500 with a secret in its body.
    Breaks,
    /// To another place.
    Redirects,
    /// More than anybody reads.
    Floods,
    /// Tokens that are none.
    Babbles,
}

#[derive(Default)]
pub struct State {
    pub mood: Mood,
    /// Seconds that its tokens are good.
    pub life: i64,
    /// Without refresh tokens.
    pub bare: bool,
    codes: HashMap<String, (String, String)>,
    refresh: HashSet<String>,
    /// Exchanges of codes and of refresh tokens.
    pub exchanged: (u32, u32),
    /// What a client should never have done.
    pub faults: Vec<String>,
    /// The newest of each.
    pub access: String,
    pub last_refresh: String,
    pub revoked: Vec<String>,
}

pub struct Provider {
    pub address: String,
    pub state: Arc<Mutex<State>>,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

type Shared = web::Data<Mutex<State>>;
type Pairs = HashMap<String, String>;

impl Provider {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            life: 3_600,
            ..State::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let data = web::Data::from(Arc::clone(&state));
        let (told, heard) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let serving = async move {
                let app = move || {
                    App::new()
                        .app_data(data.clone())
                        .route("/authorize", web::get().to(authorize))
                        .route("/token", web::post().to(token))
                        .route("/revoke", web::post().to(revoke))
                };
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.listen(listener).unwrap().run();
                told.send(server.handle()).unwrap();
                server.await.unwrap();
            };
            actix_web::rt::System::new().block_on(serving);
        });
        Self {
            address,
            state,
            handle: heard.recv().unwrap(),
            thread: Some(thread),
        }
    }

    /// The settings of a server that knows it.
    pub fn settings(&self, redirect: &str) -> String {
        let at = &self.address;
        format!(
            "[providers.acme]\nkinds = [\"shell\"]\nkey_env = \"ACME_KEY\"\n[providers.acme.oauth]\n\
             authorize_url = \"{at}/authorize?tenant=1\"\ntoken_url = \"{at}/token\"\n\
             revoke_url = \"{at}/revoke\"\nclient_id = \"{CLIENT}\"\nscopes = [\"a:b\", \"c\"]\n\
             redirect_url = \"{redirect}\"\ntoken_env = \"ACME_TOKEN\"\n"
        )
    }

    pub fn now<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }

    /// Opens the page and agrees there: where it leads.
    pub async fn agree(&self, app: &TestApp, url: &str) -> String {
        let page = app.http.get(url).send().await.unwrap();
        assert_eq!(page.status(), 302, "{url}");
        let to = page.headers()["location"].to_str().unwrap();
        to.to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

async fn authorize(state: Shared, query: web::Query<Pairs>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    let said = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    for (name, wanted) in [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("scope", "a:b c"),
        ("code_challenge_method", "S256"),
        ("tenant", "1"),
    ] {
        if said(name) != wanted {
            return HttpResponse::BadRequest().body(name.to_owned());
        }
    }
    let code = format!("code/{}", uuid::Uuid::new_v4());
    let bound = (
        said("code_challenge").to_owned(),
        said("redirect_uri").to_owned(),
    );
    state.codes.insert(code.clone(), bound);
    let code = code.replace('/', "%2F");
    let to = format!(
        "{}?code={code}&state={}",
        said("redirect_uri"),
        said("state")
    );
    HttpResponse::Found()
        .insert_header(("location", to))
        .finish()
}

async fn token(state: Shared, form: web::Form<Pairs>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    let said = |name: &str| form.get(name).cloned().unwrap_or_default();
    if said("client_id") != CLIENT {
        state.faults.push("another client".into());
    }
    let refused = |error: &str| HttpResponse::BadRequest().json(json!({"error": error}));
    match state.mood {
        Mood::Fair => {}
        Mood::Refuses => return refused("invalid_grant"),
        Mood::Breaks => {
            return HttpResponse::InternalServerError().body("leak-of-the-provider");
        }
        Mood::Redirects => {
            let to = ("location", "/token");
            return HttpResponse::TemporaryRedirect().insert_header(to).finish();
        }
        Mood::Floods => return HttpResponse::Ok().body("x".repeat(1 << 20)),
        Mood::Babbles => {
            return HttpResponse::Ok().json(json!({"access_token": "a b\nc d e f g h"}));
        }
    }
    match said("grant_type").as_str() {
        "authorization_code" => {
            state.exchanged.0 += 1;
            let Some((challenge, redirect)) = state.codes.remove(&said("code")) else {
                return refused("invalid_grant");
            };
            let verifier = said("code_verifier");
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            if hash != challenge || redirect != said("redirect_uri") || verifier.len() < 43 {
                state
                    .faults
                    .push("a verifier or a place that does not fit".into());
                return refused("invalid_grant");
            }
        }
        "refresh_token" => {
            state.exchanged.1 += 1;
            if !state.refresh.remove(&said("refresh_token")) {
                state.faults.push("a refresh token that is not good".into());
                return refused("invalid_grant");
            }
        }
        other => {
            let fault = format!("grant {other}");
            state.faults.push(fault);
            return refused("unsupported_grant_type");
        }
    }
    state.access = format!("access-{}", uuid::Uuid::new_v4());
    let mut answer = json!({
        "access_token": state.access, "token_type": "Bearer", "expires_in": state.life,
    });
    if !state.bare {
        let refresh = format!("refresh-{}", uuid::Uuid::new_v4());
        answer["refresh_token"] = json!(refresh);
        state.refresh.insert(refresh.clone());
        state.last_refresh = refresh;
    }
    HttpResponse::Ok().json(answer)
}

async fn revoke(state: Shared, form: web::Form<Pairs>) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if state.mood != Mood::Fair {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let token = form["token"].clone();
    state.refresh.remove(&token);
    state.revoked.push(token);
    HttpResponse::Ok().finish()
}
