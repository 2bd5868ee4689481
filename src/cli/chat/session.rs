//! The conversation so far, who answers, and one turn of it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::adapters::{Generation, LoadPolicy};
use crate::api::SamplingDefaults;
use crate::cli::terminal;
use crate::engine::{EngineHandle, Event, FinishReason, Request, SamplingParams, SubmitError};
use crate::model::{ChatTemplate, Tokenizer};

/// A chat.
pub(super) struct Session {
    engine: EngineHandle,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    adapter_dir: PathBuf,
    adapter: Option<Arc<Generation>>,
    system: Option<String>,
    messages: Vec<Value>,
    params: SamplingParams,
    max_tokens: Option<usize>,
}

/// How a turn went.
pub(super) enum Asked {
    /// The answer is complete.
    Answered,
    /// The user stopped it.
    Interrupted,
    /// It cannot be answered; the message is forgotten.
    Refused(String),
}

impl Session {
    /// A chat that has not begun, with the base.
    pub(super) fn new(
        engine: EngineHandle,
        tokenizer: Arc<Tokenizer>,
        template: ChatTemplate,
    ) -> Self {
        Self {
            engine,
            tokenizer,
            template,
            adapter_dir: PathBuf::new(),
            adapter: None,
            system: None,
            messages: Vec::new(),
            params: SamplingParams::default(),
            max_tokens: None,
        }
    }

    /// How answers are sampled.
    pub(super) fn sampling(
        &mut self,
        defaults: SamplingDefaults,
        temperature: Option<f32>,
        max_tokens: Option<usize>,
        seed: Option<u64>,
    ) {
        self.params = SamplingParams {
            temperature: temperature.unwrap_or(defaults.temperature),
            top_p: defaults.top_p,
            top_k: defaults.top_k,
            min_p: defaults.min_p,
            repetition_penalty: defaults.repetition_penalty,
            seed,
            ..SamplingParams::default()
        };
        self.max_tokens = max_tokens.or(defaults.max_tokens);
    }

    /// Where adapters are looked for that are not loaded yet.
    pub(super) fn adapter_dir(&mut self, dir: PathBuf) {
        self.adapter_dir = dir;
    }

    /// Sets or removes the system message and begins anew.
    pub(super) fn set_system(&mut self, text: Option<String>) {
        self.system = text;
        self.reset();
    }

    /// Forgets the conversation.
    pub(super) fn reset(&mut self) {
        let system = self.system.iter().map(|text| json!({ "role": "system", "content": text }));
        self.messages = system.collect();
    }

    /// Lets an adapter, or the base, answer from now on. An adapter that changed on disk is read anew.
    pub(super) fn wear(&mut self, name: &str) -> Result<()> {
        let registry = self.engine.registry();
        if name == "base" || name == self.engine.info().model_name {
            self.adapter = None;
            return Ok(());
        }
        let path = match registry.get(name) {
            Some(generation) => generation.path.clone(),
            None => self.adapter_dir.join(name),
        };
        if registry.get(name).is_none() && !path.join("adapter_config.json").is_file() {
            bail!("there is no adapter {name}; {}", self.wardrobe());
        }
        self.adapter = Some(registry.load(name, &path, LoadPolicy::Replace)?);
        Ok(())
    }

    /// The adapters, in a sentence.
    pub(super) fn wardrobe(&self) -> String {
        let names: Vec<String> =
            self.engine.registry().list().iter().map(|adapter| adapter.name.clone()).collect();
        match names.is_empty() {
            true => "no adapter is loaded".to_owned(),
            false => format!("loaded are {}, and base for none", names.join(", ")),
        }
    }

    /// Who answers, in a sentence.
    pub(super) fn who(&self) -> String {
        let base = &self.engine.info().model_name;
        match &self.adapter {
            None => format!("{base} answers"),
            Some(adapter) => {
                format!("{base} wears {} (generation {})", adapter.name, adapter.id)
            }
        }
    }

    /// What stands before the user's line.
    pub(super) fn prompt(&self) -> String {
        let name = self.adapter.as_ref().map_or("base", |adapter| adapter.name.as_str());
        format!("{}> ", terminal::dim(name))
    }

    /// Asks, and prints the answer as it comes.
    pub(super) async fn say(&mut self, text: &str) -> Result<Asked> {
        self.messages.push(json!({ "role": "user", "content": text }));
        let (answer, asked) = match self.request() {
            Ok(request) => self.stream(request).await?,
            Err(reason) => (String::new(), Asked::Refused(reason)),
        };
        match asked {
            Asked::Refused(_) => drop(self.messages.pop()),
            _ => self.messages.push(json!({ "role": "assistant", "content": answer })),
        }
        Ok(asked)
    }

    fn request(&self) -> Result<Request, String> {
        let messages = Value::Array(self.messages.clone());
        let text = self
            .template
            .render(&messages, None, true, &Map::new())
            .map_err(|error| error.to_string())?;
        let prompt = self.tokenizer.encode(&text, false).map_err(|error| error.to_string())?;
        let room = self.engine.info().max_model_len.saturating_sub(prompt.len()).max(1);
        let max_tokens = self.max_tokens.map_or(room, |most| most.min(room));
        let params = SamplingParams { max_tokens, ..self.params.clone() };
        Ok(Request { prompt, params, adapter: self.adapter.clone() })
    }

    async fn stream(&self, request: Request) -> Result<(String, Asked)> {
        let mut events = match self.engine.submit(request) {
            Ok(events) => events,
            Err(error) => return Ok((String::new(), Asked::Refused(refusal(&error)))),
        };
        let mut answer = String::new();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                _ = tokio::signal::ctrl_c() => return Ok((answer, Asked::Interrupted)),
            };
            match event {
                Some(Event::Token { text, .. }) => {
                    answer.push_str(&text);
                    let mut out = std::io::stdout();
                    out.write_all(text.as_bytes())?;
                    out.flush()?;
                }
                Some(Event::Finished { reason: FinishReason::Aborted, .. }) | None => {
                    bail!("the engine stopped before the answer was complete")
                }
                Some(Event::Finished { .. }) => return Ok((answer, Asked::Answered)),
                Some(Event::Failed { message }) => bail!("{message}"),
                Some(Event::Prompt { .. }) => {}
            }
        }
    }
}

fn refusal(error: &SubmitError) -> String {
    match error {
        SubmitError::ContextOverflow { max, .. } => format!(
            "the conversation has outgrown the model's {max} tokens; /reset begins a new one"
        ),
        other => other.to_string(),
    }
}
