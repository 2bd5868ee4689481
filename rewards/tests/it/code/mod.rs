//! Grading of programs, in the sandbox.

mod formats;
mod golden;
mod grading;
mod suites;
mod tools;
