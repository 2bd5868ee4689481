//! How an export ends: warnings as lines on stderr, the result on stdout.

use std::io::Write;

use anyhow::Result;
use serde_json::Value;

/// Prints sentences that the user should read.
#[expect(clippy::print_stderr, reason = "warnings belong on stderr")]
pub(super) fn warn<'a>(warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

/// Prints the result: one JSON object, or the lines for people.
pub(super) fn result(json: bool, object: &Value, lines: &str) -> Result<()> {
    let text = if json { format!("{object}\n") } else { lines.to_owned() };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
