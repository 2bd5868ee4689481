//! One fork server with its warden, on the caller's side: a job goes in, an outcome comes out.

use std::io::{IoSlice, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recv, send, sendmsg, socketpair,
};

use super::interpreter::Interpreter;
use crate::linux::child::STARTED;
use crate::linux::command::file_name;
use crate::linux::exec::{Exec, terminated};
use crate::linux::identity::Identity;
use crate::linux::input::sealed;
use crate::linux::launch::{self, launch, pipe, program_pipes};
use crate::linux::limits::{fixed, varying};
use crate::linux::memory::TreeMemory;
use crate::linux::plan::{self, Plan, Walls};
use crate::linux::probe::{Granted, Machine};
use crate::linux::pump::{Found, GRACE, Sinks};
use crate::linux::root::{self, Root, WORK};
use crate::linux::supervise::Reason;
use crate::linux::verdict::Facts;
use crate::{Error, Job, Limits, Outcome};

const PROGRAM: &str = include_str!("program.py");
const SERVER: &str = include_str!("server.py");
const WARDEN: &str = include_str!("warden.py");

/// What the fork server needs in its environment; a job's is empty. Threads would not survive a
/// fork, and what the linker puts off until a first call every child would do again.
const ENVIRONMENT: [&str; 5] = [
    "PYTHONHASHSEED=0",
    "PYTHONUTF8=1",
    "OPENBLAS_NUM_THREADS=1",
    "OMP_NUM_THREADS=1",
    "LD_BIND_NOW=1",
];
/// How long an interpreter may take to start and to import the prelude.
const START: Duration = Duration::from_secs(60);

/// A running fork server.
pub(super) struct Server {
    // Dropped first: both processes end when their channels close.
    jobs: OwnedFd,
    mounts: OwnedFd,
    process: i32,
    folder: Folder,
    identity: Identity,
    companion: launch::Companion,
}

/// What is known of the working folder.
enum Folder {
    /// Nothing was asked for yet.
    None,
    /// A fresh one with these options was asked for.
    Asked(String),
}

impl Server {
    /// Starts an interpreter behind the walls and has it import the prelude.
    pub(super) fn start(
        machine: &Machine,
        granted: Granted,
        interpreter: &Interpreter,
        prelude: &str,
    ) -> Result<Self, Error> {
        let plan = plan(machine, granted, interpreter, prelude)?;
        let (jobs, theirs) = channel()?;
        let (mounts, control) = channel()?;
        let nothing = sealed(b"")?;
        let (complaints, said) = pipe()?;
        let files = [nothing.as_fd(), said.as_fd(), said.as_fd(), theirs.as_fd()];
        let mut launched = launch(&plan, &files, control, mounts.as_fd())?;
        drop((theirs, said));
        let mut process = 0;
        while let Some(message) = launched.message()? {
            if message.kind == STARTED {
                process = message.number;
            }
        }
        let identity = granted.identity;
        let companion = launched.companion;
        let server = Self { jobs, mounts, process, folder: Folder::None, identity, companion };
        server.greeting(complaints)?;
        Ok(server)
    }

    /// Waits for the server's first word; its complaint where there is none.
    fn greeting(&self, complaints: OwnedFd) -> Result<(), Error> {
        let mut word = [0_u8; 16];
        if receive(&self.jobs, &mut word, START)? == b"ready".len() {
            return Ok(());
        }
        let failed = Error::io("reading the fork server's complaint");
        rustix::fs::fcntl_setfl(&complaints, rustix::fs::OFlags::NONBLOCK)
            .map_err(|error| failed(error.into()))?;
        // Whether it ended or still holds the pipe: what is there is all there is.
        let mut complaint = Vec::new();
        drop(PipeReader::from(complaints).read_to_end(&mut complaint));
        let complaint = String::from_utf8_lossy(&complaint);
        let last = complaint.trim().lines().last().unwrap_or("it ended without a word");
        Err(Error::Helper { who: "fork server", why: last.to_owned() })
    }

