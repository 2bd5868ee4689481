//! The tokenizer: against recorded vectors of the real Qwen one (where it lies beside the
//! checkout), as trained here, and streamed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use wardrobe::datasets::Rng;
use wardrobe::datasets::countdown::{Mixture, Split, generate};
use wardrobe::model::{AddedTokenSpec, BpeOptions, Detokenizer, Tokenizer, TokenizerError};

const HARD: &str = "plain, y'all! 123 4567\r\n\t  été ½ 你好，世界 😶\u{200d}🌫️🚀👩\u{200d}👩\u{200d}👧 កាន់តែ \
                    <|im_start|>a<|im_end|> <think>x</think> \u{fffd} ｆｕｌｌ";

/// The demo's tokens.
pub(crate) fn options(vocab_size: usize) -> BpeOptions {
    let added = [
        ("<|endoftext|>", true),
        ("<|im_start|>", true),
        ("<|im_end|>", true),
        ("<think>", false),
        ("</think>", false),
    ];
    BpeOptions {
        vocab_size,
        added_tokens: added
            .map(|(content, special)| AddedTokenSpec { content: content.to_owned(), special })
            .to_vec(),
        eos: "<|im_end|>".to_owned(),
        pad: Some("<|endoftext|>".to_owned()),
        nfc: true,
        model_max_length: 512,
    }
}

/// The text of the demo's pretraining records.
pub(crate) fn corpus(records: usize) -> Vec<String> {
    let record = |record: Value| {
        let messages = record["messages"].as_array().unwrap().iter();
        let turn = |m: &Value| {
            format!(
                "<|im_start|>{}\n{}<|im_end|>\n",
                m["role"].as_str().unwrap(),
                m["content"].as_str().unwrap()
            )
        };
        messages.map(turn).collect()
    };
    generate(Mixture::Pretrain, Split::Train, records, 0).map(record).collect()
}

fn qwen_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/qwen-tokenizer")
}

fn qwen() -> Option<Tokenizer> {
    if !qwen_dir().exists() {
        eprintln!("skipped: no tokenizer at {}", qwen_dir().display());
        return None;
    }
    Some(Tokenizer::load(&qwen_dir()).unwrap())
}

#[test]
fn encodes_as_the_recorded_vectors() {
    let Some(tokenizer) = qwen() else { return };
    let vectors = fs_err::read_to_string(qwen_dir().join("vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
    assert_eq!(vectors.len(), 47);
    for vector in vectors {
        let text = vector["text"].as_str().unwrap();
        let ids = tokenizer.encode(text, false).unwrap();
        assert_eq!(json!(ids), vector["ids"], "{text:?}");
        assert_eq!(tokenizer.decode(&ids, false).unwrap(), text);
    }
    assert_eq!(tokenizer.token_to_id("<|im_end|>"), Some(151_645));
    assert_eq!(tokenizer.vocab_size(), 151_669);
    assert!(
        tokenizer.is_special(151_645)
            && tokenizer.is_added(151_667)
            && !tokenizer.is_special(151_667)
    );
}

/// Streams `ids` and compares with the decode of all of them.
fn check_stream(tokenizer: &Arc<Tokenizer>, ids: &[u32], skip_special: bool) {
    let mut stream = Detokenizer::new(tokenizer.clone(), skip_special);
    let mut text: String = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    text.push_str(&stream.finish().unwrap());
    assert_eq!(text, tokenizer.decode(ids, skip_special).unwrap(), "{ids:?}");
}

fn check_streams(tokenizer: Tokenizer) {
    let tokenizer = Arc::new(tokenizer);
    let ids = tokenizer.encode(HARD, false).unwrap();
    for skip_special in [false, true] {
        check_stream(&tokenizer, &ids, skip_special);
        let mut stream = Detokenizer::new(tokenizer.clone(), skip_special);
        for &id in &ids {
            let piece = stream.push(id).unwrap();
            assert!(
                piece.replace('\u{fffd}', "").len() + 3 >= piece.len(),
                "broken character in {piece:?}"
            );
        }
    }
    let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), tokenizer.decode(&ids, false).unwrap());
    let mut rng = Rng::new(1, 1);
    for _ in 0..200 {
        let length = rng.below(40);
        let ids: Vec<u32> = (0..length).map(|_| rng.below(tokenizer.vocab_size()) as u32).collect();
        check_stream(&tokenizer, &ids, rng.percent(50));
    }
}

