//! What stood between a program and the machine, by name, for the record of a result.

use serde::{Deserialize, Serialize};

use crate::Strictness;

/// One protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// A user namespace: no privilege inside means anything outside.
    UserNamespace,
    /// A process namespace: nothing outside can be seen or signalled, and all inside dies at once.
    PidNamespace,
    /// A mount namespace with a root of its own: the interpreter, read-only, and an empty folder.
    PrivateRoot,
    /// A working folder of its own kind: its size and the number of its files are bounded as a whole.
    BoundedFolder,
    /// A network namespace without any interface that is up.
    NetworkNamespace,
    /// Own System V and POSIX queues and segments.
    IpcNamespace,
    /// An own host name.
    UtsNamespace,
    /// A user id that nobody else has (only a caller who is root can give one).
    SeparateUser,
    /// Landlock's rules on files, sockets and signals.
    Landlock,
    /// The filter of system calls.
    Seccomp,
    /// No program can gain a privilege by being started.
    NoNewPrivileges,
    /// Resource limits of each process, and limits on output and time by the clock held from outside.
    Limits,
    /// Memory and processor time of the whole tree bounded by looking at it many times a second.
    TreeWatch,
    /// The kernel's own account of the tree's memory and processes, where groups may be made.
    ControlGroup,
    /// Nothing of the caller's environment, and no open file but the program's own. Three variables
    /// hold libraries to one thread (`OPENBLAS_NUM_THREADS`, `OMP_NUM_THREADS`, `MKL_NUM_THREADS`);
    /// Python adds `LC_CTYPE` itself, as always where no locale is set (PEP 538).
    CleanEnvironment,
}

impl Protection {
    /// Whether a complete sandbox has it. The others stand behind one that is there anyway, and
    /// depend on who starts the program rather than on the machine: a user id of its own behind the
    /// user namespace, a control group behind the watch over the tree.
    #[must_use]
    pub fn is_needed(self) -> bool {
        !matches!(self, Self::SeparateUser | Self::ControlGroup)
    }
}

/// A protection that this machine does not give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which one.
    pub protection: Protection,
    /// Why it is not there and how to get it.
    pub why: String,
}

/// What was active for every program of one `Sandbox`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protections {
    /// How much was asked.
    pub strictness: Strictness,
    /// What stood.
    pub active: Vec<Protection>,
    /// What else there is in this crate; whether a complete sandbox has it, `is_needed` says.
    pub missing: Vec<Missing>,
    /// Landlock's version of the running kernel, 0 without it.
    pub landlock_abi: u32,
}

impl Protections {
    /// Whether all stood that a complete sandbox has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.missing.iter().any(|one| one.protection.is_needed())
    }

    /// Whether this one stood.
    #[must_use]
    pub fn has(&self, protection: Protection) -> bool {
        self.active.contains(&protection)
    }
}
