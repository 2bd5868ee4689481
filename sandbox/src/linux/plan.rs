//! Everything a fresh process does between its fork and the program, made ready beforehand: after a
//! fork in a program with threads nothing may be allocated and no lock taken.

use std::ffi::CString;

use seccompiler::BpfProgram;

use super::exec::Exec;
use super::identity::Identity;
use super::landlock::Rules;
use super::root::Root;
use crate::Priority;

/// A limit of a process: which, and its soft and hard value.
pub(super) type ResourceLimit = (libc::__rlimit_resource_t, u64, u64);

/// What to start and behind which walls.
pub(super) struct Plan {
    /// Namespaces and the root in them.
    pub(super) walls: Option<Walls>,
    /// Without walls, for a caller who is root: whom the program becomes.
    pub(super) user: Option<u32>,
    /// Landlock's rules.
    pub(super) rules: Option<Rules>,
    /// The filters of system calls; empty for none.
    pub(super) filters: Vec<BpfProgram>,
    /// Limits of the program and, each for itself, of what it starts.
    pub(super) limits: Vec<ResourceLimit>,
    /// Where the program starts.
    pub(super) folder: CString,
    /// What is put there first.
    pub(super) files: Vec<(CString, Vec<u8>)>,
    /// Of the program and all beside it.
    pub(super) priority: Priority,
    /// The program.
    pub(super) program: Exec,
    /// Who stays beside it.
    pub(super) companion: Companion,
}

/// Namespaces and the root in them.
pub(super) struct Walls {
    pub(super) identity: Identity,
    pub(super) root: Root,
}

/// The process between the caller and the program.
pub(super) enum Companion {
    /// Waits for the program, ends the whole tree, tells how it ended.
    Supervisor,
    /// Becomes this program with its privileges inside the namespaces; the other one is then the
    /// first process of its process namespace.
    Warden(Exec),
}

impl Companion {
    /// The namespaces that the companion is born into.
    pub(super) fn namespaces(&self) -> i32 {
        let all = libc::CLONE_NEWUSER
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS;
        match self {
            Self::Supervisor => all | libc::CLONE_NEWPID,
            Self::Warden(_) => all,
        }
    }
}
