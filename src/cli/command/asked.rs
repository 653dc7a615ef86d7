//! One question of an agent: what is shown of it, and what a typed line says to it.
//!
//! Never takes a line for a yes that does not say so.

use serde_json::Value;

use super::super::find::tail;
use super::super::{plain, render};
use super::answer::Verdict;

/// Longest value of an argument that is shown with a question, in characters.
const VALUE: usize = 1000;

/// An open question.
#[derive(Debug)]
pub struct Asked {
    /// Its id.
    pub id: String,
    wants: Wants,
}

#[derive(Debug)]
enum Wants {
    /// To do something; `remembers`: the answer can hold for longer.
    Leave { words: String, remembers: bool },
    /// To know something, or several things; `said` are the answers so far.
    Words { parts: Vec<Part>, said: Vec<String> },
}

/// One thing that the model wants to know.
#[derive(Debug)]
struct Part {
    text: String,
    options: Vec<String>,
}

impl Asked {
    /// The question of an `approval_requested` event.
    #[must_use]
    pub fn of(data: &Value) -> Option<Self> {
        let id = render::field(data, &["requestId"])?;
        let wants = match data.get("kind").and_then(Value::as_str) {
            Some("question") => Wants::Words {
                parts: parts(data),
                said: Vec::new(),
            },
            Some(_) | None => Wants::Leave {
                words: wanted(data),
                remembers: data.get("remembers").is_some_and(|what| !what.is_null()),
            },
        };
        Some(Self { id, wants })
    }

    /// What is shown before a line is typed; its last line is left open.
    #[must_use]
    pub fn prompt(&self) -> String {
        match &self.wants {
            Wants::Leave { words, remembers } => {
                let longer = match remembers {
                    true => "yes in this [s]ession, [a]lways yes, ",
                    false => "",
                };
                let words = indented(words);
                format!("  ? {words}\n    [y]es, {longer}[n]o, or no with a reason: ")
            }
            Wants::Words { parts, said } => {
                let part = parts.get(said.len());
                let words = part.map_or_else(String::new, |part| indented(&part.text));
                let how = match part.is_some_and(|part| !part.options.is_empty()) {
                    true => "a number, or your own words",
                    false => "your answer",
                };
                format!("  ? {words}\n    {how}; [n] refuses to answer: ")
            }
        }
    }

    /// What is told where nobody can be asked.
    #[must_use]
    pub fn elsewhere(&self) -> String {
        let id = tail(&self.id);
        let (words, yes) = match &self.wants {
            Wants::Leave { words, .. } => (words.clone(), ""),
            Wants::Words { parts, .. } => {
                let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                (texts.join("\n"), " --response TEXT")
            }
        };
        let words = indented(&words);
        format!(
            "  ? {words}\n    answer with `callboard approve {id}{yes}` or `callboard approve {id} --deny`"
        )
    }

    /// The answer that a typed line completes; `None`: it is to be asked (on).
    pub fn hear(&mut self, line: &str) -> Option<Verdict> {
        let line = line.trim();
        match &mut self.wants {
            Wants::Leave { remembers, .. } => leave(line, *remembers),
            Wants::Words { .. } if line.is_empty() => None,
            Wants::Words { .. } if line.eq_ignore_ascii_case("n") => Some(Verdict::no(None)),
            Wants::Words { parts, said } => {
                let part = parts.get(said.len());
                said.push(part.map_or_else(|| line.to_owned(), |part| chosen(&part.options, line)));
                (said.len() >= parts.len()).then(|| Verdict::yes(Some(said.join("\n"))))
            }
        }
    }

    /// Begins from its beginning: what was said was not taken.
    pub fn again(&mut self) {
        match &mut self.wants {
            Wants::Leave { .. } => {}
            Wants::Words { said, .. } => said.clear(),
        }
    }
}

/// A yes for once, for the session or always, a no, or a no with words. An empty line is no
/// answer, nor is one for longer where that cannot be: nothing runs or fails by a slip.
fn leave(line: &str, remembers: bool) -> Option<Verdict> {
    let held = |scope: &str| {
        remembers.then(|| Verdict {
            remember: Some(scope.to_owned()),
            ..Verdict::yes(None)
        })
    };
    match line.to_ascii_lowercase().as_str() {
        "" => None,
        "y" | "yes" => Some(Verdict::yes(None)),
        "s" | "session" => held("session"),
        "a" | "always" => held("always"),
        "n" | "no" => Some(Verdict::no(None)),
        _ => Some(Verdict::no(Some(line.to_owned()))),
    }
}

