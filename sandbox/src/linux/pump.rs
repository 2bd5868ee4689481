//! Takes what a program writes, up to its limits, while watching over it.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};

use super::watch::{Found, Watch};
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

/// So long a program's output waits in its pipes: most programs have ended by then, and are heard
/// once instead of twice.
const FIRST_READ: Duration = Duration::from_millis(3);
/// What our own processes may take beyond the program's time, at the lowest priority on a busy machine.
pub(super) const GRACE: Duration = Duration::from_secs(120);
const BUFFER: usize = 64 << 10;

impl Sinks {
    /// Each pipe brings at most `limit` bytes.
    pub(super) fn new(pipes: Vec<OwnedFd>, limit: u64) -> Result<Self, Error> {
        let sink = |pipe: OwnedFd| {
            // The read end of a fresh pipe has no flag of its own.
            fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
            Ok(Sink { file: Some(PipeReader::from(pipe)), bytes: Vec::new() })
        };
        let sinks = pipes.into_iter().map(sink).collect::<rustix::io::Result<_>>();
        let sinks = sinks.map_err(|error| Error::io("preparing a pipe")(error.into()))?;
        Ok(Self { sinks, limit, buffer: Vec::new() })
    }

    /// Reads until `done` has something to say, or a limit is passed.
    pub(super) fn pump(
        &mut self,
        done: BorrowedFd<'_>,
        watch: &mut Watch,
    ) -> Result<Option<Found>, Error> {
        let mut ended = wait(done, FIRST_READ, &[])?;
        loop {
            let found = self.read()?;
            if ended || found.is_some() {
                return Ok(found);
            }
            if let Some(found) = watch.look() {
                return Ok(Some(found));
            }
            ended = wait(done, watch.rest(), &self.sinks)?;
        }
    }

    /// Takes all there is; whether it is more than there may be.
    pub(super) fn read(&mut self) -> Result<Option<Found>, Error> {
        self.buffer.resize(BUFFER, 0);
        for sink in &mut self.sinks {
            if sink.read(&mut self.buffer, self.limit)? {
                return Ok(Some(Found::Output));
            }
        }
        Ok(None)
    }

    /// What came, pipe by pipe.
    pub(super) fn into_bytes(self) -> impl Iterator<Item = Vec<u8>> {
        self.sinks.into_iter().map(|sink| sink.bytes)
    }
}

/// Whether `done` is ready; rests until that or one of the sinks is.
fn wait(done: BorrowedFd<'_>, rest: Duration, sinks: &[Sink]) -> Result<bool, Error> {
    let open = sinks.iter().filter_map(|sink| sink.file.as_ref()).map(PipeReader::as_fd);
    let mut files: Vec<PollFd<'_>> = [done]
        .into_iter()
        .chain(open)
        .map(|file| PollFd::from_borrowed_fd(file, PollFlags::IN))
        .collect();
    let rest = Timespec { tv_sec: 0, tv_nsec: i64::from(rest.subsec_nanos()) };
    match poll(&mut files, Some(&rest)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(!files[0].revents().is_empty()),
        Err(error) => Err(Error::io("waiting for a program")(error.into())),
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
                    if length < buffer.len() {
                        return Ok(false);
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
