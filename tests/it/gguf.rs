//! Models served from one GGUF file against the folders that they were exported from.

use crate::model_golden::logits;
use crate::tiny::{checkpoint, golden, largest_difference};
use export::DenseWeights;
use export::gguf::{FileType, GgufModel, GgufOptions, Provenance, write_gguf};
use formats::gguf::{Array, GgufFile, GgufLayout, Metadata, NewTensor, Value};
use formats::{ModelConfig, whole};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};
use wardrobe::adapters::{self, BaseInfo};
use wardrobe::model::{Decoder, ModelFiles, Tokenizer, Wear, WeightFormat, Worn};

/// A context within every golden vocabulary.
pub(crate) const IDS: [u32; 12] = [3, 14, 15, 9, 2, 6, 5, 35, 8, 9, 7, 9];

/// The bundled model.
fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("checkpoints/initial")
}

/// A copy of the bundled model's folder.
fn copied() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs_err::read_dir(bundled()).unwrap() {
        let path = entry.unwrap().path();
        fs_err::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

/// Exports the model in `dir` to a file beside its weights.
fn export(dir: &Path, file_type: FileType) -> export::Result<PathBuf> {
    let (config, weights) = (ModelConfig::read(dir)?, DenseWeights::open(dir)?);
    let options = GgufOptions {
        file_type,
        importance: None,
        name: "Tiny".to_owned(),
        provenance: Provenance::default(),
        existing: whole::Existing::Replace,
    };
    let path = dir.join("model.gguf");
    let model = GgufModel { weights: &weights, config: &config, dir };
    write_gguf(model, &options, &path, &mut |_, _| {})?;
    Ok(path)
}

/// A golden model's folder with the bundled tokenizer.
pub(crate) fn folder(case: &str) -> tempfile::TempDir {
    let folder = checkpoint(&golden("model", case));
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs_err::copy(bundled().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

/// Logits of a model at `path` after each token of [`IDS`].
fn run(path: &Path, format: WeightFormat) -> Vec<f32> {
    let decoder = Decoder::load(path, format).unwrap();
    let positions: Vec<usize> = (0..IDS.len()).collect();
    logits(&decoder, &IDS, &positions, Wear::Base)
}

#[test]
fn every_architecture_computes_the_bits_of_its_folder() {
    let cases = fs_err::read_dir(golden("model", "")).unwrap().map(|entry| entry.unwrap());
    let folders = cases.filter(|entry| entry.path().join("config.json").exists());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    let mut refused = Vec::new();
    for name in names {
        let folder = folder(&name);
        match export(folder.path(), FileType::F32) {
            Ok(file) => {
                let (found, expected) =
                    (run(&file, WeightFormat::F32), run(folder.path(), WeightFormat::F32));
                assert_eq!(largest_difference(&found, &expected), 0.0, "{name}");
            }
            Err(error) => refused.push((name, error.to_string())),
        }
    }
    refused.sort();
    let names: Vec<&str> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["llama_yarn_mscale", "qwen3_attention_bias"], "{refused:?}");
}

#[test]
fn bf16_files_are_held_without_loss_and_quantized_ones_nearly() {
    let folder = folder("qwen3_bf16");
    let expected = run(folder.path(), WeightFormat::Bf16);
    let file = export(folder.path(), FileType::BF16).unwrap();
    assert_eq!(largest_difference(&run(&file, WeightFormat::Bf16), &expected), 0.0);
    let size = expected.iter().fold(0.0_f32, |size, x| size.max(x.abs()));
    for (file_type, tolerance) in [(FileType::Q8_0, 0.03), (FileType::Q4_0, 0.4)] {
        let file = export(folder.path(), file_type).unwrap();
        let exact = largest_difference(&run(&file, WeightFormat::F32), &expected) / size;
        assert!(exact > 0.0 && exact < tolerance, "{file_type:?}: {exact}");
        let rounded = largest_difference(&run(&file, WeightFormat::Bf16), &expected) / size;
        assert!(rounded < tolerance, "{file_type:?} as bf16: {rounded}");
    }
}

#[test]
fn adapters_are_worn_over_a_gguf_base() {
    let cases = fs_err::read(golden("adapters", "cases.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&cases).unwrap();
    for case in ["all_linear", "dora", "bias_all", "embed_base_changed"] {
        let named = cases.iter().find(|entry| entry["case"] == case).unwrap();
        let folder = folder(named["base"].as_str().unwrap());
        let file = export(folder.path(), FileType::F32).unwrap();
        let worn = |path: &Path| {
            let info = BaseInfo::open(path, "base").unwrap();
            let adapter = adapters::load(&golden("adapters", case), &info).unwrap().weights;
            let decoder = Decoder::load(path, WeightFormat::F32).unwrap();
            let worn = [Worn { rows: 0..IDS.len(), adapter }];
            logits(&decoder, &IDS, &[3, 11], Wear::Adapters(&worn))
        };
        assert_eq!(largest_difference(&worn(&file), &worn(folder.path())), 0.0, "{case}");
    }
}

/// Texts that pre-tokenizers cut differently.
fn texts() -> Vec<String> {
    let plain = "plain, y'all! I'LL 123 4567 x=1.5e-3\r\n\t  \n\n été ½ 你好，世界 😶\u{200d}🌫️🚀 \
                 កាន់តែ ｆｕｌｌ _snake_case  trailing   ";
    let special = "<|im_start|>user\nhi<|im_end|> <think>x</think><|endoftext|>";
    let mut texts = vec![plain.to_owned(), special.to_owned(), String::new(), " ".to_owned()];
    texts
        .extend((0..40).map(|i| format!("{}'s {i}{i}{i} a{}b", "ab".repeat(i % 5), " ".repeat(i))));
    texts
}

/// The file's tokenizer gives the folder's ids and texts.
fn assert_same_tokens(folder: &Tokenizer, file: &Tokenizer) {
    for text in texts() {
        for special in [false, true] {
            let ids = folder.encode(&text, special).unwrap();
            assert_eq!(file.encode(&text, special).unwrap(), ids, "{text:?}");
            for skip in [false, true] {
                let expected = folder.decode(&ids, skip).unwrap();
                assert_eq!(file.decode(&ids, skip).unwrap(), expected, "{text:?}");
            }
        }
    }
    assert_eq!(file.vocab_size(), folder.vocab_size());
    for id in 0..u32::try_from(folder.vocab_size()).unwrap() {
        assert_eq!(file.id_to_token(id), folder.id_to_token(id));
        assert_eq!(file.token_bytes(id), folder.token_bytes(id));
        assert_eq!(file.is_special(id), folder.is_special(id), "{id}");
        assert_eq!(file.is_added(id), folder.is_added(id), "{id}");
    }
    assert_eq!(file.special(), folder.special());
}

#[test]
fn tokenizer_template_and_ends_are_those_of_the_folder() {
    let dir = copied();
    let folder = ModelFiles::open(dir.path()).unwrap();
    let file = ModelFiles::open(&export(dir.path(), FileType::BF16).unwrap()).unwrap();
    let (ours, theirs) = (file.tokenizer().unwrap(), folder.tokenizer().unwrap());
    assert_same_tokens(&theirs, &ours);
    let render = |files: &ModelFiles| {
        let template = files.chat_template(&ours).unwrap().unwrap();
        let messages = json!([{"role": "user", "content": "Numbers?"}]);
        template.render(&messages, None, true, &Map::new()).unwrap()
    };
    assert_eq!(render(&file), render(&folder));
    let ends = |files: &ModelFiles| {
        let mut ends = files.config().eos_token_ids.clone();
        ends.extend(files.generation_config().unwrap().eos_token_ids);
        ends.sort_unstable();
        ends.dedup();
        ends
    };
    assert_eq!(ends(&file), ends(&folder));
    assert!(!ends(&file).is_empty());
}

/// The bundled model with its tokenizer.json changed.
fn rewired(change: impl Fn(&mut serde_json::Value)) -> tempfile::TempDir {
    let folder = copied();
    let path = folder.path().join("tokenizer.json");
    let mut json = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs_err::write(&path, json.to_string()).unwrap();
    folder
}

#[test]
fn every_pre_tokenizer_cuts_as_its_tokenizer_json() {
    let bytes = |pattern: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false,
               "use_regex": pattern})
    };
    let llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let split = json!({"type": "Split", "pattern": {"Regex": llama3}, "behavior": "Isolated",
                       "invert": false});
    let digits = json!({"type": "Digits", "individual_digits": true});
    let sequence =
        |steps: &[&serde_json::Value]| json!({"type": "Sequence", "pretokenizers": steps});
    let cases = [
        ("llama-bpe", sequence(&[&split, &bytes(false)]), true),
        ("smaug-bpe", sequence(&[&split, &bytes(false)]), false),
        ("smollm", sequence(&[&digits, &bytes(true)]), false),
        ("gpt-2", bytes(true), false),
    ];
    for (name, pre_tokenizer, ignore_merges) in cases {
        let folder = rewired(|json| {
            json["normalizer"] = serde_json::Value::Null;
            json["pre_tokenizer"] = pre_tokenizer.clone();
            json["model"]["ignore_merges"] = ignore_merges.into();
        });
        let file = GgufFile::open(&export(folder.path(), FileType::BF16).unwrap()).unwrap();
        assert_eq!(file.metadata().str("tokenizer.ggml.pre"), Some(name));
        let found = Tokenizer::from_gguf(&file).unwrap();
        assert_same_tokens(&Tokenizer::load(folder.path()).unwrap(), &found);
    }
}

#[test]
fn a_first_token_is_put_before_texts() {
    let folder = rewired(|json| {
        let end = "<|endoftext|>";
        let added = json["added_tokens"].as_array().unwrap().iter();
        let id = added.filter(|token| token["content"] == end).map(|token| token["id"].clone());
        let first = json!({"SpecialToken": {"id": end, "type_id": 0}});
        let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
        json["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [first, sequence("A")],
            "pair": [first, sequence("A"), sequence("B")],
            "special_tokens": {end: {"id": end, "ids": id.collect::<Vec<_>>(), "tokens": [end]}},
        });
    });
    let file = ModelFiles::open(&export(folder.path(), FileType::BF16).unwrap()).unwrap();
    let (file, folder) = (file.tokenizer().unwrap(), Tokenizer::load(folder.path()).unwrap());
    for text in texts() {
        let ids = folder.encode(&text, true).unwrap();
        assert_eq!(file.encode(&text, true).unwrap(), ids, "{text:?}");
        assert_eq!(ids[0], folder.token_to_id("<|endoftext|>").unwrap());
    }
}

