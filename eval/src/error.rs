//! What can keep an evaluation from being run, in one sentence each.

use std::path::PathBuf;

/// What is wrong with a file of an evaluation's folder.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A file is not what an evaluation's file is.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A line of a file is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
}

/// What can keep an evaluation from being run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A `suite.toml` is not what it should be.
    #[error("{path} is no suite: {reason}")]
    Suite {
        /// The file, or a bundled suite's name.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// No suite of that name.
    #[error("there is no suite `{found}`; bundled are {known}, or give the path of a suite.toml")]
    UnknownSuite {
        /// What was asked for.
        found: String,
        /// What there is.
        known: String,
    },
    /// A suite has no prompt of that name.
    #[error("suite {suite} has no prompt `{found}`; it has {known}")]
    UnknownPrompt {
        /// The suite.
        suite: String,
        /// What was asked for.
        found: String,
        /// What there is.
        known: String,
    },
    /// A setting makes no sense; the sentence says which and what would.
    #[error("{0}")]
    Setting(String),
    /// A record of the data cannot be used.
    #[error("{path}, record {record}: {reason}")]
    Problem {
        /// The file.
        path: String,
        /// Which record, from 1.
        record: usize,
        /// Why.
        reason: String,
    },
    /// The data as a whole cannot be used.
    #[error("{path}: {reason}")]
    Data {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The server refuses every request like this one, or is none.
    #[error("{0}")]
    Server(String),
    /// The end was asked for before anyone was asked anything.
    #[error("interrupted before anyone was asked")]
    Stopped,
    /// A folder holds something else than this evaluation.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What is in the way, and what to do.
        reason: String,
    },
    /// A file of an evaluation's folder is not what it should be.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Two answers under one key.
    #[error(
        "{one} and {other} have different answers to one question (key {key}); they are not parts \
         of one evaluation, or one was changed: merge one of them only"
    )]
    Conflict {
        /// One folder.
        one: String,
        /// The other.
        other: String,
        /// The key of both.
        key: String,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// A file cannot be written whole.
    #[error(transparent)]
    Format(#[from] formats::Error),
    /// The grader cannot be made, or what it needs cannot be had.
    #[error("the answers cannot be graded: {0}")]
    Grader(String),
}
