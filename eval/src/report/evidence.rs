//! What a report is made from: the run, its problems, and one small row for each sample, so that a
//! million samples fit in a few hundred megabytes; texts stay on disk, found by their place.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{Error, groups};
use crate::folder::{each_problem, read_run};
use crate::lines::{Line, Lines};
use crate::record::{Run, Usage};
use crate::sample_line::SampleLine;
use crate::{Place, Unreadable};

/// An evaluation's folder, read.
pub(crate) struct Evidence {
    /// The folder.
    pub place: Place,
    /// `run.json`.
    pub run: Run,
    /// The problems, in their file's order.
    pub problems: Vec<Problem>,
    /// For each of the run's groups its values, in the order in which they are shown.
    pub groups: Vec<Vec<String>>,
    /// The samples by arm, problem and index, one each.
    pub rows: Vec<Row>,
    /// Verdicts and reasons of failures by number.
    pub words: Words,
    /// Whether the last line of the samples was cut off and left out.
    pub torn: bool,
    values: Vec<f64>,
}

/// A problem without its texts.
pub(crate) struct Problem {
    /// Its name.
    pub id: String,
    /// For each of the run's groups, which of its values it has.
    pub groups: Vec<Option<u16>>,
    /// Its day.
    pub date: Option<String>,
    /// Where its line begins.
    pub offset: u64,
    /// How long its line is.
    pub length: usize,
}

/// A sample without its texts.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Which problem.
    pub problem: u32,
    /// Which arm.
    pub arm: u16,
    /// Whether it was answered and graded.
    pub graded: bool,
    /// Why the answer ended, in [`Evidence::words`].
    pub finish: u32,
    /// Whether it ended at the limit of tokens, where that is known.
    pub truncated: Option<bool>,
    /// Which of the problem's samples.
    pub index: u32,
    /// Its verdict, or why it failed, in [`Evidence::words`].
    pub word: u32,
    /// Tokens of the prompt, where they are known.
    pub prompt_tokens: Option<u32>,
    /// Tokens of the answer, where they are known.
    pub completion_tokens: Option<u32>,
    /// Characters of the answer, where it is one.
    pub characters: Option<u32>,
    /// Seconds it took, where they are known.
    pub seconds: Option<f32>,
    /// Where its line begins.
    pub offset: u64,
    /// How long its line is.
    pub length: u32,
    /// Which of the file's samples it was: the place of its values.
    place: u32,
    /// A hash of its key.
    key: u64,
}

impl Evidence {
    /// Reads `run.json`, `problems.jsonl` and `samples.jsonl` of `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, Error> {
        let place = Place::new(dir);
        let run = read_run(&place.run())?;
        let (problems, groups) = read_problems(&place.problems(), &run)?;
        let path = place.samples();
        let mut reader = Reader::new(&run, &problems);
        let torn = reader.read(&path)?;
        let Reader { mut rows, values, words, .. } = reader;
        rows.sort_unstable_by_key(|row| (row.arm, row.problem, row.index, row.place));
        let stride = run.measures.len();
        let rows = one_each(rows, &values, stride).map_err(|row| {
            let problem = &problems[row.problem as usize].id;
            let (arm, index) = (&run.arms[usize::from(row.arm)].label, row.index);
            let reason = format!(
                "problem `{problem}` has two different answers of arm `{arm}` at index {index}; the \
                 folder holds parts of two evaluations"
            );
            Unreadable::File { path, reason }
        })?;
        Ok(Self { place, run, problems, groups, rows, words, torn, values })
    }

    /// The value of a measure, by its number in the run; NaN where the grade has none.
    pub(crate) fn value(&self, row: &Row, measure: usize) -> f64 {
        self.values[row.place as usize * self.run.measures.len() + measure]
    }

    /// Where the samples are.
    pub(crate) fn samples_path(&self) -> PathBuf {
        self.place.samples()
    }

    /// Where the problems are.
    pub(crate) fn problems_path(&self) -> PathBuf {
        self.place.problems()
    }
}

fn read_problems(path: &Path, run: &Run) -> Result<(Vec<Problem>, Vec<Vec<String>>), Unreadable> {
    let mut problems = Vec::new();
    let mut groups = groups::Groups::new(&run.groups);
    let mut seen = HashSet::new();
    each_problem(path, |problem, (offset, length)| {
        if !seen.insert(problem.id.clone()) {
            return Err(format!("a second problem `{}`", problem.id));
        }
        let groups = groups.places(&problem.groups);
        problems.push(Problem { id: problem.id, groups, date: problem.date, offset, length });
        Ok(())
    })?;
    let groups = groups.in_order(&mut problems);
    Ok((problems, groups))
}

