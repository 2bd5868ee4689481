//! The folder that a run writes: `run.json` and `problems.jsonl` whole, `samples.jsonl` a line at a
//! time, so that whatever ends the run keeps every line before it. Opening a folder again finds what
//! is there already, lets the run grow, and refuses what belongs to another.

use std::collections::{HashMap, HashSet};
use std::fs::TryLockError;
use std::io::Write;
use std::path::Path;

use fs_err::{File, OpenOptions};

use crate::client::Answer;
use crate::folder::{each_problem, read_run, write_record, write_run};
use crate::key::{self, Key};
use crate::lines::Lines;
use crate::sample_line::SampleLine;
use crate::{Error, Place, ProblemLine, Run, Sample, Status, growth};

/// `samples.jsonl`, open for more.
pub(crate) struct Store {
    place: Place,
    file: File,
    /// What `run.json` says.
    record: Run,
    /// A write failed: what it left may be the beginning of a line, to which nothing may be added.
    is_shut: bool,
}

/// What a folder had before this run.
#[derive(Default)]
pub(crate) struct Before {
    /// The keys of samples that are answered and graded.
    pub(crate) keys: HashSet<Key>,
    /// Of each arm, how many, and the sum of the headline measure.
    pub(crate) tallies: HashMap<String, (usize, f64)>,
    /// Answers that are still to be graded.
    pub(crate) ungraded: HashMap<Key, Answer>,
    /// The reference arm's samples by problem and index, where other arms are compared with them.
    pub(crate) rivals: HashMap<(String, usize), Sample>,
}

/// What is read of a folder besides keys.
pub(crate) struct Wanted<'r> {
    /// The measure that is tallied.
    pub(crate) headline: &'r str,
    /// The arm whose samples are kept.
    pub(crate) rival: Option<&'r str>,
}

impl Store {
    /// Opens `dir` for `run`, new or to go on; `force` begins anew whatever is there.
    pub(crate) fn open(
        dir: &Path,
        run: &Run,
        problems: &[ProblemLine],
        wanted: &Wanted<'_>,
        force: bool,
    ) -> Result<(Self, Before), Error> {
        fs_err::create_dir_all(dir)?;
        let place = Place::new(dir);
        let file = OpenOptions::new().create(true).append(true).open(place.samples())?;
        // A file system without locks keeps nobody out, which is no reason not to run.
        if matches!(file.file().try_lock(), Err(TryLockError::WouldBlock)) {
            let reason = "another run writes here; wait for it, or choose another folder";
            return Err(Error::Folder { path: dir.to_owned(), reason: reason.to_owned() });
        }
        let mut store = Self { place: place.clone(), file, record: run.clone(), is_shut: false };
        if force {
            store.file.set_len(0)?;
        } else if place.run().exists() {
            store.record = go_on(&place, run, problems)?;
            let before = store.before(wanted)?;
            return Ok((store, before));
        } else if store.file.metadata()?.len() > 0 {
            let reason = "it has samples but no run.json; choose another folder, or force it to \
                          begin anew";
            return Err(Error::Folder { path: dir.to_owned(), reason: reason.to_owned() });
        }
        write_record(&place, run, problems)?;
        Ok((store, Before::default()))
    }

    /// What `run.json` says.
    pub(crate) fn record(&self) -> &Run {
        &self.record
    }

    /// Lets `run.json` say that these fields are not sent.
    pub(crate) fn note_left_out(&mut self, names: &[&str]) -> Result<(), Error> {
        let known = self.record.not_sent.len();
        for name in names {
            if !self.record.not_sent.iter().any(|one| one == name) {
                self.record.not_sent.push((*name).to_owned());
            }
        }
        if self.record.not_sent.len() == known {
            return Ok(());
        }
        self.record.not_sent.sort();
        write_run(&self.place, &self.record)
    }

    /// Adds a line, in one write. After a write that failed there is no other: the next run cuts
    /// off what the failed one left.
    pub(crate) fn append(&mut self, sample: &Sample) -> Result<(), Error> {
        if self.is_shut {
            let reason = "a write to it failed; run again with the same arguments to go on";
            return Err(Error::Folder { path: self.place.samples(), reason: reason.to_owned() });
        }
        let mut line = serde_json::to_vec(sample).map_err(std::io::Error::from)?;
        line.push(b'\n');
        let written = self.file.write_all(&line);
        self.is_shut = written.is_err();
        Ok(written?)
    }

