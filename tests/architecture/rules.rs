//! The rules over one source.
//!
//! Never stops at the first fault: all are told at once.

use super::paths::{Path, code, paths};
use super::tables::{ARROWS, CRATES, DO_SEND, DOORS, MAX_LINES, NO_NAMES, WORDS};

/// One file below `src`.
pub struct Source<'a> {
    /// As `store/users.rs`.
    pub path: &'a str,
    pub text: &'a str,
}

/// What is wrong with it, one line each.
pub fn check(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let module = module(source.path);
    let code = code(source.text);
    for path in paths(source.text) {
        let target = absolute(&module, &path);
        let at = format!("{}:{}", source.path, path.line);
        faults.extend(arrow(&module, &target).map(|fault| format!("{at}: {fault}")));
        faults.extend(outside(&module, &target).map(|fault| format!("{at}: {fault}")));
    }
    faults.dedup();
    let mut tell = |fault: String| faults.push(format!("{}: {fault}", source.path));
    if !source.text.starts_with("//! ") {
        tell("the first line does not say what it does (`//! `)".into());
    }
    let about: String = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect();
    if source.path != "lib.rs" && !about.to_lowercase().contains("never") && !is_test(source.path) {
        tell("its first lines name no invariant (`Never ...`)".into());
    }
    if let Some(name) = module.iter().find(|name| NO_NAMES.contains(&name.as_str())) {
        tell(format!("`{name}` says nothing: name the thing"));
    }
    let lines = lines_without_tests(source);
    if lines > MAX_LINES {
        tell(format!("{lines} lines; {MAX_LINES} is the most"));
    }
    for message in without_points(source) {
        tell(format!(
            "{message} passes no crash point: panics of it are not tested"
        ));
    }
    let packed: String = code.split_whitespace().collect();
    let sends = packed.contains(".do_send(") || packed.contains("::do_send");
    if sends && !DO_SEND.contains(&module.join("/").as_str()) {
        tell("do_send never refuses: use try_send, or send().await".into());
    }
    if packed.contains("[allow(") {
        tell("#[allow] outlives its reason: use #[expect(.., reason = \"..\")]".into());
    }
    faults
}

/// Messages of actors, and their starts, whose code goes through no `point("..NAME")`.
fn without_points(source: &Source) -> Vec<String> {
    if is_test(source.path) {
        return Vec::new();
    }
    let code = source.text.split("\n#[cfg(test)]\nmod ").next().unwrap();
    let mut missing = Vec::new();
    for block in code.split("\nimpl").skip(1) {
        let head = block.split(" {").next().unwrap();
        let name = match head.split_once("Handler<") {
            Some((_, rest)) => rest.split(['<', '>', ',']).next().unwrap(),
            None if head.contains(" Actor for ") && block.contains("fn started(") => "started",
            None => continue,
        };
        let named = |point: &str| point == name || point.ends_with(&format!(".{name}"));
        let mut points = block.split("point(\"").skip(1);
        if !points.any(|rest| rest.split('"').next().is_some_and(named)) {
            missing.push(name.to_owned());
        }
    }
    missing
}

/// `store/users.rs` is `[store, users]`, `store/mod.rs` is `[store]`.
fn module(path: &str) -> Vec<String> {
    let mut module: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// The path from the root of the crate (first segment `crate`), or of another crate.
fn absolute(module: &[String], path: &Path) -> Vec<String> {
    let segments = &path.segments;
    match segments[0].as_str() {
        "callboard" => ["crate".to_owned()]
            .iter()
            .chain(&segments[1..])
            .cloned()
            .collect(),
        "super" => {
            let up = segments.iter().take_while(|word| *word == "super").count();
            let mut target = vec!["crate".to_owned()];
            let up = up.saturating_sub(path.inline);
            target.extend(module.iter().take(module.len().saturating_sub(up)).cloned());
            // The file's own name is no module of the crate for `lib` and `main`.
            target.extend(segments.iter().skip_while(|word| *word == "super").cloned());
            target
        }
        _ => segments.clone(),
    }
}

fn arrow(module: &[String], target: &[String]) -> Option<String> {
    let room = target.get(1).filter(|_| target[0] == "crate")?;
    let known = ARROWS.iter().any(|(name, _)| name == room);
    if !known || *room == module[0] {
        return door(module, target);
    }
    let allowed = of_place(ARROWS, module)?;
    (!allowed.contains(&room.as_str()))
        .then(|| format!("`{}` may not name `{room}`", module.join("::")))
}

/// One door never names another.
fn door(module: &[String], target: &[String]) -> Option<String> {
    let (mine, theirs) = (module.get(1)?, target.get(2)?);
    let doors = DOORS.contains(&mine.as_str()) && DOORS.contains(&theirs.as_str());
    (module[0] == "api" && target[1] == "api" && doors && mine != theirs)
        .then(|| format!("the door `{mine}` may not name the door `{theirs}`"))
}

fn outside(module: &[String], target: &[String]) -> Option<String> {
    let here = module.join("/");
    let below = |places: &[&str]| {
        places
            .iter()
            .any(|place| *place == "*" || here == *place || here.starts_with(&format!("{place}/")))
    };
    if let Some((name, places)) = CRATES.iter().find(|(name, _)| *name == target[0]) {
        // A module of the same name (`time`, `fail`) is found by its own table.
        if !below(places) {
            return Some(format!("the crate `{name}` is not for `{here}`"));
        }
    }
    let whole = target.join("::");
    WORDS
        .iter()
        .find(|(word, places, _)| {
            let named = whole == *word || whole.starts_with(&format!("{word}::"));
            named && !below(places)
        })
        .map(|(word, _, reason)| format!("`{word}`: {reason}"))
}

/// The entry of the longest place that fits.
fn of_place(
    table: &[(&str, &'static [&'static str])],
    module: &[String],
) -> Option<&'static [&'static str]> {
    let here = module.join("/");
    table
        .iter()
        .filter(|(place, _)| here == *place || here.starts_with(&format!("{place}/")))
        .max_by_key(|(place, _)| place.len())
        .map(|(_, allowed)| *allowed)
}

