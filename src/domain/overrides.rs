//! Overrides: answers of people that are given again by themselves when the same is asked.
//!
//! Never wider than what was asked: a command only as it was worded, a file only at its path, and
//! of other tools the tool. A destructive request is never answered yes by one.

use serde_json::{Map, Value};

use super::agent::Kind;
use super::approval::{Approval, ApprovalKind, ApprovalState, Risk};
use super::error::{Error, Result};
use super::event::CUT;
use super::id::{OverrideId, SessionId, Timestamp, UserId};

/// Most bytes of a command or path that can be remembered.
pub const MAX_MATCH: usize = 16 * 1024;
/// Shortest run of signs that stands for a secret.
const COVERED: u32 = 8;
/// Most bytes of a tool's name: an index of the rows has it.
const MAX_TOOL: usize = 512;
/// Arguments that name a file, in the order in which they are looked for.
const PATHS: [&str; 3] = ["file_path", "path", "notebook_path"];

/// Arguments beside a command that do not change what it does.
const BESIDE: [&str; 3] = ["command", "description", "timeout"];
/// The tool with which Claude Code shows a plan: a yes to one plan is none to the next.
const PLAN: &str = "ExitPlanMode";

/// For how long an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remember {
    /// For this question.
    #[default]
    Once,
    /// For the same request in this session.
    Session,
    /// For the same request in every session of the owner with this kind of agent.
    Always,
}

impl Remember {
    /// Every word.
    pub const ALL: [Self; 3] = [Self::Once, Self::Session, Self::Always];

    /// The shown word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
        }
    }

    /// Reads a word.
    ///
    /// # Errors
    /// `bad_remember` with the words.
    pub fn parse(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|word| word.name() == text);
        known.ok_or_else(|| {
            Error::invalid(
                "bad_remember",
                "remember",
                "it is not known for how long the answer should hold",
                "once, session, always; or true (session), false (once)",
            )
        })
    }

    /// Reads a JSON field: a word, or `true` for the session; once when it is not there.
    ///
    /// # Errors
    /// `bad_remember`.
    pub fn read(field: Option<&Value>) -> Result<Self> {
        match field {
            None | Some(Value::Null | Value::Bool(false)) => Ok(Self::Once),
            Some(Value::Bool(true)) => Ok(Self::Session),
            Some(Value::String(word)) => Self::parse(word),
            Some(Value::Number(_) | Value::Array(_) | Value::Object(_)) => Self::parse(""),
        }
    }
}

/// Which requests of a tool an override answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matcher {
    /// Those that run exactly this command.
    Command(String),
    /// Those about the file or directory at this path.
    Path(String),
    /// All: the tool has neither a command nor a path.
    Tool,
}

impl Matcher {
    /// What a request with these arguments is remembered by. A path that is not absolute is one
    /// below `cwd`.
    #[must_use]
    pub fn of(args: &Value, cwd: &str) -> Self {
        let given = |name: &str| args.get(name).filter(|value| !value.is_null()).map(exact);
        if let Some(command) = given("command") {
            return Self::Command(exactly(args).unwrap_or(command));
        }
        match PATHS.into_iter().find_map(given) {
            Some(path) if path.starts_with('/') => Self::Path(path),
            Some(path) => Self::Path(format!("{}/{path}", cwd.trim_end_matches('/'))),
            None => Self::Tool,
        }
    }

    /// Its stored form: what the text is, and the text.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Command(text) => ("command", text),
            Self::Path(text) => ("path", text),
            Self::Tool => ("tool", ""),
        }
    }

    /// Reads the stored form.
    #[must_use]
    pub fn parse(kind: &str, text: String) -> Option<Self> {
        match kind {
            "command" => Some(Self::Command(text)),
            "path" => Some(Self::Path(text)),
            "tool" => Some(Self::Tool),
            _ => None,
        }
    }

    /// In words, so that a person sees what is remembered.
    #[must_use]
    pub fn words(&self, tool: &str) -> String {
        match self {
            Self::Command(text) => format!("{tool}, exactly the command `{}`", cut(text)),
            Self::Path(text) => format!("{tool}, at the path {}", cut(text)),
            Self::Tool => format!("{tool}, every request"),
        }
    }
}

