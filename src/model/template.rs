//! Chat templates: a conversation in, the model's text out, byte for byte what transformers'
//! `apply_chat_template` gives. Leaves out tokenizing, and images in messages beyond what a
//! template does with them.

mod engine;
mod json;
mod load;
mod markers;
mod messages;
mod python;
mod repr;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use minijinja::{Environment, Value as Jinja};
use serde_json::{Map, Value};

use super::tokenizer::SpecialTokens;
pub use messages::parse_tool_arguments;

/// Local time, as `strftime_now` reads it.
pub type Clock = Arc<dyn Fn() -> chrono::NaiveDateTime + Send + Sync>;

/// Names that a template sees and that keyword arguments may not replace.
const RESERVED: [&str; 3] = ["messages", "tools", "add_generation_prompt"];

/// What can go wrong with a chat template.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file could not be read.
    #[error("{reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why; names the file.
        reason: std::io::Error,
    },
    /// A file does not hold a template as it should.
    #[error("{path} cannot be used: {reason}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The conversation is not one: the reason says what was expected.
    #[error("{0}")]
    Messages(String),
    /// The template itself refused the conversation with `raise_exception`.
    #[error("the chat template refuses this conversation: {0}")]
    Raised(String),
    /// The template failed while it rendered this conversation.
    #[error("the chat template cannot render this conversation: {0}")]
    Render(String),
}

/// A rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// The byte ranges that stand in the template's `{% generation %}` blocks, in order; empty
    /// where the template has none.
    pub generation: Vec<Range<usize>>,
}

/// A model's chat template, compiled.
#[derive(Clone)]
pub struct ChatTemplate {
    env: Environment<'static>,
    source: String,
    special: Vec<(&'static str, String)>,
    has_tool_use: bool,
}

impl std::fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatTemplate").field("source", &self.source).finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// Compiles `source`; the template sees the texts of `special` as `bos_token`, `eos_token` ...
    ///
    /// # Errors
    /// [`TemplateError::Render`] when it is not a Jinja template, with the line.
    pub fn new(source: &str, special: &SpecialTokens) -> Result<Self, TemplateError> {
        Self::with_clock(source, special, Arc::new(|| chrono::Local::now().naive_local()))
    }

    /// Like [`Self::new`], with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_clock(
        source: &str,
        special: &SpecialTokens,
        clock: Clock,
    ) -> Result<Self, TemplateError> {
        let env = engine::environment(clock).and_then(|mut env| {
            engine::add(&mut env, engine::DEFAULT, source)?;
            Ok(env)
        });
        let env = env.map_err(|error| TemplateError::Render(engine::sentence(&error)))?;
        let special =
            special.named().into_iter().map(|(key, text)| (key, text.to_owned())).collect();
        Ok(Self { env, source: source.to_owned(), special, has_tool_use: false })
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders `messages`, a JSON list of objects with a `role`. `tools` is a list of JSON schemas;
    /// `kwargs` are further variables (`enable_thinking`).
    ///
    /// As in transformers, keys that are null are left out of messages, and `reasoning` or
    /// `thinking` are also given as `reasoning_content`.
    ///
    /// # Errors
    /// [`TemplateError::Messages`], [`TemplateError::Raised`] or [`TemplateError::Render`].
    pub fn render(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        add_generation_prompt: bool,
        kwargs: &Map<String, Value>,
    ) -> Result<String, TemplateError> {
        let messages = messages::prepare(messages)?;
        self.run(&messages, tools, add_generation_prompt, kwargs, &markers::Marks::NONE)
    }

    /// Like [`Self::render`], with the ranges of the template's `{% generation %}` blocks.
    ///
    /// # Errors
    /// As [`Self::render`]; also when the blocks do not pair up in the output.
    pub fn render_with_spans(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        add_generation_prompt: bool,
        kwargs: &Map<String, Value>,
    ) -> Result<Rendered, TemplateError> {
        let messages = messages::prepare(messages)?;
        let marks = markers::Marks::absent_from(&[&messages.to_string(), &self.source])?;
        let marked = self.run(&messages, tools, add_generation_prompt, kwargs, &marks)?;
        marks.extract(&marked)
    }

    /// Renders a conversation whose last message is to be continued: the text ends where that
    /// message's content ends, with no turn end after it (transformers' `continue_final_message`).
    ///
    /// # Errors
    /// As [`Self::render`]; also when the last message has no text or the template does not show
    /// it.
    pub fn render_continuing(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        kwargs: &Map<String, Value>,
    ) -> Result<String, TemplateError> {
        let mut messages = messages::prepare(messages)?;
        let last = messages::tag_last(&mut messages)?;
        let text = self.run(&messages, tools, false, kwargs, &markers::Marks::NONE)?;
        messages::cut_at_tag(text, &last)
    }

    fn run(
        &self,
        messages: &Value,
        tools: Option<&Value>,
        add_generation_prompt: bool,
        kwargs: &Map<String, Value>,
        marks: &markers::Marks,
    ) -> Result<String, TemplateError> {
        if let Some(name) = kwargs.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(TemplateError::Messages(format!(
                "`{name}` is given by the request itself and cannot be a chat template argument; \
                 leave it out"
            )));
        }
        let special =
            self.special.iter().map(|(key, text)| ((*key).to_owned(), Jinja::from(text.as_str())));
        let given = [
            ("messages", json::to_jinja(messages)),
            ("tools", tools.map_or(Jinja::from(()), json::to_jinja)),
            ("documents", Jinja::from(())),
            ("add_generation_prompt", Jinja::from(add_generation_prompt)),
            (markers::START, Jinja::from(marks.start.as_str())),
            (markers::END, Jinja::from(marks.end.as_str())),
        ];
        let context = special
            .chain(given.map(|(key, value)| (key.to_owned(), value)))
            .chain(kwargs.iter().map(|(key, value)| (key.clone(), json::to_jinja(value))));
        let name =
            if tools.is_some() && self.has_tool_use { engine::TOOL_USE } else { engine::DEFAULT };
        let template = self.env.get_template(name).map_err(|error| engine::classify(&error))?;
        template.render(Jinja::from_pairs(context)).map_err(|error| engine::classify(&error))
    }
}
