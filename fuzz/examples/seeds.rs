//! Writes what the fuzz targets start from to `corpus/<target>/`: the goldens of the tests, packed as each
//! target reads them, and a GGUF model of every tokenizer and block type. Run it in `fuzz/`.

use std::fs;
use std::path::Path;

use export::gguf::{FileType, GgufOptions, Provenance, write_gguf_adapter};
use export::ollama::{Instruction, Modelfile};
use formats::ModelConfig;
use formats::gguf::{Array, GgufLayout, Metadata, NewTensor, TensorType, Value};
use formats::peft::AdapterFiles;
use formats::whole::Existing;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// ggml's types that are de-quantized here, all with rows of 256 values.
const KINDS: [&str; 13] = [
    "F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
    "Q6_K",
];

fn main() -> Result<()> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    copy_files(
        &tests.join("formats/tests/golden/safetensors"),
        "safetensors",
        "safetensors",
        "safetensors",
    )?;
    copy_files(&tests.join("formats/tests/golden/gguf"), "gguf", "gguf", "gguf")?;
    configs(&tests)?;
    adapters(&tests.join("tests/golden/adapters"))?;
    gguf_adapter(&tests.join("tests/golden"))?;
    quantized(&tests.join("export/tests/golden/quantized"))?;
    for (name, tokenizer) in [("gpt2", "gpt2"), ("llama", "llama")] {
        let file = gguf_model(name, tokenizer)?;
        seed("gguf", name, &file)?;
        seed("gguf_model", name, &file)?;
    }
    seed("gguf_model", "scaled", &gguf_model("scaled", "gpt2")?)?;
    imatrices()?;
    modelfile()?;
    let state = br#"{"quant_type":"nf4","blocksize":64,"dtype":"bfloat16","shape":[8,320],"nested_blocksize":256,"nested_dtype":"float32","nested_offset":0.125}"#;
    seed("quant_state", "nested", state)
}

fn seed(target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let dir = Path::new("corpus").join(target);
    fs::create_dir_all(&dir)?;
    Ok(fs::write(dir.join(name), bytes)?)
}

fn copy_files(from: &Path, extension: &str, target: &str, name: &str) -> Result<()> {
    for (at, entry) in fs::read_dir(from)?.enumerate() {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            seed(target, &format!("{name}-{at}"), &fs::read(path)?)?;
        }
    }
    Ok(())
}

/// Every configuration that transformers wrote, and every quantization's.
fn configs(tests: &Path) -> Result<()> {
    let text = fs::read(tests.join("formats/tests/golden/config/saved.v5.json"))?;
    let saved: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text)?;
    for (name, config) in saved {
        seed("config", &name, config.to_string().as_bytes())?;
    }
    for (name, case) in quantized_cases(&tests.join("export/tests/golden/quantized"))? {
        let name = format!("quantized-{name}");
        seed("config", &name, quantization(&case).as_bytes())?;
    }
    Ok(())
}

fn adapters(golden: &Path) -> Result<()> {
    for entry in fs::read_dir(golden)? {
        let dir = entry?.path();
        let config = dir.join("adapter_config.json");
        let weights = dir.join("adapter_model.safetensors");
        if config.is_file() {
            let bytes = [fs::read(config)?, vec![0], fs::read(weights)?].concat();
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            seed("adapter", &name, &bytes)?;
        }
    }
    Ok(())
}

/// An adapter as a GGUF file, for the base that the target knows.
fn gguf_adapter(golden: &Path) -> Result<()> {
    let base = golden.join("model/qwen3_untied_gqa2/config.json");
    let base = ModelConfig::parse(&fs::read_to_string(&base)?, &base)?;
    let files = AdapterFiles::read(&golden.join("adapters/all_linear"))?;
    let options = GgufOptions {
        file_type: FileType::F16,
        importance: None,
        name: "adapter".to_owned(),
        provenance: Provenance::default(),
        existing: Existing::Replace,
    };
    fs::create_dir_all("corpus/gguf_model")?;
    write_gguf_adapter(&files, &base, &options, Path::new("corpus/gguf_model/adapter"))?;
    Ok(())
}

fn quantized_cases(golden: &Path) -> Result<serde_json::Map<String, serde_json::Value>> {
    Ok(serde_json::from_slice(&fs::read(golden.join("cases.json"))?)?)
}

fn quantization(case: &serde_json::Value) -> String {
    serde_json::json!({
        "torch_dtype": case["torch_dtype"],
        "quantization_config": case["quantization_config"],
    })
    .to_string()
}

fn quantized(golden: &Path) -> Result<()> {
    for (name, case) in quantized_cases(golden)? {
        let weights = golden.join(format!("{name}.safetensors"));
        if weights.is_file() {
            let bytes = [quantization(&case).into_bytes(), vec![0], fs::read(weights)?].concat();
            seed("quantized", &name, &bytes)?;
        }
    }
    Ok(())
}

fn gguf(metadata: &Metadata, tensors: &[NewTensor]) -> Result<Vec<u8>> {
    let layout = GgufLayout::new(Path::new("seed.gguf"), metadata, tensors)?;
    let mut file = Vec::new();
    layout.write::<std::io::Error>(&mut file, |index, out| {
        let bytes: Vec<u8> =
            (0..layout.tensor_bytes(index)).map(|at| (at * 37 % 61) as u8).collect();
        out.write_all(&bytes)
    })?;
    Ok(file)
}

