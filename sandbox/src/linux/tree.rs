//! A whole tree of processes, looked at from outside: who belongs to it and its processor time.
//!
//! The system's limits are each process's own; a tree that forks is held by this, with or without a
//! control group.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

/// A tree of processes below one of ours.
pub(super) struct Tree {
    root: i32,
    /// What each process was last seen to have used, the ended ones as well: who is not waited for
    /// takes its time along.
    spent: HashMap<i32, Duration>,
}

/// More processes than any limit allows are not looked at.
const MOST: usize = 4096;

impl Tree {
    /// Everything below `root`.
    pub(super) fn below(root: i32) -> Self {
        Self { root, spent: HashMap::new() }
    }

    /// The process of ours above them all.
    pub(super) fn root(&self) -> i32 {
        self.root
    }

    /// The processes that are there now, those of the first generation first, by age.
    pub(super) fn processes(&self) -> Vec<i32> {
        let parents = if has_children_files() { None } else { Some(parents()) };
        let children = |pid: i32| match &parents {
            None => listed_children(pid),
            Some(all) => all.iter().filter(|one| one.1 == pid).map(|one| one.0).collect(),
        };
        let mut found = children(self.root);
        let mut next = 0;
        while next < found.len() && found.len() < MOST {
            found.extend(children(found[next]));
            next += 1;
        }
        found
    }

    /// Processor time of these and of all that were seen before.
    pub(super) fn processor_time(&mut self, processes: &[i32]) -> Duration {
        for &pid in processes {
            let now = processor_time(pid);
            let seen = self.spent.entry(pid).or_default();
            *seen = now.max(*seen);
        }
        self.spent.values().sum()
    }
}

/// Whether trees can be looked at on this machine.
pub(super) fn can_look() -> bool {
    has_children_files() || !parents().is_empty()
}

/// Not every kernel lists a process's children.
fn has_children_files() -> bool {
    Path::new("/proc/thread-self/children").exists()
}

fn listed_children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists =
        tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Every process with its parent, by age as far as numbers tell.
fn parents() -> Vec<(i32, i32)> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<(i32, i32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
    found.sort_unstable();
    found
}

fn parent(pid: i32) -> Option<i32> {
    status(Path::new(&format!("/proc/{pid}")))?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// What the kernel says of a process or thread, by its folder, after its name: the state comes first.
fn status(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    // The name, in parentheses, may hold anything.
    text.rsplit_once(')').map(|(_, rest)| rest.trim_start().to_owned())
}

/// Whether a thread of the process is in one of these states.
pub(super) fn has_thread(pid: i32, states: &[char]) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut threads = threads.flatten().filter_map(|thread| status(&thread.path()));
    threads.any(|status| status.starts_with(states))
}

/// Processor time of a process with all its threads.
fn processor_time(pid: i32) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure has room for the answer; the first argument is the kernel's number for
    // "the processor clock of process `pid`".
    unsafe { libc::clock_gettime((!pid << 3) | 2, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_listing_find_a_child() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let (pid, own) = (child.id() as i32, std::process::id() as i32);
        assert!(parents().contains(&(pid, own)));
        if has_children_files() {
            assert!(listed_children(own).contains(&pid));
        }
        assert!(Tree::below(own).processes().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn time_of_the_ended_is_kept() {
        let mut tree = Tree::below(std::process::id() as i32);
        tree.spent.insert(1 << 30, Duration::from_secs(3));
        let own = std::process::id() as i32;
        assert!(tree.processor_time(&[own]) > Duration::from_secs(3));
    }
}
