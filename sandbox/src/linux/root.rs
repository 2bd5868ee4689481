//! A root of its own: an empty file system in memory with what is readable bound into it,
//! read-only, in place of everything else. Planned before a fork, built after it.
//!
//! The calls act in a fresh mount namespace that nobody else sees, and the namespace goes with its
//! last process: there is nothing to clean up.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::exec::terminated;
use super::step::{Step, check};
use crate::Error;

/// Where the new root is put together: it exists wherever there are processes, nothing below it is
/// wanted inside, and the fresh one is mounted before it is left.
const STAGE: &str = "/proc";

/// The folder that holds the working folder; Landlock's rule for it covers whatever is mounted
/// below.
pub(super) const BOX: &str = "/box";
/// The working folder.
pub(super) const WORK: &str = "/box/work";

/// Programs with their libraries, and what these read, where it exists.
const SYSTEM: [&str; 17] = [
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/usr/share/zoneinfo",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/ld.so.cache",
    "/etc/alternatives",
];
/// The devices without memory.
pub(super) const DEVICES: [&str; 5] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

const LINKS: [(&str, &str); 6] = [
    ("/tmp", "box/work"),
    ("/dev/shm", "../box/work"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

enum Part {
    Folder(CString),
    Empty(CString),
    Link { target: CString, at: CString },
    Bind { from: CString, at: CString, device: bool },
    Memory { at: CString, options: CString },
}

/// A root that can be built without an allocation.
pub(super) struct Root {
    parts: Vec<Part>,
    proc: bool,
}

/// The system's paths and those asked for, that exist: what a program may read.
pub(super) fn readable(asked: &[PathBuf]) -> Vec<PathBuf> {
    let system = SYSTEM.iter().map(PathBuf::from).filter(|path| path.exists());
    let mut all: Vec<PathBuf> = system.collect();
    let real = asked.iter().filter_map(|path| path.canonicalize().ok());
    for path in asked.iter().cloned().chain(real) {
        if !all.iter().any(|have| path.starts_with(have)) {
            all.push(path);
        }
    }
    all
}

impl Root {
    /// `readable` is bound read-only at its own place. With `work` the working folder is mounted
    /// with these options; without, it stays an empty folder that nobody can write.
    pub(super) fn new(readable: &[PathBuf], work: Option<&str>, proc: bool) -> Result<Self, Error> {
        let mut plan = Planned::default();
        for path in readable {
            plan.readable(path)?;
        }
        for device in DEVICES.map(Path::new).into_iter().filter(|device| device.exists()) {
            plan.bind(device, true)?;
        }
        plan.folder(Path::new(WORK))?;
        plan.folder(Path::new("/proc"))?;
        // Where something readable lies below one of these, its folder takes the place.
        for (at, target) in LINKS.into_iter().filter(|(at, _)| !plan.made.contains(Path::new(at))) {
            let (target, at) = (terminated(target)?, staged(Path::new(at))?);
            plan.parts.push(Part::Link { target, at });
        }
        if let Some(options) = work {
            let (at, options) = (staged(Path::new(WORK))?, terminated(options)?);
            plan.parts.push(Part::Memory { at, options });
        }
        Ok(Self { parts: plan.parts, proc })
    }

    /// Builds the root and moves into it. Allocates nothing.
    pub(super) fn enter(&self) -> Result<(), Step> {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        mount(None, c"/", None, private, None).map_err(|()| Step::OwnMounts)?;
        mount(Some(c"tmpfs"), STAGE_C, Some(c"tmpfs"), NO_SUID, Some(c"mode=755,size=1m"))
            .map_err(|()| Step::NewRoot)?;
        for part in &self.parts {
            part.build()?;
        }
        if self.proc {
            fresh_proc()?;
        }
        self.move_in()
    }

    fn move_in(&self) -> Result<(), Step> {
        // SAFETY: system calls on terminated strings; the second argument puts the old root over
        // the new one, from where it is then taken away.
        unsafe {
            check(libc::chdir(STAGE_C.as_ptr()), Step::PivotRoot)?;
            let moved = libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr());
            check(moved as i32, Step::PivotRoot)?;
            check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH), Step::PivotRoot)?;
            check(libc::chdir(c"/".as_ptr()), Step::PivotRoot)?;
        }
        let frozen = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY | NO_SUID;
        mount(None, c"/", None, frozen, None).map_err(|()| Step::ReadOnly)
    }
}

