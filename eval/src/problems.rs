//! Problems: records of a data set, chosen by the user's filters, each with its question and its
//! truth. Leaves out file formats (`records`).

mod fields;
mod pair;
mod reader;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use rewards::{Grader, Reference};
use serde_json::{Value, json};

use crate::digest::{sha256, sha256_of};
use crate::home::{self, Home, Source};
use crate::question::Question;
use crate::{Data, Error, ProblemLine, Suite};
use reader::Reader;

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
    /// Its day, as `2024-08-01`.
    pub(crate) date: Option<String>,
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
            date: self.date.clone(),
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
    if chosen.limit == Some(0) {
        let reason = "the limit is 0 problems, expected 1 at least; leave it out for all";
        return Err(Error::Setting(reason.to_owned()));
    }
    let (prompt_name, prompt) = suite.prompt_named(chosen.prompt.as_deref())?;
    let sources = home::sources(suite, home, &chosen.data)?;
    let names: Vec<String> = sources.iter().map(Source::name).collect();
    let rows = rows(&suite.data, chosen)?;
    let unseen = chosen.wanted.iter().map(|(name, _)| name.clone()).collect();
    let mut reader = Reader { suite, prompt, chosen, grader, rows, unseen };
    let mut list = Vec::new();
    let mut row = 0;
    for source in &sources {
        if !reader.is_done(row, &list) {
            reader.read(source, &mut row, &mut list)?;
        }
    }
    if let Some(name) = reader.unseen.first().filter(|_| row > reader.rows.start) {
        return Err(Error::Setting(format!(
            "a condition names `{name}`, which is neither a group nor a field of any record"
        )));
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
            let resources = Resources { strictness: Strictness::Off, ..Resources::default() };
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
}
