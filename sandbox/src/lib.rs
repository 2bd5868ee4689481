//! An untrusted program under limits: on Linux without Docker and without root, by namespaces,
//! Landlock, seccomp and resource limits, each probed for and recorded in what it protected.
//!
//! What is left out: any knowledge of what the program is for. Comparing its output with an answer
//! is the caller's, on this side of the wall.
//!
//! ```no_run
//! use sandbox::{End, Job, Limits, Sandbox, Strictness};
//!
//! # fn main() -> Result<(), sandbox::Error> {
//! let sandbox = Sandbox::new(Strictness::BestEffort)?;
//! let python = sandbox.python(None, "import collections, heapq, math")?;
//! let job = Job { source: "print(int(input()) ** 2)", stdin: b"12\n", ..Job::default() };
//! let outcome = python.run(&job, &Limits::default())?;
//! assert_eq!((outcome.end, outcome.stdout.as_slice()), (End::Exited(0), &b"144\n"[..]));
//! # Ok(())
//! # }
//! ```
//!
//! `Python` is shared by threads and starts a server a thread; `Sandbox::run` runs any program.
//! A failure of the machinery is an `Error`; whatever the program did is an `End`.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod error;
mod limits;
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "system calls between a fork and a program")]
mod linux;
mod outcome;
mod program;
mod protections;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Interpreter, Python, Sandbox};
pub use error::Error;
pub use limits::{Limits, Priority, Strictness};
#[cfg(target_os = "linux")]
pub use linux::{Interpreter, Python, Sandbox};
pub use outcome::{End, Outcome};
pub use program::{Job, Program};
pub use protections::{Missing, Protection, Protections};