#[test]
fn a_stream_equals_the_whole_and_breaks_no_character() {
    check_streams(Tokenizer::train_bpe(corpus(300), &options(400)).unwrap());
    if let Some(tokenizer) = qwen() {
        check_streams(tokenizer);
    }
}

#[test]
fn half_an_emoji_is_held_back() {
    let tokenizer = Arc::new(Tokenizer::train_bpe(corpus(50), &options(300)).unwrap());
    let ids = tokenizer.encode("a🚀b", false).unwrap();
    assert_eq!(ids.len(), 6, "one token a byte");
    let mut stream = Detokenizer::new(tokenizer.clone(), false);
    let pieces: Vec<String> = ids.iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(pieces, ["a", "", "", "", "🚀", "b"]);
    let mut cut = Detokenizer::new(tokenizer, false);
    ids[..3].iter().for_each(|&id| assert!(!cut.push(id).unwrap().contains('\u{fffd}')));
    assert_eq!(cut.finish().unwrap(), "\u{fffd}", "what never completes shows at the end");
}

#[test]
fn sentence_piece_vocabularies_stream_too() {
    let vocab =
        ["<unk>", "<s>", "▁", "▁Hello", "▁world", "a", "!", "<0xE2>", "<0x82>", "<0xAC>", "é"];
    let vocab: serde_json::Map<String, Value> =
        vocab.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null,
        "added_tokens": [{"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true}],
        "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": []},
    });
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let tokenizer = Arc::new(Tokenizer::load(dir.path()).unwrap());
    let mut stream = Detokenizer::new(tokenizer.clone(), true);
    let pieces: Vec<String> =
        [1, 3, 4, 1, 6, 7, 8, 9, 4].iter().map(|&id| stream.push(id).unwrap()).collect();
    assert_eq!(pieces, ["", "Hello", " world", "", "!", "", "", "€", " world"]);
    let mut rng = Rng::new(3, 3);
    for _ in 0..300 {
        // Ids from 1: text after an unfinished byte sequence is where windows and wholes may
        // differ.
        let ids: Vec<u32> = (0..rng.below(12)).map(|_| [3, 4, 5, 6, 10, 1][rng.below(6)]).collect();
        check_stream(&tokenizer, &ids, true);
    }
    assert_eq!(tokenizer.token_bytes(4).unwrap(), b" world");
    assert_eq!(tokenizer.token_bytes(7).unwrap(), [0xe2]);
    assert_eq!(tokenizer.token_bytes(99), None);
}

#[test]
fn training_is_deterministic_and_cuts_digits_apart() {
    let texts = corpus(300);
    let trained = Tokenizer::train_bpe(&texts, &options(420)).unwrap();
    let backwards = Tokenizer::train_bpe(texts.iter().rev(), &options(420)).unwrap();
    let files = trained.files("{{ messages }}", 512).unwrap();
    assert_eq!(files, backwards.files("{{ messages }}", 512).unwrap());
    assert_eq!(trained.vocab_size(), 420);
    let ids = trained.encode("12345", false).unwrap();
    assert_eq!(ids.len(), 5);
    assert_eq!(trained.encode("<|im_end|>", false).unwrap(), [417]);
    let sum: usize = texts.iter().map(|text| trained.encode(text, false).unwrap().len()).sum();
    let bytes: usize = texts.iter().map(String::len).sum();
    assert!(sum * 2 < bytes, "{sum} tokens for {bytes} bytes");

    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in &files {
        fs_err::write(dir.path().join(name), contents).unwrap();
    }
    let loaded = Tokenizer::load(dir.path()).unwrap();
    assert_eq!(loaded.special(), trained.special());
    assert_eq!(loaded.special().eos.as_ref().unwrap().id, Some(417));
    for text in texts.iter().map(String::as_str).chain([HARD]) {
        assert_eq!(loaded.encode(text, true).unwrap(), trained.encode(text, true).unwrap());
        assert_eq!(loaded.decode(&loaded.encode(text, false).unwrap(), false).unwrap(), text);
    }
}

