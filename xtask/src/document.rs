//! `cargo xtask document`: requests that are made from openapi.json, right and wrong ones, against
//! a real server; every answer has to be one that the document tells.
//!
//! Never longer than two minutes, and never against a server of somebody else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::means;
use super::server::Server;
use super::step::{Failed, Step, root, target_dir};

/// Seconds for most of it.
const ASKING: u32 = 90;
/// What every answer is held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance";
/// What guesses a password or registers: after a few tries the address has to wait, and every
/// answer is 429. Asked behind the rest, while the token holds, and not for long.
const GUESSES: [&str; 4] = [
    "post_authentication",
    "post_api_auth_login",
    "post_api_auth_password",
    "post_api_auth_register",
];
/// Seconds for them, and for what comes last.
const GUESSING: u32 = 15;
/// Never longer than two minutes in all, beside the start.
const _: () = assert!(ASKING + 2 * GUESSING <= 120);
/// Longest time of any of its runs: it ends by itself long before.
const LONGEST: Duration = Duration::from_secs(600);
/// What ends the token, the rights or the objects that the other requests are about: asked last,
/// and briefly.
const ENDS: [&str; 12] = [
    "delete_authentication",
    "delete_sessions_id",
    "delete_users_id",
    "post_api_auth_logout",
    "patch_api_auth_me",
    "delete_api_agents_id",
    "delete_api_agents_sessions_name",
    "delete_api_control_missions_id",
    "delete_api_users_id",
    "delete_api_v1_invites_id",
    "delete_api_v1_user_api_keys_id",
    "delete_api_workspaces_id",
];
/// Its objects are asked for themselves alone: what is below would run commands that were guessed.
const WORKSPACES: &str = "/api/workspaces";

/// Builds the programs, starts a server and asks it.
pub fn run(args: &[String]) -> Result<(), Failed> {
    let (mut seed, mut program) = (None, None);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match (word.as_str(), words.next()) {
            ("--seed", Some(number)) if number.parse::<u64>().is_ok() => {
                seed = Some(number.clone());
            }
            ("--program", Some(file)) => program = Some(PathBuf::from(file)),
            _ => {
                return Err(Failed::usage(
                    "`document` takes `--seed N`, `--program FILE`",
                ));
            }
        }
    }
    if let Some(program) = program {
        return against(&program, seed);
    }
    Step::cargo("build", &["build", "--locked", "--bins"]).run()?;
    against(&target_dir()?.join("debug/callboard"), seed)
}

/// Asks a server of this program.
pub fn against(program: &Path, seed: Option<String>) -> Result<(), Failed> {
    let asker = means::schemathesis()?;
    let dir = target_dir()?.join("document");
    let mut server = Server::start(program, &dir)?;
    let made = |name: &str, kind: &str| {
        let body = format!("{{\"name\":\"{name}\",\"agentType\":\"{kind}\"}}");
        server.post("/api/agents/sessions", &body, "id")
    };
    let script = made("board", "script")?;
    made("shell", "shell")?;
    let settings = dir.join("schemathesis.toml");
    let bad = |error: std::io::Error| Failed::step(format!("{}: {error}", dir.display()));
    let objects = objects(&server)?;
    std::fs::write(&settings, words(&server, &script, &objects)).map_err(bad)?;
    let ask = |title: &str| {
        let step = Step::program(title, &asker)
            .arg("--config-file")
            .arg(&settings)
            .args(&["run", "--checks", CHECKS, "--no-color"].map(String::from))
            .args(&["--url".to_owned(), server.url()])
            // What it remembers of earlier runs would make this one another.
            .args(&["--generation-database", "none"].map(String::from));
        match &seed {
            Some(seed) => step.arg("--seed").arg(seed),
            None => step,
        }
    };
    let mut all = ask("document").arg("--max-time").arg(ASKING.to_string());
    let mut guesses = ask("guesses").arg("--max-time").arg(GUESSING.to_string());
    let mut ends = ask("ends")
        .args(&["--max-examples", "3"].map(String::from))
        .arg("--max-time")
        .arg(GUESSING.to_string());
    for guess in GUESSES {
        all = all.arg("--exclude-operation-id").arg(guess);
        guesses = guesses.arg("--include-operation-id").arg(guess);
    }
    for end in ENDS {
        all = all.arg("--exclude-operation-id").arg(end);
        ends = ends.arg("--include-operation-id").arg(end);
    }
    let file = root().join("openapi.json");
    for step in [all, guesses, ends] {
        step.arg(&file).within(LONGEST).run()?;
    }
    match server.lives() {
        true => Ok(()),
        false => Err(Failed::step(
            "the server ended under the requests; see its log",
        )),
    }
}

/// What the paths with an id are about, beside agents: where they are, and one of each.
fn objects(server: &Server) -> Result<Vec<(&'static str, String)>, Failed> {
    let account = "{\"username\":\"guest\",\"password\":\"a guest of one minute\"}";
    let key = "{\"name\":\"board\",\"scopes\":[\"read\"]}";
    let mission = "{\"title\":\"board\",\"backend\":\"shell\"}";
    let mut made = Vec::new();
    for (path, body) in [
        ("/api/users", account),
        ("/api/v1/invites", "{}"),
        ("/api/control/missions", mission),
        (WORKSPACES, "{\"name\":\"board\"}"),
        ("/api/v1/user/api-keys", key),
    ] {
        made.push((path, server.post(path, body, "id")?));
    }
    Ok(made)
}

/// The settings of the asker: who it is, what the paths mean, and no long waits.
fn words(server: &Server, agent: &str, objects: &[(&str, String)]) -> String {
    let token = server.token();
    let object = |(path, id): &(&str, String)| {
        let end = if *path == WORKSPACES { "$" } else { "" };
        format!(
            "\n\
             [[operations]]\n\
             include-path-regex = \"^{path}/[{{]id[}}]{end}\"\n\
             parameters = {{ \"path.id\" = \"{id}\" }}\n"
        )
    };
    let objects: String = objects.iter().map(object).collect();
    format!(
        "headers = {{ Authorization = \"Bearer {token}\" }}\n\
         request-timeout = 30\n\
         continue-on-failure = true\n\
         warnings = false\n\
         \n\
         [parameters]\n\
         \"query.wait\" = 0\n\
         \n\
         [phases.stateful]\n\
         enabled = false\n\
         \n\
         [[operations]]\n\
         include-path = \"/api/control/stream\"\n\
         request-timeout = 3\n\
         \n\
         [[operations]]\n\
         include-path-regex = \"^{WORKSPACES}\"\n\
         checks.not_a_server_error.expected-statuses = [\"2xx\", \"4xx\", \"501\"]\n\
         \n\
         [[operations]]\n\
         include-path-regex = \"^/api/agents/[{{]id[}}]\"\n\
         parameters = {{ \"path.id\" = \"{agent}\", \"query.wait\" = 0 }}\n\
         \n\
         [[operations]]\n\
         include-path-regex = \"^/api/agents/sessions/[{{]name[}}]\"\n\
         parameters = {{ \"path.name\" = \"board\", \"query.wait\" = 0 }}\n\
         {objects}"
    )
}
