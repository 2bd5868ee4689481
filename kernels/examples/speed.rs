//! Prints what the kernels reach on this machine: GB/s of weights for one row, GFLOP/s for more.
//! Run it with `--release`, on an idle machine; an argument picks the lines that contain it.

#![expect(clippy::print_stdout, reason = "it exists to print")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use half::bf16;
use kernels::{
    AttentionShape, BLOCK, KvBlocks, LoraSegment, PackedMatrix, Product, SeqRows, attention,
    attention_backward, log_softmax_stats, lora, matmul, matmul_transposed, rms_norm, swiglu,
};

/// Hidden and intermediate size of a 0.5B model.
const HIDDEN: usize = 896;
const WIDE: usize = 4864;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!("{:?}, {} threads", kernels::level::Level::active(), rayon::current_num_threads());
    let groups: [(&str, fn()); 6] = [
        ("decode", decode),
        ("blocks", blocks),
        ("transposed", transposed),
        ("attention", attend),
        ("lora", low_rank),
        ("elements", elements),
    ];
    for (name, group) in groups {
        if name.contains(&wanted) {
            group();
        }
    }
}

/// The shortest of several runs: other work on the machine only ever adds time.
fn best(runs: usize, mut body: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let (busy, start) = (busy(), Instant::now());
            body();
            let elapsed = start.elapsed();
            // On one thread, time spent waiting for a core that others use does not count.
            match (busy, self::busy()) {
                (Some(before), Some(after)) if elapsed > Duration::from_millis(20) => {
                    after - before
                }
                _ => elapsed,
            }
        })
        .min()
        .unwrap_or_default()
}

