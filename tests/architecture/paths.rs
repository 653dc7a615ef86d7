//! Reads the paths out of a source: `use` trees expanded, and paths in code.
//!
//! Never sees what stands in comments and strings.

/// A path as it was written, and in how many inline modules of its file.
#[derive(Debug, PartialEq, Eq)]
pub struct Path {
    pub segments: Vec<String>,
    pub inline: usize,
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Mark(char),
}

/// All paths of more than one segment, and the names in `use` trees.
pub fn paths(text: &str) -> Vec<Path> {
    let tokens = tokens(&code(text));
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        found: Vec::new(),
        braces: 0,
        inline: Vec::new(),
    };
    while reader.at < tokens.len() {
        reader.next();
    }
    reader.found
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
    found: Vec<Path>,
    braces: usize,
    /// Depths of braces at which inline modules were opened.
    inline: Vec<usize>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token)
    }

    fn next(&mut self) {
        match self.peek(0).cloned() {
            Some(Token::Word(word)) if word == "use" => {
                self.at += 1;
                self.tree(&mut Vec::new());
            }
            Some(Token::Word(word)) if word == "mod" && self.opens_module() => {
                self.at += 3;
                self.inline.push(self.braces);
                self.braces += 1;
            }
            Some(Token::Word(_)) => self.path(),
            Some(Token::Mark('{')) => {
                self.braces += 1;
                self.at += 1;
            }
            Some(Token::Mark('}')) => {
                self.braces = self.braces.saturating_sub(1);
                if self.inline.last() == Some(&self.braces) {
                    self.inline.pop();
                }
                self.at += 1;
            }
            _ => self.at += 1,
        }
    }

    fn opens_module(&self) -> bool {
        matches!(
            (self.peek(1), self.peek(2)),
            (Some(Token::Word(_)), Some(Token::Mark('{')))
        )
    }

    /// A path in code. What follows a dot is a method or a field.
    fn path(&mut self) {
        let after_dot = self.at > 0 && self.tokens[self.at - 1].0 == Token::Mark('.');
        let line = self.tokens[self.at].1;
        let mut segments = Vec::new();
        while let Some(Token::Word(word)) = self.peek(0) {
            segments.push(word.clone());
            self.at += 1;
            if self.peek(0) != Some(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        if segments.len() > 1 && !after_dot {
            self.give(segments, line);
        }
    }

    /// A `use` tree: `a::{b, c::d as e, *}`.
    fn tree(&mut self, start: &mut Vec<String>) {
        let length = start.len();
        let line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
        while let Some(token) = self.peek(0).cloned() {
            match token {
                Token::Word(word) if word == "as" => self.at += 2,
                Token::Word(word) => {
                    start.push(word);
                    self.at += 1;
                }
                Token::Colons => self.at += 1,
                Token::Mark('*') => {
                    start.push("*".into());
                    self.at += 1;
                }
                Token::Mark('{') => {
                    self.at += 1;
                    while self.peek(0).is_some_and(|token| *token != Token::Mark('}')) {
                        let before = self.at;
                        self.tree(start);
                        if self.at == before {
                            // No part of a tree: skipped, so that it cannot hold us.
                            self.at += 1;
                        } else if self.peek(0) == Some(&Token::Mark(',')) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    start.truncate(length);
                    return;
                }
                Token::Mark(_) => break,
            }
        }
        self.give(start.clone(), line);
        start.truncate(length);
    }

    fn give(&mut self, segments: Vec<String>, line: usize) {
        self.found.push(Path {
            segments,
            inline: self.inline.len(),
            line,
        });
    }
}

fn tokens(code: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            ':' if chars.peek() == Some(&':') => {
                chars.next();
                tokens.push((Token::Colons, line));
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                tokens.push((Token::Word(word), line));
            }
            c if c.is_whitespace() => {}
            c => tokens.push((Token::Mark(c), line)),
        }
    }
    tokens
}

/// The source with comments and literals blanked; lines stay lines.
pub fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
            continue;
        }
        code.extend(chars[at..end].iter().filter(|c| **c == '\n'));
        code.push(' ');
        at = end;
    }
    code
}

/// Where the comment or literal that begins here ends; `at` itself when none begins.
fn literal_end(chars: &[char], at: usize) -> usize {
    if !matches!(chars[at], '/' | '"' | 'r' | '\'') {
        return at;
    }
    let starts = |text: &str| {
        chars[at..]
            .iter()
            .copied()
            .take(text.len())
            .eq(text.chars())
    };
    let before = at.checked_sub(1).map_or(' ', |before| chars[before]);
    let in_word = before.is_alphanumeric() || before == '_';
    if starts("//") {
        return find(chars, at, "\n");
    }
    if starts("/*") {
        return block_end(chars, at);
    }
    if chars[at] == '"' {
        return string_end(chars, at + 1);
    }
    if chars[at] == 'r' && (!in_word || before == 'b') {
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        if chars.get(at + 1 + hashes) == Some(&'"') {
            let close = format!("\"{}", "#".repeat(hashes));
            return find(chars, at + 2 + hashes, &close) + close.len();
        }
    }
    match (chars[at], chars.get(at + 1), chars.get(at + 2)) {
        // 'x' is a character, 'x without an end is a lifetime.
        ('\'', Some('\\'), _) => find(chars, at + 3, "'") + 1,
        ('\'', Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

fn find(chars: &[char], from: usize, text: &str) -> usize {
    let text: Vec<char> = text.chars().collect();
    (from..chars.len())
        .find(|at| chars[*at..].starts_with(&text))
        .unwrap_or(chars.len())
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn block_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        if chars[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if chars[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        paths(text)
            .iter()
            .map(|path| format!("{}{}", path.segments.join("::"), "'".repeat(path.inline)))
            .collect()
    }

    #[test]
    fn use_trees_are_expanded() {
        let text = "pub use crate::{a::b, c::{self, d as e, *}};\nuse std::io;";
        let all = [
            "crate::a::b",
            "crate::c::self",
            "crate::c::d",
            "crate::c::*",
            "std::io",
        ];
        assert_eq!(shown(text), all);
    }

    #[test]
    fn paths_in_code_count_and_literals_do_not() {
        let text = r##"
            // crate::one
            /* crate::two /* nested */ crate::three */
            const S: &str = "crate::four \" crate::five"; const R: &str = r#"crate::"six"#;
            fn f<'a>(x: &'a str) -> crate::seven::T { let c = '"'; x.eight::<u8>(); nine::g(c) }
            mod tests { fn f() { super::super::ten() } } fn g() { eleven::x() }
        "##;
        let all = [
            "crate::seven::T",
            "nine::g",
            "super::super::ten'",
            "eleven::x",
        ];
        assert_eq!(shown(text), all);
    }
}
