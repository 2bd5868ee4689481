//! The memory of a whole tree of processes, looked at from outside.
//!
//! The limit of address space is each process's own; a tree that forks and then fills its memory is
//! held by this, with or without a control group.

use fs_err as fs;

/// A tree of processes and what it may have resident, in bytes.
pub(super) struct TreeMemory {
    root: i32,
    limit: u64,
}

/// More processes than any limit allows are not looked at.
const MOST: usize = 4096;

impl TreeMemory {
    /// Everything below `root`; without it nothing is watched.
    pub(super) fn new(root: i32, limit: u64) -> Self {
        Self { root, limit }
    }

    /// Whether the tree has more than it may. Shared pages count once: where the cheap sum is too
    /// large, the kernel is asked for each process's share.
    pub(super) fn too_much(&self) -> bool {
        let tree = descendants(self.root);
        let sum = |of: fn(i32) -> Option<u64>| tree.iter().filter_map(|&pid| of(pid)).sum::<u64>();
        sum(resident) > self.limit
            && tree
                .iter()
                .map(|&pid| share(pid).or_else(|| resident(pid)).unwrap_or(0))
                .sum::<u64>()
                > self.limit
    }
}

fn descendants(root: i32) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while next < found.len() && found.len() < MOST {
        found.extend(children(found[next]));
        next += 1;
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Resident memory, in bytes: what is shared with others as well, for shared memory is memory too.
fn resident(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The process's share of its resident memory, in bytes.
fn share(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// How many processes and threads a user has, as the kernel counts them for its limit.
pub(super) fn processes_of(user: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(all) = fs::read_dir("/proc") else { return 0 };
    let own = all.flatten().filter(|entry| entry.metadata().is_ok_and(|data| data.uid() == user));
    own.filter_map(|entry| fs::read_dir(entry.path().join("task")).ok())
        .map(|tasks| tasks.count() as u64)
        .sum()
}
