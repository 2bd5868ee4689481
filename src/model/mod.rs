//! A decoder-only transformer from Hugging Face files or a GGUF file, its tokenizer and its chat
//! template.
//!
//! One forward pass serves everything: a [`Step`] is ragged (rows of several sequences) and says
//! what each row *wears* ([`Wear`]): nothing, a loaded adapter, or an adapter that is being
//! trained. Rollouts, scoring, serving and training run the same code over the same weights.
//!
//! What is not here: scheduling and sampling (`engine`), adapter files (`adapters`), losses and
//! optimisers (`train`).

mod decoder;
mod detokenizer;
mod embedding;
mod error;
mod files;
mod gguf;
mod head;
mod kv_cache;
mod layer;
mod linear;
mod observer;
mod ops;
mod rotary;
mod step;
mod template;
mod tensors;
mod tokenizer;
mod trainable;
mod wear;
mod weights;

pub use decoder::{Decoder, Pass, WeightFormat};
pub use detokenizer::Detokenizer;
pub use error::{Error, Result};
pub use files::ModelFiles;
pub use formats::Site;
pub use gguf::Stored;
pub use head::LogProbs;
pub use kv_cache::KvCache;
pub use observer::Observer;
pub use ops::{Dropout, slice_of};
pub use step::{Kv, Step};
pub use template::{ChatTemplate, Clock, Rendered, TemplateError, parse_tool_arguments};
pub use tensors::expected_tensors;
pub use tokenizer::{
    AddedTokenSpec, BpeOptions, OffsetToken, SpecialTokens, Tokenizer, TokenizerError,
};
pub use trainable::InitConfig;
pub use wear::{
    AdapterWeights, EmbedChange, EmbedLowRank, HeadChange, LinearDelta, LoraVars, LowRank,
    TrainableAdapter, Wear, Worn,
};