/// Time this thread has spent on a core, when it is the only one and Linux tells (every few
/// milliseconds).
fn busy() -> Option<Duration> {
    if rayon::current_num_threads() > 1 {
        return None;
    }
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

fn report(name: &str, unit: &str, amount: usize, time: Duration) {
    let rate = amount as f64 / time.as_secs_f64() / 1e9;
    println!("{name:<44} {rate:8.1} G{unit}/s {:10.3} ms", time.as_secs_f64() * 1e3);
}

fn numbers(len: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn narrow(n: usize, k: usize) -> PackedMatrix {
    let w: Vec<bf16> = numbers(n * k).into_iter().map(bf16::from_f32).collect();
    PackedMatrix::pack_bf16(&w, n, k)
}

fn wide(n: usize, k: usize) -> PackedMatrix {
    PackedMatrix::pack_f32(&numbers(n * k), n, k)
}

/// One row through more than a gigabyte of different weights, as a decode step does.
fn decode() {
    let x = numbers(WIDE);
    for (name, pack) in [("bf16", narrow as fn(usize, usize) -> _), ("f32", wide)] {
        let one = pack(WIDE, HIDDEN);
        let copies = (1 << 30) / one.bytes();
        let weights: Vec<PackedMatrix> = (0..copies).map(|_| one.clone()).collect();
        for m in [1, 2, 4, 8] {
            let x: Vec<f32> = x[..HIDDEN].iter().copied().cycle().take(m * HIDDEN).collect();
            let mut y = vec![0.0; m * WIDE];
            let time = best(4, || {
                for weight in &weights {
                    matmul(&x, m, &mut [Product { weight, bias: None, y: &mut y }]);
                }
                black_box(&y);
            });
            report(&format!("decode {name} m={m}"), "B", copies * one.bytes(), time);
        }
    }
}

/// Few to many rows through one weight.
fn blocks() {
    for (n, k) in [(WIDE, HIDDEN), (HIDDEN, WIDE)] {
        for (name, weight) in [("bf16", narrow(n, k)), ("f32", wide(n, k))] {
            for m in [4, 8, 12, 64, 512] {
                let (x, mut y) = (numbers(m * k), vec![0.0; m * n]);
                let time = best(8, || {
                    matmul(&x, m, &mut [Product { weight: &weight, bias: None, y: &mut y }]);
                });
                report(&format!("blocks {name} {n}x{k} m={m}"), "FLOP", 2 * m * n * k, time);
            }
        }
    }
}

fn transposed() {
    for (n, k) in [(WIDE, HIDDEN), (HIDDEN, WIDE)] {
        let weight = narrow(n, k);
        for m in [64, 512, 2048] {
            let (dy, mut dx) = (numbers(m * n), vec![0.0; m * k]);
            let time = best(4, || matmul_transposed(&dy, m, &weight, &mut dx));
            report(&format!("transposed bf16 {n}x{k} m={m}"), "FLOP", 2 * m * n * k, time);
        }
    }
}

fn attend() {
    for (heads, kv_heads, d) in [(14, 2, 64), (16, 8, 128), (4, 4, 64)] {
        let shape = AttentionShape { heads, kv_heads, head_dim: d, scale: 0.1 };
        let len = 2048;
        let mut kv = KvBlocks::new(len / BLOCK, kv_heads, d);
        let rows = numbers(len * kv_heads * d);
        let slots: Vec<u32> = (0..len as u32).collect();
        let time = best(3, || kv.write(&rows, &rows, &slots));
        let name = format!("{heads}/{kv_heads} heads of {d}, {len}");
        report(&format!("attention write {name}"), "B", 8 * rows.len(), time);
        let blocks: Vec<u32> = (0..(len / BLOCK) as u32).collect();
        let (q, mut out) = (numbers(len * heads * d), vec![0.0; len * heads * d]);

        let seqs = [SeqRows { rows: 0..1, first_position: len - 1, blocks: &blocks }];
        let one = heads * d;
        let time = best(20, || attention(&q[..one], heads, 0.1, &kv, &seqs, &mut out[..one]));
        report(&format!("attention decode {name}"), "B", kv.bytes(), time);

        let seqs = [SeqRows { rows: 0..len, first_position: 0, blocks: &blocks }];
        let time = best(3, || attention(&q, heads, 0.1, &kv, &seqs, &mut out));
        report(&format!("attention prefill {name}"), "FLOP", 2 * len * len * heads * d, time);

        let (mut dq, mut dk, mut dv) = (out.clone(), rows.clone(), rows.clone());
        let mut backward = || {
            attention_backward(shape, &q, &rows, &rows, &out, &[len], &mut dq, &mut dk, &mut dv);
        };
        let time = best(3, &mut backward);
        report(&format!("attention backward {name}"), "FLOP", 5 * len * len * heads * d, time);
    }
}

fn low_rank() {
    let (k, n, r) = (HIDDEN, WIDE, 16);
    let adapters: Vec<_> = (0..8).map(|_| (narrow(r, k), narrow(n, r))).collect();
    for rows in [1, 8, 64] {
        let segments: Vec<LoraSegment> = adapters
            .iter()
            .enumerate()
            .map(|(i, (a, b))| LoraSegment { rows: i * rows..(i + 1) * rows, a, b, scale: 0.5 })
            .collect();
        let (x, mut y) = (numbers(8 * rows * k), vec![0.0; 8 * rows * n]);
        let time = best(20, || lora(&x, k, &mut y, n, &segments));
        report(&format!("lora 8 segments of {rows}"), "FLOP", 16 * rows * r * (n + k), time);
    }
}

fn elements() {
    let x = numbers(512 * WIDE);
    let (weight, mut out) = (numbers(HIDDEN), vec![0.0; 512 * WIDE]);
    let time = best(5, || swiglu(&x, &x, &mut out));
    report("elements swiglu", "element", x.len(), time);
    let part = 512 * HIDDEN;
    let time = best(5, || rms_norm(&x[..part], &weight, 1e-6, &mut out[..part]));
    report("elements rms_norm", "element", part, time);
    let time = best(20, || rms_norm(&x[..HIDDEN], &weight, 1e-6, &mut out[..HIDDEN]));
    report("elements rms_norm, one row", "element", HIDDEN, time);
    let row = &x[..151_936];
    let time = best(20, || {
        black_box(log_softmax_stats(row));
    });
    report("elements log_softmax_stats", "element", row.len(), time);
}
