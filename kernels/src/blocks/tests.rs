//! The bytes of ggml itself: digests recorded by `tests/golden/blocks/record.py` from numbers
//! that are generated here again. Every SIMD level must give them.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::tile::Input;
use super::{BlockType, dequantize_rows, dequantize_rows_at, quantize_rows, quantize_rows_at};
use crate::level::Level;

const GOLDEN: &str = include_str!("../../tests/golden/blocks/digests.txt");
const CASES: usize = 20;

/// Word `index` of SplitMix64 over a counter, in four 16-bit parts.
fn words(seed: u64, index: usize) -> [i64; 4] {
    let z = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let z = z ^ (z >> 31);
    [0, 16, 32, 48].map(|shift| ((z >> shift) & 0xffff) as i64)
}

fn value(case: usize, index: usize) -> f32 {
    let [a, b, c, d] = words(1000 + case as u64, index);
    let gauss = (a + b + c + d - 131_070) as f32 * 2_f32.powi(-18);
    let heavy = ((((a * b) >> 16) * c) >> 10) as f32 * 2_f32.powi(-22);
    let heavy = if d & 1 == 1 { -heavy } else { heavy };
    let zero = if d & 1 == 1 { -0.0 } else { 0.0 };
    match case {
        0 => gauss,
        1 => heavy,
        2 => 0.0,
        3 => 0.731_058_6,
        4 => -0.3,
        5 => gauss * 2_f32.powi(100),
        6 => gauss * 2_f32.powi(127),
        7 => gauss * 2_f32.powi(-100),
        8 => gauss * 2_f32.powi(-120) * 2_f32.powi(-20),
        9 => gauss * 2_f32.powi(-22),
        10 if index % 97 == 13 => gauss * 1024.0,
        11 if a & 3 != 0 => zero,
        10 | 11 => gauss,
        12 => zero,
        13 => gauss.abs() + 0.125,
        14 => -gauss.abs() - 0.125,
        15 => ((a & 15) - 8) as f32 * 0.25,
        16 => 1.0_f32.copysign(zero),
        17 => gauss * 2_f32.powi(-((b & 31) as i32)),
        18 => f32::from_bits(gauss.to_bits() & 0xffff_0000),
        19 if index % 256 < 192 => 0.0,
        19 => heavy,
        _ => unreachable!("there are {CASES} cases"),
    }
}

fn importance(kind: &str, columns: usize) -> Option<Vec<f32>> {
    let even = |i| (words(7, i)[0] + 1) as f32 * 2_f32.powi(-16);
    match kind {
        "none" => None,
        "even" => Some((0..columns).map(even).collect()),
        _ => Some((0..columns).map(|i| even(i) * (words(7, i)[1] & 1) as f32).collect()),
    }
}

