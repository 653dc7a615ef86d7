//! The body of a request, as far as a scripted model looks at it.
//!
//! Never refuses a field that it does not know: programs send new ones with every version.

use serde::Deserialize;
use serde_json::Value;

use super::super::conversation::{Given, Said};
use super::super::scenario::Tool;

/// A request for an answer.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// The model that shall answer.
    pub model: String,
    messages: Vec<Turn>,
    /// The longest answer.
    pub max_tokens: Option<u64>,
    /// Whether the answer is streamed.
    #[serde(default)]
    pub stream: bool,
    /// What is said about thinking.
    pub thinking: Option<Value>,
    output_config: Option<OutputConfig>,
    #[serde(default)]
    tools: Vec<Offered>,
}

#[derive(Debug, Deserialize)]
struct OutputConfig {
    effort: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Offered {
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    role: String,
    content: Content,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

#[derive(Debug, Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    content: Option<Content>,
    #[serde(default)]
    is_error: bool,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let request: Self = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if request.messages.is_empty() {
            return Err("messages: at least one message is required".to_owned());
        }
        match request.messages.iter().find(|turn| !turn.is_known()) {
            Some(turn) => Err(format!(
                "messages: role `{}` is unknown, expected user, assistant or system",
                turn.role.chars().take(40).collect::<String>()
            )),
            None => Ok(request),
        }
    }

    /// What was said so far. Words of the system, which some models get between the others, are
    /// nobody's.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        let people = self.messages.iter().filter(|turn| turn.role != "system");
        people.map(Turn::said).collect()
    }

    /// How many messages.
    #[must_use]
    pub fn length(&self) -> usize {
        self.messages.len()
    }

    /// How many tools are offered.
    #[must_use]
    pub fn tools(&self) -> usize {
        self.tools.len()
    }

    /// How much effort is asked for.
    #[must_use]
    pub fn effort(&self) -> Option<&str> {
        self.output_config.as_ref()?.effort.as_deref()
    }

    /// The name of a tool in this request. The one that starts sub-agents was renamed once.
    #[must_use]
    pub fn name<'t>(&self, tool: &'t Tool) -> &'t str {
        match tool {
            Tool::Named(name) => name,
            Tool::Delegate => {
                let old = self
                    .tools
                    .iter()
                    .any(|it| it.name.as_deref() == Some("Task"));
                if old { "Task" } else { "Agent" }
            }
        }
    }

    /// About how many tokens a body has.
    #[must_use]
    pub fn tokens(body: &[u8]) -> usize {
        body.len().div_ceil(4)
    }
}

impl Turn {
    fn is_known(&self) -> bool {
        matches!(self.role.as_str(), "user" | "assistant" | "system")
    }

    fn said(&self) -> Said {
        let mut said = Said {
            by_model: self.role == "assistant",
            ..Said::default()
        };
        match &self.content {
            Content::Text(text) => said.texts.push(text.clone()),
            Content::Blocks(blocks) => {
                for block in blocks {
                    match block.kind.as_str() {
                        "text" => said.texts.extend(block.text.clone()),
                        "tool_result" => said.results.push(Given {
                            text: block
                                .content
                                .as_ref()
                                .map(Content::plain)
                                .unwrap_or_default(),
                            failed: block.is_error,
                        }),
                        _ => {}
                    }
                }
            }
        }
        said
    }
}

impl Content {
    /// Its texts, one a line.
    fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Blocks(blocks) => {
                let texts: Vec<&str> = blocks.iter().filter_map(|it| it.text.as_deref()).collect();
                texts.join("\n")
            }
        }
    }
}
