//! Files of records: what pyarrow wrote is read, and what is broken is refused with a sentence.

use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use formats::table::{Row, open};
use serde_json::{Value, json};

use crate::random::Random;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/table").join(name)
}

fn values(path: &Path) -> Vec<Value> {
    open(path).unwrap().map(|row| row.unwrap().value).collect()
}

/// Everything that is wrong with a file, and the rows it still gave.
fn all(path: &Path) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    match open(path) {
        Ok(records) => records.for_each(|row| match row {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(error.to_string()),
        }),
        Err(error) => errors.push(error.to_string()),
    }
    (rows, errors)
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs_err::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn every_compression_and_page_version_gives_the_rows() {
    let text = fs_err::read_to_string(golden("rows.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    for name in ["none", "snappy", "gzip", "zstd"] {
        for version in [1, 2] {
            let path = golden(&format!("{name}.v{version}.parquet"));
            assert_eq!(values(&path), rows, "{}", path.display());
        }
    }
    let numbers: Vec<usize> =
        open(&golden("zstd.v1.parquet")).unwrap().map(|row| row.unwrap().number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5], "counted over row groups");
}

#[test]
fn every_type_has_its_json() {
    let rows = values(&golden("types.parquet"));
    let want = json!({
        "i8": -128, "u8": 255, "i16": -32768, "u16": 65535, "i32": -2_147_483_648_i64,
        "u32": 4_294_967_295_u64, "u64": u64::MAX, "f16": 1.5, "f32": 0.25, "nan": null,
        "binary": "/wA=", "fixed": "ab", "large": "large", "map": {"a": 1, "b": null},
        "date": "2024-08-01", "ms": "2024-08-01T12:30:15.250Z", "us": "2024-08-01T12:30:15.250Z",
        "decimal": "12345.00", "empty": null, "word": "one",
    });
    for (name, value) in want.as_object().unwrap() {
        assert_eq!(&rows[0][name], value, "{name}");
    }
    assert_eq!(rows[1]["binary"], "text");
    assert_eq!(rows[1]["map"], json!({}));
}

#[test]
fn moments_finer_than_microseconds_are_read() {
    let moment = json!("1970-01-01T00:00:00.000000001Z");
    assert_eq!(values(&golden("nanoseconds.parquet")), [json!({ "at": moment })]);
}

#[test]
fn types_without_a_meaning_here_are_named() {
    let (rows, errors) = all(&golden("nested_nanoseconds.parquet"));
    assert!(rows.is_empty());
    assert!(errors[0].contains("column `all.list.element` of type INT64"), "{errors:?}");
}

#[test]
fn cut_and_foreign_files_are_refused() {
    let whole = fs_err::read(golden("snappy.v1.parquet")).unwrap();
    for (bytes, says) in [
        (&whole[..whole.len() - 1], "it was cut short"),
        (&whole[..whole.len() / 2], "it was cut short"),
        (&whole[..11], "it has 11 bytes"),
        (&b"PAR1"[..], "it has 4 bytes"),
        (&b""[..], "it has 0 bytes"),
        (&b"<!DOCTYPE html><html>"[..], "it does not begin with PAR1"),
        (&b"PAR1\xff\xff\xff\x7fPAR1"[..], "not a sound parquet file"),
        (&b"PAR1aaaa\x04\0\0\0PARE"[..], "encrypted parquet is not supported"),
    ] {
        let (_dir, path) = written("x.parquet", bytes);
        let (rows, errors) = all(&path);
        assert!(rows.is_empty() && errors.len() == 1, "{says}: {rows:?} {errors:?}");
        assert!(errors[0].contains(says) && errors[0].contains("x.parquet"), "{errors:?}");
    }
}

#[test]
fn damaged_files_end_in_a_sentence_and_never_in_a_panic() {
    let mut random = Random(7);
    let mut refused = 0;
    for name in ["none.v1.parquet", "snappy.v2.parquet", "zstd.v1.parquet", "gzip.v2.parquet"] {
        let whole = fs_err::read(golden(name)).unwrap();
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let at = 4 + random.below(bytes.len() - 8);
                bytes[at] = random.below(256) as u8;
            }
            let (_dir, path) = written("x.parquet", &bytes);
            let (rows, errors) = all(&path);
            assert!(rows.len() <= 6 && errors.len() <= 1, "{name}: {errors:?}");
            refused += errors.len();
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn json_lines_go_on_after_a_bad_line() {
    let text = "\u{feff}{\"a\": 1}\r\n\n[1]\n{\"a\": \n{\"a\": \"ü\"}";
    let (_dir, path) = written("x.jsonl", text.as_bytes());
    let (rows, errors) = all(&path);
    let found: Vec<(usize, &Value)> = rows.iter().map(|row| (row.number, &row.value)).collect();
    assert_eq!(found, [(1, &json!({"a": 1})), (5, &json!({"a": "ü"}))]);
    assert!(errors[0].contains("line 3 is JSON, but not an object in braces"), "{errors:?}");
    assert!(errors[1].contains("line 4 is not JSON"), "{errors:?}");
    let deep = "{\"a\":".repeat(100_000);
    let (_dir, path) = written("x.jsonl", deep.as_bytes());
    assert!(all(&path).1[0].contains("line 1 is not JSON (recursion limit"), "{:?}", all(&path).1);
}

#[test]
fn gzip_is_told_by_its_first_bytes() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"{\"a\": 1}\n{\"a\": 2}\n").unwrap();
    let packed = packed.finish().unwrap();
    for name in ["x.jsonl.gz", "x.jsonl", "x.json.GZ"] {
        let (_dir, path) = written(name, &packed);
        assert_eq!(values(&path), [json!({"a": 1}), json!({"a": 2})], "{name}");
    }
    let (_dir, path) = written("x.jsonl.gz", &packed[..packed.len() - 9]);
    assert!(all(&path).1[0].contains("cannot be read"), "{:?}", all(&path).1);
}

#[test]
fn csv_cells_are_texts_by_their_columns_names() {
    let text = "question,answer\r\n\"two\nlines, \"\"quoted\"\"\",007\r\n,\n";
    let (_dir, path) = written("x.csv", text.as_bytes());
    let want = [
        json!({"question": "two\nlines, \"quoted\"", "answer": "007"}),
        json!({"question": "", "answer": ""}),
    ];
    assert_eq!(values(&path), want);
    let (_dir, path) = written("x.tsv", b"\xef\xbb\xbfa\tb\n1,5\t2\n");
    assert_eq!(values(&path), [json!({"a": "1,5", "b": "2"})]);
}

#[test]
fn broken_csv_is_refused_by_record() {
    for (text, says) in [
        (&b"a,b\n1,2\n1,2,3\n"[..], "record 2 has 3 values, but 2 columns are named"),
        (b"a,a\n1,2\n", "two columns are named `a`; rename one"),
        (b"", "expected a first line with the columns' names"),
        (b"a\n\xff\n", "record 1 is not UTF-8"),
    ] {
        let (_dir, path) = written("x.csv", text);
        let (_, errors) = all(&path);
        assert!(errors.len() == 1 && errors[0].contains(says), "{errors:?}");
    }
}

#[test]
fn unknown_names_are_told_what_is_known() {
    let (_dir, path) = written("x.txt", b"hello");
    assert!(all(&path).1[0].contains(".jsonl (also gzipped), .csv, .tsv or .parquet"));
    let (_dir, path) = written("records", b"{\"a\": 1}");
    assert_eq!(values(&path), [json!({"a": 1})], "told by its first byte");
}
