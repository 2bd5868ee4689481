//! Graders: (problem, completion) to a [`Grade`]. One function grades training and evaluation
//! alike. Leaves out where completions come from and what is made of many grades.

pub mod code;
pub mod countdown;
mod grade;

pub use grade::{Failure, Grade};
