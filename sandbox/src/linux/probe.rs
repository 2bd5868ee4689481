//! What this machine grants, found by trying it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seccompiler::BpfProgram;

use super::control_group::{Group, Groups};
use super::exec::terminated;
use super::identity::{Identity, without_namespaces};
use super::landlock::{self, Right, Rules};
use super::root::{BOX, DEVICES, c_path};
use super::{command, seccomp, tree};
use crate::error::started;
use crate::protections::{Missing, Protection};
use crate::{End, Error, Limits, Priority, Program, Protections, Strictness};

/// What programs are put behind on this machine.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) walls: Option<Granted>,
    pub(super) landlock: u32,
    pub(super) filters: Vec<BpfProgram>,
    /// Without namespaces: the user that programs become, where the caller is root.
    pub(super) user: Option<u32>,
    pub(super) groups: Option<Groups>,
    /// Of all programs.
    pub(super) priority: Priority,
}

/// The kind of namespaces that worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) identity: Identity,
    /// Whether a fresh `/proc` may be mounted: a container that hides parts of its own forbids it.
    pub(super) proc: bool,
}

impl Machine {
    /// A control group for a program, where there are any.
    pub(super) fn group(&self) -> Result<Option<Group>, Error> {
        let make = match self.priority {
            Priority::Usual => Groups::make,
            Priority::Lowest => Groups::make_idle,
        };
        self.groups.as_ref().map(make).transpose()
    }

    /// Landlock's rules for a program that reads `readable` and owns `folder`, or the working
    /// folder behind walls.
    pub(super) fn rules(
        &self,
        readable: &[PathBuf],
        folder: &Path,
    ) -> Result<Option<Rules>, Error> {
        if self.landlock == 0 {
            return Ok(None);
        }
        let mut paths = Vec::new();
        if self.walls.is_some() {
            paths.push((terminated("/")?, Right::Read));
            paths.push((terminated(BOX)?, Right::Own));
        } else {
            for path in readable {
                paths.push((c_path(path)?, Right::Read));
            }
            paths.push((c_path(folder)?, Right::Own));
        }
        for device in DEVICES {
            paths.push((terminated(device)?, Right::Device));
        }
        Ok(Some(Rules::new(self.landlock, paths)))
    }
}

/// Tries what there is and says what stands. `Strict` is an error where something is missing.
pub(super) fn probe(strictness: Strictness) -> Result<(Machine, Protections), Error> {
    let filters = Vec::new();
    let priority = Priority::Usual;
    let mut machine =
        Machine { walls: None, landlock: 0, filters, user: None, groups: None, priority };
    let mut missing = Vec::new();
    if strictness != Strictness::Off {
        machine.landlock = landlock::version();
        if machine.landlock < landlock::TRUNCATION_RULED {
            missing.push(without(Protection::Landlock, NO_LANDLOCK));
        }
        match has_seccomp() {
            true => machine.filters = seccomp::filters(true)?,
            false => missing.push(without(Protection::Seccomp, NO_SECCOMP)),
        }
        find_walls(&mut machine, &mut missing);
        if machine.walls.is_none() && !machine.filters.is_empty() {
            let scoped = machine.landlock >= landlock::SIGNALS_SCOPED;
            machine.filters = seccomp::filters(scoped)?;
        }
        if machine.walls.is_none() {
            machine.user = other_user()?;
        }
        find_groups(&mut machine, &mut missing);
    } else {
        let all = [Protection::Landlock, Protection::Seccomp, Protection::ControlGroup];
        let all = BY_NAMESPACES.into_iter().chain(all);
        missing.extend(all.map(|protection| without(protection, "it was not asked for")));
    }
    let protections = protections(&machine, strictness, missing);
    let needed = protections.missing.iter().filter(|one| one.protection.is_needed());
    let reasons: Vec<&str> = needed.map(|one| one.why.as_str()).collect();
    if strictness == Strictness::Strict && !reasons.is_empty() {
        return Err(Error::Missing(reasons.join("; ")));
    }
    Ok((machine, protections))
}

