//! `Limits` in the system's terms, for each process of a program.

use super::identity::Identity;
use super::plan::ResourceLimit;
use super::probe::Machine;
use crate::Limits;

/// Open files of a process.
const FILES: u64 = 256;
/// What our own processes take of the number of processes.
const OURS: u64 = 3;
/// Threads are given stacks of this size unless the program says otherwise. It may raise it as far
/// as its address space goes: contestants do, for deep recursion.
const STACK: u64 = 8 << 20;

/// What a process is held to by the system; time, output and the tree's memory are held from
/// outside.
pub(super) fn resource_limits(limits: &Limits, machine: &Machine) -> Vec<ResourceLimit> {
    varying(limits, machine).into_iter().chain(fixed()).collect()
}

/// The limits that are a program's own.
pub(super) fn varying(limits: &Limits, machine: &Machine) -> Vec<ResourceLimit> {
    // Seconds are the system's unit. The watch is exact; this stands behind it.
    let seconds = limits.cpu.as_secs() + 1;
    let mut all = vec![
        (libc::RLIMIT_AS, limits.memory, limits.memory),
        (libc::RLIMIT_FSIZE, limits.disk, limits.disk),
        (libc::RLIMIT_CPU, seconds, seconds + 1),
    ];
    if let Some(ours) = own_processes(machine) {
        let processes = u64::from(limits.processes) + ours;
        all.push((libc::RLIMIT_NPROC, processes, processes));
    }
    all
}

/// The limits that are the same for every program.
pub(super) fn fixed() -> [ResourceLimit; 8] {
    [
        (libc::RLIMIT_STACK, STACK, libc::RLIM_INFINITY),
        (libc::RLIMIT_NOFILE, FILES, FILES),
        (libc::RLIMIT_CORE, 0, 0),
        (libc::RLIMIT_MEMLOCK, 0, 0),
        (libc::RLIMIT_MSGQUEUE, 0, 0),
        (libc::RLIMIT_NICE, 0, 0),
        (libc::RLIMIT_RTPRIO, 0, 0),
        (libc::RLIMIT_SIGPENDING, 256, 256),
    ]
}

/// How many processes the kernel already counts for the program's user: in a namespace of its own
/// only ours; without one, all of the user's.
fn own_processes(machine: &Machine) -> Option<u64> {
    match machine.walls.map(|walls| walls.identity) {
        Some(Identity::Separate { .. }) => Some(0),
        Some(Identity::Same) => Some(OURS),
        None => {
            let user = machine.user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
            // The system counts none of root's.
            (user != 0).then(|| super::tree::processes_of(user))
        }
    }
}

/// No higher than the system lets this process and those below it have.
pub(super) fn clamped(mut limits: Vec<ResourceLimit>) -> Vec<ResourceLimit> {
    for (resource, soft, hard) in &mut limits {
        // SAFETY: an all-zero structure is valid, and the kernel fills it.
        let most = unsafe {
            let mut now: libc::rlimit = std::mem::zeroed();
            libc::getrlimit(*resource, &raw mut now);
            now.rlim_max
        };
        *hard = most.min(*hard);
        *soft = most.min(*soft);
    }
    limits
}