#[test]
fn files_of_llama_cpps_converter_are_served() {
    let cases = fs_err::read(golden("gguf_source", "cases.json")).unwrap();
    let cases: Map<String, serde_json::Value> = serde_json::from_slice(&cases).unwrap();
    assert_eq!(cases.len(), 5);
    for (name, case) in cases {
        let files = ModelFiles::open(&golden("gguf_source", &format!("{name}.gguf"))).unwrap();
        let tokenizer = files.tokenizer().unwrap();
        let texts: Vec<String> = serde_json::from_value(case["texts"].clone()).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(case["ids"].clone()).unwrap();
        for (text, ids) in texts.iter().zip(ids) {
            assert_eq!(tokenizer.encode(text, true).unwrap(), ids, "{name}: {text:?}");
        }
        assert_eq!(files.chat_template(&tokenizer).unwrap().is_some(), name != "llama2");
        let decoder = Decoder::from_files(&files, WeightFormat::F32).unwrap();
        let found = logits(&decoder, &IDS, &[11], Wear::Base);
        assert!(found.iter().all(|logit| logit.is_finite()), "{name}");
    }
}

/// A copy of a GGUF file with other metadata.
pub(crate) fn with_metadata(file: &GgufFile, metadata: &Metadata, path: &Path) {
    let new = |tensor: &formats::gguf::GgufTensor| NewTensor {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        kind: tensor.kind,
    };
    let tensors: Vec<NewTensor> = file.tensors().iter().map(new).collect();
    let layout = GgufLayout::new(path, metadata, &tensors).unwrap();
    let mut out = fs_err::File::create(path).unwrap();
    layout
        .write(&mut out, |at, out| out.write_all(file.tensor_bytes(&file.tensors()[at])))
        .unwrap();
}

