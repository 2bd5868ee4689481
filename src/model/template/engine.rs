//! The Jinja environment as transformers sets it up: blocks trimmed, Python's methods, and its
//! functions (`chat_template_utils.py`, `_cached_compile_jinja_template`).

use std::fmt::Write;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind};

use super::{Clock, TemplateError, json, markers, python, repr};

/// Name of the template for plain conversations.
pub(super) const DEFAULT: &str = "default";
/// Name of the template for conversations with tools, where the model has its own.
pub(super) const TOOL_USE: &str = "tool_use";

/// The source of an error made by a template's `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// An environment without templates.
pub(super) fn environment(clock: Clock) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    env.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_unknown_method_callback(python::method);
    env.set_formatter(repr::format);
    env.add_filter("tojson", json::tojson);
    env.add_filter("trim", python::trim_filter);
    env.add_filter("string", python::string_filter);
    env.add_function("raise_exception", |message: String| -> Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.clone()).with_source(Raised(message)))
    });
    env.add_function("strftime_now", move |format: &str| strftime(&clock, format));
    Ok(env)
}

/// Compiles a template into the environment.
pub(super) fn add(
    env: &mut Environment<'static>,
    name: &'static str,
    source: &str,
) -> Result<(), Error> {
    env.add_template_owned(name, markers::rewrite(source))
}

/// Python's `strftime` of now. `%f` is microseconds there and nanoseconds in chrono.
fn strftime(clock: &Clock, format: &str) -> Result<String, Error> {
    let mut text = String::new();
    write!(text, "{}", clock().format(&format.replace("%f", "%6f"))).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            format!("strftime_now: `{format}` is not a time format"),
        )
    })?;
    Ok(text)
}

/// Tells the template's own refusal from a failure.
pub(super) fn classify(error: &Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(Raised(message)) = this.downcast_ref() {
            return TemplateError::Raised(message.clone());
        }
        cause = this.source();
    }
    TemplateError::Render(sentence(error))
}

/// The error in one sentence, with the template's line.
pub(super) fn sentence(error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), |d| format!("{}: {d}", error.kind()));
    error.line().map_or(detail.clone(), |line| format!("{detail} (line {line} of the template)"))
}