/// Whether there is a run of signs as it stands for a secret. A row has its text covered, so nothing
/// else tells it from what was said.
#[must_use]
pub fn is_covered(text: &str) -> bool {
    let mut run = (0, '\0');
    text.chars().any(|sign| {
        let goes_on = sign == run.1 && "*#~^!?|$%&".contains(sign);
        let length: u32 = if goes_on { run.0 } else { 0 };
        run = (length.saturating_add(1), sign);
        run.0 >= COVERED
    })
}

/// All arguments, where others than the command say what it does (a path, a switch).
fn exactly(args: &Value) -> Option<String> {
    let map = args.as_object()?;
    let more = map.iter().any(|(name, value)| {
        !BESIDE.contains(&name.as_str()) && !value.is_null() && *value != Value::Bool(false)
    });
    let kept = map
        .iter()
        .filter(|(name, _)| *name == "command" || !BESIDE.contains(&name.as_str()));
    let kept: Map<String, Value> = kept
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    more.then(|| Value::Object(kept).to_string())
}

/// A text as it is; anything else as its JSON.
fn exact(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The beginning on one line, with what is no letter or sign as its escape.
fn cut(text: &str) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == 200 {
            shown.push_str(CUT);
            break;
        }
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// An answer that is given again by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Its id.
    pub id: OverrideId,
    /// Whose sessions it is for.
    pub owner: UserId,
    /// Only in this session; absent: in all.
    pub session: Option<SessionId>,
    /// Only with this kind of agent.
    pub kind: Kind,
    /// Only for this tool.
    pub tool: String,
    /// Only for these requests.
    pub matcher: Matcher,
    /// Yes or no.
    pub approved: bool,
    /// The user name of who answered.
    pub by: String,
    /// When.
    pub created_at: Timestamp,
}

impl Override {
    /// For how long it holds.
    #[must_use]
    pub fn scope(&self) -> Remember {
        match self.session {
            Some(_) => Remember::Session,
            None => Remember::Always,
        }
    }

    /// Who answered, as an approval that it answers says it.
    #[must_use]
    pub fn signature(&self) -> String {
        format!("override:{}", self.id)
    }

    /// The state of an approval that it answers.
    #[must_use]
    pub fn answer(&self) -> ApprovalState {
        if self.approved {
            ApprovalState::Approved
        } else {
            ApprovalState::Denied
        }
    }

    /// Whether it may answer a request of this risk.
    #[must_use]
    pub fn covers(&self, risk: Risk) -> bool {
        !self.approved || risk != Risk::Critical
    }
}

/// Of the overrides for one request, the one that answers: that of the session before that for all
/// sessions.
#[must_use]
pub fn narrowest<'a>(found: impl Iterator<Item = &'a Override>) -> Option<&'a Override> {
    found.min_by_key(|found| found.session.is_none())
}

