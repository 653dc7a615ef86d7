//! What a row found: a ratio to its ceiling or a figure with its target, and the words for it.
//!
//! Never rounds before it compares.

use serde_json::{Value, json};

use super::stats::Pair;

/// What is aimed at.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// The value is to be this or more.
    AtLeast(f64),
    /// The value is to be this or less.
    AtMost(f64),
    /// Only told.
    None,
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The row and what of it.
    pub what: String,
    /// The database that it was found on.
    pub database: &'static str,
    /// A ratio (`unit` is `x`), or a figure.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// What is aimed at.
    pub target: Target,
    /// The two sides of a ratio, with their unit.
    pub sides: Option<(f64, f64, &'static str)>,
    /// More words.
    pub note: String,
}

impl Finding {
    /// Ours to a ceiling.
    pub fn ratio(what: &str, pair: &Pair, unit: &'static str, target: Target) -> Self {
        Self {
            what: what.to_owned(),
            database: "",
            value: pair.ratio,
            unit: "x",
            target,
            sides: Some((pair.ceiling, pair.ours, unit)),
            note: String::new(),
        }
    }

    /// A figure that stands alone.
    pub fn figure(what: &str, value: f64, unit: &'static str, target: Target) -> Self {
        Self {
            what: what.to_owned(),
            database: "",
            value,
            unit,
            target,
            sides: None,
            note: String::new(),
        }
    }

    /// On this database.
    pub fn on(mut self, database: &'static str) -> Self {
        self.database = database;
        self
    }

    /// Under this name.
    pub fn named(mut self, what: &str) -> Self {
        what.clone_into(&mut self.what);
        self
    }

    /// With more words.
    pub fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether the target is reached.
    pub fn met(&self) -> Option<bool> {
        match self.target {
            Target::AtLeast(least) => Some(self.value >= least),
            Target::AtMost(most) => Some(self.value <= most),
            Target::None => None,
        }
    }

    /// One line with everything.
    pub fn line(&self) -> String {
        let mut line = format!("    {}, {}: ", self.what, self.database);
        line.push_str(&amount(self.value, self.unit));
        if let Some((ceiling, ours, unit)) = self.sides {
            line.push_str(&format!(" ({} of {} {unit})", plain(ours), plain(ceiling)));
        }
        if !self.note.is_empty() {
            line.push_str(&format!("; {}", self.note));
        }
        line
    }

    fn aim(&self) -> String {
        match self.target {
            Target::AtLeast(least) => format!(">= {}", amount(least, self.unit)),
            Target::AtMost(most) => format!("<= {}", amount(most, self.unit)),
            Target::None => "-".to_owned(),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.met() {
            Some(true) => "met",
            Some(false) => "not met",
            None => "-",
        }
    }
}

fn amount(value: f64, unit: &str) -> String {
    if unit == "x" {
        format!("{value:.2} x")
    } else {
        format!("{} {unit}", plain(value))
    }
}

fn plain(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// All findings as a Markdown table.
pub fn table(found: &[Finding]) -> Vec<String> {
    let mut lines = vec![
        "| what | database | measured | target | |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(found.iter().map(|finding| {
        let value = amount(finding.value, finding.unit);
        let (aim, verdict) = (finding.aim(), finding.verdict());
        let (what, database) = (&finding.what, finding.database);
        format!("| {what} | {database} | {value} | {aim} | {verdict} |")
    }));
    lines
}

/// All findings for programs.
pub fn json(found: &[Finding]) -> Value {
    let entries = found.iter().map(|finding| {
        let side = |pick: fn((f64, f64, &'static str)) -> f64| finding.sides.map(pick);
        json!({
            "what": finding.what,
            "database": finding.database,
            "value": finding.value,
            "unit": finding.unit,
            "target": finding.aim(),
            "met": finding.met(),
            "ceiling": side(|sides| sides.0),
            "ours": side(|sides| sides.1),
            "sideUnit": finding.sides.map(|sides| sides.2),
            "note": finding.note,
        })
    });
    Value::Array(entries.collect())
}
