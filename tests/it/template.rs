//! Chat templates against what transformers rendered (`tests/golden/template/record.py`).
//! The large templates are read from beside the checkout; where they are absent, the committed ones
//! still exercise the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::digest::sha256;
use serde_json::{Map, Value, json};
use wardrobe::model::{ChatTemplate, Clock, SpecialTokens, TemplateError, parse_tool_arguments};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Templates that are not committed.
const LARGE: [&str; 3] = ["qwen2.5-instruct", "qwen3", "llama-3.2-instruct"];

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
    let (mut compared, mut skipped) = (0, Vec::new());
    for (name, recorded) in golden["sha256"].as_object().unwrap() {
        let Some(template) = template(name) else {
            eprintln!("skipped {name}: its template is not at {}", path_of(name).display());
            skipped.push(name.as_str());
            continue;
        };
        // Of another template, transformers would have rendered other texts.
        assert_eq!(
            sha256(fs_err::read(path_of(name)).unwrap()),
            *recorded,
            "{name} is not the template of the recording"
        );
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
    // The committed templates are never missing, and no case of one that is there is left out.
    assert!(skipped.iter().all(|name| LARGE.contains(name)), "{skipped:?}");
    let cases = golden["cases"].as_array().unwrap().iter();
    let due = cases.filter(|case| !skipped.contains(&case["template"].as_str().unwrap()));
    assert_eq!(compared, due.count());
    assert!(
        failed.is_empty(),
        "{} of {compared} differ; first:\n{}",
        failed.len(),
        failed.join("\n=====\n")
    );
}

fn hi() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

/// Loads a folder with these files and renders one question, with and without tools.
fn from_folder(files: &[(&str, String)]) -> Result<Option<(String, String)>, TemplateError> {
    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = dir.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, contents).unwrap();
    }
    let Some(template) = ChatTemplate::load(dir.path())? else { return Ok(None) };
    let render = |tools: Option<&Value>| template.render(&hi(), tools, false, &Map::new());
    Ok(Some((render(None)?, render(Some(&json!([{"name": "f"}])))?)))
}

#[test]
fn templates_are_found_where_folders_keep_them() {
    let config = |template: Value| {
        (
            "tokenizer_config.json",
            json!({"bos_token": "<s>", "chat_template": template}).to_string(),
        )
    };
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(from_folder(&[]).unwrap(), None);
    assert_eq!(from_folder(&[config(Value::Null)]).unwrap(), None);
    let text = config(json!("{{ bos_token }}A"));
    assert_eq!(from_folder(std::slice::from_ref(&text)).unwrap(), pair("<s>A", "<s>A"));
    let file = ("chat_template.jinja", "F{{ eos_token }}".to_owned());
    assert_eq!(
        from_folder(&[text.clone(), file.clone()]).unwrap(),
        pair("F", "F"),
        "the file wins"
    );
    let more = ("additional_chat_templates/tool_use.jinja", "T".to_owned());
    assert_eq!(from_folder(&[file, more]).unwrap(), pair("F", "T"));
    let json_file = |text: &str| ("chat_template.json", json!({"chat_template": text}).to_string());
    let beside = json_file("J{{ bos_token }}");
    assert_eq!(from_folder(std::slice::from_ref(&beside)).unwrap(), pair("J", "J"));
    let empty = config(Value::Null);
    assert_eq!(from_folder(&[empty, beside.clone()]).unwrap(), pair("J<s>", "J<s>"));
    assert_eq!(
        from_folder(&[text, beside]).unwrap(),
        pair("<s>A", "<s>A"),
        "it is the last resort"
    );
    let named = |name: &str| json!({"name": name, "template": format!("{name}!")});
    let list = config(json!([named("tool_use"), named("default"), named("rag")]));
    assert_eq!(from_folder(&[list]).unwrap(), pair("default!", "tool_use!"));

    let refusal = |file| from_folder(&[file]).unwrap_err().to_string();
    assert!(
        refusal(config(json!([named("rag")]))).contains("without an entry {\"name\": \"default\"")
    );
    assert!(refusal(config(json!(5))).contains("must be a text or a list of named texts"));
    assert!(refusal(("tokenizer_config.json", "{".to_owned())).contains("not JSON"));
    let broken = refusal(("chat_template.json", "[".to_owned()));
    assert!(broken.contains("chat_template.json") && broken.contains("not JSON"), "{broken}");
    let broken = refusal(("chat_template.jinja", "a\nb\n{% if %}".to_owned()));
    assert!(broken.contains("chat_template.jinja") && broken.contains("line 3"), "{broken}");
}

