//! The memory of a tree of processes, as their own accounts show it.
//!
//! Left out: what no account shows, such as shared memory of which a process has given back all but
//! a part. A control group counts that.

use std::collections::HashMap;

use fs_err as fs;

/// Whether these have more than `limit` bytes. Shared pages count once: where the cheap sum is too
/// large, the kernel is asked for each process's share. Shared memory without a file counts whole
/// where it might matter: a process need not have it resident to keep it.
pub(super) fn too_much_memory(processes: &[i32], limit: u64) -> bool {
    let sum = |of: &dyn Fn(i32) -> Option<u64>| {
        processes.iter().filter_map(|&pid| of(pid)).fold(0, u64::saturating_add)
    };
    if sum(&|pid| pages(pid, RESIDENT)) > limit
        && sum(&|pid| share(pid, "Pss:").or_else(|| pages(pid, RESIDENT))) > limit
    {
        return true;
    }
    sum(&|pid| pages(pid, SIZE)) > limit && {
        let shared = shared_memory(processes);
        shared > 0 && shared.saturating_add(sum(&|pid| share(pid, "Pss_Anon:"))) > limit
    }
}

/// Fields of `/proc/<pid>/statm`: address space, and resident memory with what is shared with others,
/// for shared memory is memory too.
const SIZE: usize = 0;
const RESIDENT: usize = 1;

fn pages(pid: i32, field: usize) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(field)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The process's share of its resident memory of a kind, in bytes.
fn share(pid: i32, kind: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Shared memory without a file that these have mapped, each piece once and as far as the last
/// mapping of it goes.
fn shared_memory(processes: &[i32]) -> u64 {
    let mut pieces: HashMap<String, u64> = HashMap::new();
    for pid in processes {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        for (piece, end) in maps.lines().filter_map(piece) {
            let known = pieces.entry(piece.to_owned()).or_default();
            *known = end.max(*known);
        }
    }
    pieces.into_values().fold(0, u64::saturating_add)
}

/// The piece of shared memory that a line of `/proc/<pid>/maps` is about, and where in it the mapping
/// ends.
fn piece(line: &str) -> Option<(&str, u64)> {
    let (_, name) = line.split_once(" /")?;
    let without_file = ["dev/zero (deleted)", "memfd:", "SYSV"];
    let mut fields = line.split_ascii_whitespace();
    let (span, access, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let inode = fields.nth(1)?;
    if !access.ends_with('s') || !without_file.iter().any(|kind| name.starts_with(kind)) {
        return None;
    }
    let (start, end) = span.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let length = number(end)?.checked_sub(number(start)?)?;
    Some((inode, number(offset)?.checked_add(length)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_found_in_what_the_kernel_lists() {
        let line = "7f00-9f00 rw-s 00001000 00:01 2050    /dev/zero (deleted)";
        assert_eq!(piece(line), Some(("2050", 0x3000)));
        for other in [
            "7f00-9f00 rw-p 00000000 00:01 2050    /dev/zero (deleted)",
            "7f00-9f00 rw-s 00000000 00:01 2050    /tmp/file",
            "7f00-9f00 rw-p 00000000 00:00 0",
            "7f00-9f00 rw-p 00000000 00:00 0       [heap]",
        ] {
            assert_eq!(piece(other), None, "{other}");
        }
    }

    #[test]
    fn memory_that_is_kept_but_not_resident_counts_once() {
        let length = 1 << 30;
        // SAFETY: a fresh mapping that nobody writes, let go below.
        let memory = unsafe {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0)
        };
        assert_ne!(memory, libc::MAP_FAILED);
        let own = std::process::id() as i32;
        assert!(pages(own, RESIDENT).unwrap() < 1 << 30);
        assert!(too_much_memory(&[own], (1 << 30) - 1));
        let shared = shared_memory(&[own]);
        assert_eq!(shared_memory(&[own, own]), shared);
        assert!(!too_much_memory(&[own, own], 4 << 30));
        // SAFETY: the mapping made above.
        unsafe { libc::munmap(memory, length) };
        assert!(!too_much_memory(&[own], 1 << 30));
    }
}
