//! The fresh process, from its fork to the program. Nothing here allocates, locks or panics.
//!
//! It is cloned without the C library's knowledge, so that its namespaces are there from its birth;
//! all it does are system calls on what the plan holds ready.

use super::identity::{become_user, bound_capabilities, drop_privileges};
use super::plan::{Companion, Plan};
use super::priority;
use super::step::{Step, check, errno};
use super::supervise;
use crate::Priority;

/// Where the companion tells what happened; closed by the start of a program.
pub(super) const STATUS: i32 = 10;
/// Where the companion hears from the caller.
pub(super) const CONTROL: i32 = 11;

/// The kinds of what is told: two bytes, a number of 32 bits and two of 64.
pub(super) const FAILED: u8 = b'E';
pub(super) const STARTED: u8 = b'P';
pub(super) const ENDED: u8 = b'S';

/// A message of the companion.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) step: u8,
    pub(super) number: i32,
    pub(super) cpu_us: u64,
    pub(super) peak: u64,
}

/// The descriptors of the fresh process, all above the numbers they are to have.
pub(super) struct Descriptors<'a> {
    pub(super) program: &'a [i32],
    pub(super) status: i32,
    pub(super) control: i32,
    /// The caller's end of `control`: while the fresh process has it, it would not hear that the
    /// caller is gone.
    pub(super) callers: i32,
}

/// Runs in the companion, right after its birth.
pub(super) fn companion(plan: &Plan, descriptors: &Descriptors<'_>) -> ! {
    let result = prepare(plan, descriptors).and_then(|()| match &plan.companion {
        Companion::Supervisor => {
            if let Some(walls) = &plan.walls {
                walls.root.enter()?;
            }
            // With CLONE_VFORK this process rests until the other has started its program.
            let program = fork(libc::CLONE_VFORK)?;
            if program == 0 {
                program_side(plan);
            }
            supervise::until_end(program, plan.walls.is_some())
        }
        Companion::Warden(warden) => {
            let server = fork(libc::CLONE_NEWPID | libc::CLONE_VFORK)?;
            if server == 0 {
                program_side(plan);
            }
            tell(&Message { kind: STARTED, number: server, ..Message::default() });
            warden_side(warden)
        }
    });
    if let Err(step) = result {
        report(step);
    }
    exit(127)
}

fn warden_side(warden: &super::exec::Exec) -> Result<(), Step> {
    // SAFETY: plain system calls.
    unsafe {
        check(libc::chdir(c"/".as_ptr()), Step::Start)?;
        check(libc::dup2(CONTROL, 3), Step::Descriptors)?;
        libc::close_range(4, STATUS as u32 - 1, 0);
    }
    warden.start();
    Err(Step::Start)
}

/// Runs in the program's process, up to the program.
fn program_side(plan: &Plan) -> ! {
    if let Err(step) = confine(plan) {
        report(step);
    }
    exit(127)
}

fn confine(plan: &Plan) -> Result<(), Step> {
    // In a group of its own, like a command of a shell: who signals his group reaches none of ours.
    // SAFETY: a plain system call.
    unsafe { libc::setpgid(0, 0) };
    if let Some(walls) = &plan.walls {
        if let Companion::Warden(_) = plan.companion {
            walls.root.enter()?;
        }
        bound_capabilities();
        walls.identity.take_on()?;
    } else if let Some(user) = plan.user {
        bound_capabilities();
        become_user(user, Step::Identity)?;
    }
    // SAFETY: the folder is a terminated string.
    check(unsafe { libc::chdir(plan.folder.as_ptr()) }, Step::Files)?;
    for (name, content) in &plan.files {
        write_file(name, content)?;
    }
    for (resource, soft, hard) in &plan.limits {
        limit(*resource, *soft, *hard)?;
    }
    drop_privileges(plan.walls.is_some() || plan.user.is_some())?;
    if let Some(rules) = &plan.rules {
        rules.take_on().map_err(|_| Step::Landlock)?;
    }
    for filter in &plan.filters {
        install(filter)?;
    }
    plan.program.start();
    Err(Step::Start)
}

