//! `wardrobe export imatrix` against llama-imatrix on the same models and texts (recorded by
//! `tests/golden/imatrix/record.py`), against the merged model where an adapter is worn, and as a user
//! runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use export::gguf::Importance;
use formats::gguf::GgufFile;
use serde_json::Value;

/// Largest difference of a tensor's sum from the oracle's, relative to the tensor's largest sum. Both
/// multiply in f32, in other orders.
const TOLERANCE: f32 = 1e-5;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text_file() -> String {
    root("tests/golden/imatrix/text.txt").to_str().unwrap().to_owned()
}

fn export(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.arg("export").args(arguments).stdin(Stdio::null());
    command.env_remove("WARDROBE_LOG").env_remove("RUST_LOG");
    command
}

fn succeeds(arguments: &[&str]) -> Output {
    let output = export(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The one sentence of an export that failed.
fn fails(arguments: &[&str]) -> String {
    let output = export(arguments).output().unwrap();
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    sentence
}

/// Every tensor of a file.
fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let file = GgufFile::open(path).unwrap();
    let values = |tensor| {
        let words = file.tensor_bytes(tensor).as_chunks::<4>().0;
        words.iter().map(|&word| f32::from_le_bytes(word)).collect()
    };
    file.tensors().iter().map(|tensor| (tensor.name.clone(), values(tensor))).collect()
}

fn assert_near(ours: &Path, theirs: &Path, tolerance: f32) {
    let (ours, theirs) = (tensors(ours), tensors(theirs));
    let names = |tensors: &BTreeMap<String, Vec<f32>>| tensors.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&theirs));
    for (name, theirs) in &theirs {
        let largest = theirs.iter().fold(0.0_f32, |most, value| most.max(*value));
        let difference = crate::tiny::largest_difference(&ours[name], theirs) / largest;
        assert!(largest > 0.0 && difference <= tolerance, "{name}: {difference}");
    }
}

/// A model without a head of its own takes no `--process-output`.
fn sums_are_llama_imatrix_s(name: &str, context: &str, head: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.gguf");
    let model = root(&format!("tests/golden/gguf_source/{name}.gguf"));
    let (model, out, data) = (model.to_str().unwrap(), path.to_str().unwrap(), text_file());
    let common = ["imatrix", "--model", model, "--data", &data, "--weights", "f32"];
    succeeds(&[&common[..], &["--ctx", context, "--output", out], head].concat());
    let golden = root(&format!("tests/golden/imatrix/{name}.gguf"));
    assert_near(&path, &golden, TOLERANCE);
    let [ours, theirs] = [&path, &golden].map(|path| GgufFile::open(path).unwrap());
    for key in ["general.type", "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"] {
        assert_eq!(ours.metadata().get(key), theirs.metadata().get(key), "{key}");
    }
    let order = |file: &GgufFile| -> Vec<(String, usize)> {
        file.tensors().iter().map(|t| (t.name.clone(), t.shape.iter().product())).collect()
    };
    assert_eq!(order(&ours), order(&theirs));
}

#[test]
fn sums_of_a_tied_qwen2_are_llama_imatrix_s() {
    sums_are_llama_imatrix_s("qwen2", "32", &[]);
}

#[test]
fn sums_of_a_qwen3_with_scaled_rotations_are_llama_imatrix_s() {
    sums_are_llama_imatrix_s("qwen3", "32", &[]);
}

#[test]
fn sums_of_a_llama_whose_texts_begin_with_bos_are_llama_imatrix_s() {
    sums_are_llama_imatrix_s("llama3", "48", &["--process-output"]);
}

#[test]
fn an_adapter_worn_gives_what_the_merged_model_gives() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let [base, adapter] = ["checkpoints/initial", "checkpoints/sft"].map(root);
    let (base, adapter, data) = (base.to_str().unwrap(), adapter.to_str().unwrap(), text_file());
    let merged = file("merged.gguf");
    let weights = ["--type", "f32", "--no-verify", "--output", &merged];
    succeeds(&[&["gguf", "--model", base, "--adapter", adapter], &weights[..]].concat());
    let [worn, of_merged, of_base] = ["worn", "of-merged", "of-base"].map(file);
    let measure = |model: &[&str], out: &str| {
        let common = ["--data", &data, "--ctx", "64", "--chunks", "2", "--weights", "f32"];
        succeeds(&[&["imatrix", "--output", out], model, &common[..]].concat());
    };
    measure(&["--model", base, "--adapter", adapter], &worn);
    measure(&["--model", &merged], &of_merged);
    measure(&["--model", base], &of_base);
    assert_near(Path::new(&worn), Path::new(&of_merged), 1e-4);
    let name = "blk.3.ffn_down.weight.in_sum2";
    let [worn, of_base] = [worn, of_base].map(|path| tensors(Path::new(&path)));
    assert!(crate::tiny::largest_difference(&worn[name], &of_base[name]) > 1e-2);
}

