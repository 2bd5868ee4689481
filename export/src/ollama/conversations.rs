//! The conversations by which templates are told apart and compared, and the digests of what each
//! family's own Jinja and Go templates render of them. Recorded; see `tests/golden/ollama/record.py`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

/// The day, as `%d %b %Y`, on which a template that prints today's date must be rendered to be
/// compared: the digests were recorded on it.
pub const RECORDED_ON: (i32, u32, u32) = (2024, 7, 6);

/// One conversation as a chat endpoint receives it.
#[derive(Clone, Debug, Deserialize)]
pub struct Conversation {
    /// What is special about it.
    pub name: String,
    /// The messages, as transformers' chat templates take them.
    pub messages: Value,
    /// JSON schemas of tools.
    pub tools: Option<Value>,
    /// `enable_thinking`, where it is given.
    pub think: Option<bool>,
    /// The last message is to be continued (transformers' `continue_final_message`); otherwise a new
    /// answer is asked for (`add_generation_prompt`).
    pub continues: bool,
    /// Why a Go template cannot render this as the Jinja does; absent where it can.
    pub why: Option<String>,
}

#[derive(Deserialize)]
struct Recorded {
    conversations: Vec<Conversation>,
    limits: Vec<Conversation>,
}

type Digests = BTreeMap<String, BTreeMap<String, Option<String>>>;

#[expect(clippy::expect_used, reason = "the data are part of the program, and the tests read them")]
static RECORDED: LazyLock<Recorded> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/conversations.json")).expect("recorded conversations")
});

#[expect(clippy::expect_used, reason = "the data are part of the program, and the tests read them")]
static DIGESTS: LazyLock<Digests> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data/digests.json")).expect("recorded digests")
});

/// The conversations over which the Go templates render what the Jinja templates render.
pub fn conversations() -> &'static [Conversation] {
    &RECORDED.conversations
}

/// The conversations over which no Go template can, each with the reason.
pub fn limits() -> &'static [Conversation] {
    &RECORDED.limits
}

/// The digest of what a family's Jinja renders; `None` where it refuses the conversation.
pub(super) fn recorded(family: &str, conversation: &str) -> Option<&'static str> {
    DIGESTS.get(family)?.get(conversation)?.as_deref()
}
