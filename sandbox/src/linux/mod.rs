//! The sandbox on Linux.

mod calls;
mod child;
mod clock;
mod command;
mod control_group;
mod exec;
mod hierarchy;
mod identity;
mod input;
mod landlock;
mod launch;
mod limits;
mod memory;
mod plan;
mod priority;
mod probe;
mod pump;
mod python;
mod root;
mod seccomp;
mod step;
mod supervise;
mod tree;
mod verdict;
mod watch;

use std::path::Path;
use std::sync::Arc;

pub use python::{Interpreter, Python};

use crate::{Error, Limits, Outcome, Priority, Program, Protections, Strictness};

/// Runs untrusted programs behind everything that this machine grants. Cheap to clone; may be
/// shared by threads.
#[derive(Clone)]
pub struct Sandbox {
    machine: Arc<probe::Machine>,
    protections: Protections,
}

impl Sandbox {
    /// Finds out what the machine grants, by trying it.
    ///
    /// # Errors
    ///
    /// With `Strictness::Strict` where something is missing, with what and how to get it.
    pub fn new(strictness: Strictness) -> Result<Self, Error> {
        let (machine, protections) = probe::probe(strictness)?;
        Ok(Self { machine: Arc::new(machine), protections })
    }

    /// The same, whose programs run at this priority.
    #[must_use]
    pub fn at(self, priority: Priority) -> Self {
        let machine = probe::Machine { priority, ..Arc::unwrap_or_clone(self.machine) };
        Self { machine: Arc::new(machine), ..self }
    }

    /// What stands between a program and the machine, to be recorded beside a result.
    #[must_use]
    pub fn protections(&self) -> &Protections {
        &self.protections
    }

    /// Runs a program to its end; no process of it is left when this returns.
    ///
    /// # Errors
    ///
    /// For the machinery's own failures alone: what the program did is in the outcome.
    pub fn run(&self, program: &Program<'_>, limits: &Limits) -> Result<Outcome, Error> {
        command::run(&self.machine, program, limits)
    }

    /// Starts a fork server with `interpreter` (by default the `python3` that the caller would
    /// start) that has run `prelude`: its imports are there for every job, its names are not.
    ///
    /// # Errors
    ///
    /// Where there is no such interpreter, or the prelude fails behind the walls.
    pub fn python(&self, interpreter: Option<&Path>, prelude: &str) -> Result<Python, Error> {
        Python::new(Arc::clone(&self.machine), interpreter, prelude)
    }
}
