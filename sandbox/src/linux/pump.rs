//! Takes what a program writes, up to its limits, while watching over it.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::memory::TreeMemory;
use crate::Error;

/// The read ends of a program's pipes with what came through them.
pub(super) struct Sinks {
    sinks: Vec<Sink>,
    limit: u64,
    buffer: Vec<u8>,
}

struct Sink {
    file: Option<PipeReader>,
    bytes: Vec<u8>,
}

/// What the caller's side found while a program ran, beside what the program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing to object to.
    Nothing,
    /// A pipe brought more than its limit.
    TooMuchOutput,
    /// The tree had more memory than its limit.
    TooMuchMemory,
    /// Nobody answered in time.
    Overdue,
}

/// Before this time no program is worth a look at its memory.
const FIRST_LOOK: Duration = Duration::from_millis(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);
/// What our own processes may take beyond the program's time.
pub(super) const GRACE: Duration = Duration::from_secs(10);
const BUFFER: usize = 64 << 10;

impl Sinks {
    /// Each pipe brings at most `limit` bytes.
    pub(super) fn new(pipes: Vec<OwnedFd>, limit: u64) -> Result<Self, Error> {
        let sink = |pipe: OwnedFd| {
            let flags = fcntl_getfl(&pipe)? | OFlags::NONBLOCK;
            fcntl_setfl(&pipe, flags)?;
            Ok(Sink { file: Some(PipeReader::from(pipe)), bytes: Vec::new() })
        };
        let sinks = pipes.into_iter().map(sink).collect::<rustix::io::Result<_>>();
        let sinks = sinks.map_err(|error| Error::io("preparing a pipe")(error.into()))?;
        Ok(Self { sinks, limit, buffer: vec![0; BUFFER] })
    }

    /// Reads until `done` has something to say or a limit is passed; a wall of `wall` plus a grace
    /// is the last resort, for when our own process beside the program does not answer.
    pub(super) fn pump(
        &mut self,
        done: BorrowedFd<'_>,
        wall: Duration,
        memory: &TreeMemory,
    ) -> Result<Found, Error> {
        let start = Instant::now();
        let mut next_look = FIRST_LOOK;
        loop {
            let elapsed = start.elapsed();
            if elapsed > wall + GRACE {
                return Ok(Found::Overdue);
            }
            if elapsed > next_look {
                if memory.too_much() {
                    return Ok(Found::TooMuchMemory);
                }
                next_look = start.elapsed() + BETWEEN_LOOKS;
            }
            let ended = self.wait(done, next_look.saturating_sub(elapsed).min(FIRST_LOOK))?;
            let found = self.read()?;
            if ended || found != Found::Nothing {
                return Ok(found);
            }
        }
    }

    /// Whether `done` is ready.
    fn wait(&self, done: BorrowedFd<'_>, look: Duration) -> Result<bool, Error> {
        let open = self.sinks.iter().filter_map(|sink| sink.file.as_ref()).map(PipeReader::as_fd);
        let mut files: Vec<PollFd<'_>> = [done]
            .into_iter()
            .chain(open)
            .map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN))
            .collect();
        let look = Timespec { tv_sec: 0, tv_nsec: i64::from(look.subsec_nanos()) };
        match poll(&mut files, Some(&look)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!files[0].revents().is_empty()),
            Err(error) => Err(Error::io("waiting for a program")(error.into())),
        }
    }

    /// Takes all there is; whether it is more than there may be.
    pub(super) fn read(&mut self) -> Result<Found, Error> {
        for sink in &mut self.sinks {
            if sink.read(&mut self.buffer, self.limit)? {
                return Ok(Found::TooMuchOutput);
            }
        }
        Ok(Found::Nothing)
    }

    /// What came, pipe by pipe.
    pub(super) fn into_bytes(self) -> impl Iterator<Item = Vec<u8>> {
        self.sinks.into_iter().map(|sink| sink.bytes)
    }
}

impl Sink {
    /// Whether there was more than there is room for.
    fn read(&mut self, buffer: &mut [u8], limit: u64) -> Result<bool, Error> {
        while let Some(file) = &mut self.file {
            match file.read(buffer) {
                Ok(0) => self.file = None,
                Ok(length) => {
                    let room = (limit as usize).saturating_sub(self.bytes.len());
                    self.bytes.extend_from_slice(&buffer[..length.min(room)]);
                    if length > room {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("reading what a program wrote")(error)),
            }
        }
        Ok(false)
    }
}
