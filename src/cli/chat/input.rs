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
            for line in std::io::stdin().lock().lines() {
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