/// Whether an answer to this question can be remembered.
///
/// # Errors
/// `remember_unsupported` with the reason.
pub fn may_remember(approval: &Approval, matcher: &Matcher) -> Result<()> {
    let no = |message: &str| {
        Err(Error::invalid(
            "remember_unsupported",
            "remember",
            message,
            "once",
        ))
    };
    if approval.tool == PLAN {
        return no("this question is about one plan");
    }
    match approval.kind {
        ApprovalKind::Uncertain => return no("this question is about one message"),
        ApprovalKind::Question => return no("this is a question, not a permission"),
        ApprovalKind::Permission => {}
    }
    if matcher.parts().1.len() > MAX_MATCH {
        return no("the command is too long to be remembered");
    }
    if is_covered(matcher.parts().1) {
        return no("a secret in it is covered, so the same request could not be known again");
    }
    if approval.tool.len() > MAX_TOOL {
        return no("the name of the tool is too long to be remembered");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_request_is_remembered_by_its_command_its_path_or_its_tool() {
        let of = |args: Value| Matcher::of(&args, "/work/");
        let command = Matcher::Command("ls -la".into());
        let beside = json!({"command": "ls -la", "description": "d", "timeout": 9, "bg": false});
        assert_eq!(of(beside), command);
        let more = of(json!({"command": "create", "path": "/x", "timeout": 9}));
        let whole = r#"{"command":"create","path":"/x"}"#;
        assert_eq!(more, Matcher::Command(whole.into()));
        assert_ne!(of(json!({"command": "ls -la "})), command);
        assert_eq!(
            of(json!({"command": ["ls", "-la"]})),
            Matcher::Command(r#"["ls","-la"]"#.into())
        );
        for name in ["file_path", "path", "notebook_path"] {
            assert_eq!(of(json!({name: "/a"})), Matcher::Path("/a".into()));
        }
        assert_eq!(of(json!({"path": "a"})), Matcher::Path("/work/a".into()));
        for args in [json!({"command": null}), json!({"url": "x"}), json!(null)] {
            assert_eq!(of(args), Matcher::Tool);
        }
    }

    #[test]
    fn a_matcher_is_read_back_from_its_parts() {
        for matcher in [
            Matcher::Command("a".into()),
            Matcher::Path("/a".into()),
            Matcher::Tool,
        ] {
            let (kind, text) = matcher.parts();
            assert_eq!(Matcher::parse(kind, text.to_owned()), Some(matcher));
        }
        assert_eq!(Matcher::parse("regex", String::new()), None);
    }

    #[test]
    fn the_words_are_one_line_that_says_what_is_meant() {
        let words = |matcher: Matcher| matcher.words("bash");
        assert_eq!(
            words(Matcher::Command("a\nb".into())),
            "bash, exactly the command `a\\nb`"
        );
        assert_eq!(words(Matcher::Path("/a".into())), "bash, at the path /a");
        assert_eq!(words(Matcher::Tool), "bash, every request");
        let long = words(Matcher::Command("x".repeat(500)));
        assert!(long.ends_with("x\u{2026}`") && long.len() < 250, "{long}");
    }

    #[test]
    fn what_was_covered_is_told_from_what_was_said() {
        for text in ["curl -H ********", "a$$$$$$$$$b", "\u{e4}########"] {
            assert!(is_covered(text), "{text}");
        }
        for text in [
            "ls *******",
            "--------",
            "xxxxxxxxxxx",
            "* * * * * * * *",
            "**##**##",
        ] {
            assert!(!is_covered(text), "{text}");
        }
    }

    #[test]
    fn how_long_is_a_word_or_a_flag() {
        for (field, wanted) in [
            (json!(null), Remember::Once),
            (json!(false), Remember::Once),
            (json!("once"), Remember::Once),
            (json!(true), Remember::Session),
            (json!("session"), Remember::Session),
            (json!("always"), Remember::Always),
        ] {
            assert_eq!(Remember::read(Some(&field)).unwrap(), wanted, "{field}");
        }
        assert_eq!(Remember::read(None).unwrap(), Remember::Once);
        for field in [json!("forever"), json!(""), json!(1), json!(["once"])] {
            let Err(Error::Invalid { code, expected, .. }) = Remember::read(Some(&field)) else {
                panic!("accepted {field}");
            };
            assert_eq!(code, "bad_remember");
            assert!(expected.unwrap().contains("once, session, always"));
        }
    }

    #[test]
    fn the_override_of_the_session_answers_first_and_none_says_yes_to_destruction() {
        let all = Override {
            id: OverrideId::generate(),
            owner: UserId::generate(),
            session: None,
            kind: Kind::Shell,
            tool: "shell".into(),
            matcher: Matcher::Tool,
            approved: true,
            by: "ann".into(),
            created_at: Timestamp(1),
        };
        let own = Override {
            session: Some(SessionId::generate()),
            approved: false,
            ..all.clone()
        };
        assert_eq!(narrowest([&all, &own].into_iter()), Some(&own));
        assert_eq!(narrowest([&all].into_iter()), Some(&all));
        assert!(all.covers(Risk::High) && !all.covers(Risk::Critical));
        assert!(own.covers(Risk::Critical));
    }
}
