//! Which family a model's chat template belongs to: found by what it renders, never by its text.
//!
//! A template is of a family if it renders every recorded conversation byte for byte as the family's
//! own template does. Two things may differ, since fine-tunes change them and the Go template can
//! follow: a default system prompt (Qwen2.5), and the beginning-of-text token, which Ollama's
//! tokenizer adds by itself (Llama).

use formats::digest::sha256;

use super::conversations::{Conversation, conversations, limits, recorded};
use super::template::{self, Date};

/// Renders a conversation with the model's own Jinja; `None` where the template refuses it.
pub type Render<'a> = &'a dyn Fn(&Conversation) -> Option<String>;

/// A family of chat templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Qwen2.5, with any default system prompt.
    Qwen2_5,
    /// Qwen3, with thinking that can be switched off.
    Qwen3,
    /// Llama 3.1 and 3.3.
    Llama3_1,
    /// Llama 3.2, which gives today's date.
    Llama3_2,
    /// ChatML with thinking, of this project's demo model and recipes.
    ChatMlThink,
}

/// Where the digests have a default system prompt.
const PLACEHOLDER: &str = "{default system prompt}";
/// Llama's beginning-of-text token.
const BEGIN_OF_TEXT: &str = "<|begin_of_text|>";

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] =
        [Self::Qwen2_5, Self::Qwen3, Self::Llama3_1, Self::Llama3_2, Self::ChatMlThink];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qwen2_5 => "qwen2.5",
            Self::Qwen3 => "qwen3",
            Self::Llama3_1 => "llama3.1",
            Self::Llama3_2 => "llama3.2",
            Self::ChatMlThink => "chatml-think",
        }
    }

    /// The texts that end an answer in this family's format: the end of a turn, and the end of text,
    /// which fine-tunes of base models often write instead.
    pub fn stops(self) -> &'static [&'static str] {
        match self {
            Self::Qwen2_5 | Self::Qwen3 | Self::ChatMlThink => &["<|im_end|>", "<|endoftext|>"],
            Self::Llama3_1 | Self::Llama3_2 => &["<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"],
        }
    }

    /// The text that the tokenizer, not the Go template, puts before a conversation.
    pub fn added_by_tokenizer(self) -> Option<&'static str> {
        matches!(self, Self::Llama3_1 | Self::Llama3_2).then_some(BEGIN_OF_TEXT)
    }

    /// The digest under which a rendering is recorded.
    fn digest(self, conversation: &Conversation, default_system: &str, text: &str) -> String {
        let text = self.added_by_tokenizer().and_then(|it| text.strip_prefix(it)).unwrap_or(text);
        if self != Self::Qwen2_5 || begins_with_system(conversation) {
            return sha256(text);
        }
        let head = format!("{SYSTEM_HEAD}{default_system}");
        match text.strip_prefix(&head) {
            Some(rest) => sha256(format!("{SYSTEM_HEAD}{PLACEHOLDER}{rest}")),
            None => sha256(text),
        }
    }
}

const SYSTEM_HEAD: &str = "<|im_start|>system\n";

fn begins_with_system(conversation: &Conversation) -> bool {
    conversation.messages[0]["role"] == "system"
}

/// A Go template that was found to fit a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoTemplate {
    family: Family,
    default_system: String,
}

impl GoTemplate {
    /// The template of a family, with its own default system prompt or, where the family allows
    /// another, the model's.
    pub fn new(family: Family, default_system: &str) -> Self {
        Self { family, default_system: default_system.to_owned() }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The system prompt that the template itself gives to conversations without one; may be empty.
    pub fn default_system(&self) -> &str {
        &self.default_system
    }

    /// The template: the text of a Modelfile's `TEMPLATE`.
    pub fn text(&self) -> String {
        match self.family {
            Family::Qwen2_5 => template::qwen2_5(&self.default_system),
            Family::Qwen3 => template::qwen3(),
            Family::Llama3_1 => template::llama3(Date::Fixed),
            Family::Llama3_2 => template::llama3(Date::Today),
            Family::ChatMlThink => template::chatml_think(),
        }
    }
}

/// A template of no known family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The family that renders most conversations alike.
    pub nearest: Family,
    /// How many conversations there are.
    pub of: usize,
    /// Those that come out otherwise, by name.
    pub different: Vec<String>,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (alike, of) = (self.of - self.different.len(), self.of);
        write!(
            f,
            "the model's chat template is of no family that has a tested Go template (the nearest, \
             {}, renders {alike} of {of} conversations alike; the first that differs is `{}`)",
            self.nearest.name(),
            self.different.first().map_or("", String::as_str),
        )
    }
}

/// Finds the family of a model by what its template renders.
///
/// # Errors
/// [`Unknown`], with how near it came.
pub fn detect(render: Render<'_>) -> Result<GoTemplate, Unknown> {
    let all: Vec<&Conversation> = conversations().iter().chain(limits()).collect();
    let rendered: Vec<Option<String>> = all.iter().map(|c| render(c)).collect();
    let default_system = default_system(&rendered[0]);
    let different = |family: Family| -> Vec<String> {
        let pairs = all.iter().zip(&rendered);
        let other = pairs.filter(|(conversation, text)| {
            let found = text.as_ref().map(|text| family.digest(conversation, default_system, text));
            found.as_deref() != recorded(family.name(), &conversation.name)
        });
        other.map(|(conversation, _)| conversation.name.clone()).collect()
    };
    let mut nearest = (Family::ALL[0], different(Family::ALL[0]));
    for family in &Family::ALL[1..] {
        let found = different(*family);
        if found.len() < nearest.1.len() {
            nearest = (*family, found);
        }
    }
    let (family, different) = nearest;
    if !different.is_empty() {
        return Err(Unknown { nearest: family, of: all.len(), different });
    }
    let own = if family == Family::Qwen2_5 { default_system } else { "" };
    Ok(GoTemplate::new(family, own))
}

/// What stands as the system prompt of the first conversation, which has none of its own.
fn default_system(rendered: &Option<String>) -> &str {
    let text = rendered.as_deref().unwrap_or("");
    let rest = text.strip_prefix(SYSTEM_HEAD).unwrap_or("");
    // The text after the prompt is known: a prompt that contains an end of turn is still cut right.
    let tail = "<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
    rest.strip_suffix(tail).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_a_digest_of_every_conversation() {
        for family in Family::ALL {
            let known =
                conversations().iter().filter(|c| recorded(family.name(), &c.name).is_some());
            let known = known.count();
            assert!(known >= 45, "{}: {known}", family.name());
            assert_eq!(conversations()[0].name, "user", "it has no system prompt");
        }
        assert!(limits().iter().all(|c| c.why.is_some()));
    }

    #[test]
    fn a_template_of_no_family_is_told_with_the_nearest() {
        let plain = |_: &Conversation| Some("Hello".to_owned());
        let unknown = detect(&plain).unwrap_err();
        assert_eq!(unknown.different.len(), unknown.of);
        assert!(unknown.to_string().contains("renders 0 of"), "{unknown}");
    }
}
