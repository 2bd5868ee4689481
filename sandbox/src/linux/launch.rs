//! Gives birth to the fresh process of a plan, on the caller's side.

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::pipe::{PipeFlags, pipe_with};

use super::child::{self, Descriptors, FAILED, Message, STARTED};
use super::control_group::Group;
use super::identity::Identity;
use super::plan::Plan;
use super::pump::GRACE;
use super::step::Step;
use crate::Error;

/// Above every number that a fresh process gives its descriptors.
const HIGH: i32 = 32;

/// The caller's end of a fresh process.
pub(super) struct Launched {
    /// The companion, to be reaped.
    pub(super) companion: Companion,
    /// What the companion tells.
    pub(super) status: PipeReader,
}

/// The companion's process: killed and reaped when it is dropped, and its namespaces with it.
pub(super) struct Companion {
    pid: i32,
}

impl Companion {
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Has the system end others first where memory is short: what a group holds may be in no
    /// process's account. Only a privileged caller may; for others the group's count tells.
    fn spare(&self) {
        drop(fs_err::write(format!("/proc/{}/oom_score_adj", self.pid), "-999"));
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // SAFETY: a child of this process that nobody else reaps: the number is still its own.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            while libc::waitpid(self.pid, std::ptr::null_mut(), libc::__WALL) < 0
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
        }
    }
}

/// Starts the plan. `program` becomes descriptors 0, 1, 2 and on of the program; `control` is the
/// companion's end of a channel whose other end, `ours`, the caller keeps. All of it is in `group`.
pub(super) fn launch(
    plan: &Plan,
    program: &[BorrowedFd<'_>],
    control: OwnedFd,
    ours: BorrowedFd<'_>,
    group: Option<&Group>,
) -> Result<Launched, Error> {
    let high = |file: BorrowedFd<'_>| {
        fcntl_dupfd_cloexec(file, HIGH)
            .map_err(|error| Error::io("duplicating a descriptor")(error.into()))
    };
    let (status, told) = pipe()?;
    let program: Vec<OwnedFd> = program.iter().map(|&file| high(file)).collect::<Result<_, _>>()?;
    let (told, control) = (high(told.as_fd())?, high(control.as_fd())?);
    let numbers: Vec<i32> = program.iter().map(AsRawFd::as_raw_fd).collect();
    let descriptors = Descriptors {
        program: &numbers,
        status: told.as_raw_fd(),
        control: control.as_raw_fd(),
        callers: ours.as_raw_fd(),
    };
    let flags = if plan.walls.is_some() { plan.companion.namespaces() } else { 0 };
    // SAFETY: without a new stack and without shared memory the call is a fork; the fresh process
    // makes system calls alone, on what was allocated before.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    match pid {
        0 => child::companion(plan, &descriptors),
        pid if pid < 0 => Err(setup(Step::UserNamespace, io::Error::last_os_error())),
        pid => {
            let companion = Companion { pid };
            if let Some(walls) = &plan.walls {
                walls.identity.map(pid).map_err(|error| setup(Step::UserNamespace, error))?;
            }
            group.map_or(Ok(()), |group| group.add(pid))?;
            rustix::io::write(ours, b"g")
                .map_err(|error| Error::io("starting the sandbox")(error.into()))?;
            Ok(Launched { companion, status: PipeReader::from(status) })
        }
    }
}

impl Launched {
    /// The next message of the companion, `None` when there will be none. A failed step is an error.
    pub(super) fn message(&mut self) -> Result<Option<Message>, Error> {
        let mut bytes = [0_u8; size_of::<Message>()];
        await_input(self.status.as_fd())?;
        match self.status.read(&mut bytes).map_err(Error::io("reading the sandbox's status"))? {
            0 => return Ok(None),
            length if length < bytes.len() => {
                return Err(Error::Helper { who: "supervisor", why: "told half a message".into() });
            }
            _ => {}
        }
        // SAFETY: the message is plain numbers of any value, and the buffer has its size.
        let message = unsafe { bytes.as_ptr().cast::<Message>().read_unaligned() };
        if message.kind == FAILED {
            let step = Step::from_number(message.step).unwrap_or(Step::Start);
            return Err(setup(step, io::Error::from_raw_os_error(message.number)));
        }
        if message.kind == STARTED {
            // Its program has been born by now, and does not inherit it.
            self.companion.spare();
        }
        Ok(Some(message))
    }
}

/// Pipes to hear a program by: our ends and the program's, which it may also open by name.
pub(super) fn program_pipes(
    channels: usize,
    identity: Option<Identity>,
) -> Result<(Vec<OwnedFd>, Vec<OwnedFd>), Error> {
    let pipes = (0..channels).map(|_| pipe()).collect::<Result<Vec<_>, _>>()?;
    let (ours, theirs): (Vec<OwnedFd>, Vec<OwnedFd>) = pipes.into_iter().unzip();
    if let Some(Identity::Separate { outside }) = identity {
        for pipe in &theirs {
            rustix::fs::fchown(pipe, Some(rustix::fs::Uid::from_raw(outside)), None)
                .map_err(|error| Error::io("giving a pipe to a program")(error.into()))?;
        }
    }
    Ok((ours, theirs))
}

/// Waits until there is something to read or to be told that nothing will come.
fn await_input(file: BorrowedFd<'_>) -> Result<(), Error> {
    let mut files = [PollFd::from_borrowed_fd(file, PollFlags::IN)];
    let patience = Timespec { tv_sec: GRACE.as_secs() as i64, tv_nsec: 0 };
    loop {
        match poll(&mut files, Some(&patience)) {
            Ok(0) => {
                let why = "did not answer in time".to_owned();
                return Err(Error::Helper { who: "supervisor", why });
            }
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Error::io("waiting for the supervisor")(error.into())),
        }
    }
}

/// A pipe that no started program inherits.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|error| Error::io("making a pipe")(error.into()))
}

fn setup(step: Step, cause: io::Error) -> Error {
    Error::Setup { step: step.name(), cause }
}
