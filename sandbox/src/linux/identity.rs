//! Who a program is: its user id inside and outside, and how it lets go of every privilege.

use std::io;

use super::step::{Step, check};

/// The user id of a program inside, where it can be another than the one that builds the walls.
const INSIDE: u32 = 1000;
/// Outside, for a caller who is root: far above the ids that systems give out.
const OUTSIDE: u32 = 1_900_000_000;
/// Where root may not choose (a container with few ids), the system's nobody.
const NOBODY: u32 = 65534;

/// A way to map user ids into a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// The caller is root: the program gets a user id of its own.
    Separate {
        /// Its id outside.
        outside: u32,
    },
    /// The caller's id is root inside, and the program's too, with nothing of its power.
    Same,
}

/// The user that a program of a caller who is root becomes where there are no namespaces: the
/// first that may own `folder`, to which it is given. In a namespace that knows root alone, this is
/// root without any of its power. `None` for a caller who is not root.
pub(super) fn without_namespaces(folder: &std::path::Path) -> io::Result<Option<u32>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let give = |user| std::os::unix::fs::chown(folder, Some(user), Some(user)).map(|()| Some(user));
    give(OUTSIDE)
        .or_else(|_| give(NOBODY))
        .or_else(|error| if has_only_root()? { Ok(Some(0)) } else { Err(error) })
}

fn has_only_root() -> io::Result<bool> {
    let map = fs_err::read_to_string("/proc/self/uid_map")?;
    Ok(map.split_ascii_whitespace().skip(2).eq(["1"]))
}

impl Identity {
    /// What the caller can have, best first.
    pub(super) fn candidates() -> Vec<Self> {
        let separate = [OUTSIDE, NOBODY].map(|outside| Self::Separate { outside });
        if rustix::process::geteuid().is_root() {
            separate.into_iter().chain([Self::Same]).collect()
        } else {
            vec![Self::Same]
        }
    }

    /// The program's user id inside.
    pub(super) fn inside(self) -> u32 {
        match self {
            Self::Separate { .. } => INSIDE,
            Self::Same => 0,
        }
    }

    /// Maps ids into the user namespace of this process.
    pub(super) fn map(self, pid: i32) -> io::Result<()> {
        let file = |name| format!("/proc/{pid}/{name}");
        let map = |own: u32| match self {
            Self::Separate { outside } => format!("0 {own} 1\n{INSIDE} {outside} 1\n"),
            Self::Same => format!("0 {own} 1\n"),
        };
        if self == Self::Same {
            fs_err::write(file("setgroups"), "deny")?;
        }
        fs_err::write(file("uid_map"), map(rustix::process::geteuid().as_raw()))?;
        fs_err::write(file("gid_map"), map(rustix::process::getegid().as_raw()))
    }

    /// Becomes the program's user, in a fresh process. Allocates nothing.
    pub(super) fn take_on(self) -> Result<(), Step> {
        let Self::Separate { .. } = self else { return Ok(()) };
        become_user(INSIDE, Step::Identity)
    }
}

/// Takes on this user and group in every respect and leaves all other groups, where that is
/// allowed. Allocates nothing.
///
/// By bare system calls: the C library's functions of these names would wait for the threads of the
/// process that this one was cloned from.
pub(super) fn become_user(id: u32, step: Step) -> Result<(), Step> {
    // SAFETY: plain system calls; a null list of no groups is allowed.
    unsafe {
        libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>());
        check(libc::syscall(libc::SYS_setresgid, id, id, id) as i32, step)?;
        check(libc::syscall(libc::SYS_setresuid, id, id, id) as i32, step)
    }
}

/// Takes away what a later start could give back, while there is the power to. Allocates nothing.
pub(super) fn bound_capabilities() {
    // Past the kernel's last capability the call fails, which ends the list.
    // SAFETY: plain system calls.
    unsafe {
        for capability in 0..64 {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        libc::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0);
    }
}

/// Renounces new privileges, and drops what there is. Allocates nothing.
pub(super) fn drop_privileges(capabilities: bool) -> Result<(), Step> {
    if capabilities {
        drop_capabilities()?;
    }
    // SAFETY: plain system calls.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), Step::NoNewPrivileges)?;
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0), Step::NoNewPrivileges)
    }
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// The third version of the call, with two words a set.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// Being root gives nothing at a start, and none of this can be turned back.
const SECURE_BITS: libc::c_ulong = 0b0010_1111;

fn drop_capabilities() -> Result<(), Step> {
    let (header, none) = (Header { version: CAPABILITY_VERSION, pid: 0 }, [0_u32; 6]);
    // SAFETY: header and sets live through the call and have the layout of this version.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) };
    check(answer as i32, Step::Capabilities)
}