const STAGE_C: &CStr = c"/proc";
const NO_SUID: u64 = libc::MS_NOSUID | libc::MS_NODEV;

/// The processes of this namespace and nothing else of the kernel.
fn fresh_proc() -> Result<(), Step> {
    let flags = NO_SUID | libc::MS_NOEXEC;
    let options = [c"hidepid=invisible,subset=pid", c"hidepid=2"];
    let mounted = options.into_iter().any(|options| {
        mount(Some(c"proc"), c"/proc/proc", Some(c"proc"), flags, Some(options)).is_ok()
    });
    if mounted { Ok(()) } else { Err(Step::FreshProc) }
}

impl Part {
    fn build(&self) -> Result<(), Step> {
        match self {
            Self::Folder(at) => {
                // SAFETY: a system call on a terminated string.
                check(unsafe { libc::mkdir(at.as_ptr(), 0o755) }, Step::Skeleton)
            }
            Self::Empty(at) => {
                let mode = libc::S_IFREG | 0o444;
                // SAFETY: as above.
                check(unsafe { libc::mknod(at.as_ptr(), mode, 0) }, Step::Skeleton)
            }
            Self::Link { target, at } => {
                // SAFETY: as above.
                check(unsafe { libc::symlink(target.as_ptr(), at.as_ptr()) }, Step::Skeleton)
            }
            Self::Bind { from, at, device } => bind(from, at, *device),
            Self::Memory { at, options } => {
                let flags = NO_SUID | libc::MS_NOEXEC;
                mount(Some(c"tmpfs"), at, Some(c"tmpfs"), flags, Some(options))
                    .map_err(|()| Step::WorkFolder)
            }
        }
    }
}

fn bind(from: &CStr, at: &CStr, device: bool) -> Result<(), Step> {
    mount(Some(from), at, None, libc::MS_BIND | libc::MS_REC, None).map_err(|()| Step::Bind)?;
    if device {
        return Ok(());
    }
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    let attributes = Attributes { set, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the attributes live through the call and have the size that is told.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            at.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    check(answer as i32, Step::ReadOnly)
}

fn mount(
    from: Option<&CStr>,
    at: &CStr,
    kind: Option<&CStr>,
    flags: u64,
    options: Option<&CStr>,
) -> Result<(), ()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: every pointer is null, where the call allows it, or a terminated string.
    let answer = unsafe {
        libc::mount(pointer(from), at.as_ptr(), pointer(kind), flags, pointer(options).cast())
    };
    if answer == 0 { Ok(()) } else { Err(()) }
}

#[derive(Default)]
struct Planned {
    parts: Vec<Part>,
    made: BTreeSet<PathBuf>,
}

impl Planned {
    /// A link stays a link, all else is bound. A link's target is readable when it is asked for.
    fn readable(&mut self, path: &Path) -> Result<(), Error> {
        match path.read_link() {
            Ok(target) => {
                self.folder(path.parent().unwrap_or(Path::new("/")))?;
                if self.made.insert(path.to_owned()) {
                    let target = c_path(&target)?;
                    self.parts.push(Part::Link { target, at: staged(path)? });
                }
                Ok(())
            }
            Err(_) => self.bind(path, false),
        }
    }

    fn bind(&mut self, path: &Path, device: bool) -> Result<(), Error> {
        if !self.made.contains(path) {
            if path.is_dir() {
                self.folder(path)?;
            } else {
                self.folder(path.parent().unwrap_or(Path::new("/")))?;
                self.made.insert(path.to_owned());
                self.parts.push(Part::Empty(staged(path)?));
            }
        }
        self.parts.push(Part::Bind { from: c_path(path)?, at: staged(path)?, device });
        Ok(())
    }

    /// The folder and all above it.
    fn folder(&mut self, path: &Path) -> Result<(), Error> {
        let above: Vec<&Path> = path.ancestors().filter(|path| path.parent().is_some()).collect();
        for folder in above.into_iter().rev() {
            if self.made.insert(folder.to_owned()) {
                self.parts.push(Part::Folder(staged(folder)?));
            }
        }
        Ok(())
    }
}

fn staged(path: &Path) -> Result<CString, Error> {
    let below = path.strip_prefix("/").unwrap_or(path);
    c_path(&Path::new(STAGE).join(below))
}

/// A path as the system takes it.
pub(super) fn c_path(path: &Path) -> Result<CString, Error> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::Request(format!("a path holds a zero byte: {}", path.display())))
}
