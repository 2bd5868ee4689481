//! Grading Countdown: is this expression the target, using every number exactly once? The strict
//! rule ([`verify`]) parses the expression in exact rational arithmetic with bounds on its length,
//! nesting and size; [`tinyzero`] gives the verdicts of TinyZero's scorer. Neither runs anything.

mod expression;
mod graded;
mod python;
pub mod tinyzero;
mod verdict;

pub use expression::{Fraction, Parsed, parse};
pub use graded::{CountdownSettings, grade};
pub use verdict::{Verdict, extract_answer, verify};
