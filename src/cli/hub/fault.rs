//! Why something could not be fetched: the hub's answer, the way there, or this machine.

use std::io;
use std::path::PathBuf;

use hf_hub::api::sync::ApiError;

/// Whose fault it is.
pub(super) enum Fault {
    /// The hub answered with this status.
    Status(u16),
    /// It answered in another way than hubs do.
    Answer(String),
    /// Nothing came, or not all.
    Network(String),
    /// Another program fetches the same file.
    Held(PathBuf),
    /// This machine's disk.
    Disk(io::Error),
}

impl Fault {
    pub(super) fn of(error: ApiError) -> Self {
        let text = error.to_string();
        match error {
            ApiError::RequestError(error) => match *error {
                ureq::Error::StatusCode(status) => Self::Status(status),
                ureq::Error::Json(_) => Self::Answer(text),
                _ => Self::Network(text),
            },
            ApiError::TooManyRetries(last) => Self::of(*last),
            ApiError::IoError(error) if is_of_disk(&error) => Self::Disk(error),
            ApiError::LockAcquisition(path) => Self::Held(path),
            ApiError::MissingHeader(_)
            | ApiError::InvalidHeader(_)
            | ApiError::ParseIntError(_) => Self::Answer(text),
            ApiError::IoError(_) | ApiError::InvalidResume => Self::Network(text),
        }
    }

    /// What a user can do about it.
    pub(super) fn at(self, endpoint: &str) -> anyhow::Error {
        match self {
            Self::Status(429) => anyhow::anyhow!(
                "the hub at {endpoint} answered 429: it was asked too often; try again later, or set \
                 HF_TOKEN"
            ),
            Self::Status(status) => anyhow::anyhow!(
                "the hub at {endpoint} answered {status}; try again later, or give a folder that is here"
            ),
            Self::Answer(text) => anyhow::anyhow!(
                "{endpoint} does not answer as a hub does ({text}); check HF_ENDPOINT, or give a folder \
                 that is here"
            ),
            Self::Network(text) => anyhow::anyhow!(
                "the hub at {endpoint} did not answer ({text}); check the network and HF_ENDPOINT, or \
                 give a folder that is here"
            ),
            Self::Held(lock) => anyhow::anyhow!(
                "another program holds {}; wait until it has fetched the file",
                lock.display()
            ),
            Self::Disk(error) => error.into(),
        }
    }
}

/// Tells an error of a file from one of a connection, which may break while its bytes are written.
fn is_of_disk(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, NotConnected, TimedOut, WouldBlock,
    };
    let of_connections = [
        BrokenPipe,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkDown,
        NetworkUnreachable,
        NotConnected,
        TimedOut,
        WouldBlock,
    ];
    // What is wrong with an answer's body has no number of the system's.
    error.raw_os_error().is_some() && !of_connections.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(error: ApiError) -> String {
        Fault::of(error).at("http://hub").to_string()
    }

    fn status(status: u16) -> ApiError {
        ApiError::RequestError(Box::new(ureq::Error::StatusCode(status)))
    }

    #[test]
    fn answers_silence_and_the_disk_are_told_apart() {
        assert!(sentence(status(503)).starts_with("the hub at http://hub answered 503; try again"));
        let often = sentence(ApiError::TooManyRetries(Box::new(status(429))));
        assert!(often.contains("answered 429: it was asked too often"), "{often}");
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(sentence(ApiError::IoError(full)), "No space left on device (os error 28)");
        let reset = if cfg!(target_os = "macos") { 54 } else { 104 };
        let reset = sentence(ApiError::IoError(io::Error::from_raw_os_error(reset)));
        assert!(reset.contains("did not answer") && reset.contains("check the network"), "{reset}");
        let torn = sentence(ApiError::IoError(io::ErrorKind::UnexpectedEof.into()));
        assert!(torn.contains("check the network"), "{torn}");
        let held = sentence(ApiError::LockAcquisition("blobs/x.lock".into()));
        assert!(held.starts_with("another program holds blobs/x.lock"), "{held}");
        let number = ApiError::ParseIntError("x".parse::<u8>().unwrap_err());
        assert!(sentence(number).contains("does not answer as a hub does"));
    }
}