/// What a line means where these can be chosen: a label, the label of a number or of several
/// (`1, 3`), or the line as it is.
#[must_use]
pub fn chosen(options: &[String], line: &str) -> String {
    let line = line.trim();
    let same = |label: &&String| label.to_lowercase() == line.to_lowercase();
    if let Some(label) = options.iter().find(same) {
        return label.clone();
    }
    let numbered = |word: &str| {
        let number: usize = word.trim().parse().ok()?;
        Some(options.get(number.checked_sub(1)?)?.as_str())
    };
    let labels: Option<Vec<&str>> = line.split(',').map(numbered).collect();
    labels.map_or_else(|| line.to_owned(), |labels| labels.join(", "))
}

/// What the agent wants to do: its command alone, or the question and what it does not say.
fn wanted(data: &Value) -> String {
    let tool = render::tool(data);
    let args = data.get("args").unwrap_or(&Value::Null);
    if let Some(command) = render::field(args, &["command"]) {
        return format!("{tool}: {command}");
    }
    let asked = render::field(data, &["question", "summary"]);
    let mut words = asked.unwrap_or_else(|| format!("May {tool} run?"));
    for (name, value) in args.as_object().into_iter().flatten() {
        let value = render::compact(value);
        if !words.contains(&value) {
            words.push_str(&format!("\n{name}: {}", render::cut(&value, VALUE)));
        }
    }
    words
}

/// The things that the model wants to know: each by itself where it asks several at once.
fn parts(data: &Value) -> Vec<Part> {
    let several = data.pointer("/args/questions").and_then(Value::as_array);
    if let Some(several) = several.filter(|several| several.len() > 1) {
        return several.iter().map(one_of).collect();
    }
    let options = texts(data.get("options"));
    let asked = render::field(data, &["question", "summary"]).unwrap_or_default();
    let mut seen = vec![false; options.len()];
    let mut lines: Vec<String> = asked
        .lines()
        .map(|line| numbered(line, &options, &mut seen))
        .collect();
    let unseen = options.iter().zip(&seen).enumerate();
    let unseen = unseen.filter(|(_, (_, seen))| !**seen);
    lines.extend(unseen.map(|(n, (label, _))| option(n, label)));
    let text = lines.join("\n");
    vec![Part { text, options }]
}

/// One of several questions, as the model's tool has it.
fn one_of(asked: &Value) -> Part {
    let mut text = render::field(asked, &["question"]).unwrap_or_default();
    let mut labels = Vec::new();
    let offered = asked.get("options").and_then(Value::as_array);
    for offer in offered.into_iter().flatten() {
        let label = render::field(offer, &["label"]).unwrap_or_default();
        let more = render::field(offer, &["description"]);
        let whole = more.map_or_else(|| label.clone(), |more| format!("{label}: {more}"));
        text.push('\n');
        text.push_str(&option(labels.len(), &whole));
        labels.push(label);
    }
    Part {
        text,
        options: labels,
    }
}

