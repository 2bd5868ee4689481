//! Messages between the caller and one of its servers, whole and in order.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, sendmsg, socketpair,
};

use crate::Error;

/// One end of a channel.
pub(super) struct Channel(OwnedFd);

/// What came of waiting for a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message of so many bytes.
    Message(usize),
    /// Nothing in time.
    Silence,
    /// The other side is gone.
    Gone,
}

impl Channel {
    /// Both ends; the second is for the other process.
    pub(super) fn pair() -> Result<(Self, OwnedFd), Error> {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map(|(ours, theirs)| (Self(ours), theirs))
            .map_err(|error| Error::io("making a channel")(error.into()))
    }

    /// Sends a message with open files.
    pub(super) fn send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(files));
        }
        sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
            .map(|_| ())
            .map_err(|error| Error::io("telling a server")(error.into()))
    }

    /// Waits for a message.
    pub(super) fn hear(&self, bytes: &mut [u8], patience: Duration) -> Result<Heard, Error> {
        let mut files = [PollFd::new(&self.0, PollFlags::IN)];
        let patience = Timespec {
            tv_sec: patience.as_secs() as i64,
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        let failed = |error: rustix::io::Errno| Error::io("hearing from a server")(error.into());
        loop {
            match poll(&mut files, Some(&patience)) {
                Ok(0) => return Ok(Heard::Silence),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        match recv(&self.0, bytes, RecvFlags::empty()) {
            Ok((_, 0)) | Err(rustix::io::Errno::CONNRESET) => Ok(Heard::Gone),
            Ok((_, length)) => Ok(Heard::Message(length)),
            Err(error) => Err(failed(error)),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_apart_and_silence_is_not_the_end() {
        let (ours, theirs) = Channel::pair().unwrap();
        let theirs = Channel(theirs);
        let (mut bytes, short) = ([0; 8], Duration::from_millis(1));
        assert_eq!(theirs.hear(&mut bytes, short).unwrap(), Heard::Silence);
        ours.send(b"one", &[]).unwrap();
        ours.send(b"three", &[]).unwrap();
        assert_eq!(theirs.hear(&mut bytes, short).unwrap(), Heard::Message(3));
        assert_eq!(theirs.hear(&mut bytes, short).unwrap(), Heard::Message(5));
        drop(ours);
        // A process that another test is about to start may hold a copy for a moment.
        assert_eq!(theirs.hear(&mut bytes, Duration::from_secs(30)).unwrap(), Heard::Gone);
    }
}
