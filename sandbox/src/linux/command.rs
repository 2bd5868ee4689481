//! Runs one program: a fresh set of namespaces, a fresh folder, a supervisor beside it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::child::{ENDED, Message, STARTED};
use super::control_group::Group;
use super::exec::{Exec, terminated};
use super::identity::{self, Identity};
use super::input::sealed;
use super::launch::{Launched, launch, pipe, program_pipes};
use super::limits::resource_limits;
use super::plan::{Companion, Plan, Walls};
use super::probe::Machine;
use super::pump::Sinks;
use super::root::{self, Root, WORK, c_path};
use super::verdict::Facts;
use super::watch::{Found, Watch};
use crate::{Error, Limits, Outcome, Program};

/// The whole environment of every program: libraries that would start a thread for each processor of the
/// machine start one, as there is no more to be had than one processor's time.
pub(super) const ENVIRONMENT: [&str; 3] =
    ["OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1"];

/// Runs the program to its end and the end of all it started.
pub(super) fn run(
    machine: &Machine,
    program: &Program<'_>,
    limits: &Limits,
) -> Result<Outcome, Error> {
    let folder = tempfile::tempdir().map_err(Error::io("making a working folder"))?;
    if machine.user.is_some() {
        identity::without_namespaces(folder.path())
            .map_err(Error::io("giving a program its working folder"))?;
    }
    let plan = plan(machine, program, limits, folder.path())?;
    let channels = if program.result_channel { 3 } else { 2 };
    let identity = machine.walls.map(|walls| walls.identity);
    let identity = identity.or(machine.user.map(|outside| Identity::Separate { outside }));
    let (ours, theirs) = program_pipes(channels, identity)?;
    let input = sealed(program.stdin)?;
    let (control, asking) = pipe()?;
    let files: Vec<BorrowedFd<'_>> =
        [input.as_fd()].into_iter().chain(theirs.iter().map(AsFd::as_fd)).collect();
    let group = machine.group()?;
    group.as_ref().map_or(Ok(()), |group| group.limit(limits))?;
    let launched = launch(&plan, &files, control, asking.as_fd(), group.as_ref())?;
    drop(theirs);
    let sinks = Sinks::new(ours, limits.output)?;
    finish(launched, asking, sinks, limits, group.as_ref())
}

fn finish(
    mut launched: Launched,
    asking: OwnedFd,
    mut sinks: Sinks,
    limits: &Limits,
    group: Option<&Group>,
) -> Result<Outcome, Error> {
    // A failed step comes first; without one the program has started.
    let started = launched.message()?;
    if started.is_none_or(|message| message.kind != STARTED) {
        return Err(Error::Helper { who: "supervisor", why: "ended without a word".into() });
    }
    let mut watch = Watch::new(launched.companion.pid(), limits);
    let found = sinks.pump(launched.status.as_fd(), &mut watch)?;
    drop(asking);
    let message = match answer(&mut launched) {
        Err(_) if group.is_some_and(|group| group.ended_for_memory() > 0) => None,
        answer => Some(answer?),
    };
    let found = if found.is_none() { sinks.read()? } else { found };
    let mut facts = message.map_or_else(Facts::out_of_memory, |message| facts(&message, found));
    facts.ask(group, &mut 0);
    facts.outcome(sinks, &watch, limits)
}

/// The supervisor's last message; it has ended the tree by then.
fn answer(launched: &mut Launched) -> Result<Message, Error> {
    match launched.message()? {
        Some(message) if message.kind == ENDED => Ok(message),
        _ => Err(Error::Helper { who: "supervisor", why: "ended without a word".into() }),
    }
}

fn facts(message: &Message, found: Option<Found>) -> Facts {
    Facts {
        status: message.number,
        cpu: Duration::from_micros(message.cpu_us),
        peak_memory: (message.peak > 0).then_some(message.peak),
        found,
    }
}

fn plan(
    machine: &Machine,
    program: &Program<'_>,
    limits: &Limits,
    folder: &std::path::Path,
) -> Result<Plan, Error> {
    let readable = root::readable(&program.readable);
    let walls = machine.walls.map(|walls| {
        let user = walls.identity.inside();
        let options = format!(
            "mode=700,size={},nr_inodes={},uid={user},gid={user}",
            limits.disk.max(4096),
            limits.files + 1,
        );
        let root = Root::new(&readable, Some(&options), walls.proc)?;
        Ok::<_, Error>(Walls { identity: walls.identity, root })
    });
    let walls = walls.transpose()?;
    let files = program.files.iter().map(|(name, content)| Ok((file_name(name)?, content.clone())));
    Ok(Plan {
        rules: machine.rules(&readable, folder)?,
        filters: machine.filters.clone(),
        limits: resource_limits(limits, machine),
        folder: if walls.is_some() { terminated(WORK)? } else { c_path(folder)? },
        files: files.collect::<Result<_, Error>>()?,
        program: Exec::new(&resolved(&program.argv)?, &ENVIRONMENT)?,
        companion: Companion::Supervisor,
        priority: machine.priority,
        user: machine.user,
        walls,
    })
}

/// A name in the working folder itself.
pub(super) fn file_name(name: &str) -> Result<std::ffi::CString, Error> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(Error::Request(format!(
            "a file of a program needs a plain name without a folder, found {name:?}"
        )));
    }
    terminated(name)
}

/// The program by its path: a name without a folder is one of the system's.
fn resolved(argv: &[String]) -> Result<Vec<String>, Error> {
    let mut argv = argv.to_vec();
    let Some(first) = argv.first_mut() else {
        return Err(Error::Request("there is no program to run: argv is empty".into()));
    };
    if !first.contains('/') {
        let folders = ["/usr/local/bin", "/usr/bin", "/bin"];
        let found = folders.iter().map(|folder| format!("{folder}/{first}"));
        let found = found.into_iter().find(|path| std::path::Path::new(path).exists());
        *first = found.ok_or_else(|| {
            Error::Request(format!("there is no program {first:?} in {}", folders.join(", ")))
        })?;
    }
    Ok(argv)
}
