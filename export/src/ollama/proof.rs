//! `template-proof.json`: what was compared, over which conversations, with which outcome; and what a
//! Go template in Ollama cannot do. A claim is made only of what was rendered and tested.

use formats::digest::sha256;
use serde_json::{Value, json};

use super::conversations::{Conversation, conversations, limits};
use super::family::{GoTemplate, Render};

/// The Go template of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateChoice {
    /// Found to render what the model's Jinja renders.
    Tested(GoTemplate),
    /// The user's own.
    Given(String),
    /// None: the GGUF's Jinja alone.
    Absent,
}

impl TemplateChoice {
    /// The text of `TEMPLATE`.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Tested(template) => Some(template.text()),
            Self::Given(text) => Some(text.clone()),
            Self::Absent => None,
        }
    }
}

/// The proof file of a package. `jinja` is the model's own template, rendered by `render`.
pub fn proof(choice: &TemplateChoice, jinja: &str, render: Render<'_>) -> Value {
    let mut proof = json!({
        "jinja_sha256": sha256(jinja),
        "template_sha256": choice.text().map(sha256),
    });
    let rest = match choice {
        TemplateChoice::Tested(template) => tested(template, render),
        TemplateChoice::Given(_) => json!({
            "claim": "none: the TEMPLATE was given by the user and compared with nothing",
        }),
        TemplateChoice::Absent => json!({
            "claim": "none: the model's Jinja is of no family with a tested Go template; the package \
                      has no TEMPLATE and relies on the GGUF's `tokenizer.chat_template`",
        }),
    };
    if let (Value::Object(proof), Value::Object(rest)) = (&mut proof, rest) {
        proof.extend(rest);
    }
    proof
}

fn tested(template: &GoTemplate, render: Render<'_>) -> Value {
    let family = template.family();
    let compared: Vec<Value> = conversations().iter().map(|c| verdict(c, render)).collect();
    let differs: Vec<Value> = limits().iter().map(limit).collect();
    json!({
        "claim": "over `conversations`, the TEMPLATE renders byte for byte what the model's Jinja \
                  renders; the Go side was rendered by Go's text/template with the values and \
                  functions that Ollama documents, the Jinja side when this file was written",
        "family": family.name(),
        "default_system": template.default_system(),
        "added_by_tokenizer": family.added_by_tokenizer(),
        "rendered_on": "2024-07-06",
        "conversations": compared,
        "cannot": differs,
    })
}

fn verdict(conversation: &Conversation, render: Render<'_>) -> Value {
    let text = render(conversation);
    let verdict = match text {
        Some(_) => "same bytes",
        None => "the Jinja refuses this conversation",
    };
    json!({
        "name": conversation.name,
        "messages": conversation.messages,
        "tools": conversation.tools,
        "think": conversation.think,
        "continues": conversation.continues,
        "sha256": text.map(sha256),
        "verdict": verdict,
    })
}

fn limit(conversation: &Conversation) -> Value {
    json!({
        "name": conversation.name,
        "messages": conversation.messages,
        "tools": conversation.tools,
        "why": conversation.why,
    })
}