/// Everything that serving reads of a model; the sentence where it fails.
fn serve(path: &Path) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let files = ModelFiles::open(path).map_err(|error| text(&error))?;
    let tokenizer = files.tokenizer().map_err(|error| text(&error))?;
    files.chat_template(&tokenizer).map_err(|error| text(&error))?;
    files.generation_config().map_err(|error| text(&error))?;
    Decoder::from_files(&files, WeightFormat::Bf16).map_err(|error| text(&error))?;
    Ok(())
}

#[test]
fn what_contradicts_itself_is_refused_with_a_sentence() {
    let folder = copied();
    let whole = GgufFile::open(&export(folder.path(), FileType::Q8_0).unwrap()).unwrap();
    let text = |text: &str| Some(Value::String(text.to_owned()));
    let number = |number: u32| Some(Value::U32(number));
    let texts = |items: &[&str]| {
        Some(Value::Array(Array::String(items.iter().map(|&item| item.to_owned()).collect())))
    };
    let cases = [
        ("general.architecture", text("mamba"), "the architecture \"mamba\" is not supported"),
        ("general.architecture", None, "`general.architecture`"),
        ("qwen3.block_count", number(u32::MAX), "num_hidden_layers"),
        ("qwen3.block_count", number(99), "is missing"),
        ("qwen3.block_count", None, "`qwen3.block_count`"),
        ("qwen3.embedding_length", number(7), "has shape"),
        ("qwen3.embedding_length", text("many"), "no whole number"),
        ("qwen3.attention.head_count", number(0), "num_attention_heads"),
        ("qwen3.attention.key_length", number(3), "`qwen3.attention.value_length`"),
        ("qwen3.attention.layer_norm_rms_epsilon", Some(Value::F32(-1.0)), "rms_norm_eps"),
        ("qwen3.expert_count", number(8), "a mixture of experts"),
        ("qwen3.rope.scaling.type", text("longrope"), "longrope"),
        ("tokenizer.ggml.model", text("bert"), "`tokenizer.ggml.model`"),
        ("tokenizer.ggml.model", text("llama"), "`tokenizer.ggml.scores`"),
        ("tokenizer.ggml.pre", text("chameleon"), "the pre-tokenizer \"chameleon\""),
        ("tokenizer.ggml.tokens", texts(&["a"]), "one number a token"),
        ("tokenizer.ggml.merges", texts(&["ab"]), "not two pieces"),
        ("tokenizer.ggml.merges", texts(&["zq zq"]), "contradicts itself"),
        ("tokenizer.ggml.eos_token_id", number(1 << 20), "and there are"),
        ("tokenizer.chat_template", text("{% if %}"), "not a chat template"),
        ("general.sampling.top_p", Some(Value::F32(7.0)), "top_p"),
    ];
    let path = folder.path().join("changed.gguf");
    with_metadata(&whole, whole.metadata(), &path);
    serve(&path).unwrap();
    for (key, value, expected) in cases {
        let mut metadata = whole.metadata().clone();
        match value {
            Some(value) => metadata.set(key, value),
            None => drop(metadata.remove(key)),
        }
        with_metadata(&whole, &metadata, &path);
        let error = serve(&path).unwrap_err();
        assert!(error.contains(expected), "{key}: {error}");
        assert!(error.contains("changed.gguf") && !error.contains('\n'), "{key}: {error}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let folder = copied();
    let file = export(folder.path(), FileType::Q8_0).unwrap();
    let bytes = fs_err::read(&file).unwrap();
    let cut = folder.path().join("cut.gguf");
    for length in [1, 4, 9, 24, 100, 5000, 20_000, bytes.len() / 2, bytes.len() - 33] {
        fs_err::write(&cut, &bytes[..length]).unwrap();
        let error = serve(&cut).unwrap_err();
        assert!(error.contains("cut.gguf"), "{length}: {error}");
    }
}

fn inspect(path: &Path) -> (serde_json::Value, bool) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    let output = command.args(["inspect", "--json"]).arg(path).output().unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.success())
}

