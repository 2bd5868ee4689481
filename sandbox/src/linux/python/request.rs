//! A job as the fork server and its child read it: numbers in the request, all else in a file that
//! the child alone reads.

use crate::linux::command::file_name;
use crate::linux::limits::{clamped, varying};
use crate::linux::probe::Machine;
use crate::{Error, Job, Limits};

/// Both halves.
pub(super) struct Request {
    /// The lengths of source, code, harness and files, the number of limits, then each of them.
    pub(super) numbers: Vec<u8>,
    /// Source, code, harness, then files by turns as two lengths, name, content.
    pub(super) payload: Vec<u8>,
}

impl Request {
    /// The job, with what it was compiled to where that is known.
    pub(super) fn new(
        job: &Job<'_>,
        code: &[u8],
        limits: &Limits,
        machine: &Machine,
    ) -> Result<Self, Error> {
        let parts = [job.source.as_bytes(), code, job.harness.unwrap_or_default().as_bytes()];
        let mut payload = parts.concat();
        let before = payload.len();
        for (name, content) in &job.files {
            file_name(name)?;
            payload.extend((name.len() as u64).to_le_bytes());
            payload.extend((content.len() as u64).to_le_bytes());
            payload.extend(name.as_bytes());
            payload.extend(content);
        }
        let resources = clamped(varying(limits, machine));
        let lengths = parts.map(<[u8]>::len).into_iter();
        let lengths = lengths.chain([payload.len() - before, resources.len()]);
        let limits = resources.iter().flat_map(|&(which, soft, hard)| [which.into(), soft, hard]);
        let numbers = lengths.map(|length| length as u64).chain(limits);
        Ok(Self { numbers: numbers.flat_map(u64::to_le_bytes).collect(), payload })
    }
}

/// What is compiled, the harness or without one the source, as a key.
pub(super) fn key(job: &Job<'_>) -> Vec<u8> {
    let (kind, text) = job.harness.map_or((b'S', job.source), |harness| (b'H', harness));
    [&[kind], text.as_bytes()].concat()
}
