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
    /// The program stood ready for long and hardly got a processor.
    #[error(
        "the machine is too busy to judge a program: in {clock:.0?} it was given {processor:.1?} of a processor; have less run beside it"
    )]
    Busy {
        /// How long it was there.
        clock: std::time::Duration,
        /// What it computed meanwhile.
        processor: std::time::Duration,
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

    /// What it says without the names of files, in which process ids and random words stand: the
    /// same on every run, for the record of a result.
    #[cfg(target_os = "linux")]
    pub(crate) fn without_names(&self) -> String {
        match self {
            Self::Io { what, source } => format!("{what}: {}", system_says(source)),
            Self::Setup { step, source } => format!("{step}: {}", system_says(source)),
            other => other.to_string(),
        }
    }
}

/// The system's own words where they are at hand, otherwise the kind of refusal.
#[cfg(target_os = "linux")]
fn system_says(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.kind().to_string(), |_| error.to_string())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_is_recorded_names_no_file() {
        let refused = fs_err::create_dir("/proc/self/wardrobe-1").unwrap_err();
        let error = Error::io("making a control group")(refused);
        assert!(error.to_string().contains("wardrobe-1"));
        assert_eq!(error.without_names(), "making a control group: entity not found");
        let number = Error::io("reading")(io::Error::from_raw_os_error(13));
        assert_eq!(number.without_names(), "reading: Permission denied (os error 13)");
        let strange = Error::io("reading")(io::Error::other("/tmp/x1y2z3"));
        assert_eq!(strange.without_names(), "reading: other error");
    }
}
