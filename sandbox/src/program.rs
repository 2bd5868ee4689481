//! What to run: a program with its input, or a piece of Python for the fork server.

use std::path::PathBuf;

/// A program to start in a fresh folder, with nothing of the caller's environment (what it finds there
/// is said of `Protection::CleanEnvironment`).
#[derive(Clone, Debug, Default)]
pub struct Program<'a> {
    /// The program and its arguments; the first is an absolute path or a name in `/usr/bin`.
    pub argv: Vec<String>,
    /// Standard input, as a file that is read from its start.
    pub stdin: &'a [u8],
    /// Files put into the working folder first: name (no folder) and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Folders and files of the host that it may read and start, beside the system's programs and
    /// libraries.
    pub readable: Vec<PathBuf>,
    /// Gives it file descriptor 3 to write on; what is written becomes `Outcome::result`.
    pub result_channel: bool,
}

/// One run of Python source in a fresh child of the fork server.
#[derive(Clone, Debug, Default)]
pub struct Job<'a> {
    /// The untrusted source. Without a harness it runs as `python3 main.py` would.
    pub source: &'a str,
    /// Our own code to run in its place, with `source` (a string) and `result_fd` (an int) among
    /// its names. It shares its process with whatever it executes, so what comes over the result
    /// channel is a claim of the untrusted side: compare it outside, and keep answers outside.
    pub harness: Option<&'a str>,
    /// Standard input, as a file that is read from its start.
    pub stdin: &'a [u8],
    /// Files put into the working folder first: name (no folder) and content.
    pub files: Vec<(String, Vec<u8>)>,
}
