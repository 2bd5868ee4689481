//! The Go templates as they are put together, held to the files that Go's text/template was given.

use export::ollama::{Family, GoTemplate, conversations, limits};
use std::path::PathBuf;

const QWEN: &str = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
const OTHER: &str = "Größe {{ .System }} \"<b>\" \\ `x` {% if %}\n\tüber 🦀 %s <|im_end|>";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ollama/templates")
}

fn assembled() -> Vec<(String, String)> {
    let own = Family::ALL.map(|family| {
        let default = if family == Family::Qwen2_5 { QWEN } else { "" };
        (family.name().to_owned(), GoTemplate::new(family, default).text())
    });
    let other = GoTemplate::new(Family::Qwen2_5, OTHER).text();
    own.into_iter().chain([("qwen2.5-other-default".to_owned(), other)]).collect()
}

#[test]
fn the_templates_are_those_that_go_rendered() {
    for (name, text) in assembled() {
        let path = folder().join(format!("{name}.gotmpl"));
        if std::env::var_os("RECORD_TEMPLATES").is_some() {
            fs_err::create_dir_all(folder()).unwrap();
            fs_err::write(&path, &text).unwrap();
        }
        let recorded = fs_err::read_to_string(&path).unwrap();
        let advice = "run with RECORD_TEMPLATES=1, then `go run ./templates` in tests/go";
        assert!(recorded == text, "{}: the template changed; {advice}", path.display());
    }
    let files = fs_err::read_dir(folder()).unwrap().count();
    assert_eq!(files, assembled().len(), "every file is a template of today");
}

#[test]
fn the_conversations_cover_what_templates_do() {
    let count = |test: &dyn Fn(&export::ollama::Conversation) -> bool| {
        conversations().iter().filter(|c| test(c)).count()
    };
    let has = |word: &'static str| count(&move |c| c.messages.to_string().contains(word));
    assert!(conversations().len() >= 50, "{}", conversations().len());
    assert!(count(&|c| c.tools.is_some()) >= 15);
    assert!(count(&|c| c.think == Some(false)) >= 5 && count(&|c| c.think == Some(true)) >= 5);
    assert!(count(&|c| c.continues) >= 5);
    for word in ["tool_calls", "\"tool\"", "reasoning_content", "<b>", "北京", "\"system\""] {
        assert!(has(word) >= 3, "{word}");
    }
    assert!(limits().len() >= 10);
}
