//! What a program may use, and how much protection its caller insists on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much protection must be active before a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strictness {
    /// Every protection this crate knows for the system; refuse to run with less.
    Strict,
    /// Every protection the machine grants; what was active is recorded.
    BestEffort,
    /// Limits and a clean environment alone: no walls. For code the user trusts.
    Off,
}

impl std::str::FromStr for Strictness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "strict" => Ok(Self::Strict),
            "best-effort" => Ok(Self::BestEffort),
            "off" => Ok(Self::Off),
            _ => Err(format!("expected strict, best-effort or off, found `{text}`")),
        }
    }
}

/// How programs stand against everything else on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// As other programs do.
    #[default]
    Usual,
    /// They have the processors that nobody else wants at the moment, and hardly more: for programs
    /// that are judged beside a server that shall not feel it. On Linux alone.
    Lowest,
}

/// What one program, with every process it starts, may use. Held from outside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time of the whole tree of processes.
    pub cpu: Duration,
    /// Time by the clock on the wall, for the whole tree of processes. The clock rests while the
    /// program stands ready and the machine gives it no processor: a busy machine makes no right
    /// program late. One that is busy for hundreds of times as long, and ten minutes at least, is an
    /// `Error`.
    pub wall: Duration,
    /// Address space of a process, and resident memory of the whole tree, in bytes.
    pub memory: u64,
    /// Processes and threads alive at a time.
    pub processes: u32,
    /// Bytes taken from standard output and from standard error, each.
    pub output: u64,
    /// Bytes of all files in the working folder together; none may be larger.
    pub disk: u64,
    /// Files in the working folder.
    pub files: u64,
}

impl Default for Limits {
    /// Enough for one test of a competitive program: 6 s, 1 GiB, 16 MiB of output.
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(6),
            wall: Duration::from_secs(12),
            memory: 1 << 30,
            processes: 64,
            output: 16 << 20,
            disk: 64 << 20,
            files: 1024,
        }
    }
}
