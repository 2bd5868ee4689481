//! The sandbox from outside: honest programs, attacks, and that nothing is left of either.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod honest;
mod support;
