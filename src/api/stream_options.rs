//! `stream` and `stream_options`.

use super::error::ApiError;
use super::fields::Fields;

/// How an answer is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Streaming {
    /// As server-sent events.
    pub(crate) on: bool,
    /// With a last chunk that counts tokens.
    pub(crate) include_usage: bool,
}

impl Streaming {
    /// Reads both fields; options without `stream` are a mistake, as at OpenAI.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, ApiError> {
        let on = fields.boolean("stream")?.unwrap_or(false);
        let Some(mut options) = fields.object("stream_options")? else {
            return Ok(Self { on, include_usage: false });
        };
        if !on {
            return Err(ApiError::field(
                "stream_options",
                "`stream_options` is only allowed when `stream` is true",
            ));
        }
        let include_usage = options.boolean("include_usage")?.unwrap_or(false);
        options.accept(&["include_obfuscation"]);
        options.only("continuous_usage_stats", &[false.into()])?;
        options.finish()?;
        Ok(Self { on, include_usage })
    }
}
