//! The program's questions, and the answers as it takes them.
//!
//! Never answers for a person: what is no question to one is refused as unsupported.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::codec::ClaudeCodec;
use super::state::{MAX_NAME, Open};
use super::wire::{answer, at, items, problem, unsupported};
use crate::domain::{ApprovalKind, Risk};
use crate::drivers::{Output, Question, ids, risk, text};

/// The tool with which the model asks the person something.
const QUESTIONS: &str = "AskUserQuestion";
/// Tools that look and change nothing.
const READS: [&str; 10] = [
    "Read",
    "Glob",
    "Grep",
    "LS",
    "NotebookRead",
    "TodoWrite",
    "ToolSearch",
    "ListAgents",
    "ReportFindings",
    QUESTIONS,
];
/// Tools that reach the network.
const REACHES: [&str; 2] = ["WebFetch", "WebSearch"];
/// Arguments that say in short what a call is about, the first that is there.
const ABOUT: [&str; 7] = [
    "command",
    "file_path",
    "notebook_path",
    "path",
    "url",
    "query",
    "description",
];
/// What the model reads when a person gave no words.
const REFUSED: &str = "The person refused this.";

impl ClaudeCodec {
    /// A control request of the program.
    pub(super) fn asked(&mut self, line: &Value, out: &mut Vec<Output>) {
        let id = at(line, "/request_id");
        if at(line, "/request/subtype") != "can_use_tool" {
            out.push(Output::Send {
                id: ids::answer_frame(id),
                bytes: unsupported(id),
            });
            return;
        }
        let request = line.get("request").unwrap_or(&Value::Null);
        let suggestions = request
            .get("permission_suggestions")
            .unwrap_or(&Value::Null);
        if !self.state.ask(id, at(request, "/tool_name"), suggestions) {
            if self.state.open.iter().any(|open| open.request == id) {
                return;
            }
            // Nobody could answer it: the model goes on without.
            let words = "more questions were asked at once than are kept";
            out.push(problem("too_many_questions", words));
            out.push(Output::Send {
                id: ids::answer_frame(id),
                bytes: answer(id, &refused(Some(words))),
            });
            return;
        }
        let mut question = question(id, request);
        let kept = self.state.open.last_mut();
        let kept = kept.map(|open| {
            open.input = Some(hash_of(&question.args));
            &*open
        });
        if question.kind == ApprovalKind::Permission
            && kept.is_some_and(|open| open.suggestions.is_null())
        {
            // They were too long to be kept, so that none can be chosen.
            question.options.clear();
        }
        out.push(Output::Ask(question));
    }

    /// The program no longer waits for an answer.
    pub(super) fn cancelled(&mut self, line: &Value, out: &mut Vec<Output>) {
        let id = at(line, "/request_id");
        if self.state.settle(id).is_some() {
            out.push(Output::Withdrawn {
                request: id.to_owned(),
            });
        }
    }

    /// A person answered.
    pub(super) fn answer(
        &mut self,
        request: &str,
        (approved, words): (bool, Option<&str>),
        args: &Value,
        out: &mut Vec<Output>,
    ) {
        let Some(open) = self.state.settle(request) else {
            return;
        };
        let response = if approved {
            allowed(&open, words, args)
        } else {
            refused(words)
        };
        out.push(Output::Send {
            id: ids::answer_frame(request),
            bytes: answer(request, &response),
        });
    }

    /// Nobody is asked any more; `tell`: the program is told so.
    pub(super) fn withdraw_all(&mut self, tell: bool, out: &mut Vec<Output>) {
        for open in std::mem::take(&mut self.state.open) {
            if tell {
                out.push(Output::Send {
                    id: ids::answer_frame(&open.request),
                    bytes: answer(&open.request, &refused(None)),
                });
            }
            out.push(Output::Withdrawn {
                request: open.request,
            });
        }
    }
}

fn refused(words: Option<&str>) -> Value {
    let words = words.filter(|words| !words.trim().is_empty());
    json!({ "behavior": "deny", "message": words.unwrap_or(REFUSED), "interrupt": false })
}

fn allowed(open: &Open, words: Option<&str>, args: &Value) -> Value {
    let mut response = Map::from_iter([("behavior".to_owned(), json!("allow"))]);
    let mut input = args.clone();
    if let (QUESTIONS, Some(words), Value::Object(map)) = (open.tool.as_str(), words, &mut input) {
        let answers = answers(map, words);
        map.insert("answers".to_owned(), answers);
    }
    let same = open
        .input
        .as_ref()
        .is_none_or(|hash| *hash == hash_of(args));
    // Left out, the program runs with the arguments that it asked about.
    if input.is_object() && (same || open.tool == QUESTIONS) {
        response.insert("updatedInput".to_owned(), input);
    }
    let mut offered = items(&open.suggestions, "");
    let chosen = offered.find(|offer| label(offer).as_deref() == words);
    if let Some(chosen) = chosen.filter(|_| words.is_some()) {
        response.insert("updatedPermissions".to_owned(), json!([chosen]));
    }
    Value::Object(response)
}

