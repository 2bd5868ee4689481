//! Chat templates against what transformers rendered (`tests/golden/template/record.py`).
//! The large templates are read from beside the checkout; where they are absent, the committed ones
//! still exercise the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use wardrobe::model::{ChatTemplate, Clock, SpecialTokens, TemplateError};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn special() -> SpecialTokens {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null});
    fs_err::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    SpecialTokens::load(dir.path()).unwrap()
}

/// 6 July 2024, 13:05:09.123456, as in the recording.
fn clock() -> Clock {
    let day = chrono::NaiveDate::from_ymd_opt(2024, 7, 6).unwrap();
    let now = day.and_hms_micro_opt(13, 5, 9, 123_456).unwrap();
    Arc::new(move || now)
}

fn path_of(name: &str) -> PathBuf {
    let root = Path::new(ROOT);
    let own = match name {
        "chatml" => root.join("recipes/chatml.jinja"),
        _ => root.join(format!("tests/golden/template/{name}.jinja")),
    };
    if own.exists() { own } else { root.join(format!("../shared/data/templates/{name}.jinja")) }
}

fn template(name: &str) -> Option<ChatTemplate> {
    let source = fs_err::read_to_string(path_of(name)).ok()?;
    Some(ChatTemplate::with_clock(&source, &special(), clock()).expect(name))
}

/// What the recording and the program agree on, or how they differ.
fn compare(golden: &Value, case: &Value, template: &ChatTemplate) -> Result<(), String> {
    let messages = &golden["conversations"][case["conversation"].as_str().unwrap()];
    let tools = case["tools"].as_bool().is_some_and(|on| on).then(|| &golden["tools"]);
    let kwargs = case["kwargs"].as_object().cloned().unwrap_or_default();
    let prompt = case["add_generation_prompt"] == true;
    let expected = &case["expected"];
    let (text, spans) = if case["continue"] == true {
        (template.render_continuing(messages, tools, &kwargs), Value::Null)
    } else if case["spans"] == true {
        let rendered = template.render_with_spans(messages, tools, prompt, &kwargs).unwrap();
        let spans: Vec<_> = rendered.generation.iter().map(|span| [span.start, span.end]).collect();
        (Ok(rendered.text), json!(spans))
    } else {
        (template.render(messages, tools, prompt, &kwargs), Value::Null)
    };
    match (text, expected["text"].as_str()) {
        (Ok(text), Some(wanted)) if text == wanted => {}
        (Ok(text), Some(wanted)) => return Err(format!("expected\n{wanted}\nfound\n{text}")),
        (Ok(text), None) => return Err(format!("expected an error {expected}, found\n{text}")),
        (Err(error), Some(wanted)) => {
            return Err(format!("expected\n{wanted}\nfound error {error}"));
        }
        (Err(TemplateError::Raised(message)), None) if expected["error"] == "TemplateError" => {
            assert_eq!(expected["message"], message);
        }
        (Err(error), None) => assert!(expected["error"] != "TemplateError", "{error}"),
    }
    if spans == expected["spans"] { Ok(()) } else { Err(format!("spans {spans}")) }
}

#[test]
fn renders_as_transformers() {
    let golden =
        fs_err::read_to_string(Path::new(ROOT).join("tests/golden/template/expected.json"));
    let golden: Value = serde_json::from_str(&golden.unwrap()).unwrap();
    let mut failed = Vec::new();
    let mut compared = 0;
    for name in golden["sha256"].as_object().unwrap().keys() {
        let Some(template) = template(name) else {
            eprintln!("skipped {name}: its template is not at {}", path_of(name).display());
            continue;
        };
        for case in
            golden["cases"].as_array().unwrap().iter().filter(|case| case["template"] == **name)
        {
            compared += 1;
            if let Err(difference) = compare(&golden, case, &template) {
                let mut case = case.clone();
                case["expected"] = Value::Null;
                failed.push(format!("{case}: {difference}"));
            }
        }
    }
    assert!(compared > 50, "only {compared} cases");
    assert!(
        failed.is_empty(),
        "{} of {compared} differ; first:\n{}",
        failed.len(),
        failed.join("\n=====\n")
    );
}
