//! A package's text side against its source's: the same conversations and texts must become the same
//! tokens, and the same tokens must end an answer.

use super::{Error, Result};
use crate::model::{ChatTemplate, Tokenizer};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What turns conversations into tokens and ends answers.
#[derive(Debug, Clone, Copy)]
pub struct TextSide<'a> {
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The chat template, where there is one.
    pub template: Option<&'a ChatTemplate>,
    /// Every token that ends an answer.
    pub stops: &'a [u32],
}

/// What was compared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TextProof {
    /// Conversations that became the same tokens on both sides.
    pub conversations: usize,
    /// Texts that did.
    pub texts: usize,
    /// Tokens over all of them.
    pub tokens: usize,
    /// Tokens that end the package's answers but not the model's.
    pub extra_stops: Vec<u32>,
}

impl TextProof {
    /// A sentence if the package may stop where the model does not.
    pub(super) fn early_stops(&self) -> Option<String> {
        let extra = &self.extra_stops;
        (!extra.is_empty()).then(|| {
            format!(
                "the package also stops at token {extra:?}, which the model's files do not name"
            )
        })
    }
}

/// Texts on which tokenizers part ways: digits, spaces, scripts, marks, code.
const TEXTS: [&str; 8] = [
    "Hello, world!",
    "3 + 4 = 7, 1234567890 and 3.14159",
    "  leading,  double   and trailing spaces  ",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "你好,世界。こんにちは、元気ですか?",
    "def f(x):\n    return {\"a\": x << 3}  # ok?\n\n",
    "emoji 👩‍👩‍👧‍👦 and e\u{301} combining, نص عربي",
    "it's we'll I'VE they'd\r\n\ttab",
];

/// Compares both sides.
///
/// # Errors
/// [`Error::Disproven`] with the first text, conversation or stop that differs.
pub fn prove_text(source: TextSide, package: TextSide) -> Result<TextProof> {
    let extra_stops = extra_stops(source.stops, package.stops)?;
    let mut proof = TextProof { conversations: 0, texts: 0, tokens: 0, extra_stops };
    for text in TEXTS {
        let sides = [source, package].map(|side| encode(side, text));
        proof.tokens += same(&sides, || format!("the text {text:?}"))?;
        proof.texts += 1;
    }
    match (source.template, package.template) {
        (None, None) => {}
        (Some(_), None) => return disproven("it has no chat template, the model has one"),
        (None, Some(_)) => return disproven("it has a chat template, the model has none"),
        (Some(ours), Some(theirs)) => {
            for conversation in conversations() {
                let sides = [(source, ours), (package, theirs)]
                    .map(|(side, template)| render(side, template, &conversation));
                proof.tokens += same(&sides, || format!("the conversation {conversation}"))?;
                proof.conversations += 1;
            }
        }
    }
    Ok(proof)
}

/// Tokens, or why there are none, which must be the same on both sides too.
type Encoded = std::result::Result<Vec<u32>, String>;

fn encode(side: TextSide, text: &str) -> Encoded {
    side.tokenizer.encode(text, false).map_err(|error| error.to_string())
}

fn render(side: TextSide, template: &ChatTemplate, messages: &Value) -> Encoded {
    let text = template.render(messages, None, true, &Map::new());
    encode(side, &text.map_err(|error| error.to_string())?)
}

fn same([ours, theirs]: &[Encoded; 2], what: impl Fn() -> String) -> Result<usize> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours == theirs => Ok(ours.len()),
        (Err(_), Err(_)) => Ok(0),
        (Ok(ours), Ok(theirs)) => {
            let at = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            disproven(&format!("{} becomes other tokens from token {at} on", what()))
        }
        (Ok(_), Err(error)) => disproven(&format!("{} is refused: {error}", what())),
        (Err(error), Ok(_)) => {
            disproven(&format!("{} is taken, which the model refuses ({error})", what()))
        }
    }
}

/// What the package stops at beyond the model's own stops, all of which it must have.
fn extra_stops(source: &[u32], package: &[u32]) -> Result<Vec<u32>> {
    let set = |stops: &[u32]| stops.iter().copied().collect::<BTreeSet<u32>>();
    let (ours, theirs) = (set(source), set(package));
    if ours.is_subset(&theirs) {
        return Ok(theirs.difference(&ours).copied().collect());
    }
    let missing: Vec<&u32> = ours.difference(&theirs).collect();
    disproven(&format!("it does not stop at token {missing:?}, at which the model does"))
}

fn disproven<T>(what: &str) -> Result<T> {
    Err(Error::Disproven(what.to_owned()))
}

/// Conversations that use what templates do differently: no system, system, turns, odd characters.
fn conversations() -> Vec<Value> {
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let mut all: Vec<Value> = TEXTS.iter().map(|text| json!([turn("user", text)])).collect();
    all.push(json!([
        turn("system", "You answer in one word."),
        turn("user", "Capital of France?")
    ]));
    all.push(json!([
        turn("user", "What is 2 + 2?"),
        turn("assistant", "4"),
        turn("user", "And <b>twice</b> \"that\" & more?"),
    ]));
    all.push(json!([
        turn("system", ""),
        turn("user", "line one\nline two\n"),
        turn("assistant", "<think>\nhm\n</think>\n\nan answer"),
        turn("user", "go on"),
    ]));
    all
}

/// Prompts on which behaviour is compared: the conversations where there is a template, else the texts.
///
/// # Errors
/// Texts that cannot be encoded.
pub fn prompts(side: TextSide) -> Result<Vec<Vec<u32>>> {
    let encoded = match side.template {
        Some(template) => conversations().iter().map(|c| render(side, template, c)).collect(),
        None => TEXTS.iter().map(|text| encode(side, text)).collect::<Vec<Encoded>>(),
    };
    let prompts: Vec<Vec<u32>> =
        encoded.into_iter().flatten().filter(|ids| !ids.is_empty()).collect();
    if prompts.is_empty() {
        return disproven("none of the built-in prompts can be encoded; give --prompts");
    }
    Ok(prompts)
}
