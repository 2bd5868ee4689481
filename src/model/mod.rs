//! The text side of a model: tokenizer, streaming decode and chat template.

mod detokenizer;
mod template;
mod tokenizer;

pub use detokenizer::Detokenizer;
pub use template::{ChatTemplate, Clock, Rendered, TemplateError, parse_tool_arguments};
pub use tokenizer::{
    AddedTokenSpec, BpeOptions, OffsetToken, SpecialTokens, Tokenizer, TokenizerError,
};