/// A model of one layer whose matrices are stored in every way.
fn gguf_model(name: &str, tokenizer: &str) -> Result<Vec<u8>> {
    let architecture = if tokenizer == "llama" { "llama" } else { "qwen2" };
    let mut metadata = Metadata::new();
    let text = |text: &str| Value::String(text.to_owned());
    metadata.set("general.architecture", text(architecture));
    for (key, number) in [
        ("block_count", 1),
        ("embedding_length", 256),
        ("feed_forward_length", 8),
        ("context_length", 64),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("attention.key_length", 2),
    ] {
        metadata.set(format!("{architecture}.{key}"), Value::U32(number));
    }
    metadata.set(format!("{architecture}.rope.freq_base"), Value::F32(1e4));
    if name == "scaled" {
        metadata.set(format!("{architecture}.rope.scaling.type"), text("yarn"));
        metadata.set(format!("{architecture}.rope.scaling.factor"), Value::F32(4.0));
    }
    let tokens = ["<s>", "a", "b", "ab", " ", "a b"].map(str::to_owned).to_vec();
    metadata.set("tokenizer.ggml.model", text(tokenizer));
    metadata.set("tokenizer.ggml.pre", text("qwen2"));
    metadata.set("tokenizer.ggml.token_type", Value::Array(Array::I32(vec![3, 1, 1, 1, 4, 5])));
    metadata.set("tokenizer.ggml.scores", Value::Array(Array::F32(vec![0.0; tokens.len()])));
    metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    let merges = vec!["a b".to_owned()];
    metadata.set("tokenizer.ggml.merges", Value::Array(Array::String(merges)));
    for key in ["bos", "eos", "padding", "unknown"] {
        metadata.set(format!("tokenizer.ggml.{key}_token_id"), Value::U32(0));
    }
    metadata.set("tokenizer.chat_template", text("{{ messages }}"));
    gguf(&metadata, &gguf_tensors(name == "llama"))
}

fn gguf_tensors(scaled: bool) -> Vec<NewTensor> {
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: &[usize], kind: &str| {
        let kind = TensorType::from_name(kind).unwrap_or(TensorType::F32);
        tensors.push(NewTensor { name, shape: shape.to_vec(), kind });
    };
    add("token_embd.weight".to_owned(), &[6, 256], "Q8_0");
    add("output_norm.weight".to_owned(), &[256], "F32");
    for (layer, kind) in KINDS.iter().enumerate() {
        add(format!("blk.{layer}.attn_q.weight"), &[8, 256], kind);
    }
    add("blk.0.attn_k.bias".to_owned(), &[4], "F32");
    if scaled {
        add("rope_freqs.weight".to_owned(), &[1], "F32");
    }
    tensors
}

fn imatrices() -> Result<()> {
    let mut metadata = Metadata::new();
    metadata.set("general.type", Value::String("imatrix".to_owned()));
    metadata.set("imatrix.chunk_count", Value::U32(3));
    let datasets = Array::String(vec!["text".to_owned()]);
    metadata.set("imatrix.datasets", Value::Array(datasets));
    let tensor = |part: &str, columns: usize| NewTensor {
        name: format!("blk.0.attn_q.weight.{part}"),
        shape: vec![1, columns],
        kind: TensorType::F32,
    };
    seed("imatrix", "gguf", &gguf(&metadata, &[tensor("in_sum2", 4), tensor("counts", 1)])?)?;
    let name = b"blk.0.attn_q.weight";
    let mut old = [1_i32.to_le_bytes(), (name.len() as i32).to_le_bytes()].concat();
    old.extend(name);
    old.extend([5_i32.to_le_bytes(), 2_i32.to_le_bytes()].concat());
    old.extend([1.5_f32.to_le_bytes(), 2.5_f32.to_le_bytes()].concat());
    old.extend([7_i32.to_le_bytes(), 4_i32.to_le_bytes()].concat());
    old.extend(b"text");
    seed("imatrix", "dat", &old)
}

fn modelfile() -> Result<()> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (stop, seven) = (pair("stop", "<|im_end|>"), pair("temperature", "0.7"));
    let (user, other) = (pair("user", "Hi \"there\""), pair("requires", "0.5"));
    let file = Modelfile {
        instructions: vec![
            Instruction::From("./model.gguf".to_owned()),
            Instruction::Adapter("./adapter.gguf".to_owned()),
            Instruction::Template("{{ .Prompt }}\n".to_owned()),
            Instruction::System("Two\nlines".to_owned()),
            Instruction::Parameter(stop.0, stop.1),
            Instruction::Parameter(seven.0, seven.1),
            Instruction::License("None".to_owned()),
            Instruction::Message(user.0, user.1),
            Instruction::Other(other.0, other.1),
        ],
    };
    seed("modelfile", "written", file.to_text()?.as_bytes())?;
    seed("modelfile", "quotes", b"# c\nFROM x\nSYSTEM \"\"\"a\nb\"\"\"\nMESSAGE user \"x\"\n")
}
