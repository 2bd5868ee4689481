//! The supervisor: a process of ours beside the program that ends the whole tree, when the program
//! ends or the caller asks or is gone, and tells how it went. It runs after a fork: nothing here
//! allocates or panics. Left out: limits, which the caller holds.

use std::time::Duration;

use super::child::{CONTROL, ENDED, Message, STARTED, tell};
use super::step::{Step, check};

/// Waits for the program, ends what is left of its tree, tells the caller.
pub(super) fn until_end(program: i32, namespace: bool) -> Result<(), Step> {
    // The other process has started its program by now, or has told why not.
    tell(&Message { kind: STARTED, number: program, ..Message::default() });
    leave_its_files();
    if !namespace {
        // SAFETY: a plain system call. Orphans of the program come to this process.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    }
    wait(program)?;
    let own_peak = usage(libc::RUSAGE_SELF).1;
    let status = end_all(program, namespace);
    let (spent, peak) = usage(libc::RUSAGE_CHILDREN);
    // The program's process began as an image of this one: a peak below says nothing.
    let peak = if peak > own_peak { peak } else { 0 };
    tell(&Message {
        kind: ENDED,
        number: status,
        cpu_us: spent.as_micros() as u64,
        peak,
        ..Message::default()
    });
    super::child::exit(0)
}

/// The program's open files are its own.
fn leave_its_files() {
    // SAFETY: a plain system call; nothing in this process owns them.
    unsafe { libc::close_range(0, super::child::STATUS as u32 - 1, 0) };
}

/// Waits until the program has ended or the caller says that it shall.
fn wait(program: i32) -> Result<(), Step> {
    // SAFETY: a plain system call.
    let ended = unsafe { libc::syscall(libc::SYS_pidfd_open, program, 0) } as i32;
    check(ended, Step::Fork)?;
    let mut files = [poll_in(CONTROL), poll_in(ended)];
    // SAFETY: the array lives through the call and has the length that is told.
    while unsafe { libc::poll(files.as_mut_ptr(), 2, -1) } < 0 {
        if super::step::errno() != libc::EINTR {
            return Err(Step::Fork);
        }
    }
    Ok(())
}

fn poll_in(fd: i32) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

/// Kills and reaps until no process of the tree is left; the program's status.
fn end_all(program: i32, namespace: bool) -> i32 {
    let mut status = 0;
    // SAFETY: a plain system call on a child that has not been reaped; one that has ended by itself
    // is past being killed.
    unsafe { libc::kill(program, libc::SIGKILL) };
    // SAFETY: the status has room for the answer.
    while unsafe { libc::waitpid(program, &raw mut status, 0) } < 0 {
        if super::step::errno() != libc::EINTR {
            break;
        }
    }
    loop {
        kill_rest(namespace);
        // SAFETY: a null status is allowed.
        let reaped = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        if reaped < 0 && super::step::errno() == libc::ECHILD {
            return status;
        }
    }
}

fn kill_rest(namespace: bool) {
    if namespace {
        // SAFETY: in a process namespace of its own this reaches every process but this one, which
        // is its first.
        unsafe { libc::kill(-1, libc::SIGKILL) };
        return;
    }
    for_each_child(|child| {
        // SAFETY: a child that has not been reaped: the number is still its own.
        unsafe { libc::kill(child, libc::SIGKILL) };
    });
}

/// Every child of this process, as far as one reading shows them; the rest come with the next.
fn for_each_child(act: impl Fn(i32)) {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the name is terminated; the buffer has the length that is told.
    let (buffer, length) = unsafe {
        let list = libc::open(c"/proc/thread-self/children".as_ptr(), flags);
        let mut buffer = [0_u8; 4096];
        let length = libc::read(list, buffer.as_mut_ptr().cast(), buffer.len());
        libc::close(list);
        (buffer, length.max(0) as usize)
    };
    // A number that the buffer cuts off is left for the next reading.
    let mut child = 0_i32;
    for &byte in buffer.iter().take(length) {
        if byte.is_ascii_digit() {
            child = child.wrapping_mul(10).wrapping_add(i32::from(byte - b'0'));
        } else {
            if child > 1 {
                act(child);
            }
            child = 0;
        }
    }
}

/// Processor time and largest resident memory in bytes.
fn usage(of: i32) -> (Duration, u64) {
    // SAFETY: an all-zero structure is valid, and the kernel fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(of, &raw mut usage);
        usage
    };
    let span = |time: libc::timeval| {
        Duration::new(time.tv_sec as u64, 0) + Duration::from_micros(time.tv_usec as u64)
    };
    (span(usage.ru_utime) + span(usage.ru_stime), usage.ru_maxrss as u64 * 1024)
}
