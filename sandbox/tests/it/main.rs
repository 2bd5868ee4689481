//! The sandbox from outside: honest programs, attacks, and that nothing is left of either.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "in tests a panic is the report")]

mod busy;
mod calls;
mod ends;
mod files;
mod flat;
mod honest;
mod machines;
mod off;
mod processes;
mod resources;
mod state;
mod support;
