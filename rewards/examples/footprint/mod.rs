//! What grows if anything leaks: this process's memory and open files, and the processes below it, as
//! Linux tells them.

use serde::Serialize;

/// One look.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Footprint {
    /// Resident memory in KiB.
    pub(crate) resident_kib: u64,
    /// Open files.
    pub(crate) files: usize,
    /// Processes below this one, dead ones that nobody has waited for included.
    pub(crate) processes: usize,
}

/// Looks now.
pub(crate) fn footprint() -> Footprint {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    Footprint {
        resident_kib: resident.unwrap_or(0),
        files: fs_err::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        processes: descendants(std::process::id()),
    }
}

fn descendants(process: u32) -> usize {
    let tasks = fs_err::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let lists: Vec<String> = tasks
        .filter_map(|task| fs_err::read_to_string(task.path().join("children")).ok())
        .collect();
    let children = lists.iter().flat_map(|list| list.split_whitespace());
    children.filter_map(|child| child.parse().ok()).map(|child| 1 + descendants(child)).sum()
}
