//! Quantizes a file of little-endian `f32` on one thread, several times, and prints the shortest
//! time in nanoseconds: `quantize TYPE COLUMNS VALUES OUT [IMPORTANCE]`. What it writes can be
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
        best(|| quantize_rows(kind, &values, columns, importance.as_deref(), &mut bytes));
    std::fs::write(out, &bytes)?;
    let mut back = vec![0.0; values.len()];
    let dequantizing = best(|| dequantize_rows(kind, &bytes, &mut back));
    println!("{} {}", quantizing.as_nanos(), dequantizing.as_nanos());
    Ok(())
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let words = bytes.chunks_exact(4);
    Ok(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// The shortest of five runs: other work on the machine only ever adds time.
fn best(mut body: impl FnMut()) -> Duration {
    let runs = (0..5).map(|_| {
        let (busy, start) = (busy(), Instant::now());
        body();
        match (busy, self::busy()) {
            (Some(before), Some(after)) => after - before,
            _ => start.elapsed(),
        }
    });
    runs.min().unwrap_or_default()
}

/// Time this thread has spent on a core, where Linux tells (every few milliseconds).
fn busy() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
