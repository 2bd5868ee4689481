//! Problems: records of a data set, chosen by the user's filters, each with its question and its
//! truth. Leaves out file formats (`records`).

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use rewards::{Grader, Reference};
use serde_json::{Map, Value, json};

use crate::digest::{sha256, sha256_of};
use crate::home::{self, Home, Source};
use crate::question::Question;
use crate::{Data, Error, Group, ProblemLine, Prompt, Suite, Task, records};

/// Longest truth that a report shows, in characters of JSON.
const MAX_SHOWN: usize = 4000;

/// Which problems, and how they are asked.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Files in place of the suite's own.
    pub data: Vec<PathBuf>,
    /// The prompt's name, where it is not the suite's default.
    pub prompt: Option<String>,
    /// The rows of that name in the suite's `splits`.
    pub split: Option<String>,
    /// The first so many of those that are left after every filter.
    pub limit: Option<usize>,
    /// Dated that day (`2024-08-01`) or later.
    pub start_date: Option<String>,
    /// Dated that day or earlier.
    pub end_date: Option<String>,
    /// Whose group, or field, of this name has this value; every one of them.
    pub wanted: Vec<(String, String)>,
}

impl Selection {
    /// All problems of the same data, asked in the same way.
    pub(crate) fn unfiltered(&self) -> Self {
        Self { data: self.data.clone(), prompt: self.prompt.clone(), ..Self::default() }
    }
}

/// A problem, ready to be asked and graded.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) id: String,
    pub(crate) groups: BTreeMap<String, String>,
    pub(crate) question: Question,
    pub(crate) truth: Truth,
    /// SHA-256 of name and record.
    pub(crate) digest: String,
    /// SHA-256 of the question.
    pub(crate) asked: String,
}

/// What an answer is held against.
#[derive(Debug)]
pub(crate) enum Truth {
    /// What the grader made of the record.
    Reference(Reference),
    /// The better answer and the worse one.
    Pair(String, String),
    /// A given answer to beat, or the reference arm's.
    Rival(Option<String>),
}

/// The problems of one run.
pub(crate) struct Problems {
    pub(crate) list: Vec<Problem>,
    /// The data as the user knows it.
    pub(crate) data: String,
    /// SHA-256 over all problems and questions, in order.
    pub(crate) digest: String,
    /// The prompt that was used.
    pub(crate) prompt: String,
}

impl Problem {
    /// Its line in `problems.jsonl`.
    pub(crate) fn line(&self) -> ProblemLine {
        let reference = match &self.truth {
            Truth::Reference(reference) => reference.shown(),
            Truth::Pair(chosen, rejected) => json!({"chosen": chosen, "rejected": rejected}),
            Truth::Rival(rival) => json!(rival),
        };
        ProblemLine {
            id: self.id.clone(),
            digest: sha256_of(&json!([self.digest, self.asked])),
            groups: self.groups.clone(),
            prompt: self.question.shown(),
            reference: short(reference),
        }
    }
}

/// A value, or the beginning of its text.
fn short(value: Value) -> Value {
    let text = value.to_string();
    if text.len() <= MAX_SHOWN {
        return value;
    }
    let cut: String = text.chars().take(MAX_SHOWN).collect();
    Value::from(format!("{cut}..."))
}

/// Reads and chooses the problems.
pub(crate) fn load(
    (suite, home): (&Suite, &Home),
    chosen: &Selection,
    grader: Option<&Grader>,
) -> Result<Problems, Error> {
    let (prompt_name, prompt) = suite.prompt_named(chosen.prompt.as_deref())?;
    let sources = home::sources(suite, home, &chosen.data)?;
    let names: Vec<String> = sources.iter().map(Source::name).collect();
    let reader = Reader { suite, prompt, chosen, grader, rows: rows(&suite.data, chosen)? };
    let mut list = Vec::new();
    let mut row = 0;
    for source in &sources {
        reader.read(source, &mut row, &mut list)?;
    }
    let data = names.join(", ");
    if list.is_empty() {
        let reason = nothing_left(row, &reader.rows, chosen);
        return Err(Error::Data { path: data, reason });
    }
    refuse_twins(&list, &data)?;
    let digests = list.iter().flat_map(|problem| [&problem.digest[..], &problem.asked[..]]);
    let digest = sha256(digests.collect::<Vec<_>>().join("\n").as_bytes());
    Ok(Problems { digest, data, prompt: prompt_name.to_owned(), list })
}

