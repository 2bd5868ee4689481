//! One fork server with its warden, on the caller's side: a job goes in, an outcome comes out.

use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::channel::{Channel, Heard};
use super::interpreter::Interpreter;
use super::request::Request;
use crate::linux::child::STARTED;
use crate::linux::command;
use crate::linux::control_group::Group;
use crate::linux::exec::{Exec, terminated};
use crate::linux::identity::Identity;
use crate::linux::input::{sealed, unsealed};
use crate::linux::launch::{self, launch, pipe, program_pipes};
use crate::linux::limits::fixed;
use crate::linux::plan::{self, Plan, Walls};
use crate::linux::probe::{Granted, Machine};
use crate::linux::pump::{GRACE, Sinks};
use crate::linux::root::{self, Root, WORK};
use crate::linux::verdict::Facts;
use crate::linux::watch::Watch;
use crate::{Error, Job, Limits, Outcome};

const PROGRAM: &str = include_str!("program.py");
const SERVER: &str = include_str!("server.py");
const WARDEN: &str = include_str!("warden.py");

/// What the fork server has in its environment beside a job's. What the linker puts off until a
/// first call every child would do again.
const ENVIRONMENT: [&str; 3] = ["PYTHONHASHSEED=0", "PYTHONUTF8=1", "LD_BIND_NOW=1"];
/// The kinds of a server's messages.
const ENDED: u64 = 0;
const FAILED: u64 = 1;
const COMPILED: u64 = 2;
/// How long an interpreter may take to start and to import the prelude.
const START: Duration = Duration::from_secs(300);
/// Between two times that a server is asked to end a job.
const AGAIN: Duration = Duration::from_millis(50);
/// Room for every message of a server: compiled code is the longest.
const LONGEST: usize = 64 << 10;

/// A running fork server.
pub(super) struct Server {
    // Dropped first: both processes end when their channels close.
    jobs: Channel,
    mounts: Channel,
    process: i32,
    handle: OwnedFd,
    folder: Folder,
    identity: Identity,
    /// Held for its end, which is the warden's.
    _warden: launch::Companion,
    // Removed last: nobody may be left in it.
    group: Option<Group>,
    limited: Option<Limits>,
    ended_for_memory: u64,
    is_spent: bool,
    inbox: Vec<u8>,
}

