//! Grading Countdown: is this expression the target, using every number exactly once? `strict`
//! parses the expression, never evaluates it as code, in exact rational arithmetic with bounds on
//! its length, nesting and size. Leaves out shaping (points for format alone).

mod expression;
mod graded;
mod verdict;

pub use expression::{Fraction, Parsed, parse};
pub use graded::{CountdownSettings, grade};
pub use verdict::{Verdict, extract_answer, verify};