/// Whom programs become without namespaces; it is tried, for root without the power to become
/// another would run them with all of its own.
fn other_user() -> Result<Option<u32>, Error> {
    let folder = tempfile::tempdir().map_err(Error::io("making a working folder"))?;
    without_namespaces(folder.path()).map_err(|error| {
        Error::Missing(format!(
            "{NO_NAMESPACES}; and root cannot give a program another user id here: {error}; start \
             as an ordinary user"
        ))
    })
}

const NO_LANDLOCK: &str = "the kernel has no Landlock of version 3 (Linux 6.2 or later with \
    `landlock` among the `lsm=` of its command line)";
const NO_SECCOMP: &str = "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)";
const NO_GROUPS: &str = "this process may make no control group with memory and pids (root may; for \
    another user systemd-run --user --scope)";
const NO_OTHER_USER: &str = "only root can give a program a user id of its own";
const NO_PROC: &str = "this process sees no others (a /proc of its own process namespace)";
const NO_NAMESPACES: &str = "user namespaces are not granted (see the sysctls \
    user.max_user_namespaces, kernel.unprivileged_userns_clone and \
    kernel.apparmor_restrict_unprivileged_userns; in Docker a seccomp profile that allows them)";

fn without(protection: Protection, why: &str) -> Missing {
    Missing { protection, why: why.into() }
}

fn has_seccomp() -> bool {
    let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the action lives through the call, which only looks at it.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    answer == 0
}

/// Tries the kinds of namespaces with a program that does nothing, best first.
fn find_walls(machine: &mut Machine, missing: &mut Vec<Missing>) {
    let mut why = String::new();
    for identity in Identity::candidates() {
        for proc in [true, false] {
            machine.walls = Some(Granted { identity, proc });
            match started(|| trial(machine)) {
                Ok(()) => return,
                Err(error) => why = error.without_names(),
            }
        }
    }
    machine.walls = None;
    for protection in BY_NAMESPACES {
        missing.push(without(protection, &format!("{NO_NAMESPACES}: {why}")));
    }
}

/// Tries control groups with a program that does nothing.
fn find_groups(machine: &mut Machine, missing: &mut Vec<Missing>) {
    let tried = Groups::find().and_then(|groups| {
        machine.groups = Some(groups);
        started(|| trial(machine)).map_err(|error| error.without_names())
    });
    if let Err(why) = tried {
        machine.groups = None;
        missing.push(without(Protection::ControlGroup, &format!("{NO_GROUPS}: {why}")));
    }
}

fn trial(machine: &Machine) -> Result<(), Error> {
    let program = Program { argv: vec!["true".into()], ..Program::default() };
    let limits = Limits { wall: Duration::from_secs(10), ..Limits::default() };
    match command::run(machine, &program, &limits)?.end {
        End::Exited(0) => Ok(()),
        other => Err(Error::Helper { who: "trial program", why: format!("ended as {other:?}") }),
    }
}

const BY_NAMESPACES: [Protection; 7] = [
    Protection::UserNamespace,
    Protection::PidNamespace,
    Protection::PrivateRoot,
    Protection::BoundedFolder,
    Protection::NetworkNamespace,
    Protection::IpcNamespace,
    Protection::UtsNamespace,
];

fn protections(
    machine: &Machine,
    strictness: Strictness,
    mut missing: Vec<Missing>,
) -> Protections {
    let mut active = Vec::new();
    if let Some(walls) = machine.walls {
        active.extend(BY_NAMESPACES);
        if walls.identity != Identity::Same {
            active.push(Protection::SeparateUser);
        }
    }
    if machine.user.is_some_and(|user| user != 0) {
        active.push(Protection::SeparateUser);
    }
    if machine.groups.is_some() {
        active.push(Protection::ControlGroup);
    }
    if !active.contains(&Protection::SeparateUser) {
        missing.push(without(Protection::SeparateUser, NO_OTHER_USER));
    }
    if machine.landlock > 0 {
        active.push(Protection::Landlock);
    }
    if !machine.filters.is_empty() {
        active.push(Protection::Seccomp);
    }
    active.extend([Protection::NoNewPrivileges, Protection::Limits, Protection::CleanEnvironment]);
    if tree::can_look() {
        active.push(Protection::TreeWatch);
    } else {
        missing.push(without(Protection::TreeWatch, NO_PROC));
    }
    Protections { strictness, active, missing, landlock_abi: machine.landlock }
}
