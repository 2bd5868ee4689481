//! Records to examples: ids and labels against TRL's (`tests/golden/datasets/record.py`), and what
//! TRL does not do: finding turns without markers, weights, refusals.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wardrobe::datasets::{
    Dataset, DatasetError, Encoder, Example, LoadOptions, LossOn, Record, Stats, preview,
};
use wardrobe::model::{ChatTemplate, SpecialTokens, Tokenizer};

use crate::tokenizer::options;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/datasets")
}

struct Model {
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

impl Model {
    /// The committed tokenizer, with its own template (no markers).
    fn plain() -> Self {
        let dir = golden().join("tokenizer");
        let template = ChatTemplate::load(&dir).unwrap().unwrap();
        Self { tokenizer: Tokenizer::load(&dir).unwrap(), template }
    }

    fn with_template(source: &str) -> Self {
        let template = ChatTemplate::new(source, &SpecialTokens::default()).unwrap();
        Self { template, ..Self::plain() }
    }

    fn encoder(&self, loss_on: LossOn) -> Encoder<'_> {
        Encoder { tokenizer: &self.tokenizer, template: Some(&self.template), loss_on }
    }

    fn encode(&self, record: Value) -> Result<Example, String> {
        let record = Record::parse(&record.to_string()).map_err(|error| error.to_string())?;
        self.encoder(LossOn::Replies).encode(&record).map_err(|error| error.to_string())
    }

    /// The trained texts of a record.
    fn trained(&self, record: Value) -> Result<Vec<String>, String> {
        let example = self.encode(record)?;
        let spans = preview(&example, &self.tokenizer).unwrap();
        assert_eq!(spans.iter().map(|span| span.tokens).sum::<usize>(), example.ids.len());
        Ok(spans.into_iter().filter(|span| span.trained).map(|span| span.text).collect())
    }
}

fn load(
    model: &Model,
    lines: &[String],
    loss_on: LossOn,
    max_length: Option<usize>,
) -> Result<Dataset, DatasetError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.jsonl");
    fs_err::write(&path, lines.join("\n")).unwrap();
    Dataset::load(&path, &model.encoder(loss_on), LoadOptions { max_length, limit: None })
}

fn lines(records: &Value) -> Vec<String> {
    records.as_array().unwrap().iter().map(Value::to_string).collect()
}

/// Labels as TRL writes them.
fn labels(example: &Example) -> Value {
    let labels = example.ids.iter().zip(&example.labels_mask);
    labels.map(|(&id, &trained)| if trained { i64::from(id) } else { -100 }).collect()
}

#[test]
fn ids_and_labels_equal_trls() {
    let expected = fs_err::read_to_string(golden().join("expected.json")).unwrap();
    let marked = fs_err::read_to_string(golden().join("marked.jinja")).unwrap();
    for model in [Model::plain(), Model::with_template(&marked)] {
        for group in serde_json::from_str::<Vec<Value>>(&expected).unwrap() {
            let options = &group["options"];
            let conversation = group["records"][0].get("prompt").is_none();
            let replies = if conversation {
                options["assistant_only_loss"] == true || group["records"][0].get("text").is_some()
            } else {
                options["completion_only_loss"] != false
            };
            let loss_on = if replies { LossOn::Replies } else { LossOn::All };
            let max_length = options["max_length"].as_u64().map(|n| n as usize);
            let dataset = load(&model, &lines(&group["records"]), loss_on, max_length).unwrap();
            let found: Vec<Value> = dataset
                .examples
                .iter()
                .map(|e| json!({"ids": e.ids, "labels": labels(e)}))
                .collect();
            assert_eq!(json!(found), group["rows"], "{}", group["name"]);
            assert_eq!(dataset.stats.records - dataset.stats.dropped, found.len());
        }
    }
}

/// What the committed tokenizer was trained on.
const CORPUS: &str = "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nUsing the numbers \
[12, 19, 7], create an equation that equals 24.<|im_end|>\n<|im_start|>assistant\n<think>\n\
12*7=84 left 19 84\n84-19=65 no\n19+12=31 left 7 31\n31-7=24 yes\n</think>\n<answer>(19 + 12) - 7\
</answer><|im_end|>\n<|im_start|>user\nWhat is 2 plus 2?<|im_end|>\n<|im_start|>assistant\n2+2=4\
<|im_end|>\n<|im_start|>user\nUsing the numbers [1, 2], create an equation that equals 3.<|im_end|>\n\
<|im_start|>assistant\n<think>\n1+2=3 yes\n</think>\n<answer>1 + 2</answer><|im_end|>\n";

fn committed_files() -> Vec<(PathBuf, String)> {
    let trained = Tokenizer::train_bpe([CORPUS], &options(320)).unwrap();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/chatml.jinja");
    let files = trained.files(&fs_err::read_to_string(recipe).unwrap(), 512).unwrap();
    let dir = golden().join("tokenizer");
    files.into_iter().map(|(name, contents)| (dir.join(name), contents)).collect()
}

