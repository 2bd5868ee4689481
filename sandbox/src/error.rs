//! What can go wrong around a program, never what the program did: that is an `End`.

use std::path::PathBuf;

/// A failure of the machinery. A caller retries or stops; it never counts it against the program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Strict was asked and the machine grants less.
    #[error(
        "the sandbox would be incomplete on this machine: {0}; --sandbox best-effort runs with what there is"
    )]
    Missing(String),
    /// This system has none of the protections.
    #[error(
        "there is no sandbox for {system}: it needs Linux; --sandbox off runs programs with limits alone, for code you trust"
    )]
    Unsupported {
        /// The operating system, as Rust names it.
        system: &'static str,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Request(String),
    /// The interpreter is missing or of no use.
    #[error("the Python interpreter {path} cannot be used: {why}")]
    Interpreter {
        /// The program that was tried.
        path: PathBuf,
        /// What it answered or lacked.
        why: String,
    },
    /// A step of setting up the walls failed.
    #[error("the sandbox could not be set up: {step}: {source}")]
    Setup {
        /// What was being done.
        step: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A server or supervisor did not do its part.
    #[error("the sandbox's {who} failed: {why}")]
    Helper {
        /// Which of our own processes.
        who: &'static str,
        /// What it did.
        why: String,
    },
    /// The system refused a plain operation.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system answered.
        source: std::io::Error,
    },
}

impl Error {
    /// Says what was being done when the system refused.
    pub(crate) fn io(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
