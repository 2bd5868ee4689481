//! The Go template, the stops and the proof for a model folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use export::ollama::{
    Conversation, Family, Parameters, RECORDED_ON, TemplateChoice, detect, proof,
};
use formats::{GenerationConfig, ModelConfig};
use serde_json::{Map, Value};

use super::files::Opened;
use crate::model::{ChatTemplate, Tokenizer};

/// Everything of a package that is text.
pub(super) struct Prompt {
    pub(super) choice: TemplateChoice,
    /// The family's name, where the template was tested.
    pub(super) family: Option<String>,
    pub(super) parameters: Parameters,
    pub(super) proof: Value,
    pub(super) warnings: Vec<String>,
}

/// Finds the template of a model; `given` is the text of the user's own, read from `file`.
pub(super) fn choose(model: &Opened, file: Option<&Path>, given: Option<String>) -> Result<Prompt> {
    let dir = model.dir();
    let tokenizer = Tokenizer::load(dir)?;
    let jinja = ChatTemplate::load(dir)?;
    let source = jinja.as_ref().map_or("", ChatTemplate::source);
    let dated = dated(source, &tokenizer)?;
    let render = |conversation: &Conversation| render(&dated, conversation);
    let (choice, warning) = match given {
        Some(text) => {
            let shown = file.map_or_else(String::new, |path| path.display().to_string());
            let warning = format!("the template in {shown} is compared with nothing");
            (TemplateChoice::Given(text), Some(warning))
        }
        None => found(jinja.is_some(), &render),
    };
    let family = match &choice {
        TemplateChoice::Tested(tested) => Some(tested.family()),
        TemplateChoice::Given(_) | TemplateChoice::Absent => None,
    };
    let generation = GenerationConfig::read(dir)?;
    let stops = stops(model.config(), &tokenizer, generation.as_ref(), family);
    Ok(Prompt {
        proof: proof(&choice, source, &render),
        family: family.map(|family| family.name().to_owned()),
        parameters: Parameters::new(generation.as_ref(), &stops),
        choice,
        warnings: warning.into_iter().collect(),
    })
}

/// The tested template of the model's family, or none and the reason.
fn found(
    has_jinja: bool,
    render: &dyn Fn(&Conversation) -> Option<String>,
) -> (TemplateChoice, Option<String>) {
    let unknown = match detect(render) {
        Ok(tested) => return (TemplateChoice::Tested(tested), None),
        Err(unknown) if has_jinja => unknown.to_string(),
        Err(_) => "the model has no chat template".to_owned(),
    };
    let warning = format!(
        "{unknown}; the package has no TEMPLATE, and Ollama will rely on the GGUF's own chat \
         template; give --template FILE for a Go template of your own"
    );
    (TemplateChoice::Absent, Some(warning))
}

/// The template on the day of the recorded digests.
fn dated(source: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate> {
    let (year, month, day) = RECORDED_ON;
    let then = chrono::NaiveDate::from_ymd_opt(year, month, day)
        .and_then(|date| date.and_hms_opt(12, 0, 0))
        .context("the recorded day is no date")?;
    Ok(ChatTemplate::with_clock(source, tokenizer.special(), Arc::new(move || then))?)
}

fn render(template: &ChatTemplate, conversation: &Conversation) -> Option<String> {
    let mut kwargs = Map::new();
    if let Some(think) = conversation.think {
        kwargs.insert("enable_thinking".to_owned(), Value::Bool(think));
    }
    let (messages, tools) = (&conversation.messages, conversation.tools.as_ref());
    let rendered = match conversation.continues {
        true => template.render_continuing(messages, tools, &kwargs),
        false => template.render(messages, tools, true, &kwargs),
    };
    rendered.ok()
}

/// The texts that end an answer: every end that the model's files name, and those of its family that
/// are tokens of its vocabulary. A model of no known family gets the well-known ones that it has.
fn stops(
    config: &ModelConfig,
    tokenizer: &Tokenizer,
    generation: Option<&GenerationConfig>,
    family: Option<Family>,
) -> Vec<String> {
    let generation = generation.map_or(&[][..], |generation| &generation.eos_token_ids);
    let own = tokenizer.special().eos.as_ref().and_then(|token| token.id);
    let ids = own.iter().chain(generation).chain(&config.eos_token_ids);
    let named = ids.filter_map(|&id| tokenizer.id_to_token(id));
    let families = family.map_or_else(|| Family::ALL.to_vec(), |family| vec![family]);
    let is_token =
        |stop: &str| tokenizer.token_to_id(stop).is_some_and(|id| tokenizer.is_added(id));
    let usual = families.iter().flat_map(|family| family.stops()).filter(|stop| is_token(stop));
    let mut seen = BTreeSet::new();
    let all = named.chain(usual.map(|stop| (*stop).to_owned()));
    all.filter(|stop| seen.insert(stop.clone())).collect()
}