#[test]
fn refusals_say_what_is_wrong() {
    let template = |source: &str| ChatTemplate::new(source, &SpecialTokens::default()).unwrap();
    let render = |source: &str, messages: &Value, kwargs: &Value| {
        let kwargs = kwargs.as_object().unwrap();
        template(source).render(messages, None, false, kwargs).unwrap_err().to_string()
    };
    let none = json!({});
    let raised = render("{{ raise_exception('roles must alternate') }}", &hi(), &none);
    assert_eq!(raised, "the chat template refuses this conversation: roles must alternate");
    let failed = render("\n{{ messages[0].content.nope() }}", &hi(), &none);
    assert!(
        failed.contains("cannot render this conversation") && failed.contains("line 2"),
        "{failed}"
    );
    assert!(render("", &json!([]), &none).contains("at least one message"));
    assert!(render("", &json!("hi"), &none).contains("at least one message"));
    assert!(render("", &json!(["hi"]), &none).contains("message 0 must be an object"));
    assert!(
        render("", &hi(), &json!({"messages": 1})).contains("`messages` is given by the request")
    );
    assert!(render("{{ nope() | tojson }}", &hi(), &none).contains("nope"));
    assert!(render("{{ nope | tojson }}", &hi(), &none).contains("undefined"));
    assert!(render("{{ strftime_now('%Q') }}", &hi(), &none).contains("`%Q` is not a time format"));
}

#[test]
fn what_cannot_be_continued_is_refused() {
    let continued = |source: &str, content: Value| {
        let template = ChatTemplate::new(source, &SpecialTokens::default()).unwrap();
        let messages = json!([{"role": "assistant", "content": content}]);
        template.render_continuing(&messages, None, &Map::new()).map_err(|error| error.to_string())
    };
    let plain = "<a>{{ messages[0].content }}</a>";
    assert_eq!(continued(plain, json!("one ")).unwrap(), "<a>one ");
    assert_eq!(
        continued("<a>{{ messages[0].content | trim }}</a>", json!("one ")).unwrap(),
        "<a>one"
    );
    assert_eq!(
        continued("{{ messages[0].content[0].text }}", json!([{"text": "x"}, {"type": "image"}]))
            .unwrap(),
        "x"
    );
    assert!(continued(plain, Value::Null).unwrap_err().contains("no text to continue"));
    assert!(
        continued(plain, json!([{"type": "image"}])).unwrap_err().contains("no text to continue")
    );
    assert!(continued("hidden", json!("one")).unwrap_err().contains("cannot be continued"));
}

#[test]
fn marks_never_mix_with_what_people_write() {
    let template = template("markers").unwrap();
    let content = "\u{fdd0}s0\u{fdd1}\u{fdd0}e1\u{fdd1}\u{fdd0}s";
    let messages = json!([{"role": "assistant", "content": content}]);
    let rendered = template.render_with_spans(&messages, None, false, &Map::new()).unwrap();
    assert_eq!(rendered.generation.len(), 1);
    assert_eq!(&rendered.text[rendered.generation[0].clone()], format!("{content}<|im_end|>\n"));
    assert_eq!(rendered.text, template.render(&messages, None, false, &Map::new()).unwrap());
}

#[test]
fn tool_arguments_in_text_become_objects() {
    let call = |arguments: Value| {
        let function = json!({"name": "f", "arguments": arguments});
        json!([{"role": "assistant", "tool_calls": [{"function": function}]}])
    };
    for (given, expected) in [
        (json!("{\"b\": 1, \"a\": [2]}"), json!({"b": 1, "a": [2]})),
        (json!("not json"), json!("not json")),
        (json!("5"), json!("5")),
        (json!({"a": 1}), json!({"a": 1})),
    ] {
        let mut messages = call(given);
        parse_tool_arguments(&mut messages);
        assert_eq!(messages, call(expected));
    }
}
