//! What an inspection found: facts, things to know, things that are wrong. Shown as lines for people
//! or as one JSON object for scripts.

pub(super) use crate::adapters::size;
use serde_json::{Map, Value, json};
use std::fmt::{Display, Write as _};

/// Everything found at one path.
#[derive(Debug, Clone)]
pub(super) struct Findings {
    /// What it is, with its article: `a model folder`.
    pub(super) what: &'static str,
    facts: Vec<Fact>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Clone)]
struct Fact {
    name: &'static str,
    value: Value,
    shown: String,
}

impl Findings {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, facts: Vec::new(), notes: Vec::new(), problems: Vec::new() }
    }

    /// A fact that people read as programs do.
    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = value.into();
        let shown = plain(&value);
        self.facts.push(Fact { name, value, shown });
    }

    /// A fact that people read in another form.
    pub(super) fn fact_as(
        &mut self,
        name: &'static str,
        value: impl Into<Value>,
        shown: impl Into<String>,
    ) {
        self.facts.push(Fact { name, value: value.into(), shown: shown.into() });
    }

    /// Something that works but may surprise.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Something that is wrong.
    pub(super) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// The value, or `None` with the error among the problems.
    pub(super) fn check<T, E: Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.problem(error.to_string())).ok()
    }

    /// Takes over what was found in a part of the thing.
    pub(super) fn absorb(&mut self, part: Findings) {
        self.facts.extend(part.facts);
        self.notes.extend(part.notes);
        self.problems.extend(part.problems);
    }

    /// `{"path", "kind", "ok", facts ..., "notes", "problems"}`.
    pub(super) fn to_json(&self, path: &str) -> Value {
        let mut object = Map::new();
        object.insert("path".into(), json!(path));
        object.insert("kind".into(), json!(self.what.trim_start_matches("a ")));
        object.insert("ok".into(), json!(self.problems.is_empty()));
        for fact in &self.facts {
            object.insert(fact.name.into(), fact.value.clone());
        }
        object.insert("notes".into(), json!(self.notes));
        object.insert("problems".into(), json!(self.problems));
        Value::Object(object)
    }

    /// Aligned lines; a fact of several lines is indented.
    pub(super) fn to_text(&self, path: &str) -> String {
        let width = self.facts.iter().map(|fact| fact.name.len()).max().unwrap_or(0);
        let mut text = format!("{path}: {}\n", self.what);
        for Fact { name, shown, .. } in &self.facts {
            let indent = format!("\n{:1$}", "", width + 4);
            let name = name.replace('_', " ");
            let _ = writeln!(text, "  {name:width$}  {}", shown.replace('\n', &indent));
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for problem in &self.problems {
            let _ = writeln!(text, "problem: {problem}");
        }
        if self.problems.is_empty() {
            text.push_str("nothing wrong found\n");
        }
        text
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Null => "-".into(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// `494.0 million` for large numbers, else the number.
pub(super) fn count(number: usize) -> String {
    if number < 1_000_000 {
        return number.to_string();
    }
    format!("{:.1} million", number as f64 / 1e6)
}
