//! A file of training records (JSONL, parquet, CSV): which shapes, how many, which lines cannot be used.

use super::findings::{Findings, count, size};
use super::tensors::{MOST_SHOWN, several};
use crate::datasets::{Content, DatasetError, Record, read_records};
use formats::table::Kind;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn inspect(path: &Path) -> Findings {
    let mut findings = Findings::new(what(path));
    let Some(lines) = findings.check(read_records(path)) else { return findings };
    let mut tally = Tally::default();
    for line in lines {
        match line {
            Ok((_, record)) => tally.count(&record),
            // The file itself failed: there will be no further line.
            Err(error @ DatasetError::Read { .. }) => {
                findings.problem(error.to_string());
                break;
            }
            Err(error) => {
                tally.bad_lines += 1;
                if tally.bad.len() < MOST_SHOWN {
                    tally.bad.push(error.to_string());
                }
            }
        }
    }
    tally.tell(path, &mut findings);
    findings
}

/// What the file is called.
fn what(path: &Path) -> &'static str {
    match Kind::of(path) {
        Ok(Some((Kind::Parquet, _))) => "a parquet data file",
        Ok(Some((Kind::Csv | Kind::Tsv, _))) => "a CSV data file",
        _ => "a JSONL data file",
    }
}

#[derive(Default)]
struct Tally {
    shapes: BTreeMap<&'static str, usize>,
    characters: usize,
    bad_lines: usize,
    bad: Vec<String>,
}

impl Tally {
    fn count(&mut self, record: &Record) {
        let (shape, characters) = match record {
            Record::Text(text) => ("text", text.chars().count()),
            Record::Messages { messages, .. } => ("messages", messages_length(messages)),
            Record::PromptCompletion { prompt, completion, .. } => {
                ("prompt + completion", length(prompt) + length(completion))
            }
        };
        *self.shapes.entry(shape).or_default() += 1;
        self.characters += characters;
    }

    fn tell(self, path: &Path, findings: &mut Findings) {
        let rows: usize = self.shapes.values().sum();
        let bytes =
            fs_err::metadata(path).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(0));
        findings.fact_as("bytes", bytes, size(bytes));
        findings.fact("rows", rows);
        findings.fact("bad_lines", self.bad_lines);
        let shown: Vec<String> =
            self.shapes.iter().map(|(shape, rows)| format!("{shape} ({rows})")).collect();
        let shapes: Map<String, Value> =
            self.shapes.iter().map(|(shape, rows)| ((*shape).to_owned(), json!(rows))).collect();
        findings.fact_as("shapes", shapes, shown.join(", "));
        findings.fact_as("characters", self.characters, count(self.characters));
        if self.shapes.len() > 1 {
            findings.note("records of several shapes lie in one file");
        }
        if rows == 0 && self.bad_lines == 0 {
            findings.problem("it holds no record: expected one JSON object a line");
        }
        let more = self.bad_lines - self.bad.len();
        several(self.bad, "lines cannot be used", findings);
        if more > 0 {
            findings.problem(format!("{more} more lines cannot be used"));
        }
    }
}

fn length(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.chars().count(),
        Content::Messages(messages) => messages_length(messages),
    }
}

fn messages_length(messages: &[Value]) -> usize {
    let text = |message: &Value| message["content"].as_str().map_or(0, |text| text.chars().count());
    messages.iter().map(text).sum()
}
