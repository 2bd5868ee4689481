//! Landlock's rules, made and taken on after a fork, where nothing may be allocated: three plain
//! system calls. The names of the rights are the `landlock` crate's.

use std::ffi::CString;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, Scope, make_bitflags};

/// What a path and everything below it may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Read, list, start.
    Read,
    /// Read and write a device or a file.
    Device,
    /// Everything one does in an own folder.
    Own,
}

/// Rules that are ready to be taken on.
pub(super) struct Rules {
    handled: Attributes,
    size: usize,
    paths: Vec<Path>,
}

/// A path with its rights, as a folder and as a file.
struct Path {
    name: CString,
    folder: u64,
    file: u64,
}

#[repr(C)]
struct Attributes {
    fs: u64,
    net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

const VERSION: u32 = 1;
const PATH_BENEATH: i32 = 1;

/// The version the kernel speaks, 0 where there is none.
pub(super) fn version() -> u32 {
    // SAFETY: with a null attribute and the version flag the call only returns a number.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION)
    };
    u32::try_from(answer).unwrap_or(0)
}

/// From this version on, all that one does to a file can be ruled.
pub(super) const TRUNCATION_RULED: u32 = 3;
/// From this version on, signals leave no domain.
pub(super) const SIGNALS_SCOPED: u32 = 6;

fn abi(version: u32) -> ABI {
    match version {
        0 => ABI::Unsupported,
        1 => ABI::V1,
        2 => ABI::V2,
        3 => ABI::V3,
        4 => ABI::V4,
        5 => ABI::V5,
        _ => ABI::V6,
    }
}

impl Rules {
    /// Rules for these paths; all else is out of reach, and so are ports, abstract sockets and
    /// processes outside.
    pub(super) fn new(version: u32, paths: Vec<(CString, Right)>) -> Self {
        let abi = abi(version);
        let handled = Attributes {
            fs: AccessFs::from_all(abi).bits(),
            net: AccessNet::from_all(abi).bits(),
            scoped: Scope::from_all(abi).bits(),
        };
        let size = match version {
            0..=3 => 8,
            4..=5 => 16,
            _ => 24,
        };
        let path = |(name, right)| {
            let rights = rights(abi, right);
            Path { name, folder: rights.bits(), file: (rights & of_files()).bits() }
        };
        Self { handled, size, paths: paths.into_iter().map(path).collect() }
    }

    /// Takes the rules on, for this process and all it starts. Allocates nothing.
    pub(super) fn take_on(&self) -> io::Result<()> {
        // SAFETY: the attribute lives through the call and the kernel reads `size` bytes of it,
        // which are no more than it has.
        let ruleset = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const self.handled, self.size, 0)
        };
        let ruleset = descriptor(ruleset)?;
        for path in &self.paths {
            beneath(ruleset, path)?;
        }
        // SAFETY: plain system calls on a descriptor made above.
        let answer = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) };
        descriptor(answer)?;
        // SAFETY: as above.
        unsafe { libc::close(ruleset) };
        Ok(())
    }
}

/// Adds one path; one that is not there needs no rule.
fn beneath(ruleset: i32, path: &Path) -> io::Result<()> {
    // SAFETY: the path is a terminated string.
    let parent = unsafe { libc::open(path.name.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
    if parent < 0 {
        return Ok(());
    }
    let allowed = if is_folder(parent) { path.folder } else { path.file };
    let rule = Beneath { allowed, parent };
    // SAFETY: the rule lives through the call and has the layout the kernel documents.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0)
    };
    // SAFETY: the descriptor was opened above.
    unsafe { libc::close(parent) };
    descriptor(answer).map(|_| ())
}

/// The rights that a file can have; the others make sense for folders alone.
fn of_files() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{Execute | ReadFile | WriteFile | Truncate | IoctlDev})
}

fn is_folder(descriptor: i32) -> bool {
    // SAFETY: an all-zero stat is valid, and the kernel fills it.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        libc::fstat(descriptor, &raw mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFDIR
    }
}

fn descriptor(answer: i64) -> io::Result<i32> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer as i32) }
}

fn rights(abi: ABI, right: Right) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{Execute | ReadFile | ReadDir});
    let device = make_bitflags!(AccessFs::{ReadFile | WriteFile});
    let make = make_bitflags!(AccessFs::{
        MakeDir | MakeReg | MakeSym | MakeFifo | RemoveDir | RemoveFile | Refer | Truncate
    });
    let wanted = match right {
        Right::Read => read,
        Right::Device => device,
        Right::Own => (read & !AccessFs::Execute) | device | make,
    };
    wanted & AccessFs::from_all(abi)
}
