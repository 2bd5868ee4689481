//! Colours, on a terminal and where the user has not refused them (`NO_COLOR`).

use std::io::IsTerminal;

/// Whether stderr may be coloured.
pub(super) fn stderr_has_colour() -> bool {
    std::io::stderr().is_terminal() && wanted()
}

/// Whether stdout may be coloured.
pub(super) fn stdout_has_colour() -> bool {
    std::io::stdout().is_terminal() && wanted()
}

/// <https://no-color.org>: set and not empty means no.
fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Red, for stderr.
pub(super) fn red(text: &str) -> String {
    paint(text, "31", stderr_has_colour())
}

/// Green, for stdout.
pub(super) fn green(text: &str) -> String {
    paint(text, "32", stdout_has_colour())
}

/// Dim, for stdout.
pub(super) fn dim(text: &str) -> String {
    paint(text, "2", stdout_has_colour())
}

fn paint(text: &str, code: &str, on: bool) -> String {
    if on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