/// Tells arguments from others.
fn hash_of(args: &Value) -> String {
    let hash = Sha256::digest(args.to_string());
    let first = hash.iter().take(8);
    first.map(|byte| format!("{byte:02x}")).collect()
}

/// A person's words as the answers: a JSON object of them, a line for each question, or the same
/// for all.
fn answers(input: &Map<String, Value>, words: &str) -> Value {
    if let Ok(Value::Object(given)) = serde_json::from_str(words) {
        return Value::Object(given);
    }
    let questions: Vec<&Value> = input
        .get("questions")
        .map(|questions| items(questions, "").collect())
        .unwrap_or_default();
    let lines: Vec<&str> = words.lines().collect();
    let each = questions.iter().enumerate().map(|(n, question)| {
        let line = lines.get(n).filter(|_| lines.len() == questions.len());
        let said = line.map_or(words, |line| *line);
        (at(question, "/question").to_owned(), json!(said.trim()))
    });
    Value::Object(each.collect())
}

fn question(id: &str, request: &Value) -> Question {
    let tool = text::head(at(request, "/tool_name"), MAX_NAME);
    let args = request.get("input").cloned().unwrap_or(Value::Null);
    let about = ABOUT.iter().find_map(|key| args.get(key)?.as_str());
    let shown = about.map_or_else(|| args.to_string(), str::to_owned);
    let first = shown.lines().next().unwrap_or_default();
    let (summary, question, options) = match tool.as_str() {
        QUESTIONS => from_the_model(&args),
        "ExitPlanMode" => {
            let plan = at(&args, "/plan");
            let words = String::from("May the agent leave the plan mode and carry out its plan?");
            let whole = format!("{words}\n\n{plan}");
            (words, whole.trim_end().to_owned(), offers(request))
        }
        _ => {
            let asked = format!("May {tool} run with {shown}?");
            (
                format!("{tool}: {first}"),
                with_reason(asked, request),
                offers(request),
            )
        }
    };
    Question {
        request: id.to_owned(),
        kind: match tool.as_str() {
            QUESTIONS => ApprovalKind::Question,
            _ => ApprovalKind::Permission,
        },
        summary: text::head(&summary, 200),
        question,
        options,
        risk: risk_of(&tool, &args),
        tool,
        args,
    }
}

fn with_reason(asked: String, request: &Value) -> String {
    let outside = at(request, "/blocked_path");
    let reason = at(request, "/decision_reason");
    let mut whole = asked;
    if !outside.is_empty() {
        whole = format!("{whole}\nIt reaches {outside}.");
    }
    if !reason.is_empty() {
        whole = format!("{whole}\n{reason}");
    }
    whole
}

/// The model's own questions: summary, text, and the answers to choose from if it is one question.
fn from_the_model(args: &Value) -> (String, String, Vec<String>) {
    let questions: Vec<&Value> = items(args, "/questions").collect();
    let first = questions.first().map_or("", |first| at(first, "/question"));
    let text = questions.iter().map(|question| {
        let options = items(question, "/options").map(|option| {
            let (label, more) = (at(option, "/label"), at(option, "/description"));
            format!("\n- {label}: {more}")
        });
        format!(
            "{}{}",
            at(question, "/question"),
            options.collect::<String>()
        )
    });
    let text = text.collect::<Vec<_>>().join("\n\n");
    let options = match questions.as_slice() {
        [only] => items(only, "/options")
            .map(|option| at(option, "/label").to_owned())
            .collect(),
        _ => Vec::new(),
    };
    (first.to_owned(), text, options)
}

/// The changes of its rules that the program offers, in words.
fn offers(request: &Value) -> Vec<String> {
    items(request, "/permission_suggestions")
        .filter_map(label)
        .collect()
}

/// One of them; nothing for a kind that is not known.
fn label(offer: &Value) -> Option<String> {
    let scope = at(offer, "/destination");
    let what = match at(offer, "/type") {
        "addRules" => {
            let rules = items(offer, "/rules").map(|rule| {
                let (tool, content) = (at(rule, "/toolName"), at(rule, "/ruleContent"));
                if content.is_empty() {
                    tool.to_owned()
                } else {
                    format!("{tool}({content})")
                }
            });
            let rules = rules.collect::<Vec<_>>().join(", ");
            format!("{} {rules}", at(offer, "/behavior"))
        }
        "addDirectories" => {
            let places: Vec<&str> = items(offer, "/directories")
                .filter_map(Value::as_str)
                .collect();
            format!("allow the directories {}", places.join(", "))
        }
        "setMode" => format!("change to {}", at(offer, "/mode")),
        _ => return None,
    };
    Some(format!("{what} ({scope})"))
}

fn risk_of(tool: &str, args: &Value) -> Risk {
    if let Some(command) = args.get("command").and_then(Value::as_str) {
        return risk::of_command(command);
    }
    if READS.contains(&tool) {
        Risk::Low
    } else if REACHES.contains(&tool) || tool.starts_with("mcp__") {
        Risk::High
    } else {
        Risk::Medium
    }
}