/// The shape of a case's tensor: the last of the small blocks has rows that are no whole tiles.
fn shape(kind: BlockType, case: usize) -> (usize, usize) {
    if kind.block_len() <= 32 && case == CASES - 1 { (7, 160) } else { (5, 768) }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn quantized(level: Level, kind: BlockType, case: usize, importance_kind: &str) -> Vec<u8> {
    let (rows, columns) = shape(kind, case);
    let values: Vec<f32> = (0..rows * columns).map(|i| value(case, i)).collect();
    let importance = importance(importance_kind, columns);
    let mut out = vec![0x55; rows * kind.row_bytes(columns)];
    let input = Input { values: &values, columns, importance: importance.as_deref() };
    quantize_rows_at(level, kind, input, &mut out);
    out
}

/// Lines of the golden file of one sort, as (type, the other fields).
fn golden(sort: &str) -> Vec<(BlockType, Vec<&'static str>)> {
    let lines: Vec<_> = GOLDEN.lines().map(|line| line.split(' ').collect::<Vec<_>>()).collect();
    let lines = lines.into_iter().filter(|fields| fields[0] == sort);
    lines.map(|f| (BlockType::from_name(f[1]).unwrap(), f[2..].to_vec())).collect()
}

#[test]
fn quantized_bytes_are_those_of_ggml_at_every_level() {
    let lines = golden("q");
    assert_eq!(lines.len(), 3 * BlockType::ALL.len());
    let mut wrong = Vec::new();
    for (kind, fields) in lines {
        assert_eq!(fields.len(), 1 + CASES);
        for (case, expected) in fields[1..].iter().enumerate() {
            for level in Level::supported() {
                if digest(&quantized(level, kind, case, fields[0])) != *expected {
                    wrong.push(format!("{kind} {} case {case} {level:?}", fields[0]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn dequantized_bits_are_those_of_ggml_at_every_level() {
    let lines = golden("d");
    assert_eq!(lines.len(), BlockType::ALL.len());
    for (kind, fields) in lines {
        let blocks = 64 * 256 / kind.block_len();
        let bytes: Vec<u8> =
            (0..blocks * kind.block_bytes()).map(|i| words(3, i)[0] as u8).collect();
        for level in Level::supported() {
            let mut values = vec![0.5; blocks * kind.block_len()];
            dequantize_rows_at(level, kind, &bytes, &mut values);
            let bits: Vec<u8> = values
                .iter()
                .map(|x| if x.is_nan() { f32::NAN } else { *x })
                .flat_map(f32::to_le_bytes)
                .collect();
            assert_eq!(digest(&bits), fields[0], "{kind} {level:?}");
        }
    }
}

#[test]
fn a_ramp_is_stored_as_ggml_stores_it() {
    for (kind, fields) in golden("b") {
        let length = kind.block_len().max(4);
        let values: Vec<f32> =
            (0..length).map(|i| (i as f32 - (length / 3) as f32) / 64.0).collect();
        let mut out = vec![0; kind.row_bytes(length)];
        quantize_rows(kind, &values, length, None, &mut out);
        let mut hex = String::new();
        for byte in &out {
            let _ = write!(hex, "{byte:02x}");
        }
        assert_eq!(hex, fields[0], "{kind}");
        let mut back = vec![0.0; length];
        dequantize_rows(kind, &out, &mut back);
        let error = back.iter().zip(&values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let range = values[length - 1] - values[0];
        let steps = 2_f32.powf(8.0 * kind.row_bytes(length) as f32 / length as f32 - 0.6);
        assert!(error <= range / steps, "{kind}: {error} of {range}");
    }
}

#[test]
fn rows_may_be_split_over_calls() {
    for kind in BlockType::ALL {
        for importance_kind in ["none", "even"] {
            let whole = quantized(Level::active(), kind, 1, importance_kind);
            let (rows, columns) = shape(kind, 1);
            let importance = importance(importance_kind, columns);
            for (row, expected) in whole.chunks(kind.row_bytes(columns)).enumerate().take(rows) {
                let values: Vec<f32> = (0..columns).map(|i| value(1, row * columns + i)).collect();
                let mut out = vec![0xcc; expected.len()];
                quantize_rows(kind, &values, columns, importance.as_deref(), &mut out);
                assert_eq!(out, expected, "{kind} row {row}");
            }
        }
    }
}

#[test]
fn values_that_are_not_finite_do_no_harm() {
    for kind in BlockType::ALL {
        let mut values: Vec<f32> = (0..512).map(|i| value(0, i)).collect();
        (values[3], values[40], values[300]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        let importance = vec![1.0; 512];
        for importance in [None, Some(&importance[..])] {
            let mut out = vec![0; kind.row_bytes(512)];
            quantize_rows(kind, &values, 512, importance, &mut out);
        }
    }
}

#[test]
#[should_panic(expected = "an importance for each column")]
fn an_importance_of_another_width_is_refused() {
    quantize_rows(BlockType::Q4_0, &[0.0; 32], 32, Some(&[1.0; 31]), &mut [0; 18]);
}