/// A line of the question, with its number where it is an option.
fn numbered(line: &str, options: &[String], seen: &mut [bool]) -> String {
    let Some(words) = line.strip_prefix("- ") else {
        return line.to_owned();
    };
    let named = |label: &String| {
        let rest = words.strip_prefix(label.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let Some(place) = options.iter().position(named) else {
        return line.to_owned();
    };
    if let Some(seen) = seen.get_mut(place) {
        *seen = true;
    }
    option(place, words)
}

fn option(place: usize, words: &str) -> String {
    format!("{}. {words}", place.saturating_add(1))
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Text of others, its further lines below the first one.
fn indented(text: &str) -> String {
    plain::line(text).trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn leave_for(remembers: Value) -> Asked {
        let asked = Asked::of(&json!({
            "requestId": "r1", "kind": "permission", "toolName": "Bash", "options": [],
            "args": {"command": "ls -l"}, "question": "May Bash run with ls -l?",
            "remembers": remembers,
        }));
        asked.unwrap()
    }

    fn colour() -> Asked {
        let asked = Asked::of(&json!({
            "requestId": "r2", "kind": "question", "toolName": "AskUserQuestion",
            "question": "Which colour?\n- Red: warm\n- Dark blue: cold",
            "options": ["Red", "Dark blue", "None"], "args": {"questions": [{}]},
            "remembers": null,
        }));
        asked.unwrap()
    }

    #[test]
    fn leave_is_given_only_when_the_line_says_so() {
        let mut asked = leave_for(json!("ls -l"));
        assert!(asked.hear(" Y ").unwrap().approved);
        assert!(!asked.hear("no").unwrap().approved);
        for (typed, held) in [("s", "session"), ("Always", "always")] {
            let yes = asked.hear(typed).unwrap();
            assert!(yes.approved);
            assert_eq!(yes.remember.as_deref(), Some(held));
        }
        let no = asked.hear("yes but not there").unwrap();
        assert!(!no.approved);
        assert_eq!(no.response.as_deref(), Some("yes but not there"));
        assert!(asked.hear("  ").is_none());
        assert!(
            asked
                .prompt()
                .contains("? Bash: ls -l\n    [y]es, yes in this [s]ession,")
        );
    }

    #[test]
    fn nothing_is_remembered_where_that_cannot_be() {
        let mut asked = leave_for(Value::Null);
        for typed in ["s", "a", "session", "ALWAYS"] {
            assert!(asked.hear(typed).is_none(), "{typed}");
        }
        assert!(asked.hear("y").unwrap().approved);
        let prompt = asked.prompt();
        assert!(
            !prompt.contains("[s]") && !prompt.contains("[a]"),
            "{prompt}"
        );
    }

    #[test]
    fn a_question_takes_a_number_a_label_or_words() {
        let prompt = colour().prompt();
        let shown = "  ? Which colour?\n    1. Red: warm\n    2. Dark blue: cold\n    3. None\n    \
                     a number, or your own words; [n] refuses to answer: ";
        assert_eq!(prompt, shown);
        for (typed, means) in [
            ("2", "Dark blue"),
            ("dark BLUE ", "Dark blue"),
            ("1, 3", "Red, None"),
            ("4", "4"),
            ("y", "y"),
            ("no", "no"),
            ("green, like grass", "green, like grass"),
        ] {
            let yes = colour().hear(typed).unwrap();
            assert!(yes.approved, "{typed}");
            assert_eq!(yes.response.as_deref(), Some(means), "{typed}");
            assert!(yes.remember.is_none());
        }
        assert!(colour().hear(" ").is_none());
        let no = colour().hear("n").unwrap();
        assert!(!no.approved && no.response.is_none());
    }

    #[test]
    fn several_questions_are_asked_one_by_one() {
        let mut asked = Asked::of(&json!({
            "requestId": "r3", "kind": "question", "question": "A?\n\nB?", "options": [],
            "args": {"questions": [
                {"question": "A?", "options": [{"label": "x", "description": "the first"}]},
                {"question": "B?", "options": []},
            ]},
        }))
        .unwrap();
        assert!(asked.prompt().starts_with("  ? A?\n    1. x: the first\n"));
        assert!(asked.hear("1").is_none());
        assert!(asked.prompt().starts_with("  ? B?\n    your answer;"));
        let yes = asked.hear("1").unwrap();
        assert_eq!(yes.response.as_deref(), Some("x\n1"));
        asked.again();
        assert!(asked.prompt().starts_with("  ? A?"));
    }

    #[test]
    fn what_a_permission_is_about_is_shown_in_full() {
        let asked = Asked::of(&json!({
            "requestId": "r4", "kind": "permission", "toolName": "Edit",
            "question": "May Edit run with /a/b?\nIt reaches /a.",
            "args": {"file_path": "/a/b", "old_string": "one\u{1b}[2J", "new_string": "two"},
        }))
        .unwrap();
        let prompt = asked.prompt();
        for words in [
            "May Edit run with /a/b?\n    It reaches /a.",
            "\n    new_string: two",
            "\n    old_string: one\n",
        ] {
            assert!(prompt.contains(words), "{words}: {prompt}");
        }
        assert!(!prompt.contains("file_path"), "{prompt}");
        assert!(asked.elsewhere().contains("`callboard approve r4`"));
        assert!(
            colour()
                .elsewhere()
                .contains("`callboard approve r2 --response TEXT`")
        );
    }
}