fn is_test(path: &str) -> bool {
    let file = path.ends_with("tests.rs") || path.ends_with("testing.rs");
    file || path.contains("tests/") || path.contains("conformance/")
}

fn lines_without_tests(source: &Source) -> usize {
    if is_test(source.path) {
        return 0;
    }
    let lines: Vec<&str> = source.text.lines().collect();
    lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with('{'))
        .unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "//! What it does.\n//!\n//! Never more.\n";

    fn faults(path: &str, code: &str) -> Vec<String> {
        let text = format!("{START}{code}");
        check(&Source { path, text: &text })
    }

    #[track_caller]
    fn fault(path: &str, code: &str, words: &str) {
        let faults = faults(path, code);
        assert_eq!(faults.len(), 1, "{path}: {code}: {faults:?}");
        assert!(faults[0].contains(words), "{faults:?}");
    }

    #[test]
    fn a_broken_arrow_is_told_however_it_is_written() {
        let words = "`store::users` may not name `api`";
        for code in [
            "use crate::api::Door;",
            "use crate::{domain::Id, api};",
            "use crate::{\n domain::Id,\n api::{Door, self},\n};",
            "fn f() { crate::api::run() }",
            "use super::super::api::Door;",
            "mod tests { use super::super::super::api; }",
            "use callboard::api::Door;",
        ] {
            fault("store/users.rs", code, words);
        }
        fault(
            "cli/ps.rs",
            "use crate::drivers::Codec;",
            "may not name `drivers`",
        );
        fault(
            "domain/mod.rs",
            "use super::config::Config;",
            "may not name `config`",
        );
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let code = "use crate::{domain::Id, config};\nuse super::schema;\n\
                    mod tests { use super::super::schema; use super::*; }\n// crate::api\n";
        assert_eq!(faults("store/users.rs", code), [""; 0]);
        assert_eq!(
            faults("cli/agent/script.rs", "use crate::drivers::script;"),
            [""; 0]
        );
        assert_eq!(faults("cli/args/mod.rs", "use super::find;"), [""; 0]);
    }

    #[test]
    fn doors_do_not_name_each_other() {
        fault(
            "api/agents/ws.rs",
            "use crate::api::control::x;",
            "the door `agents`",
        );
        fault(
            "api/agents/ws.rs",
            "use super::super::control::x;",
            "the door `agents`",
        );
        assert_eq!(
            faults("api/agents/ws.rs", "use crate::api::live::x;"),
            [""; 0]
        );
    }

    #[test]
    fn crates_and_words_have_their_places() {
        fault(
            "app/mod.rs",
            "use diesel::prelude::*;",
            "the crate `diesel`",
        );
        fault(
            "api/agents/ws.rs",
            "fn f(_: actix::Addr<A>) {}",
            "the crate `actix`",
        );
        assert_eq!(faults("api/live/outbox.rs", "use actix::Addr;"), [""; 0]);
        fault(
            "runtime/a.rs",
            "use std::time::{Duration, Instant};",
            "Instant",
        );
        fault("runtime/a.rs", "fn f() { std::thread::sleep(d) }", "sleep");
        fault(
            "api/mod.rs",
            "use std::process::{Command, Stdio};",
            "Command",
        );
        assert_eq!(faults("keeper/a.rs", "use std::time::Instant;"), [""; 0]);
    }

    #[test]
    fn files_begin_and_are_named_as_they_should_and_stay_short() {
        let told = |path: &str, text: &str| check(&Source { path, text }).join("\n");
        assert!(told("app/a.rs", "use x;\n").contains("first line"));
        assert!(told("app/a.rs", "//! Does it.\n").contains("Never"));
        fault("app/utils.rs", "", "says nothing");
        fault("app/common/a.rs", "", "says nothing");
        fault("app/a.rs", &"\n".repeat(400), "403 lines");
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(400));
        assert_eq!(faults("app/a.rs", &tests), [""; 0]);
    }

    #[test]
    fn a_message_without_a_crash_point_is_told() {
        let handler = |point: &str| {
            format!("\nimpl<D: X> Handler<Ask> for A {{\n fn handle() {{ {point} }}\n}}\n")
        };
        fault("runtime/a.rs", &handler(""), "Ask passes no crash point");
        fault("runtime/a.rs", &handler("crash::point(\"a.Task\")"), "Ask");
        let good = handler("crash::point(\"a.Ask\");");
        assert_eq!(faults("runtime/a.rs", &good), [""; 0]);
        let start = "\nimpl Actor for A {\n fn started() {}\n}\n";
        fault("runtime/a.rs", start, "started passes no");
        let stream = "\nimpl StreamHandler<Result<X, Y>> for A {}\n";
        fault("runtime/a.rs", stream, "Result passes no");
    }

    #[test]
    fn do_send_and_allow_are_told() {
        fault("runtime/a.rs", "fn f() { a\n .do_send(x) }", "do_send");
        fault("runtime/a.rs", "#[allow(dead_code)]\nfn f() {}", "#[allow]");
        fault("runtime/a.rs", "#![allow(dead_code)]\n", "#[allow]");
        assert_eq!(
            faults("runtime/a.rs", "// .do_send( #[allow(x)]\n"),
            [""; 0]
        );
    }
}