/// Words by number. Of more than [`MOST_WORDS`] different ones, the rest counts as one.
pub(crate) struct Words {
    all: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// Verdicts are of a fixed set; this only bounds the memory for a grader that breaks the rule.
const MOST_WORDS: usize = 10_000;

/// Most characters kept of a word.
const WORD: usize = 200;

impl Words {
    fn new() -> Self {
        Self { all: vec!["(other)".to_owned()], numbers: HashMap::new() }
    }

    fn number(&mut self, word: &str) -> u32 {
        let end = word.char_indices().nth(WORD).map_or(word.len(), |(at, _)| at);
        let word = &word[..end];
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        if self.all.len() > MOST_WORDS {
            return 0;
        }
        let number = self.all.len() as u32;
        self.all.push(word.to_owned());
        self.numbers.insert(word.to_owned(), number);
        number
    }

    /// The word of a number.
    pub(crate) fn word(&self, number: u32) -> &str {
        &self.all[number as usize]
    }
}

/// Reads samples into rows.
struct Reader<'a> {
    run: &'a Run,
    problems: HashMap<&'a str, u32>,
    arms: HashMap<&'a str, u16>,
    rows: Vec<Row>,
    values: Vec<f64>,
    words: Words,
}

impl<'a> Reader<'a> {
    fn new(run: &'a Run, problems: &'a [Problem]) -> Self {
        Self {
            run,
            problems: (0..).zip(problems).map(|(number, p)| (p.id.as_str(), number)).collect(),
            arms: (0..).zip(&run.arms).map(|(number, a)| (a.label.as_str(), number)).collect(),
            rows: Vec::new(),
            values: Vec::new(),
            words: Words::new(),
        }
    }

    /// Reads the whole file; true if its last line was cut off.
    fn read(&mut self, path: &Path) -> Result<bool, Unreadable> {
        let mut lines = Lines::open(path)?;
        lines.each(|line| {
            let sample: SampleLine = serde_json::from_slice(line.bytes)
                .map_err(|error| format!("not a sample ({error})"))?;
            let row = self.row(&sample, &line)?;
            self.rows.push(row);
            Ok(())
        })?;
        Ok(lines.is_torn())
    }

    /// What a sample cost. Zeros stand for what is not known in folders of an earlier time.
    fn usage(&self, sample: &SampleLine<'_>) -> Usage {
        let usage = sample.usage;
        let counted = usage.prompt_tokens != Some(0) || usage.completion_tokens != Some(0);
        match (self.run.given, counted) {
            (true, _) => Usage::default(),
            (false, false) => Usage { seconds: usage.seconds, ..Usage::default() },
            (false, true) => usage,
        }
    }

    fn row(&mut self, sample: &SampleLine<'_>, line: &Line<'_>) -> Result<Row, String> {
        let problem = *self.problems.get(&*sample.problem).ok_or_else(|| {
            format!("a sample of problem `{}`, which problems.jsonl lacks", sample.problem)
        })?;
        let arm = *self
            .arms
            .get(&*sample.arm)
            .ok_or_else(|| format!("a sample of arm `{}`, which run.json lacks", sample.arm))?;
        let word = self.words.number(sample.word()?);
        for measure in &self.run.measures {
            self.values.push(sample.value(&measure.name));
        }
        let finish = sample.finish.as_deref().unwrap_or_default();
        let usage = self.usage(sample);
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let place = u32::try_from(self.rows.len()).map_err(|_| "more than 2^32 samples")?;
        Ok(Row {
            problem,
            arm,
            graded: sample.grade.is_some(),
            finish: self.words.number(finish),
            truncated: (!NO_END.contains(&finish)).then_some(finish == "length"),
            index: sample.index,
            word,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            characters: (finish != "scored").then(|| small(sample.completion.0)),
            seconds: usage.seconds.map(|seconds| seconds as f32),
            offset: line.offset,
            length: u32::try_from(line.bytes.len()).map_err(|_| "a line of more than 4 GiB")?,
            place,
            key: sample.key_hash(),
        })
    }
}

/// What stands where nobody knows why an answer ended, or nothing was written.
const NO_END: [&str; 3] = ["", "unknown", "scored"];

/// Of several rows for one sample, sorted side by side, the one that counts: a graded one before a
/// failed one. The row at fault where two graded ones differ.
fn one_each(rows: Vec<Row>, values: &[f64], stride: usize) -> Result<Vec<Row>, Row> {
    let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
    let bits = |row: &Row| {
        let at = row.place as usize * stride;
        values[at..at + stride].iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    for row in rows {
        let Some(last) = kept.last_mut() else {
            kept.push(row);
            continue;
        };
        if (last.arm, last.problem, last.index) != (row.arm, row.problem, row.index) {
            kept.push(row);
        } else if last.graded && row.graded {
            if last.key != row.key || bits(last) != bits(&row) || last.word != row.word {
                return Err(row);
            }
        } else if !last.graded {
            *last = row;
        }
    }
    Ok(kept)
}
