//! Lines of stdin, read on a thread of their own so that Ctrl-C is heard at the prompt too.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Result;
use tokio::sync::mpsc;

/// The lines.
pub(super) struct Input {
    lines: mpsc::Receiver<std::io::Result<String>>,
    is_terminal: bool,
}

impl Input {
    /// Begins to read.
    pub(super) fn start() -> Self {
        let (sender, lines) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            while let Some(line) = next_line(&mut stdin) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, is_terminal: std::io::stdin().is_terminal() }
    }

    /// Whether a person types.
    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// The next line; `None` at the end of the input and at Ctrl-C. The prompt is for persons only.
    pub(super) async fn line(&mut self, prompt: &str) -> Result<Option<String>> {
        if self.is_terminal {
            let mut err = std::io::stderr();
            write!(err, "{prompt}")?;
            err.flush()?;
        }
        let line = tokio::select! {
            line = self.lines.recv() => line,
            _ = tokio::signal::ctrl_c() => None,
        };
        Ok(line.transpose()?)
    }
}

/// A line without its end; bytes that are no UTF-8 are replaced, as a terminal would show them.
fn next_line(input: &mut impl BufRead) -> Option<std::io::Result<String>> {
    let mut bytes = Vec::new();
    match input.read_until(b'\n', &mut bytes) {
        Ok(0) => None,
        Ok(_) => Some(Ok(String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned())),
        Err(error) => Some(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_text_ends_nothing() {
        let mut input = &b"a\xffb\r\n\nlast"[..];
        let lines = std::iter::from_fn(|| next_line(&mut input)).map(Result::unwrap);
        assert_eq!(lines.collect::<Vec<_>>(), ["a\u{fffd}b", "", "last"]);
    }
}
