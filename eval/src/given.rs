//! Answers that someone else has made: records of `problem_id` and `completion`, in any form that
//! `formats::table` reads, with `arm` where there are several and `finish` where it is known why an answer
//! ended. The nth record of a problem and an arm is its nth sample.

use std::collections::HashMap;
use std::path::Path;

use formats::digest::sha256_from;
use formats::table;
use serde::Deserialize;
use serde_json::Value;

use crate::client::Answer;
use crate::{Arm, Error, Usage};

/// The arm of lines that name none.
const ONLY: &str = "completions";

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "problem", alias = "task_id", alias = "question_id")]
    problem_id: Value,
    completion: String,
    #[serde(default)]
    arm: Option<String>,
    #[serde(default)]
    finish: Option<String>,
}

/// A text, and why it ended.
type Completion = (String, Option<String>);

/// A file of answers.
pub(crate) struct Given {
    /// By arm and problem, in the file's order.
    answers: HashMap<String, HashMap<String, Vec<Completion>>>,
    /// The arms, in the order in which they first appear.
    pub(crate) arms: Vec<Arm>,
    /// Most answers to one problem by one arm.
    pub(crate) samples: usize,
}

impl Given {
    /// Reads the file.
    ///
    /// # Errors
    /// When a line is no answer.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let mut given = Self { answers: HashMap::new(), arms: Vec::new(), samples: 0 };
        for row in table::open(path)? {
            let row = row?;
            given.add(row.value).map_err(|reason| Error::Problem {
                path: name.clone(),
                record: row.number,
                reason,
            })?;
        }
        if given.arms.is_empty() {
            return Err(Error::Data { path: name, reason: "it has no completions".to_owned() });
        }
        let (digest, _) = sha256_from(&mut fs_err::File::open(path)?)?;
        for arm in &mut given.arms {
            arm.generation = Some(digest.clone());
        }
        Ok(given)
    }

    fn add(&mut self, line: Value) -> Result<(), String> {
        let line: Line = serde_json::from_value(line).map_err(|error| {
            format!("expected {{\"problem_id\": ..., \"completion\": ...}} ({error})")
        })?;
        let there = |text: &String| !text.is_empty();
        let label = line.arm.filter(there).unwrap_or_else(|| ONLY.to_owned());
        let problem = match line.problem_id {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            other => {
                return Err(format!("`problem_id` should be a text or a number, found {other}"));
            }
        };
        if !self.answers.contains_key(&label) {
            let (label, model) = (label.clone(), label.clone());
            let arm = Arm { label, model, generation: None, base_generation: None };
            self.arms.push(arm);
        }
        let of_arm = self.answers.entry(label).or_default();
        let answers = of_arm.entry(problem).or_default();
        answers.push((line.completion, line.finish.filter(there)));
        self.samples = self.samples.max(answers.len());
        Ok(())
    }

    /// Refuses answers to problems that there are not.
    pub(crate) fn check<'p>(&self, problems: impl Iterator<Item = &'p str>) -> Result<(), Error> {
        let known: std::collections::HashSet<&str> = problems.collect();
        let asked = self.answers.values().flat_map(HashMap::keys);
        let mut unknown: Vec<&String> = asked.filter(|id| !known.contains(id.as_str())).collect();
        unknown.sort();
        match unknown.first() {
            None => Ok(()),
            Some(first) => Err(Error::Setting(format!(
                "the completions answer {} problems that are not in the data, such as `{first}`",
                unknown.len()
            ))),
        }
    }

    /// How many answers there are to a problem, of all arms.
    pub(crate) fn count(&self, problem: &str) -> usize {
        self.answers.values().filter_map(|of_arm| of_arm.get(problem)).map(Vec::len).sum()
    }

    /// Whether there is such an answer.
    pub(crate) fn has(&self, problem: &str, arm: &str, index: usize) -> bool {
        self.find(problem, arm, index).is_some()
    }

    /// The answer; an empty one where there is none.
    pub(crate) fn answer(&self, problem: &str, arm: &str, index: usize) -> Answer {
        let (text, finish) = self.find(problem, arm, index).cloned().unwrap_or_default();
        let finish = finish.unwrap_or_else(|| "unknown".to_owned());
        Answer { text, finish, usage: Usage::default(), generation: None }
    }

    fn find(&self, problem: &str, arm: &str, index: usize) -> Option<&Completion> {
        self.answers.get(arm)?.get(problem)?.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Given, Error> {
        read_as(".jsonl", text.as_bytes())
    }

    fn read_as(suffix: &str, bytes: &[u8]) -> Result<Given, Error> {
        let file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
        fs_err::write(file.path(), bytes).unwrap();
        Given::read(file.path())
    }

    #[test]
    fn every_form_of_records_is_read() {
        let line = b"{\"problem_id\": 1, \"completion\": \"a\"}\n";
        let mut gzipped = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        std::io::Write::write_all(&mut gzipped, line).unwrap();
        let csv = b"task_id,completion,arm,finish\n1,\"a\",,\n";
        for (suffix, bytes) in [
            (".jsonl", line.to_vec()),
            (".jsonl.gz", gzipped.finish().unwrap()),
            (".csv", csv.to_vec()),
        ] {
            let given = read_as(suffix, &bytes).unwrap();
            assert_eq!(given.answer("1", ONLY, 0).text, "a", "{suffix}");
            let digest = crate::digest::sha256(&bytes);
            assert_eq!(given.arms[0].generation.as_deref(), Some(&*digest), "{suffix}");
        }
    }

    #[test]
    fn lines_are_samples_in_their_order() {
        let given = read(
            "{\"problem_id\": 1, \"completion\": \"a\"}\n\n\
             {\"problem_id\": \"1\", \"completion\": \"b\", \"finish\": \"length\"}\n\
             {\"problem_id\": \"2\", \"completion\": \"c\", \"arm\": \"x\"}",
        )
        .unwrap();
        let labels: Vec<&str> = given.arms.iter().map(|arm| arm.label.as_str()).collect();
        assert_eq!((labels, given.samples), (vec!["completions", "x"], 2));
        assert_eq!(given.answer("1", "completions", 1).text, "b");
        assert_eq!(given.answer("1", "completions", 1).finish, "length");
        assert_eq!(given.answer("2", "x", 0).text, "c");
        assert_eq!(given.answer("2", "x", 0).finish, "unknown", "nobody said why it ended");
        assert!(!given.has("2", "completions", 0) && !given.has("1", "completions", 2));
        let said = given.check(["1"].into_iter()).unwrap_err().to_string();
        assert!(said.contains("1 problems that are not in the data, such as `2`"), "{said}");
    }

    #[test]
    fn what_is_no_answer_is_named_by_its_line() {
        for bad in ["{\"problem_id\": 1}", "nonsense", "{\"problem_id\": [], \"completion\": \"\"}"]
        {
            let said = read(&format!("{{\"problem_id\": 1, \"completion\": \"\"}}\n{bad}"));
            let said = said.err().unwrap().to_string();
            assert!(said.contains(", record 2: ") || said.contains("line 2 "), "{said}");
        }
        assert!(read("\n").is_err());
    }
}