/// What a server says about a job.
enum Word {
    /// Its program was compiled to this.
    Compiled(Vec<u8>),
    /// The last process of it is gone.
    Ended(Facts),
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
        let (jobs, theirs) = Channel::pair()?;
        let (mounts, control) = Channel::pair()?;
        let nothing = sealed(b"")?;
        let (complaints, said) = pipe()?;
        let files = [nothing.as_fd(), said.as_fd(), said.as_fd(), theirs.as_fd()];
        let group = machine.group()?;
        let mut launched = launch(&plan, &files, control, mounts.as_fd(), group.as_ref())?;
        drop((theirs, said));
        let mut process = 0;
        while let Some(message) = launched.message()? {
            if message.kind == STARTED {
                process = message.number;
            }
        }
        let identity = granted.identity;
        let handle = handle(process)?;
        let server = Self {
            jobs,
            mounts,
            process,
            handle,
            folder: Folder::None,
            identity,
            _warden: launched.companion,
            group,
            limited: None,
            ended_for_memory: 0,
            is_spent: false,
            inbox: vec![0; LONGEST],
        };
        server.greeting(complaints)?;
        Ok(server)
    }

    /// Waits for the server's first word; its complaint where there is none.
    fn greeting(&self, complaints: OwnedFd) -> Result<(), Error> {
        let mut word = [0_u8; 16];
        if self.jobs.hear(&mut word, START)? == Heard::Message(b"ready".len()) {
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

    /// Runs one job to its end; with no code yet, what the program was compiled to comes beside the
    /// outcome. After an error the server is of no use.
    pub(super) fn run(
        &mut self,
        job: &Job<'_>,
        code: Option<&[u8]>,
        limits: &Limits,
        machine: &Machine,
    ) -> Result<(Outcome, Option<Vec<u8>>), Error> {
        let request = Request::new(job, code.unwrap_or_default(), limits, machine)?;
        self.fresh_folder(limits)?;
        self.limit(limits)?;
        let (payload, input) = (unsealed(&request.payload)?, sealed(job.stdin)?);
        let channels = if job.harness.is_some() { 3 } else { 2 };
        let (ours, theirs) = program_pipes(channels, Some(self.identity))?;
        let files: Vec<BorrowedFd<'_>> = [payload.as_fd(), input.as_fd()]
            .into_iter()
            .chain(theirs.iter().map(AsFd::as_fd))
            .collect();
        self.jobs.send(&request.numbers, &files)?;
        drop((theirs, payload, input));
        let mut sinks = Sinks::new(ours, limits.output)?;
        let mut watch = Watch::new(self.process, limits);
        let mut code = None;
        let mut facts = self.follow(&mut sinks, &mut watch, &mut code)?;
        self.is_spent |= facts.ask(self.group.as_ref(), &mut self.ended_for_memory);
        if !self.is_spent {
            self.ask_folder(limits)?;
        }
        if facts.found.is_none() {
            facts.found = sinks.read()?;
        }
        Ok((facts.outcome(sinks, &watch, limits)?, code))
    }

    /// Whether its group has been out of memory: the system may have ended server or warden then.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }

    /// Follows a job until its last process is gone.
    fn follow(
        &mut self,
        sinks: &mut Sinks,
        watch: &mut Watch,
        code: &mut Option<Vec<u8>>,
    ) -> Result<Facts, Error> {
        loop {
            if let Some(found) = sinks.pump(self.jobs.as_fd(), watch)? {
                let facts = self.stop()?;
                return Ok(Facts { found: Some(found), ..facts });
            }
            match self.word(GRACE)? {
                Some(Word::Ended(facts)) => return Ok(facts),
                Some(Word::Compiled(bytes)) => *code = Some(bytes),
                None => {}
            }
        }
    }

    /// Has the server end its job: a message says so, and a signal wakes it. Again, until it has:
    /// on a busy machine a job may only be about to be born.
    fn stop(&mut self) -> Result<Facts, Error> {
        let start = Instant::now();
        while start.elapsed() < GRACE {
            // To one that is gone nothing can be sent; `word` says so.
            drop(self.jobs.send(b"k", &[]));
            self.signal(Signal::INT);
            if let Some(Word::Ended(facts)) = self.word(AGAIN)? {
                return Ok(facts);
            }
        }
        Err(Error::Helper { who: "fork server", why: "did not end a job in time".to_owned() })
    }

    /// What the server says next, `None` for nothing in time.
    fn word(&mut self, patience: Duration) -> Result<Option<Word>, Error> {
        let failed = |why: &str| Error::Helper { who: "fork server", why: why.to_owned() };
        let length = match self.jobs.hear(&mut self.inbox, patience)? {
            Heard::Message(length) => length,
            Heard::Silence => return Ok(None),
            Heard::Gone if self.wants_memory() => {
                return Ok(Some(Word::Ended(Facts::out_of_memory())));
            }
            Heard::Gone => return Err(failed("ended during a job")),
        };
        let message = &self.inbox[..length];
        let (numbers, rest) = message.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        match (numbers.as_slice(), rest) {
            (&[ENDED, status, cpu, peak], []) => Ok(Some(Word::Ended(Facts {
                status: status as i32,
                cpu: Duration::from_micros(cpu),
                peak_memory: Some(peak << 10),
                found: None,
            }))),
            (&[FAILED, ..], _) => Err(failed(&format!(
                "could not set a job up: {}",
                String::from_utf8_lossy(&message[8..])
            ))),
            (&[COMPILED, ..], _) => Ok(Some(Word::Compiled(message[8..].to_vec()))),
            _ => Err(failed("said what it never says")),
        }
    }

    /// Whether the system has ended a process of the group for memory since the last job.
    fn wants_memory(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.ended_for_memory() > self.ended_for_memory)
    }

    /// Signals the server, and never who has its number after it.
    fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.handle, signal);
    }

    /// Makes sure of the control group's limits.
    fn limit(&mut self, limits: &Limits) -> Result<(), Error> {
        if let Some(group) = self.group.as_ref().filter(|_| self.limited != Some(*limits)) {
            group.limit(limits)?;
            self.limited = Some(*limits);
        }
        Ok(())
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
        self.mounts.send(options.as_bytes(), &[])?;
        self.folder = Folder::Asked(options);
        Ok(())
    }

    fn mounted(&mut self) -> Result<(), Error> {
        self.folder = Folder::None;
        let mut answer = [0_u8; 4];
        let heard = self.mounts.hear(&mut answer, GRACE)?;
        match (heard, i32::from_le_bytes(answer)) {
            (Heard::Message(4), 0) => Ok(()),
            (Heard::Message(4), errno) => Err(Error::Setup {
                step: "mounting a working folder",
                cause: std::io::Error::from_raw_os_error(errno),
            }),
            _ => Err(Error::Helper { who: "warden", why: "ended".to_owned() }),
        }
    }

    fn options(&self, limits: &Limits) -> String {
        let (size, files, user) = (limits.disk.max(4096), limits.files + 2, self.identity.inside());
        format!("mode=700,size={size},nr_inodes={files},uid={user},gid={user}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The first process of the namespace takes all others with it; the warden is ended and
        // reaped with its field, after which the system reaps what is left.
        self.signal(Signal::KILL);
    }
}

/// A hold on a process that has just been started.
fn handle(process: i32) -> Result<OwnedFd, Error> {
    let held = Pid::from_raw(process).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    held.unwrap_or(Err(rustix::io::Errno::SRCH))
        .map_err(|error| Error::io("taking hold of the fork server")(error.into()))
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
        Exec::new(&words, &[command::ENVIRONMENT, ENVIRONMENT].concat())
    };
    let path = interpreter.path.iter().filter_map(|folder| folder.to_str());
    let arguments: Vec<&str> = [WORK, prelude].into_iter().chain(path).collect();
    let root = Root::new(&readable, None, granted.proc)?;
    Ok(Plan {
        walls: Some(Walls { identity: granted.identity, root }),
        user: None,
        rules: machine.rules(&readable, WORK.as_ref())?,
        filters: machine.filters.clone(),
        limits: fixed().to_vec(),
        folder: terminated("/")?,
        files: Vec::new(),
        priority: machine.priority,
        program: python(&["-s", "-S", "-B"], format!("{PROGRAM}\n{SERVER}"), &arguments)?,
        companion: plan::Companion::Warden(python(&["-s", "-S", "-B"], WARDEN.into(), &[WORK])?),
    })
}
