//! What a benchmark says: the machine, the subject, and figures with their spread, for people or as
//! one JSON object for scripts.

use super::machine::Machine;
use super::stats::Samples;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// One measured quantity.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    /// Snake case; the JSON key.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) samples: Samples,
}

/// Everything one benchmark found.
#[derive(Debug)]
pub(super) struct Report {
    /// The verb, such as `decode`.
    pub(super) bench: &'static str,
    pub(super) machine: Machine,
    /// What was measured and how: name and value, both shown.
    pub(super) subject: Vec<(&'static str, Value)>,
    pub(super) figures: Vec<Figure>,
}

impl Report {
    pub(super) fn new(bench: &'static str, machine: Machine) -> Self {
        Self { bench, machine, subject: Vec::new(), figures: Vec::new() }
    }

    /// States a condition of the measurement.
    pub(super) fn say(&mut self, name: &'static str, value: impl Into<Value>) {
        self.subject.push((name, value.into()));
    }

    /// Adds a figure.
    pub(super) fn figure(&mut self, name: &'static str, unit: &'static str, samples: Samples) {
        self.figures.push(Figure { name, unit, samples });
    }

    /// One JSON object: `bench`, `machine`, the conditions, and `figures` by name.
    pub(super) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("bench".into(), json!(self.bench));
        object.insert("machine".into(), self.machine.to_json());
        for (name, value) in &self.subject {
            object.insert((*name).into(), value.clone());
        }
        let figures: Map<String, Value> = self.figures.iter().map(figure_json).collect();
        object.insert("figures".into(), Value::Object(figures));
        Value::Object(object)
    }

    /// Aligned lines for people.
    pub(super) fn to_text(&self) -> String {
        let names = self.subject.iter().map(|(name, _)| *name);
        let names = names.chain(self.figures.iter().map(|figure| figure.name));
        let width = names.map(str::len).max().unwrap_or(0).max("machine".len());
        let mut text = format!("{:width$}  {}\n", "machine", self.machine);
        for (name, value) in &self.subject {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = writeln!(text, "{name:width$}  {value}");
        }
        for Figure { name, unit, samples } in &self.figures {
            let space = if unit.is_empty() { "" } else { " " };
            let _ = writeln!(text, "{name:width$}  {samples}{space}{unit}");
        }
        text
    }
}

fn figure_json(figure: &Figure) -> (String, Value) {
    let mut value = figure.samples.to_json();
    value["unit"] = json!(figure.unit);
    (figure.name.to_owned(), value)
}