    /// Runs one job to its end. After an error the server is of no use.
    pub(super) fn run(
        &mut self,
        job: &Job<'_>,
        limits: &Limits,
        machine: &Machine,
    ) -> Result<Outcome, Error> {
        self.fresh_folder(limits)?;
        let payload = sealed(&payload(job)?)?;
        let input = sealed(job.stdin)?;
        let channels = if job.harness.is_some() { 3 } else { 2 };
        let (ours, theirs) = program_pipes(channels, Some(self.identity))?;
        let files: Vec<BorrowedFd<'_>> = [payload.as_fd(), input.as_fd()]
            .into_iter()
            .chain(theirs.iter().map(AsFd::as_fd))
            .collect();
        self.send(&request(limits, machine), &files)?;
        drop(theirs);
        let mut sinks = Sinks::new(ours, limits.output)?;
        let memory = TreeMemory::new(self.process, limits.memory);
        let found = sinks.pump(self.jobs.as_fd(), limits.wall, &memory)?;
        if found == Found::Overdue {
            return Err(Error::Helper { who: "fork server", why: "did not answer in time".into() });
        }
        if found != Found::Nothing {
            self.send(b"k", &[])?;
        }
        let answer = self.answer()?;
        self.ask_folder(limits)?;
        let found = if found == Found::Nothing { sinks.read()? } else { found };
        Ok(facts(answer, found).outcome(sinks, limits))
    }

    /// Makes sure of a fresh working folder of the right size.
    fn fresh_folder(&mut self, limits: &Limits) -> Result<(), Error> {
        let wanted = self.options(limits);
        let right = matches!(&self.folder, Folder::Asked(options) if *options == wanted);
        if matches!(self.folder, Folder::Asked(_)) {
            self.mounted()?;
        }
        if !right {
            self.ask_folder(limits)?;
            self.mounted()?;
        }
        Ok(())
    }

    /// Asks for the next working folder; the warden is at it while the caller does other things.
    fn ask_folder(&mut self, limits: &Limits) -> Result<(), Error> {
        let options = self.options(limits);
        send(&self.mounts, options.as_bytes(), SendFlags::NOSIGNAL)
            .map_err(|error| Error::io("asking for a working folder")(error.into()))?;
        self.folder = Folder::Asked(options);
        Ok(())
    }

    fn mounted(&mut self) -> Result<(), Error> {
        self.folder = Folder::None;
        let mut answer = [0_u8; 4];
        let length = receive(&self.mounts, &mut answer, GRACE)?;
        match (length, i32::from_le_bytes(answer)) {
            (4, 0) => Ok(()),
            (4, errno) => Err(Error::Setup {
                step: "mounting a working folder",
                source: std::io::Error::from_raw_os_error(errno),
            }),
            _ => Err(Error::Helper { who: "warden", why: "ended".to_owned() }),
        }
    }

    fn options(&self, limits: &Limits) -> String {
        let (size, files, user) = (limits.disk.max(4096), limits.files + 2, self.identity.inside());
        format!("mode=700,size={size},nr_inodes={files},uid={user},gid={user}")
    }

