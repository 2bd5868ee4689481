//! Damaged and dishonest safetensors files: always an error, never a panic, never a read outside.

use std::path::Path;

use formats::SafetensorsFile;

use crate::golden;
use crate::random::{Random, mutate};
use crate::sentences::says;

fn open(bytes: Vec<u8>) -> formats::Result<SafetensorsFile> {
    SafetensorsFile::from_bytes(bytes, Path::new("model.safetensors"))
}

/// A file with this header and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 7);
    bytes
}

const GOOD: &str = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[1,3],"data_offsets":[8,14]}}"#;

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = file(GOOD, 14);
    assert!(open(whole.clone()).is_ok());
    for length in 0..whole.len() {
        says(open(whole[..length].to_vec()), &["model.safetensors"]);
    }
    let mut longer = whole;
    longer.push(0);
    says(open(longer), &["end at byte 14", "15 are there"]);
}

#[test]
fn files_cut_on_disk_are_refused_by_the_mapping_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.safetensors");
    let whole = fs_err::read(golden::path("safetensors/floats.safetensors")).unwrap();
    for length in [0, 1, 7, 8, 9, 100, whole.len() - 1] {
        fs_err::write(&path, &whole[..length]).unwrap();
        says(SafetensorsFile::open(&path), &["cut.safetensors"]);
        says(SafetensorsFile::read(&path), &["cut.safetensors"]);
    }
    says(SafetensorsFile::open(dir.path()), &["expected a file"]);
    says(SafetensorsFile::open(&dir.path().join("none")), &["none"]);
}

#[test]
fn each_lie_is_called_by_its_name() {
    let one = |fields: &str| format!("{{\"t\":{{{fields}}}}}");
    let cases: &[(String, usize, &[&str])] = &[
        (one(r#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#), 4, &["`t`", "byte 8", "holds 4", "truncated"]),
        (one(r#""dtype":"F32","shape":[3],"data_offsets":[0,8]"#), 8, &["`t`", "[3]", "needs 12 bytes", "0..8"]),
        (one(r#""dtype":"BF16","shape":[2],"data_offsets":[0,8]"#), 8, &["needs 4 bytes"]),
        (one(r#""dtype":"F32","shape":[2],"data_offsets":[8,0]"#), 8, &["offsets are 8..0"]),
        (one(r#""dtype":"F32","shape":[2],"data_offsets":[4,12]"#), 12, &["leaves a hole", "byte 4", "expected 0"]),
        (one(r#""dtype":"Q4_0","shape":[2],"data_offsets":[0,8]"#), 8, &["`t`", "unknown element type `Q4_0`"]),
        (one(r#""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]"#), 8, &["no possible size"]),
        (one(r#""dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,8]"#), 8, &["no possible size"]),
        (one(r#""dtype":"F4","shape":[3],"data_offsets":[0,1]"#), 1, &["no possible size"]),
        (one(r#""dtype":"F32","shape":[-2],"data_offsets":[0,8]"#), 8, &["header cannot be read"]),
        (one(r#""dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]"#), 8, &["byte 18446744073709551615"]),
        (one(r#""dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]"#), 8, &["header cannot be read"]),
        (one(r#""dtype":"F32","shape":[2]"#), 8, &["header cannot be read", "data_offsets"]),
        (one(r#""dtype":"F32","shape":2,"data_offsets":[0,8]"#), 8, &["header cannot be read"]),
        ("{}".to_owned(), 4, &["end at byte 0", "4 are there"]),
        ("[]".to_owned(), 0, &["does not begin with `{`"]),
        (" {}".to_owned(), 0, &["does not begin with `{`"]),
        (String::new(), 0, &["does not begin with `{`"]),
        ("{} x".to_owned(), 0, &["header cannot be read"]),
        (r#"{"__metadata__":{"a":1}}"#.to_owned(), 0, &["header cannot be read"]),
        (r#"{"__metadata__":{},"__metadata__":{}}"#.to_owned(), 0, &["`__metadata__` is there twice"]),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#.to_owned(), 4, &["`a` is listed twice"]),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#.to_owned(), 3, &["`b` overlaps", "byte 1", "expected 2"]),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#.to_owned(), 2, &["`b` overlaps"]),
        (r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#.to_owned(), 4, &["`b` leaves a hole"]),
        (format!("{}{}", "{\"a\":".repeat(1000), "}".repeat(1000)), 0, &["header cannot be read"]),
    ];
    for (header, data, parts) in cases {
        says(open(file(header, *data)), parts);
    }
}

#[test]
fn headers_that_lie_about_themselves_are_refused() {
    let with_length = |length: u64| {
        let mut bytes = file(GOOD, 14);
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        open(bytes)
    };
    says(with_length(u64::MAX), &["claims 18446744073709551615", "100000000"]);
    says(with_length(100_000_001), &["claims 100000001"]);
    says(with_length(1 << 20), &["truncated", "claims 1048576"]);
    says(with_length(3), &["header cannot be read"]);
    let mut not_utf8 = file(GOOD, 14);
    not_utf8[10] = 0xff;
    says(open(not_utf8), &["not UTF-8"]);
}

#[test]
fn padding_and_empty_tensors_are_allowed() {
    assert!(open(file(&format!("{GOOD}      "), 14)).is_ok());
    let empty = r#"{"a":{"dtype":"U8","shape":[0,9],"data_offsets":[2,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"c":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;
    assert_eq!(open(file(empty, 2)).unwrap().len(), 3);
    assert!(open(file("{}", 0)).unwrap().is_empty());
}

#[test]
fn random_damage_never_panics_and_never_reads_outside() {
    let seeds = [
        file(GOOD, 14),
        fs_err::read(golden::path("safetensors/floats.safetensors")).unwrap(),
        fs_err::read(golden::path("safetensors/every_dtype.safetensors")).unwrap(),
    ];
    let mut random = Random(0x5eed);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..12_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        mutate(&mut bytes, &mut random);
        if random.below(2) == 0 && bytes.len() > 8 {
            // An honest length lets the damage reach the deeper checks.
            bytes[..8].copy_from_slice(&header.to_le_bytes());
        }
        let length = bytes.len();
        match open(bytes) {
            Ok(file) => {
                accepted += 1;
                let held: usize = file.tensors().map(|tensor| tensor.bytes.len()).sum();
                assert!(held < length);
                file.tensors().for_each(|tensor| drop(tensor.to_f32()));
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("model.safetensors: "), "{error}");
            }
        }
    }
    // Both sides of the checks were exercised.
    assert!(accepted > 500 && refused > 5_000, "{accepted} accepted, {refused} refused");
}
