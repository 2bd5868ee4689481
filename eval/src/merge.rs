//! Shares of one evaluation back together: the union of their samples by key, in the memory of the
//! keys alone. Two answers under one key are a conflict, and nothing is written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::differences::{Difference, differences, shortened};
use crate::folder::{each_problem, read_run, write_record};
use crate::key::{self, Key};
use crate::lines::Lines;
use crate::lossy::Hashed;
use crate::protection::alike;
use crate::sample_line::GradeLine;
use crate::{Error, Place, ProblemLine, Run, Shard};

/// What came together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// Samples that are answered and graded.
    pub graded: usize,
    /// Samples of which no folder has a grade.
    pub failed: usize,
    /// Problems.
    pub problems: usize,
    /// The shares that are not among the folders, from 1, and of how many.
    pub missing: Option<(Vec<usize>, usize)>,
}

/// What is known of a key.
struct Known {
    worth: Worth,
    /// The folder's place.
    folder: u32,
    written: bool,
}

/// How much of a sample a line has; of two lines the one with more is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// Nothing.
    Failed,
    /// An answer.
    Ungraded,
    /// An answer and its grade, hashed.
    Graded(u64),
}

/// A line as far as it decides what is kept.
#[derive(Deserialize)]
struct Line<'l> {
    key: String,
    #[serde(default)]
    completion: Option<Hashed>,
    #[serde(default)]
    finish: Option<Hashed>,
    #[serde(default, borrow)]
    grade: Option<GradeLine<'l>>,
}

impl Line<'_> {
    /// What two runs of one question must agree in is answer and verdict. Time is not, nor is a grade's
    /// detail, which may hold times too.
    fn worth(&self) -> Worth {
        let Some(grade) = &self.grade else {
            return if self.completion.is_some() { Worth::Ungraded } else { Worth::Failed };
        };
        let mut hasher = DefaultHasher::new();
        (self.completion.map(|text| text.0), self.finish.map(|text| text.0)).hash(&mut hasher);
        grade.verdict.hash(&mut hasher);
        for (name, value) in &grade.measures {
            (name, value.map(f64::to_bits)).hash(&mut hasher);
        }
        Worth::Graded(hasher.finish())
    }
}

/// Merges the folders into `output`, which must not hold an evaluation yet.
///
/// # Errors
/// When the folders are not parts of one evaluation, or have different answers under one key; then
/// `output` is as it was.
pub fn merge(folders: &[PathBuf], output: &Path) -> Result<Merged, Error> {
    let parts = parts(folders)?;
    let place = Place::new(output);
    if let Some(file) = [place.run(), place.samples()].iter().find(|file| file.exists()) {
        let name = file.file_name().unwrap_or_default().display();
        let reason = format!("there is a {name} already; choose another folder");
        return Err(Error::Folder { path: output.to_owned(), reason });
    }
    let (run, shard) = together(&parts)?;
    let problems = problems(&parts)?;
    let mut known = know(&parts)?;
    fs_err::create_dir_all(output)?;
    let merged = write_samples(&parts, &mut known, &place.samples())?;
    write_record(&place, &run, &problems)?;
    let missing = shard.map(|shard| (shard.missing(), shard.count()));
    Ok(Merged { problems: problems.len(), missing, ..merged })
}

/// The folders with their runs, in the order of their shares.
fn parts(folders: &[PathBuf]) -> Result<Vec<(PathBuf, Run)>, Error> {
    if folders.len() < 2 {
        return Err(Error::Setting("expected two folders or more to merge".to_owned()));
    }
    let read = |folder: &PathBuf| Ok((folder.clone(), read_run(&Place::new(folder).run())?));
    let mut parts: Vec<(PathBuf, Run)> = folders.iter().map(read).collect::<Result<_, Error>>()?;
    parts.sort_by_key(|(_, run)| {
        run.shard
            .as_deref()
            .and_then(|text| Shard::parse(text).ok())
            .map_or(0, |shard| shard.first())
    });
    Ok(parts)
}

/// The run that all of them are parts of.
fn together(parts: &[(PathBuf, Run)]) -> Result<(Run, Option<Shard>), Error> {
    let (first, rest) = (&parts[0], &parts[1..]);
    let mut run = first.1.clone();
    for (folder, other) in rest {
        let differences = differences(&first.1, other);
        if !differences.is_empty() {
            let first = first.0.display();
            let found = shortened(&differences);
            let reason = match of_another_size(&differences) {
                Some(advice) => format!("it is of another size than {first}: {found}; {advice}"),
                None => format!("it is no part of the evaluation in {first}: {found}"),
            };
            return Err(Error::Folder { path: folder.clone(), reason });
        }
        run.started = run.started.min(other.started.clone());
        if !run.server.split(", ").any(|server| server == other.server) {
            run.server = format!("{}, {}", run.server, other.server);
        }
        run.not_sent.extend(other.not_sent.iter().cloned());
        run.protections = both(&run.protections, &other.protections);
    }
    run.not_sent.sort();
    run.not_sent.dedup();
    let shard = shares(parts)?;
    run.shard = shard.as_ref().map(Shard::to_string);
    Ok((run, shard))
}

