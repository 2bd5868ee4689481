//! The lowest priority, for programs that are judged beside a server on the same machine. Their
//! clocks rest while they yield (`clock`).
//!
//! Where Linux shares processors among sessions, the priority of a process counts within its session
//! alone: the session has one of its own, which a file in /proc sets. It may be written ten times a
//! second on the whole machine. A program that starts a session of its own leaves it: only a control
//! group holds that one back.

use std::ffi::CStr;

const LOWEST: &CStr = c"19";
const SESSION: &CStr = c"/proc/self/autogroup";

/// Gives this process, its session and all it starts the lowest priority; the session's in so many
/// tries, a moment apart. Allocates nothing.
pub(super) fn yield_to_all(tries: u32) {
    // SAFETY: plain system calls; the names are terminated.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, 19);
        let session = libc::open(SESSION.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if session < 0 {
            return;
        }
        for rest in (0..tries).rev() {
            let written = libc::write(session, LOWEST.as_ptr().cast(), LOWEST.count_bytes());
            if written >= 0 || super::step::errno() != libc::EAGAIN || rest == 0 {
                break;
            }
            let moment = libc::timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            libc::nanosleep(&raw const moment, std::ptr::null_mut());
        }
        libc::close(session);
    }
}