    /// Waits until everything is on the disk.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        Ok(self.file.sync_all()?)
    }

    /// Reads what is there, and cuts off a last line that was not written to its end.
    fn before(&self, wanted: &Wanted<'_>) -> Result<Before, Error> {
        let mut before = Before::default();
        let mut lines = Lines::open(&self.place.samples())?;
        lines.each(|line| before.see(line.bytes, wanted))?;
        self.file.set_len(lines.end())?;
        Ok(before)
    }
}

impl Before {
    fn see(&mut self, line: &[u8], wanted: &Wanted<'_>) -> Result<(), String> {
        let not_one = |error| format!("not a sample ({error})");
        let sample: SampleLine = serde_json::from_slice(line).map_err(not_one)?;
        let key = key::bytes(&sample.key).ok_or("its key is not 32 hex digits")?;
        if sample.grade.is_none() {
            self.ungraded.extend(ungraded(line).map(|answer| (key, answer)));
            return Ok(());
        }
        self.ungraded.remove(&key);
        if !self.keys.insert(key) {
            return Ok(());
        }
        let value = sample.value(wanted.headline);
        if !value.is_nan() {
            let tally = self.tallies.entry(sample.arm.to_string()).or_default();
            tally.0 += 1;
            tally.1 += value;
        }
        if wanted.rival == Some(&*sample.arm) {
            let sample: Sample = serde_json::from_slice(line).map_err(not_one)?;
            self.rivals.insert((sample.problem.clone(), sample.index), sample);
        }
        Ok(())
    }
}

/// The answer of a line that has one and no grade.
fn ungraded(line: &[u8]) -> Option<Answer> {
    match serde_json::from_slice::<Sample>(line).ok()?.status {
        Status::Ungraded { completion, finish, usage, .. } => {
            Some(Answer { text: completion, finish, usage, generation: None })
        }
        Status::Graded { .. } | Status::Failed { .. } => None,
    }
}

/// Lets the folder go on with `run`: refuses what is neither its run nor that run grown, and writes
/// the record of one that has grown. Gives the record.
fn go_on(place: &Place, run: &Run, problems: &[ProblemLine]) -> Result<Run, Error> {
    let there = read_run(&place.run())?;
    let refuse = |reason: String| Error::Folder {
        path: place.folder().to_owned(),
        reason: format!("{reason}; choose another folder, or force it to begin anew"),
    };
    growth::allowed(&there, run).map_err(refuse)?;
    let mut before = Vec::new();
    each_problem(&place.problems(), |problem, _| {
        before.push((problem.id, problem.digest));
        Ok(())
    })?;
    // What was to grow and was cut short in between has the problems already, and the record not yet.
    let cut_short = there.data_digest == run.data_digest && before.len() != problems.len();
    if there.data_digest != run.data_digest {
        growth::contained(&before, problems).map_err(refuse)?;
    }
    let grown = growth::grown(&there, run);
    if grown != there || cut_short {
        write_record(place, &grown, problems)?;
    }
    Ok(grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn nothing_follows_a_write_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let record: Run = serde_json::from_value(crate::folder::tests::record()).unwrap();
        let wanted = Wanted { headline: "x", rival: None };
        let (mut store, _) = Store::open(folder.path(), &record, &[], &wanted, false).unwrap();
        let full = OpenOptions::new().append(true).open(Path::new("/dev/full")).unwrap();
        let file = std::mem::replace(&mut store.file, full);
        let sample = Sample {
            key: "0".repeat(32),
            problem: "p".into(),
            arm: "a".into(),
            index: 0,
            seed: 0,
            status: Status::Failed { reason: "r".into() },
        };
        assert!(matches!(store.append(&sample), Err(Error::File(_))));
        store.file = file;
        assert!(store.append(&sample).unwrap_err().to_string().contains("a write to it failed"));
        assert_eq!(fs_err::read(store.place.samples()).unwrap(), b"");
    }
}