/// What to do where the runs differ in nothing but their size.
fn of_another_size(differences: &[Difference]) -> Option<&'static str> {
    let has = |place: &str| differences.iter().any(|found| found.place == place);
    let is_size =
        |found: &Difference| ["sampling.samples", "k", "data_digest"].contains(&&*found.place);
    if !differences.iter().all(is_size) {
        return None;
    }
    Some(match (has("data_digest"), has("sampling.samples")) {
        (true, _) => {
            "shares are of one list of problems: ask each with the same data and the same filters"
        }
        (false, true) => {
            "run the smaller again with as many samples, which asks for those alone that are missing, \
             and merge then"
        }
        (false, false) => "run one of them again with the k of the other, which asks nobody",
    })
}

/// The protections of two parts: one value where they are the same, else a plain list of each once,
/// whether or not a part was merged before.
fn both(one: &Value, other: &Value) -> Value {
    let mut all: Vec<&Value> = Vec::new();
    for side in [one, other] {
        let each = side.as_array().map_or(std::slice::from_ref(side), Vec::as_slice);
        for value in each {
            if !all.iter().any(|known| alike(known, value)) {
                all.push(value);
            }
        }
    }
    match all[..] {
        [only] => only.clone(),
        _ => all.into_iter().cloned().collect(),
    }
}

/// `None` when they are all there is.
fn shares(parts: &[(PathBuf, Run)]) -> Result<Option<Shard>, Error> {
    let mut all: Option<Shard> = None;
    for (folder, run) in parts {
        let Some(text) = &run.shard else { return Ok(None) };
        let wrong = |reason: String| Error::Folder { path: folder.clone(), reason };
        let shard = Shard::parse(text).map_err(wrong)?;
        let joined = match &all {
            Some(others) => others.and(&shard).ok_or_else(|| {
                wrong(format!("it is share {text}, but another folder is share {others}"))
            })?,
            None => shard,
        };
        all = Some(joined);
    }
    Ok(all.filter(|shard| !shard.is_whole()))
}

/// Every problem once, in the order of the data.
fn problems(parts: &[(PathBuf, Run)]) -> Result<Vec<ProblemLine>, Error> {
    let (mut seen, mut all) = (std::collections::HashSet::new(), Vec::new());
    for (folder, _) in parts {
        each_problem(&Place::new(folder).problems(), |problem, _| {
            if seen.insert(problem.id.clone()) {
                all.push(problem);
            }
            Ok(())
        })?;
    }
    Ok(all)
}

fn read(line: &[u8]) -> Result<(Key, Line<'_>), String> {
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| format!("not a sample ({error})"))?;
    let key = key::bytes(&line.key).ok_or("its key is not 32 hex digits")?;
    Ok((key, line))
}

/// Reads every key once, and compares answers.
fn know(parts: &[(PathBuf, Run)]) -> Result<HashMap<Key, Known>, Error> {
    let mut known: HashMap<Key, Known> = HashMap::new();
    for (place, (folder, _)) in parts.iter().enumerate() {
        let mut conflict = None;
        Lines::open(&Place::new(folder).samples())?.each(|line| {
            let (key, line) = read(line.bytes)?;
            let new = || Known { worth: line.worth(), folder: place as u32, written: false };
            let there = known.entry(key).or_insert_with(new);
            let here = new();
            match (there.worth, here.worth) {
                (Worth::Graded(one), Worth::Graded(other)) if one != other => {
                    conflict.get_or_insert((there.folder, line.key));
                }
                (one, other) if other > one => *there = here,
                _ => {}
            }
            Ok(())
        })?;
        if let Some((other, key)) = conflict {
            return Err(Error::Conflict {
                one: parts[other as usize].0.display().to_string(),
                other: folder.display().to_string(),
                key,
            });
        }
    }
    Ok(known)
}

/// Copies each key's line once: its grade, else its answer, else its failure.
fn write_samples(
    parts: &[(PathBuf, Run)],
    known: &mut HashMap<Key, Known>,
    path: &Path,
) -> Result<Merged, Error> {
    let mut merged = Merged { graded: 0, failed: 0, problems: 0, missing: None };
    let folder = path.parent().unwrap_or(Path::new("."));
    let draft = tempfile::NamedTempFile::new_in(folder)?;
    let mut out = BufWriter::with_capacity(1 << 18, draft);
    for (folder, _) in parts {
        let mut failed_write = None;
        Lines::open(&Place::new(folder).samples())?.each(|whole| {
            let (key, line) = read(whole.bytes)?;
            let worth = line.worth();
            let is_graded = matches!(worth, Worth::Graded(_));
            let Some(there) = known.get_mut(&key) else { return Ok(()) };
            if there.written || there.worth != worth || failed_write.is_some() {
                return Ok(());
            }
            there.written = true;
            merged.graded += usize::from(is_graded);
            merged.failed += usize::from(!is_graded);
            let written = out.write_all(whole.bytes).and_then(|()| out.write_all(b"\n"));
            failed_write = written.err();
            Ok(())
        })?;
        if let Some(error) = failed_write {
            return Err(error.into());
        }
    }
    let draft = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    draft.as_file().sync_all()?;
    draft.persist(path).map_err(|error| error.error)?;
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn protections_are_a_plain_list() {
        let (a, b, c) = (json!({"seccomp": true}), json!({"seccomp": false}), json!(null));
        assert_eq!(both(&a, &a), a);
        let two = both(&a, &b);
        assert_eq!(two, json!([a, b]));
        assert_eq!((both(&two, &a), both(&two, &two)), (two.clone(), two.clone()));
        assert_eq!(both(&c, &two), json!([c, a, b]));
    }
}