/// Lowers a limit; a hard limit that is lower already stays.
fn limit(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> Result<(), Step> {
    // SAFETY: the structure lives through both calls.
    unsafe {
        let mut now: libc::rlimit = std::mem::zeroed();
        check(libc::getrlimit(resource, &raw mut now), Step::Limits)?;
        let hard = hard.min(now.rlim_max);
        let new = libc::rlimit { rlim_cur: soft.min(hard), rlim_max: hard };
        check(libc::setrlimit(resource, &raw const new), Step::Limits)
    }
}

fn install(filter: &[seccompiler::sock_filter]) -> Result<(), Step> {
    let program =
        libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: the instructions have the kernel's layout and live through the call.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    check(answer as i32, Step::Seccomp)
}

fn write_file(name: &std::ffi::CStr, content: &[u8]) -> Result<(), Step> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    // SAFETY: the name is a terminated string.
    let file = unsafe { libc::open(name.as_ptr(), flags, 0o644) };
    check(file, Step::Files)?;
    let mut rest = content;
    while !rest.is_empty() {
        // SAFETY: pointer and length are the slice's.
        let written = unsafe { libc::write(file, rest.as_ptr().cast(), rest.len()) };
        check(written as i32, Step::Files)?;
        rest = rest.get(written as usize..).unwrap_or_default();
    }
    // SAFETY: the descriptor was opened above.
    check(unsafe { libc::close(file) }, Step::Files)
}

/// Waits until the caller has mapped the user ids, then leaves behind all that was inherited:
/// session, signals, open files.
fn prepare(plan: &Plan, descriptors: &Descriptors<'_>) -> Result<(), Step> {
    let mut go = 0_u8;
    // SAFETY: plain system calls; `go` has room for the byte that is read.
    unsafe {
        libc::close(descriptors.callers);
        check(
            libc::read(descriptors.control, (&raw mut go).cast(), 1) as i32 - 1,
            Step::UserNamespace,
        )?;
        libc::setsid();
        if plan.priority == Priority::Lowest {
            // Before the next step, which gives what is in /proc of this process to root.
            let tries = if let Companion::Warden(_) = plan.companion { 20 } else { 1 };
            priority::yield_to_all(tries);
        }
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        default_signals();
    }
    if plan.walls.is_some() {
        become_user(0, Step::UserNamespace)?;
        // SAFETY: a plain system call with a string and its length.
        unsafe { libc::sethostname(c"sandbox".as_ptr(), 7) };
    }
    arrange(descriptors)
}

fn arrange(descriptors: &Descriptors<'_>) -> Result<(), Step> {
    let program = descriptors.program.len() as i32;
    for (number, &descriptor) in (0..).zip(descriptors.program) {
        // SAFETY: a plain system call.
        check(unsafe { libc::dup2(descriptor, number) }, Step::Descriptors)?;
    }
    for (descriptor, number) in [(descriptors.status, STATUS), (descriptors.control, CONTROL)] {
        // SAFETY: a plain system call.
        let answer = unsafe { libc::dup3(descriptor, number, libc::O_CLOEXEC) };
        check(answer, Step::Descriptors)?;
    }
    // SAFETY: plain system calls; nothing in this process owns the descriptors that are closed.
    unsafe {
        libc::close_range(program as u32, STATUS as u32 - 1, 0);
        check(libc::close_range(CONTROL as u32 + 1, u32::MAX, 0), Step::Descriptors)
    }
}

/// Every signal as a program expects to find it.
fn default_signals() {
    // SAFETY: the empty set is made before it is used; signals that cannot be set are left.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// A fork that the C library does not hear of.
fn fork(flags: i32) -> Result<i32, Step> {
    // SAFETY: without a new stack and without shared memory the call is a fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) } as i32;
    check(pid, Step::Fork)?;
    Ok(pid)
}

/// Tells the caller; one write, short enough to be whole.
pub(super) fn tell(message: &Message) {
    // SAFETY: the message is plain numbers, and lives through the call.
    unsafe { libc::write(STATUS, (&raw const *message).cast(), size_of::<Message>()) };
}

fn report(step: Step) {
    let number = errno();
    tell(&Message { kind: FAILED, step: step as u8, number, ..Message::default() });
}

/// Ends this process without any of the caller's clean-up.
pub(super) fn exit(status: i32) -> ! {
    // SAFETY: the call does not return.
    unsafe { libc::_exit(status) }
}