/// Why there is no problem, of data whose first `read` records were read.
fn nothing_left(read: usize, rows: &std::ops::Range<usize>, chosen: &Selection) -> String {
    match &chosen.split {
        _ if chosen.limit == Some(0) => {
            "the limit is 0 problems, expected 1 at least; leave it out for all".to_owned()
        }
        _ if read == 0 => "it has no records".to_owned(),
        Some(split) if read <= rows.start => format!(
            "it has {read} records, but the split `{split}` begins after record {}; give the whole \
             data set, or leave the split out",
            rows.start
        ),
        _ => "no record is left of those that were asked for: loosen the conditions, the dates or \
              the split"
            .to_owned(),
    }
}

fn rows(data: &Data, chosen: &Selection) -> Result<std::ops::Range<usize>, Error> {
    let Some(name) = &chosen.split else { return Ok(0..usize::MAX) };
    data.splits.get(name).map(|&[first, end]| first..end).ok_or_else(|| {
        let known: Vec<&str> = data.splits.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Error::Setting(format!("the suite has no split `{name}`; it has {known}"))
    })
}

fn refuse_twins(list: &[Problem], data: &str) -> Result<(), Error> {
    let mut seen = HashMap::new();
    for (place, problem) in list.iter().enumerate() {
        if let Some(first) = seen.insert(&problem.id, place) {
            return Err(Error::Data {
                path: data.to_owned(),
                reason: format!(
                    "problems {} and {} are both named `{}`; let `id` in the suite's [data] name a \
                     field that tells them apart",
                    first + 1,
                    place + 1,
                    problem.id
                ),
            });
        }
    }
    Ok(())
}

/// Makes problems of records.
struct Reader<'s> {
    suite: &'s Suite,
    prompt: &'s Prompt,
    chosen: &'s Selection,
    grader: Option<&'s Grader>,
    rows: std::ops::Range<usize>,
}

impl Reader<'_> {
    /// Adds the source's problems. `row` counts the records of all sources.
    fn read(&self, source: &Source, row: &mut usize, list: &mut Vec<Problem>) -> Result<(), Error> {
        let limit = self.chosen.limit.unwrap_or(usize::MAX);
        for (place, record) in records::open(source)?.enumerate() {
            let record = record?;
            let at = *row;
            *row += 1;
            if list.len() >= limit || at >= self.rows.end {
                break;
            }
            if at < self.rows.start {
                continue;
            }
            let problem = self.problem(at, record).map_err(|reason| Error::Problem {
                path: source.name(),
                record: place + 1,
                reason,
            })?;
            list.extend(problem);
        }
        Ok(())
    }

    /// `None` where a filter says no.
    fn problem(&self, at: usize, record: Value) -> Result<Option<Problem>, String> {
        let Value::Object(mut fields) = record else {
            return Err("expected an object with the problem's fields".to_owned());
        };
        rename(&self.suite.data, &mut fields);
        let groups = self.groups(&fields)?;
        if !self.in_window(&fields)? || !self.wanted(&fields, &groups)? {
            return Ok(None);
        }
        let id = match &self.suite.data.id {
            Some(field) => name_of(field, &fields)?,
            None => (at + 1).to_string(),
        };
        let question = Question::of(self.prompt, &fields)?;
        let digest = sha256_of(&json!({"id": id, "record": fields}));
        let asked = sha256_of(&question.identity());
        let truth = self.truth(fields)?;
        Ok(Some(Problem { id, groups, question, truth, digest, asked }))
    }

    fn truth(&self, fields: Map<String, Value>) -> Result<Truth, String> {
        let text = |field: &str| {
            let value =
                fields.get(field).ok_or_else(|| format!("the field `{field}` is missing"))?;
            last_words(value).ok_or_else(|| {
                format!("the field `{field}` should be a text, or messages that end with one")
            })
        };
        match (&self.suite.task, self.grader) {
            (Task::Preference { chosen, rejected }, _) => {
                Ok(Truth::Pair(text(chosen)?, text(rejected)?))
            }
            (Task::Judge(judging), _) => {
                Ok(Truth::Rival(judging.against.as_deref().map(text).transpose()?))
            }
            (Task::Generate | Task::Choices { .. }, Some(grader)) => {
                let reference = grader.reference(&Value::Object(fields));
                reference.map(Truth::Reference).map_err(|failure| failure.to_string())
            }
            (Task::Generate | Task::Choices { .. }, None) => {
                Err("the suite has no grader".to_owned())
            }
        }
    }

    fn groups(&self, fields: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
        let mut groups = BTreeMap::new();
        for group in &self.suite.groups {
            if let Some(value) = group_of(group, fields)? {
                groups.insert(group.name.clone(), value);
            }
        }
        Ok(groups)
    }

    fn in_window(&self, fields: &Map<String, Value>) -> Result<bool, String> {
        let (start, end) = (&self.chosen.start_date, &self.chosen.end_date);
        if start.is_none() && end.is_none() {
            return Ok(true);
        }
        let field = self.suite.data.date.as_deref();
        let field = field.ok_or("the suite names no `date` in [data]; leave the dates out")?;
        let date = fields.get(field).and_then(Value::as_str).and_then(|text| text.get(..10));
        let date = date.ok_or_else(|| format!("the field `{field}` should be a date"))?;
        Ok(start.as_deref().is_none_or(|start| date >= start)
            && end.as_deref().is_none_or(|end| date <= end))
    }

    fn wanted(
        &self,
        fields: &Map<String, Value>,
        groups: &BTreeMap<String, String>,
    ) -> Result<bool, String> {
        for (name, value) in &self.chosen.wanted {
            let found = match groups.get(name) {
                Some(group) => group.clone(),
                None => name_of(name, fields).map_err(|_| {
                    format!("a condition names `{name}`, which is neither a group nor a field")
                })?,
            };
            if found != *value {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Puts fields under the names that the suite gives them.
fn rename(data: &Data, fields: &mut Map<String, Value>) {
    for (name, place) in &data.fields {
        let found = place.split('.').enumerate().try_fold(Value::Null, |value, (depth, part)| {
            let next = if depth == 0 { fields.get(part).cloned() } else { inside(&value, part) };
            next.filter(|next| !next.is_null())
        });
        if let Some(value) = found {
            fields.insert(name.clone(), value);
        }
    }
}

/// A part of a value; a text that is JSON is looked into, for data sets hold such texts.
fn inside(value: &Value, part: &str) -> Option<Value> {
    match value {
        Value::Object(map) => map.get(part).cloned(),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?).cloned(),
        Value::String(text) => {
            let parsed: Value = serde_json::from_str(text).ok()?;
            if parsed.is_string() { None } else { inside(&parsed, part) }
        }
        _ => None,
    }
}

fn group_of(group: &Group, fields: &Map<String, Value>) -> Result<Option<String>, String> {
    if let Some(field) = &group.field {
        return Ok(name_of(field, fields).ok());
    }
    let field = group.length_of.as_deref().unwrap_or_default();
    match fields.get(field) {
        Some(Value::Array(list)) => Ok(Some(list.len().to_string())),
        Some(Value::String(text)) => Ok(Some(text.chars().count().to_string())),
        _ => Err(format!("the field `{field}` should be a list or a text, to be counted")),
    }
}

fn name_of(field: &str, fields: &Map<String, Value>) -> Result<String, String> {
    match fields.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(truth)) => Ok(truth.to_string()),
        _ => Err(format!("the field `{field}` should be a text or a number")),
    }
}