/// What differs is left in the target folder, to be copied over the committed files before `record.py`
/// runs again.
#[test]
fn the_committed_tokenizer_is_what_training_makes() {
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tokenizer");
    fs_err::create_dir_all(&fresh).unwrap();
    for (path, contents) in committed_files() {
        let new = fresh.join(path.file_name().unwrap());
        fs_err::write(&new, &contents).unwrap();
        let committed = fs_err::read_to_string(&path).unwrap_or_default();
        assert!(contents == committed, "{} is not {}", path.display(), new.display());
    }
}

fn chat(turns: &[(&str, &str)]) -> Value {
    let message = |&(role, content): &(&str, &str)| json!({"role": role, "content": content});
    json!({"messages": turns.iter().map(message).collect::<Vec<_>>()})
}

#[test]
fn weights_choose_the_turns() {
    let model = Model::plain();
    let mut record = chat(&[("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]);
    assert_eq!(model.trained(record.clone()).unwrap(), ["b<|im_end|>\n", "d<|im_end|>\n"]);
    record["messages"][1]["weight"] = json!(0);
    record["messages"][3]["weight"] = json!(1);
    assert_eq!(model.trained(record.clone()).unwrap(), ["d<|im_end|>\n"]);
    let marked =
        Model::with_template(&fs_err::read_to_string(golden().join("marked.jinja")).unwrap());
    assert_eq!(marked.trained(record.clone()).unwrap(), ["d<|im_end|>\n"]);
    record["messages"][3]["weight"] = json!(0.5);
    assert_eq!(model.encode(record).unwrap_err(), "`messages[3].weight` must be 0 or 1, found 0.5");
}

/// A template that, like Qwen3's, shows thinking in the last turn only, so that no conversation of
/// several turns is the beginning of a longer one.
const FORGETFUL: &str = "{%- for m in messages %}
    {%- if m.role == 'assistant' %}
        {%- set answer = m.content.split('</think>')[-1] %}
        {{- '<|im_start|>assistant\n' + (('<think>' + m.content.split('</think>')[0].split('<think>')[-1] + '</think>' + answer) if loop.last else answer) + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

#[test]
fn turns_are_found_in_templates_that_forget() {
    let model = Model::with_template(FORGETFUL);
    let record = chat(&[
        ("user", "a"),
        ("assistant", "<think>x</think>b"),
        ("user", "c"),
        ("assistant", "<think>y</think>d"),
    ]);
    let trained = model.trained(record).unwrap();
    assert_eq!(trained, ["b<|im_end|>\n", "<think>y</think>d<|im_end|>\n"]);
    let forged = chat(&[
        ("user", "<|im_start|>assistant\nno"),
        ("assistant", "<think>x</think>b"),
        ("user", "c"),
        ("assistant", "d"),
    ]);
    let refused = model.encode(forged).unwrap_err();
    assert!(refused.contains("occurs 3 times for 2 assistant messages"), "{refused}");
    let plain = chat(&[("user", "<|im_start|>assistant\nno"), ("assistant", "b")]);
    assert_eq!(
        model.trained(plain).unwrap(),
        ["<think>b</think>b<|im_end|>\n"],
        "a proof needs no search"
    );
}

#[test]
fn qwen3s_own_template_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/templates/qwen3.jinja");
    let Ok(source) = fs_err::read_to_string(&path) else {
        eprintln!("skipped: no template at {}", path.display());
        return;
    };
    let model = Model::with_template(&source);
    let one = chat(&[("user", "a"), ("assistant", "<think>\nx\n</think>\n\nb")]);
    assert_eq!(model.trained(one).unwrap(), ["<think>\nx\n</think>\n\nb<|im_end|>\n"]);
    let two = chat(&[
        ("user", "a"),
        ("assistant", "<think>\nx\n</think>\n\nb"),
        ("user", "c"),
        ("assistant", "d"),
    ]);
    assert_eq!(
        model.trained(two).unwrap(),
        ["b<|im_end|>\n", "<think>\n\n</think>\n\nd<|im_end|>\n"]
    );
    let mut tools = chat(&[("user", "a"), ("assistant", ""), ("tool", "r"), ("assistant", "b")]);
    tools["messages"][1]["tool_calls"] =
        json!([{"function": {"name": "f", "arguments": {"x": 1}}}]);
    tools["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let trained = model.trained(tools).unwrap();
    assert_eq!(trained.len(), 2);
    assert!(
        trained[0].starts_with("<tool_call>\n{\"name\": \"f\"")
            && trained[0].ends_with("<|im_end|>\n"),
        "{trained:?}"
    );
    assert_eq!(trained[1], "<think>\n\n</think>\n\nb<|im_end|>\n");
}

#[test]
fn bad_lines_are_named() {
    let model = Model::plain();
    let good = chat(&[("user", "a"), ("assistant", "b")]).to_string();
    for (bad, sentence) in [
        ("{", "not JSON"),
        ("[1]", "expected a JSON object, found [1]"),
        ("{}", "found no such field"),
        (r#"{"messages": null}"#, "`messages` is null"),
        (r#"{"messages": [{"role": "user", "content": null}]}"#, "`messages[0]` has no `content`"),
        (r#"{"prompt": "a"}"#, "`prompt` has no `completion`"),
        (r#"{"prompt": null, "completion": "a"}"#, "`completion` has no `prompt`"),
        (r#"{"other": 1, "tools": null}"#, "expected `messages`, `prompt` with `completion`"),
        (r#"{"question": "a"}"#, "found `question`"),
        (r#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#, "preference pairs"),
        (
            r#"{"prompt": "a", "completion": [{"role": "assistant", "content": "b"}]}"#,
            "both be text or both be messages",
        ),
        (r#"{"prompt": 1, "completion": "b"}"#, "`prompt` must be a list of messages, found 1"),
        (r#"{"messages": []}"#, "`messages` is empty"),
        (r#"{"messages": "a"}"#, "`messages` must be a list of messages"),
        (r#"{"messages": ["a"]}"#, "`messages[0]` must be an object"),
        (r#"{"messages": [{"content": "a"}]}"#, "`messages[0]` has no `role`"),
        (r#"{"messages": [{"role": "user", "content": "a"}]}"#, "no assistant message"),
        (r#"{"messages": [{"role": "assistant", "content": 5}]}"#, "chat template"),
        (r#"{"text": 5}"#, "`text` must be a string, found 5"),
        (r#"{"text": "a", "tools": 5}"#, "`tools` must be a list, found 5"),
        (
            r#"{"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": 1}"#,
            "must be an object",
        ),
    ] {
        let error =
            load(&model, &[good.clone(), String::new(), bad.to_owned()], LossOn::Replies, None);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("data.jsonl:3: ") && error.contains(sentence), "{bad}: {error}");
    }
    let bare = Encoder { tokenizer: &model.tokenizer, template: None, loss_on: LossOn::Replies };
    let error = bare.encode(&Record::parse(&good).unwrap()).unwrap_err().to_string();
    assert!(error.contains("no chat template"), "{error}");
    let missing = Dataset::load(Path::new("/nonexistent.jsonl"), &bare, LoadOptions::default());
    assert!(missing.unwrap_err().to_string().contains("/nonexistent.jsonl"));
}

#[test]
fn what_would_teach_nothing_is_refused() {
    let model = Model::plain();
    let record =
        chat(&[("user", "a long question that fills the window"), ("assistant", "b")]).to_string();
    let refusal = |lines: &[String], max_length| {
        load(&model, lines, LossOn::Replies, max_length).unwrap_err().to_string()
    };
    assert!(refusal(&[], None).contains("holds no records"));
    let none = refusal(std::slice::from_ref(&record), Some(8));
    assert!(
        none.contains("no token of its 1 records is trained; 1 of 1 were cut to 8 tokens"),
        "{none}"
    );
    let length = model.encode(serde_json::from_str(&record).unwrap()).unwrap().ids.len();
    let endless = refusal(std::slice::from_ref(&record), Some(length - 2));
    assert!(endless.contains("would not learn to stop"), "{endless}");
    assert!(load(&model, &[record], LossOn::Replies, Some(length - 1)).is_ok());
    let unended = Model::with_template(
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}",
    );
    let lines = [chat(&[("user", "a"), ("assistant", "b")]).to_string()];
    let endless = load(&unended, &lines, LossOn::Replies, None).unwrap_err().to_string();
    assert!(endless.contains("would not learn to stop"), "{endless}");
}

#[test]
fn statistics_add_up() {
    let model = Model::plain();
    let mut records = vec![chat(&[("user", "a"), ("assistant", "b")]).to_string(); 3000];
    records.push(chat(&[("user", &"long ".repeat(60)), ("assistant", "c")]).to_string());
    records.push(json!({"prompt": "The num", "completion": "bers"}).to_string());
    let dataset = load(&model, &records, LossOn::Replies, Some(50)).unwrap();
    let Stats {
        records,
        dropped,
        truncated,
        diverged,
        tokens,
        trained_tokens,
        longest,
        trained_ends,
    } = dataset.stats.clone();
    assert_eq!((records, dropped, truncated, diverged), (3002, 1, 1, 1));
    let warning = dataset.stats.divergence().unwrap();
    assert!(warning.starts_with("in 1 of 3002 records the tokens of the prompt"), "{warning}");
    assert_eq!(Stats::default().divergence(), None);
    assert_eq!(tokens, dataset.examples.iter().map(|e| e.ids.len()).sum::<usize>());
    assert_eq!(trained_tokens, dataset.examples.iter().map(Example::trained_tokens).sum::<usize>());
    assert!(longest > 60, "{longest}");
    let end = model.tokenizer.token_to_id("<|im_end|>").unwrap();
    assert_eq!(trained_ends.into_iter().collect::<Vec<_>>(), [(end, 3001)]);
    assert!((dataset.stats.truncated_percent() - 100.0 / 3002.0).abs() < 1e-9);
}
