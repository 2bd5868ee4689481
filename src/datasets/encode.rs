//! Records to token ids with a mask of what is trained, by TRL's rules
//! (`SFTTrainer._prepare_dataset`). Two rules differ. For `messages` only the assistant's turns are
//! trained unless all is asked for (TRL's `assistant_only_loss=True`). And where the tokens of a
//! prompt do not begin those of prompt and completion, the loss begins where the two part; TRL's
//! begins at the prompt's length, and it warns as [`super::Stats::divergence`] does.

use serde_json::Value;

use super::record::Extras;
use super::spans::{Conversation, Span};
use super::{Content, EncodeError, Record, mask};
use crate::model::{ChatTemplate, Tokenizer};

/// What the loss is taken on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LossOn {
    /// Completions, assistant turns, and plain text.
    #[default]
    Replies,
    /// Every token.
    All,
}

/// One tokenized example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token, whether the loss is taken on predicting it. The first token is predicted
    /// from nothing and never counts, whatever stands here.
    pub labels_mask: Vec<bool>,
}

impl Example {
    /// The number of tokens that the loss is taken on.
    pub fn trained_tokens(&self) -> usize {
        self.labels_mask.iter().skip(1).filter(|trained| **trained).count()
    }
}

/// An example and what was noticed on the way.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) example: Example,
    /// The tokens of the prompt do not begin those of prompt and completion.
    pub(super) diverged: bool,
}

/// Turns records into examples.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'m> {
    /// The model's tokenizer.
    pub tokenizer: &'m Tokenizer,
    /// The model's chat template, if it has one.
    pub template: Option<&'m ChatTemplate>,
    /// What the loss is taken on.
    pub loss_on: LossOn,
}

impl Encoder<'_> {
    /// Tokenizes one record, untruncated.
    ///
    /// # Errors
    /// When the model lacks what the record needs (a chat template, an EOS token), or its template
    /// or tokenizer fails.
    pub fn encode(&self, record: &Record) -> Result<Example, EncodeError> {
        Ok(self.encode_noting(record)?.example)
    }

    pub(super) fn encode_noting(&self, record: &Record) -> Result<Encoded, EncodeError> {
        match record {
            Record::Messages { messages, trained, extras } => {
                self.conversation(messages, trained, extras)
            }
            Record::PromptCompletion { prompt, completion, extras } => {
                self.prompt_completion(prompt, completion, extras)
            }
            Record::Text(text) => {
                let ids = self.tokenizer.encode(&self.ended(text)?, true)?;
                Ok(Encoded { example: all(ids), diverged: false })
            }
        }
    }

    fn conversation(
        &self,
        messages: &[Value],
        trained: &[bool],
        extras: &Extras,
    ) -> Result<Encoded, EncodeError> {
        let template = self.template()?;
        if self.loss_on == LossOn::All {
            let text = self.render(messages, extras, false)?;
            return Ok(Encoded {
                example: all(self.tokenizer.encode(&text, false)?),
                diverged: false,
            });
        }
        let turns = Conversation { template, messages, extras }.turns(trained)?;
        let tokens = self.tokenizer.encode_with_offsets(&turns.text, false)?;
        let resolve = |span: &Span| span.resolve(&turns.text, &tokens, self.tokenizer);
        let spans: Vec<_> = turns.spans.iter().map(resolve).collect();
        let labels_mask = mask::token_mask(&tokens, &spans);
        let ids = tokens.into_iter().map(|token| token.id).collect();
        Ok(Encoded { example: Example { ids, labels_mask }, diverged: false })
    }

    fn prompt_completion(
        &self,
        prompt: &Content,
        completion: &Content,
        extras: &Extras,
    ) -> Result<Encoded, EncodeError> {
        let (prompt_ids, ids) = match (prompt, completion) {
            (Content::Text(prompt), Content::Text(completion)) => {
                let whole = format!("{prompt}{}", self.ended(completion)?);
                (self.tokenizer.encode(prompt, true)?, self.tokenizer.encode(&whole, true)?)
            }
            (Content::Messages(prompt), Content::Messages(completion)) => {
                let before = self.render(prompt, extras, true)?;
                let whole =
                    self.render(&[prompt.as_slice(), completion].concat(), extras, false)?;
                (self.tokenizer.encode(&before, false)?, self.tokenizer.encode(&whole, false)?)
            }
            _ => {
                let reason = "`prompt` and `completion` must both be text or both be messages";
                return Err(EncodeError::Record(reason.to_owned()));
            }
        };
        let common = prompt_ids.iter().zip(&ids).take_while(|(a, b)| a == b).count();
        let labels_mask = match self.loss_on {
            LossOn::All => vec![true; ids.len()],
            LossOn::Replies => (0..ids.len()).map(|at| at >= common).collect(),
        };
        Ok(Encoded { example: Example { ids, labels_mask }, diverged: common < prompt_ids.len() })
    }

    fn render(
        &self,
        messages: &[Value],
        extras: &Extras,
        add_generation_prompt: bool,
    ) -> Result<String, EncodeError> {
        let messages = Value::from(messages);
        let tools = extras.tools.as_ref();
        Ok(self.template()?.render(&messages, tools, add_generation_prompt, &extras.kwargs)?)
    }

    fn template(&self) -> Result<&ChatTemplate, EncodeError> {
        self.template.ok_or_else(|| {
            EncodeError::Record(
                "the record holds messages, but the model has no chat template; add a \
                 `chat_template.jinja` to its folder, or use `text`, or `prompt` and `completion` \
                 as strings"
                    .to_owned(),
            )
        })
    }

    /// `text` with the EOS token after it, unless it ends with it.
    fn ended(&self, text: &str) -> Result<String, EncodeError> {
        let eos = self.tokenizer.special().eos.as_ref().ok_or_else(|| {
            EncodeError::Record(
                "plain text ends with the EOS token, but the model's `tokenizer_config.json` names \
                 no `eos_token`"
                    .to_owned(),
            )
        })?;
        Ok(if text.ends_with(&eos.text) { text.to_owned() } else { format!("{text}{}", eos.text) })
    }
}

/// An example whose every token is trained.
fn all(ids: Vec<u32>) -> Example {
    let labels_mask = vec![true; ids.len()];
    Example { ids, labels_mask }
}
