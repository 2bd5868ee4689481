//! What a run tells whoever started it. Printing is the caller's business.

use std::path::Path;

use serde_json::{Map, Value};

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A sentence for the user.
    Notice(&'a str),
    /// One example with its loss mask, as text of several lines.
    Preview(&'a str),
    /// A step was finished.
    Progress(Progress),
    /// Metrics were logged.
    Logged(&'a Map<String, Value>),
    /// A folder was written whole.
    Saved(&'a Path),
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps finished.
    pub done: usize,
    /// Steps of the whole run.
    pub total: usize,
    /// Loss of the last step.
    pub loss: f64,
    /// Tokens trained a second since this process began to train.
    pub tokens_per_second: f64,
}

/// Receives events.
pub type Report<'a> = &'a mut dyn FnMut(Event);