/// What is refused for its length alone must never have fitted.
fn check_fewest(tokenizer: &Tokenizer) {
    let repeated = ["\n", "🚀", "e\u{301}", "ｆ", "<|im_end|>"].map(|text| text.repeat(300));
    for text in corpus(30).into_iter().chain(repeated).chain([HARD.to_owned()]) {
        let (fewest, tokens) =
            (tokenizer.fewest_tokens(&text), tokenizer.encode(&text, false).unwrap().len());
        assert!(fewest <= tokens, "{fewest} of {tokens} tokens: {text:?}");
    }
}

#[test]
fn a_text_has_at_least_its_fewest_tokens() {
    let tokenizer = Tokenizer::train_bpe(corpus(300), &options(400)).unwrap();
    check_fewest(&tokenizer);
    // The longest token is `<|endoftext|>`.
    assert_eq!(tokenizer.fewest_tokens(&"x".repeat(130)), 10);
    if let Some(qwen) = qwen() {
        check_fewest(&qwen);
        assert!(qwen.fewest_tokens(&"x".repeat(1 << 20)) > 1 << 10);
    }
}

/// The library's trainer is the oracle: on a text where it has no ties to break at random, both
/// learn the same.
#[test]
fn merges_equal_those_of_the_librarys_trainer() {
    use tokenizers::models::bpe::{BPE, BpeTrainer};
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;
    let words = "low low low low low lower lower newest newest newest newest newest newest widest widest widest \
                 slow slow slow slower slower slower slower fastest fastest fast 12 12 7";
    let mut options = options(290);
    options.added_tokens.truncate(3);
    options.nfc = false;
    let ours = Tokenizer::train_bpe([words], &options).unwrap();
    let mut trainer = BpeTrainer::builder()
        .vocab_size(287)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let ours_json: Value = serde_json::from_str(&ours.files("", 1).unwrap()[0].1).unwrap();
    let mut theirs = tokenizers::Tokenizer::new(BPE::default());
    let pre: tokenizers::PreTokenizerWrapper =
        serde_json::from_value(ours_json["pre_tokenizer"].clone()).unwrap();
    theirs.with_pre_tokenizer(Some(pre));
    let mut trainer = tokenizers::models::TrainerWrapper::from(std::mem::take(&mut trainer));
    theirs.train(&mut trainer, [words].into_iter()).unwrap();
    let theirs: Value = serde_json::from_str(&theirs.to_string(false).unwrap()).unwrap();
    assert_eq!(ours_json["model"]["merges"], theirs["model"]["merges"]);
    assert_eq!(ours_json["model"]["vocab"], theirs["model"]["vocab"]);
    assert!(ours_json["model"]["merges"].as_array().unwrap().len() > 20);
}

#[test]
fn bad_input_gets_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let message = |dir: &Path| Tokenizer::load(dir).unwrap_err().to_string();
    assert!(message(dir.path()).contains("tokenizer.json"));
    fs_err::write(dir.path().join("tokenizer.json"), "{\"model\": 1}").unwrap();
    assert!(message(dir.path()).contains("not a tokenizer in Hugging Face's JSON format"));
    let files = Tokenizer::train_bpe(corpus(5), &options(300)).unwrap().files("", 1).unwrap();
    fs_err::write(dir.path().join("tokenizer.json"), &files[0].1).unwrap();
    fs_err::write(dir.path().join("tokenizer_config.json"), "{\"eos_token\": 7}").unwrap();
    assert!(
        message(dir.path())
            .contains("`eos_token` must be a string or an object with `content`, found 7")
    );

    let small = Tokenizer::train_bpe(["a"], &options(200)).unwrap_err();
    assert!(
        matches!(&small, TokenizerError::Train(reason) if reason.contains("at least 261")),
        "{small}"
    );
    let mut no_eos = options(300);
    no_eos.eos = "</s>".to_owned();
    assert!(Tokenizer::train_bpe(["a"], &no_eos).unwrap_err().to_string().contains("`</s>`"));
}