#[test]
fn inspect_tells_what_is_in_a_file_and_what_is_wrong() {
    let folder = copied();
    let file = export(folder.path(), FileType::Q8_0).unwrap();
    let (found, fine) = inspect(&file);
    assert!(fine, "{found}");
    let config = ModelConfig::read(folder.path()).unwrap();
    assert_eq!(found["layers"], config.num_hidden_layers);
    assert_eq!(found["tokenizer_tokens"], 384);
    assert_eq!(found["chat_template"], true);
    assert!(found["tensors"]["Q8_0"]["tensors"].as_u64().unwrap() > 7);

    let whole = GgufFile::open(&file).unwrap();
    let mut metadata = whole.metadata().clone();
    metadata.set("tokenizer.ggml.pre", Value::String("chameleon".to_owned()));
    metadata.set("qwen3.block_count", Value::U32(99));
    let path = folder.path().join("changed.gguf");
    with_metadata(&whole, &metadata, &path);
    let mut bytes = fs_err::read(&path).unwrap();
    let at = bytes.len() - whole.tensors().last().unwrap().bytes().next_multiple_of(32);
    bytes[at..at + 2].copy_from_slice(&0x7e00_u16.to_le_bytes()); // the scale of its first block
    fs_err::write(&path, bytes).unwrap();
    let (found, fine) = inspect(&path);
    assert!(!fine);
    let problems = found["problems"].to_string();
    for problem in ["is missing", "the pre-tokenizer \"chameleon\"", "NaN or infinite"] {
        assert!(problems.replace('\\', "").contains(problem), "{problem}: {problems}");
    }
}
