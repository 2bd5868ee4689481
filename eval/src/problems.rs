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
    /// A bundled suite, with its grader without a sandbox.
    struct Bundled(Suite, Home, Option<Grader>);

    impl Bundled {
        fn named(name: &str) -> Self {
            let (suite, home) = home::find(name).unwrap();
            let resources = Resources { strictness: Strictness::Off, ..Resources::default() };
            let build = |settings| Grader::build(settings, &resources).unwrap();
            let grader = suite.grader.as_ref().map(build);
            Self(suite, home, grader)
        }

        fn problems(&self, chosen: &Selection) -> Result<Vec<Problem>, Error> {
            load((&self.0, &self.1), chosen, self.2.as_ref()).map(|problems| problems.list)
        }

        fn ids(&self, chosen: &Selection) -> Vec<String> {
            self.problems(chosen).unwrap().into_iter().map(|problem| problem.id).collect()
        }
    }

    fn parquet(name: &str) -> Selection {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parquet");
        Selection { data: vec![folder.join(name)], ..Selection::default() }
    }

    #[test]
    fn parquet_files_hold_the_bundled_problems() {
        for (suite, name) in [
            ("countdown", "countdown.parquet"),
            ("ultrafeedback", "ultrafeedback.parquet"),
            ("livecodebench", "livecodebench.text.parquet"),
            ("livecodebench", "livecodebench.moments.parquet"),
            ("livecodebench", "livecodebench.pandas.parquet"),
        ] {
            let bundled = Selection { limit: Some(2), ..Selection::default() };
            let suite = Bundled::named(suite);
            let (bundled, read) = (suite.problems(&bundled), suite.problems(&parquet(name)));
            let shown = |list: Vec<Problem>| list.iter().map(Problem::line).collect::<Vec<_>>();
            let (bundled, read) = (shown(bundled.unwrap()), shown(read.unwrap()));
            assert_eq!(bundled.len(), 2);
            for (one, other) in bundled.into_iter().zip(read) {
                let same = ProblemLine { digest: one.digest, ..other };
                assert_eq!(serde_json::to_value(&same).unwrap()["prompt"], one.prompt, "{name}");
                assert_eq!((same.id, same.groups), (one.id, one.groups), "{name}");
                assert_eq!(same.reference, one.reference, "{name}");
            }
        }
    }

    #[test]
    fn a_window_of_dates_goes_by_texts_and_by_moments() {
        let suite = Bundled::named("livecodebench");
        for name in ["text", "moments", "pandas"] {
            let file = parquet(&format!("livecodebench.{name}.parquet"));
            let day = |day: &str| Some(day.to_owned());
            let window = |start_date, end_date| {
                suite.ids(&Selection { start_date, end_date, ..file.clone() })
            };
            assert_eq!(window(None, day("2023-06-03")), ["sample_1"], "{name}");
            assert_eq!(window(day("2023-06-04"), day("2023-10-14")), ["sample_2"], "{name}");
        }
    }

    /// A file of records, named in order.
    fn written(name: &str, records: impl Iterator<Item = Value>) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let lines: String = records.map(|record| format!("{record}\n")).collect();
        fs_err::write(&path, lines).unwrap();
        (folder, path)
    }

    fn competitive(id: &str, date: &str) -> Value {
        json!({
            "question_id": id, "question_title": id, "question_content": "?", "starter_code": "",
            "contest_date": date, "platform": "own", "difficulty": "easy", "metadata": "{}",
            "public_test_cases": "[]", "private_test_cases": "[]",
        })
    }

    #[test]
    fn both_forms_of_mbpp_are_asked_with_as_many_tests_as_they_have() {
        let tests = |count: usize| (0..count).map(|n| format!("assert f({n})")).collect::<Vec<_>>();
        let full = |id: usize| {
            json!({"task_id": id, "text": "Do it.", "code": "def f(n):\n  return 1",
                "test_list": tests(id), "test_setup_code": "", "challenge_test_list": []})
        };
        let sanitized = |id: usize| {
            json!({"task_id": id, "prompt": "Do it.", "code": "def f(n):\n  return 1",
                "test_list": tests(id), "test_imports": ["import math"], "source_file": "x"})
        };
        let (_folder, path) =
            written("mbpp.jsonl", (1..=4).map(full).chain((5..=6).map(sanitized)));
        let suite = Bundled::named("mbpp");
        let all = Selection { data: vec![path], ..Selection::default() };
        let problems = suite.problems(&all).unwrap();
        assert_eq!(problems.len(), 6);
        for (count, problem) in (1..).zip(&problems) {
            let asked = problem.question.shown();
            let wanted = format!(
                "task: Do it. Your code should pass these tests:\n\n{}",
                tests(count).join("\n")
            );
            let text = asked[0]["content"].as_str().unwrap();
            assert!(text.ends_with(&wanted), "{text}");
        }
        let Truth::Reference(sanitized) = &problems[4].truth else { panic!("no reference") };
        assert_eq!(sanitized.shown()["tests"][0]["input"], "import math\nassert f(0)\n");
    }

    #[test]
    fn tinyzeros_test_rows_are_those_of_its_script() {
        let record = |row: usize| json!({"nums": [row, 1], "target": row});
        // The rows go on from file to file in the order that these are named.
        let (_first, head) = written("a.jsonl", (0..327_700).map(record));
        let (_second, tail) = written("b.jsonl", (327_700..329_000).map(record));
        let split = Some("tinyzero-test".to_owned());
        let test = Selection { data: vec![head, tail], split, ..Selection::default() };
        let problems = Bundled::named("countdown").problems(&test).unwrap();
        let ends = [&problems[0], &problems[problems.len() - 1]].map(|problem| &problem.id[..]);
        assert_eq!((problems.len(), ends), (1024, ["327681", "328704"]));
        let asked = problems[0].question.shown().to_string();
        assert!(asked.contains("an equation that equals 327680."), "{asked}");
    }

    #[test]
    fn releases_are_the_rows_of_the_six_files_in_order() {
        let counts = [400, 111, 101, 101, 167, 175];
        let record = |file: usize, row: usize| competitive(&format!("{file}_{row}"), "2024-01-01");
        let files: Vec<_> = (1..=6)
            .zip(counts)
            .map(|(file, count)| written("test.jsonl", (0..count).map(|row| record(file, row))))
            .collect();
        let data: Vec<PathBuf> = files.iter().map(|(_, path)| path.clone()).collect();
        let suite = Bundled::named("livecodebench");
        let of = |split: String| {
            suite.ids(&Selection { data: data.clone(), split: Some(split), ..Selection::default() })
        };
        let mut total = 0;
        for (file, count) in (1..=6).zip(counts) {
            total += count;
            let own = of(format!("v{file}"));
            assert_eq!((own.len(), &own[0]), (count, &format!("{file}_0")));
            assert!(own.iter().all(|id| id.starts_with(&format!("{file}_"))));
            let release = of(format!("release_v{file}"));
            assert_eq!((release.len(), &release[0]), (total, &"1_0".to_owned()));
        }
    }

    #[test]
    fn errata_can_be_left_out_and_a_date_that_is_none_is_named() {
        let records = [("abc337_e", "2024-01-01"), ("good", "yesterday!"), ("find-the-peaks", "")];
        let records = records.map(|(id, date)| competitive(id, date));
        let (_folder, path) = written("test.jsonl", records.into_iter());
        let all = Selection { data: vec![path], ..Selection::default() };
        let suite = Bundled::named("livecodebench");
        let groups = suite.problems(&all).unwrap().into_iter();
        let groups: Vec<String> = groups.map(|mut p| p.groups.remove("erratum").unwrap()).collect();
        assert_eq!(groups, ["interactive", "no erratum", "several answers"]);
        let wanted = vec![("erratum".to_owned(), "no erratum".to_owned())];
        assert_eq!(suite.ids(&Selection { wanted, ..all.clone() }), ["good"]);
        let dated = Selection { start_date: Some("2023-01-01".to_owned()), ..all };
        let error = suite.problems(&dated).unwrap_err().to_string();
        assert!(
            error.contains(
                "`contest_date` should be a date such as 2024-08-31, found \"yesterday!\""
            ),
            "{error}"
        );
    }
}