/// A text, or the text of the last message.
fn last_words(value: &Value) -> Option<String> {
    let text = match value {
        Value::Array(messages) => &messages.last()?["content"],
        other => other,
    };
    text.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rewards::Resources;
    use sandbox::Strictness;

    use super::*;
    use crate::bundled::SUITES;

    #[test]
    fn every_bundled_problem_is_one_that_its_suite_can_ask_and_grade() {
        for folder in SUITES {
            let (suite, home) = home::find(folder.name).unwrap();
            let resources = Resources { strictness: Strictness::Off, python: None };
            let build = |settings| Grader::build(settings, &resources).unwrap();
            let grader = suite.grader.as_ref().map(build);
            for prompt in suite.prompts.keys() {
                let chosen = Selection { prompt: Some(prompt.clone()), ..Selection::default() };
                let problems = load((&suite, &home), &chosen, grader.as_ref());
                let problems = problems.unwrap_or_else(|e| panic!("{}: {e}", folder.name));
                assert_eq!((&problems.prompt, problems.list.is_empty()), (prompt, false));
                for problem in &problems.list {
                    let grouped = problem.groups.len();
                    assert_eq!(grouped, suite.groups.len(), "{}, {}", suite.name, problem.id);
                }
            }
        }
    }

    #[test]
    fn fields_are_found_inside_others_and_inside_texts_that_are_json() {
        let data = Data {
            fields: [("func", "metadata.func_name"), ("first", "list.0"), ("no", "gone.x")]
                .map(|(name, place)| (name.to_owned(), place.to_owned()))
                .into(),
            ..Data::default()
        };
        let record = json!({"metadata": "{\"func_name\": \"f\"}", "list": [7], "no": 1});
        let mut fields = record.as_object().unwrap().clone();
        rename(&data, &mut fields);
        assert_eq!(
            [&fields["func"], &fields["first"], &fields["no"]],
            ["f", "7", "1"]
                .map(|t| { serde_json::from_str::<Value>(t).unwrap_or_else(|_| Value::from(t)) })
                .each_ref()
        );
    }
}
