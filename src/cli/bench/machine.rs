//! The machine a figure was measured on: processor, cores, SIMD level, how fast memory is read; and
//! what memory this process holds. Linux files only; what they do not tell is said to be unknown.

use anyhow::{Context, Result};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::fmt;
use std::time::{Duration, Instant};

/// What every report states.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    cpu: String,
    threads: usize,
    level: kernels::level::Level,
    /// Gigabytes (10^9) a second, all threads streaming.
    pub(super) read_gb_per_s: f64,
}

impl Machine {
    /// Looks at this machine and times its memory (about a second, 1 GiB for that time).
    pub(super) fn measure() -> Self {
        Self {
            cpu: cpu_name(),
            threads: rayon::current_num_threads(),
            level: kernels::level::Level::active(),
            read_gb_per_s: read_bandwidth(1 << 30),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "threads": self.threads,
            "simd": format!("{:?}", self.level).to_lowercase(),
            "memory_read_gb_per_s": self.read_gb_per_s,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, threads, level, read_gb_per_s } = self;
        let simd = format!("{level:?}").to_lowercase();
        write!(f, "{cpu}, {threads} threads, {simd}, memory reads at {read_gb_per_s:.1} GB/s")
    }
}

fn cpu_name() -> String {
    let text = fs_err::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    name.unwrap_or("unknown processor").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Best of up to five passes, begun within a second, over `bytes` of memory (far more than the caches
/// hold) by all threads.
fn read_bandwidth(bytes: usize) -> f64 {
    const PASSES: usize = 5;
    const LONGEST: Duration = Duration::from_secs(1);
    let data = vec![1u64; bytes / size_of::<u64>()];
    let pieces = 16 * rayon::current_num_threads();
    let begin = Instant::now();
    let pass = |_| {
        let start = Instant::now();
        let sum: u64 = data.par_chunks(data.len().div_ceil(pieces)).map(sum).sum();
        std::hint::black_box(sum);
        bytes as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    let in_time = |pass: &usize| *pass == 0 || begin.elapsed() < LONGEST;
    (0..PASSES).take_while(in_time).map(pass).fold(0.0, f64::max)
}

/// Sums in eight lanes, so that loads and not additions set the pace.
fn sum(values: &[u64]) -> u64 {
    let mut lanes = [0u64; 8];
    for chunk in values.chunks_exact(8) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = lane.wrapping_add(*value);
        }
    }
    lanes.into_iter().fold(0, u64::wrapping_add)
}

/// Bytes of memory this process holds now (`VmRSS`).
///
/// # Errors
/// Where `/proc/self/status` does not tell.
pub(super) fn resident_bytes() -> Result<usize> {
    status_bytes("VmRSS")
}

/// The most this process ever held (`VmHWM`).
///
/// # Errors
/// As [`resident_bytes`].
pub(super) fn peak_resident_bytes() -> Result<usize> {
    status_bytes("VmHWM")
}

fn status_bytes(field: &str) -> Result<usize> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    parse_status(&status, field).with_context(|| {
        format!("/proc/self/status has no {field} in kB; resident memory cannot be measured here")
    })
}

/// The value of a line such as `VmRSS: 123 kB`, in bytes.
fn parse_status(status: &str, field: &str) -> Option<usize> {
    let rest = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    let kib: usize = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines_are_read_in_bytes() {
        let status = "Name:\twardrobe\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!(parse_status(status, "VmRSS"), Some(1 << 20));
        assert_eq!(parse_status(status, "VmHWM"), Some(2 << 20));
        assert_eq!(parse_status("VmRSS: many\n", "VmRSS"), None);
    }

    #[test]
    fn a_large_allocation_shows_in_the_resident_memory() {
        let before = resident_bytes().unwrap();
        let held = vec![1u8; 64 << 20];
        let after = resident_bytes().unwrap();
        assert!(std::hint::black_box(&held).iter().all(|&byte| byte == 1));
        assert!(after >= before + (48 << 20), "{before} -> {after}");
        // Linux counts resident pages a thread at a time, so the two differ by a few.
        assert!(peak_resident_bytes().unwrap() + (4 << 20) >= after);
    }

    #[test]
    fn bandwidth_is_a_plausible_number() {
        let gb_per_s = read_bandwidth(8 << 20);
        assert!(gb_per_s.is_finite() && gb_per_s > 0.01, "{gb_per_s}");
    }
}