#[test]
fn the_bytes_do_not_depend_on_threads_and_the_file_steers_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (base, data) = (root("checkpoints/initial"), text_file());
    let base = base.to_str().unwrap();
    let [one, many] = ["one.gguf", "many.gguf"].map(file);
    for (out, threads) in [(&one, "1"), (&many, "3")] {
        let arguments =
            ["imatrix", "--model", base, "--data", &data, "--ctx", "50", "--output", out, "--json"];
        let output = export(&arguments).env("RAYON_NUM_THREADS", threads).output().unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["tokens"].as_u64(), Some(said["chunks"].as_u64().unwrap() * 50), "{said}");
    }
    assert_eq!(fs_err::read(&one).unwrap(), fs_err::read(&many).unwrap());
    let importance = Importance::read(Path::new(&one)).unwrap();
    let means = importance.of("blk.0.attn_q.weight", 192).unwrap().unwrap();
    let sums = &tensors(Path::new(&one))["blk.0.attn_q.weight.in_sum2"];
    let count = tensors(Path::new(&one))["blk.0.attn_q.weight.counts"][0];
    assert_eq!(means, sums.iter().map(|sum| sum / count).collect::<Vec<_>>());

    let [plain, weighed] = ["plain.gguf", "weighed.gguf"].map(file);
    let quantize = ["gguf", "--model", base, "--type", "q4_k_m", "--output"];
    succeeds(&[&quantize[..], &[&plain]].concat());
    succeeds(&[&quantize[..], &[&weighed, "--imatrix", &one]].concat());
    let [plain, weighed] = [plain, weighed].map(|path| GgufFile::open(Path::new(&path)).unwrap());
    assert_eq!(weighed.metadata().str("quantize.imatrix.dataset"), Some("text.txt"));
    let differ = plain.tensors().iter().zip(weighed.tensors());
    let differ = differ.filter(|(a, b)| plain.tensor_bytes(a) != weighed.tensor_bytes(b));
    assert!(differ.count() > 10, "the importance matrix changes the blocks of most matrices");
}

#[test]
fn training_records_are_a_text() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (dir.path().join("a.jsonl"), dir.path().join("a.gguf"));
    let record = |n: usize| {
        let user = format!("How much is {n} and {n}?");
        let messages = serde_json::json!([
            {"role": "user", "content": user},
            {"role": "assistant", "content": format!("{}", 2 * n)},
        ]);
        serde_json::json!({ "messages": messages }).to_string()
    };
    let lines: Vec<String> = (0..20).map(record).collect();
    fs_err::write(&data, lines.join("\n")).unwrap();
    let (base, out) = (root("checkpoints/initial"), out.to_str().unwrap());
    let (base, data_arg) = (base.to_str().unwrap(), data.to_str().unwrap());
    let arguments = ["imatrix", "--model", base, "--data", data_arg, "--ctx", "32"];
    let most = ["--chunks", "3", "--output", out];
    let output = succeeds(&[&arguments[..], &most].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("matrices over 3 chunks of 32 tokens\n"), "{said}");
    assert_eq!(tensors(Path::new(out))["blk.0.ffn_up.weight.counts"], [96.0]);

    fs_err::write(&data, format!("{}\n{{\"nothing\": 1}}", lines[0])).unwrap();
    let sentence = fails(&[&arguments[..], &["--output", out, "--force"]].concat());
    assert!(sentence.contains("a.jsonl:2: expected `messages`"), "{sentence}");
}

#[test]
fn wrong_use_gets_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (out, binary, text) = (file("x.gguf"), file("binary.txt"), text_file());
    fs_err::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let base = root("checkpoints/initial");
    let common = ["imatrix", "--model", base.to_str().unwrap(), "--output", &out, "--data"];
    let says = |more: &[&str], sentence: &str| {
        let found = fails(&[&common[..], more].concat());
        assert!(found.contains(sentence), "{found}");
        assert!(!Path::new(&out).exists());
    };
    says(&[&text, "--ctx", "512"], "tokens do not fill one chunk of 512; give more text or");
    says(&["no/such.txt"], "failed to open file `no/such.txt`");
    says(&[&binary], "binary.txt");
    let long = file("long.txt");
    fs_err::write(&long, fs_err::read_to_string(&text).unwrap().repeat(6)).unwrap();
    says(&[&long, "--ctx", "1100"], "1100 tokens is longer than the model's 1024 positions");
    says(&[&text, "--ctx", "32", "--adapter", "no/adapter"], "cannot load --adapter no/adapter");
    let tied = ["--ctx", "32", "--process-output"];
    says(&[&[&*text], &tied[..]].concat(), "head is its embedding");
    fs_err::write(&out, "mine").unwrap();
    let taken = fails(&[&common[..], &[&text]].concat());
    assert!(taken.contains("x.gguf exists already; choose another name or give --force"));
    assert_eq!(fs_err::read(&out).unwrap(), b"mine");
}
