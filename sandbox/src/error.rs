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
    #[error("the sandbox could not be set up: {step}: {cause}")]
    Setup {
        /// What was being done.
        step: &'static str,
        /// What the system answered; in the text, so it is no `source` to be told again.
        cause: std::io::Error,
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
    #[error("{what}: {cause}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system answered; in the text, so it is no `source` to be told again.
        cause: std::io::Error,
    },
}

impl Error {
    /// Says what was being done when the system refused.
    pub(crate) fn io(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |cause| Self::Io { what, cause }
    }

    /// What it says without the names of files, in which process ids and random words stand: the
    /// same on every run, for the record of a result.
    #[cfg(target_os = "linux")]
    pub(crate) fn without_names(&self) -> String {
        match self {
            Self::Io { what, cause } => format!("{what}: {}", system_says(cause)),
            Self::Setup { step, cause } => format!("{step}: {}", system_says(cause)),
            other => other.to_string(),
        }
    }

    /// Whether it may be another's load that kept ours from doing its part in time, so that another
    /// try may go well.
    #[cfg(target_os = "linux")]
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Helper { .. } | Self::Busy { .. })
    }
}

/// How often a start is tried: a machine under load may be late once.
#[cfg(target_os = "linux")]
const STARTS: usize = 3;

/// Tries a start again where its failure may pass.
#[cfg(target_os = "linux")]
pub(crate) fn started<T>(mut start: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match start() {
            Err(error) if error.may_pass() && tries < STARTS => tries += 1,
            result => return result,
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

    #[test]
    fn what_the_system_says_is_said_once() {
        let refused = || io::Error::from_raw_os_error(2);
        for error in [
            Error::io("reading")(refused()),
            Error::Setup { step: "starting the program", cause: refused() },
        ] {
            assert!(error.to_string().ends_with(": No such file or directory (os error 2)"));
            assert!(std::error::Error::source(&error).is_none());
        }
    }

    #[test]
    fn a_late_start_is_tried_again_and_a_refused_one_is_not() {
        let late = || Error::Helper { who: "fork server", why: "did not answer".to_owned() };
        let after = |failures: usize, error: fn() -> Error| {
            let mut tries = 0;
            let result = started(|| {
                tries += 1;
                if tries <= failures { Err(error()) } else { Ok(()) }
            });
            (result.is_ok(), tries)
        };
        assert_eq!(after(2, late), (true, 3));
        assert_eq!(after(3, late), (false, 3));
        let refused = || Error::Missing("namespaces".to_owned());
        assert_eq!(after(1, refused), (false, 1));
    }
}
