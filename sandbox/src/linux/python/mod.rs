//! Python behind the walls: fork servers, and where there are no namespaces, an interpreter a job.

mod alone;
mod channel;
mod codes;
mod interpreter;
mod request;
mod server;

pub use interpreter::Interpreter;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::codes::Codes;
use self::server::Server;
use super::probe::Machine;
use crate::error::started;
use crate::{End, Error, Job, Limits, Outcome};

/// Runs pieces of Python, each in a fresh process with a fresh folder, without paying for the
/// interpreter's start and the prelude's imports each time. Cheap to clone; shared by threads: it
/// keeps as many fork servers as threads call it at a time.
#[derive(Clone)]
pub struct Python {
    shared: Arc<Shared>,
}

struct Shared {
    machine: Arc<Machine>,
    interpreter: Interpreter,
    prelude: String,
    idle: Mutex<Vec<Server>>,
    codes: Mutex<Codes>,
}

impl Python {
    pub(super) fn new(
        machine: Arc<Machine>,
        path: Option<&Path>,
        prelude: &str,
    ) -> Result<Self, Error> {
        let interpreter = Interpreter::find(path)?;
        let prelude = prelude.to_owned();
        let (idle, codes) = (Mutex::default(), Mutex::default());
        let shared = Shared { machine, interpreter, prelude, idle, codes };
        let python = Self { shared: Arc::new(shared) };
        match started(|| python.shared.server())? {
            Some(server) => python.shared.give_back(server),
            None => started(|| python.try_alone())?,
        }
        Ok(python)
    }

    /// Without a fork server: whether the interpreter starts for the program's user at all.
    fn try_alone(&self) -> Result<(), Error> {
        let outcome = self.run(&Job::default(), &Limits::default())?;
        if outcome.end == End::Exited(0) {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        let said = stderr.trim().lines().last().unwrap_or("it said nothing").to_owned();
        let why = format!("ended as {:?} on an empty program: {said}", outcome.end);
        Err(Error::Helper { who: "interpreter", why })
    }

    /// The interpreter that runs the jobs.
    #[must_use]
    pub fn interpreter(&self) -> &Interpreter {
        &self.shared.interpreter
    }

    /// Runs a job to its end; no process of it is left when this returns.
    ///
    /// # Errors
    ///
    /// For the machinery's own failures alone: what the program did is in the outcome.
    pub fn run(&self, job: &Job<'_>, limits: &Limits) -> Result<Outcome, Error> {
        let shared = &self.shared;
        let Some(mut server) = shared.server()? else {
            return alone::run(&shared.machine, &shared.interpreter, &shared.prelude, job, limits);
        };
        let key = request::key(job);
        let code = locked(&shared.codes).get(&key);
        let (outcome, code) = server.run(job, code.as_deref(), limits, &shared.machine)?;
        if let Some(code) = code {
            locked(&shared.codes).put(key, code);
        }
        if !server.is_spent() {
            shared.give_back(server);
        }
        Ok(outcome)
    }
}

impl Shared {
    /// An idle server or a new one; `None` where the machine grants no namespaces.
    fn server(&self) -> Result<Option<Server>, Error> {
        let Some(granted) = self.machine.walls else { return Ok(None) };
        let idle = locked(&self.idle).pop();
        idle.map_or_else(
            || Server::start(&self.machine, granted, &self.interpreter, &self.prelude),
            Ok,
        )
        .map(Some)
    }

    fn give_back(&self, server: Server) {
        locked(&self.idle).push(server);
    }
}

/// What is behind the lock; a panic elsewhere leaves it whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
