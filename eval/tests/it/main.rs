//! The crate from outside, one module a subject.

mod folder;
mod report;
