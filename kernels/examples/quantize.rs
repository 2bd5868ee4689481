//! Quantizes a file of little-endian `f32` on one thread, and back, and prints the nanoseconds that
//! each takes: `quantize TYPE COLUMNS VALUES OUT [IMPORTANCE]`. What it writes can be
//! compared with ggml's bytes (`tests/golden/blocks/compare.py` does).

#![expect(clippy::print_stdout, reason = "it exists to print")]

use std::error::Error;
use std::time::{Duration, Instant};

use kernels::blocks::{BlockType, dequantize_rows, quantize_rows};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, columns, values, out, rest @ ..] = &args[..] else {
        return Err("usage: quantize TYPE COLUMNS VALUES OUT [IMPORTANCE]".into());
    };
    let kind = BlockType::from_name(kind).ok_or("no such type")?;
    let columns: usize = columns.parse()?;
    let values = read(values)?;
    let importance = rest.first().map(|path| read(path)).transpose()?;
    let mut bytes = vec![0; values.len() / columns * kind.row_bytes(columns)];
    let quantizing =
        time(|| quantize_rows(kind, &values, columns, importance.as_deref(), &mut bytes));
    std::fs::write(out, &bytes)?;
    let mut back = vec![0.0; values.len()];
    let dequantizing = time(|| dequantize_rows(kind, &bytes, &mut back));
    println!("{} {}", quantizing.as_nanos(), dequantizing.as_nanos());
    Ok(())
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let words = bytes.chunks_exact(4);
    Ok(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// The time of one run, from as many as take a fifth of a second.
fn time(mut body: impl FnMut()) -> Duration {
    let (busy, start) = (busy(), Instant::now());
    let mut runs = 0;
    while runs == 0 || start.elapsed() < Duration::from_millis(200) {
        body();
        runs += 1;
    }
    match (busy, self::busy()) {
        (Some(before), Some(after)) if after > before => (after - before) / runs,
        _ => start.elapsed() / runs,
    }
}

/// Time this thread has spent on a core, where Linux tells (every few milliseconds).
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