    fn send(&self, bytes: &[u8], files: &[BorrowedFd<'_>]) -> Result<(), Error> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(files));
        }
        sendmsg(&self.jobs, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
            .map(|_| ())
            .map_err(|error| Error::io("sending a job to the fork server")(error.into()))
    }

    /// The five numbers that the server says when the last process of a job is gone.
    fn answer(&self) -> Result<[i64; 5], Error> {
        let mut bytes = [0_u8; 40];
        let length = receive(&self.jobs, &mut bytes, GRACE)?;
        if length != bytes.len() {
            let why = match &bytes[..length] {
                [] => "ended during a job".to_owned(),
                complaint => String::from_utf8_lossy(complaint).into_owned(),
            };
            return Err(Error::Helper { who: "fork server", why });
        }
        let mut numbers = [0; 5];
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *number = i64::from_le_bytes(*bytes);
        }
        Ok(numbers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The first process of the namespace takes all others with it; the warden is reaped with
        // `companion`, after which the system reaps what is left.
        // SAFETY: the process is a child of the companion, which reaps none and still lives: the
        // number is still its own.
        unsafe { libc::kill(self.process, libc::SIGKILL) };
        let _ = self.companion.pid();
    }
}

fn facts(answer: [i64; 5], found: Found) -> Facts {
    let [status, reason, cpu, wall, peak] = answer;
    Facts {
        reason: Reason::from_number(reason.unsigned_abs()),
        status: status as i32,
        cpu: Duration::from_micros(cpu.unsigned_abs()),
        found,
        wall: Duration::from_micros(wall.unsigned_abs()),
        peak_memory: Some(peak.unsigned_abs()),
    }
}

fn plan(
    machine: &Machine,
    granted: Granted,
    interpreter: &Interpreter,
    prelude: &str,
) -> Result<Plan, Error> {
    let readable = root::readable(&interpreter.readable);
    let executable = interpreter.executable.to_string_lossy().into_owned();
    let python = |flags: &[&str], code: String, rest: &[&str]| {
        let words =
            [executable.as_str()].into_iter().chain(flags.iter().copied()).map(String::from);
        let words = words.chain(["-c".to_owned(), code]);
        let words: Vec<String> = words.chain(rest.iter().copied().map(String::from)).collect();
        Exec::new(&words, &ENVIRONMENT)
    };
    let root = Root::new(&readable, None, granted.proc)?;
    Ok(Plan {
        walls: Some(Walls { identity: granted.identity, root }),
        user: None,
        rules: machine.rules(&readable, WORK.as_ref())?,
        filters: machine.filters.clone(),
        limits: fixed().to_vec(),
        folder: terminated("/")?,
        files: Vec::new(),
        program: python(&["-s", "-B"], format!("{PROGRAM}\n{SERVER}"), &[WORK, prelude])?,
        companion: plan::Companion::Warden(python(&["-s", "-S", "-B"], WARDEN.into(), &[WORK])?),
    })
}

/// The numbers of a request: time by the clock and of the processor in microseconds, then limits
/// as the system has them.
fn request(limits: &Limits, machine: &Machine) -> Vec<u8> {
    let times = [limits.wall, limits.cpu].map(|time| time.as_micros() as u64);
    let resources = varying(limits, machine);
    let resources =
        resources.iter().flat_map(|&(which, soft, hard)| [u64::from(which), soft, hard]);
    times.into_iter().chain(resources).flat_map(u64::to_le_bytes).collect()
}

/// A job as the child reads it: how many parts, how long each is, then the parts.
fn payload(job: &Job<'_>) -> Result<Vec<u8>, Error> {
    let mut parts = vec![job.source.as_bytes(), job.harness.unwrap_or_default().as_bytes()];
    for (name, content) in &job.files {
        file_name(name)?;
        parts.extend([name.as_bytes(), content.as_slice()]);
    }
    let lengths = [parts.len()].into_iter().chain(parts.iter().map(|part| part.len()));
    let mut bytes: Vec<u8> = lengths.flat_map(|length| (length as u64).to_le_bytes()).collect();
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}

/// Two ends of a channel that keeps messages apart.
fn channel() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(|error| Error::io("making a channel")(error.into()))
}

/// One message; 0 where the other side is gone or silent.
fn receive(from: &OwnedFd, bytes: &mut [u8], patience: Duration) -> Result<usize, Error> {
    let mut files = [PollFd::new(from, PollFlags::IN)];
    let patience = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: 0 };
    let failed = |error: rustix::io::Errno| Error::io("hearing from a server")(error.into());
    loop {
        match poll(&mut files, Some(&patience)) {
            Ok(0) => return Ok(0),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match recv(from, bytes, RecvFlags::empty()) {
        Ok((_, length)) => Ok(length),
        Err(rustix::io::Errno::CONNRESET) => Ok(0),
        Err(error) => Err(failed(error)),
    }
}
